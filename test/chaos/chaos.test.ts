import { expect, test } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { reportText } from '../witness/report.ts';
import { runChaos } from './run.ts';

const seconds = Number(process.env['MAILFARM_CHAOS_SECONDS'] ?? 20);
const seed = Number(process.env['MAILFARM_SEED'] ?? 1);

test(
  `[S2-08] [S0-02] kill -9 under load for ${seconds} s loses and doubles nothing (seed ${seed})`,
  { timeout: (seconds + 300) * 1000 },
  async (ctx) => {
    const { kills, witness } = await runChaos({ dir: testDirectory(ctx), seconds, seed });
    expect(witness.ok, reportText(witness)).toBe(true);
    expect(kills).toBeGreaterThan(3);
  },
);
