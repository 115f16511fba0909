import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { startFarm } from '../harness/farm.ts';
import type { BenchContext } from './context.ts';
import { compare, printRows } from './report.ts';

const LAUNCHER = join(import.meta.dirname, '../../src/cli/mailfarm');

/** From the start of `mailfarm serve` to its line that it serves, five times, the median. */
export async function benchStart(context: BenchContext): Promise<void> {
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  const seconds: number[] = [];
  try {
    const file = join(farm.dir, 'bench-node.yaml');
    const added = await farm.command(['demo', 'node-file', '--name', 'bench', '--file', file]);
    if (added.code !== 0) throw new Error(added.stderr);
    for (let i = 0; i < 6; i++) {
      const started = performance.now();
      const child = spawn(LAUNCHER, ['serve', '--config', file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      for await (const chunk of child.stdout) {
        text += String(chunk);
        if (text.includes('mailfarm is ready')) break;
      }
      if (i > 0) seconds.push((performance.now() - started) / 1000);
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    }
  } finally {
    await farm.stop();
  }
  const median = seconds.toSorted((a, b) => a - b)[2] ?? 0;
  printRows('start', [
    compare({ what: 'mailfarm serve until ready', ours: median, peer: 1, unit: 's', aim: '< 1' }),
  ]);
}
