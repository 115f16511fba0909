import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { callsOf, CLIENTS, foreignLocks, locksOf } from './inside.ts';
import { deliver, engineOf, SharedMaildir } from './mailboxes.ts';

// After all others, whichever ran: what was never sent meanwhile.

test('[S2-03] [S2-28] no host asked the server for a lock, and no lock daemon runs', async () => {
  const box = new SharedMaildir();
  await box.create('c1');
  for (const client of CLIENTS) {
    // That calls are counted at all is seen by one of our own.
    const opened = callsOf(client).get('OPEN') ?? 0;
    await deliver(engineOf(client), box.on(client), 'Subject: last\n\nx\n');
    expect(callsOf(client).get('OPEN')).toBeGreaterThan(opened);
    expect(locksOf(client, 'mail2')).toBe(0);
  }
  const locks = CLIENTS.reduce((sum, client) => sum + locksOf(client, 'mail1'), 0);
  expect(locks).toBe(foreignLocks());
  const names = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      } catch {
        return '';
      }
    });
  expect(names).toContain('nfsd');
  expect(names.filter((name) => /^(lockd|rpc\.statd)$/.test(name))).toEqual([]);
});
