import { expect, test } from 'vitest';
import { asRoot } from './inside.ts';
import { withReaderCutOff } from './reader-cut-off.ts';

// Of the long runs only: it waits for a lease.

test('with delegations the same waits for the lease, which is why the server hands out none', async () => {
  await asRoot('sysctl', '-q', '-w', 'fs.leases-enable=1');
  try {
    const ms = await withReaderCutOff();
    process.stdout.write(`   with delegations, a reader cut off: ${Math.round(ms)} ms\n`);
    expect(ms).toBeGreaterThan(2000);
  } finally {
    await asRoot('sysctl', '-q', '-w', 'fs.leases-enable=0');
  }
});
