import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { has } from '../harness/needs.ts';

/** A directory for all tests of a file that share one farm on slapd. */
export function lasting(): {
  readonly dir: string;
  /** slapd cannot run here; in CI the tests say so and fail. */
  readonly missing: boolean;
  remove(): void;
} {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-farm-')));
  chmodSync(dir, 0o711);
  return {
    dir,
    missing: !has('root') || !has('slapd'),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
