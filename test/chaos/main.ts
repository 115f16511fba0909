/**
 * kill -9 of random processes of the farm under load: `npm run chaos -- --seconds 300 --seed 7`.
 * Sends, reads and deletes all the while; afterwards proves the ledger's three invariants.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
  },
});

const dir = await mkdtemp(join(tmpdir(), 'mailfarm-chaos-'));
try {
  const report = await runChaos({
    dir,
    seconds: Number(values.seconds),
    seed: Number(values.seed),
  });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.violations.length > 0 ? 1 : 0;
} finally {
  await rm(dir, { recursive: true, force: true });
}
