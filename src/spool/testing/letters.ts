/** Letters for tests of outbound mail, and what lies on the disk. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NewEnvelope, OutboundSpools, Route } from '../outbound.ts';

export const TEXT = Buffer.from('Subject: away\n\nWhole, and once.\n');

export const mx = (domain: string): Route => ({ kind: 'mx', domain });

export const envelopeTo = (domain: string, more: Partial<NewEnvelope> = {}): NewEnvelope => ({
  route: mx(domain),
  origin: 'submission',
  owner: 'account-1',
  login: 'alice@example.test',
  sender: 'alice@example.test',
  recipients: [{ address: `bob@${domain}` }, { address: `eve@${domain}`, notify: ['failure'] }],
  smtpUtf8: false,
  sign: true,
  trace: 'trace',
  ...more,
});

/** Puts in a letter for these domains. */
export async function post(
  spools: Pick<OutboundSpools, 'open'>,
  domains: readonly string[],
  text = TEXT,
): Promise<void> {
  const draft = spools.open(text.length);
  await draft.write(0, text, true);
  await draft.seal(
    text.length,
    text.length + 3,
    domains.map((domain) => envelopeTo(domain)),
  );
  await draft.commit();
}

/** Files below a tree, without what stands before it. */
export function filesBelow(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
}
