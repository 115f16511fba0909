import { existsSync } from 'node:fs';
import type { TestContext } from 'vitest';
import { peersReady } from './peers-root.ts';

const IN_PEERS = ['postfix', 'exim', 'dovecot', 'courier', 'slapd'] as const;
export type Peer = (typeof IN_PEERS)[number];

/** Everything a test may need that is not ours: a peer's name or a client's program. */
export type Need = Peer | 'root' | `/${string}`;

/** Is it here? Programs are named by path, so that no shim of the user's PATH is taken. */
export function has(need: Need): boolean {
  if (need === 'root') return process.getuid?.() === 0;
  if (need.startsWith('/')) return existsSync(need);
  return peersReady();
}

/**
 * Skips the test when something is missing and says what; fails it in CI, where nothing may be
 * missing. `node test/harness/install.ts` installs all of it.
 */
export function needs(ctx: TestContext, ...wanted: readonly Need[]): void {
  const missing = wanted.filter((need) => !has(need));
  if (missing.length === 0) return;
  const why = `missing here: ${missing.join(', ')} (node test/harness/install.ts)`;
  if (process.env['CI'] !== undefined) throw new Error(why);
  ctx.skip(why);
}
