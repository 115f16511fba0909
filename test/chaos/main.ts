/**
 * kill -9 of random processes of the farm under load: `npm run chaos -- --seconds 300 --seed 7`.
 * The witness sends, reads and deletes all the while; afterwards it proves that nothing was lost.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reportText } from '../witness/report.ts';
import { runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
  },
});

const dir = await mkdtemp(join(tmpdir(), 'mailfarm-chaos-'));
const { kills, witness } = await runChaos({
  dir,
  seconds: Number(values.seconds),
  seed: Number(values.seed),
});
process.stdout.write(
  `seed ${values.seed}, ${values.seconds} s, kills ${kills}\n${reportText(witness)}`,
);
if (witness.ok) await rm(dir, { recursive: true, force: true });
else {
  process.exitCode = 1;
  process.stdout.write(`kept for you: ${dir}\n`);
}
