import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { callsOf, CLIENTS } from './inside.ts';

// After all others: what was never sent while they ran.

test('[S2-03] [S2-28] no host asked the server for a lock, and no lock daemon runs', () => {
  for (const client of CLIENTS) {
    for (const volume of ['mail1', 'mail2'] as const) {
      const calls = callsOf(client, volume);
      const locks = ['LOCK', 'LOCKT', 'LOCKU'].map((name) => [name, calls.get(name)]);
      expect(locks).toEqual([
        ['LOCK', 0],
        ['LOCKT', 0],
        ['LOCKU', 0],
      ]);
    }
    expect(callsOf(client).get('OPEN')).toBeGreaterThan(0);
  }
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
