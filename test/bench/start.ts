import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { startFarm } from '../harness/farm.ts';
import type { BenchContext } from './context.ts';
import { compare, printRows } from './report.ts';

const LAUNCHER = join(import.meta.dirname, '../../src/cli/mailfarm');

/** Until the line that says so, from the start of the process. @returns seconds. */
async function untilReady(child: ReturnType<typeof spawn>, line: string): Promise<number> {
  const started = performance.now();
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes(line)) break;
  }
  return (performance.now() - started) / 1000;
}

const run = (words: readonly string[]): ReturnType<typeof spawn> =>
  spawn(LAUNCHER, words, { stdio: ['ignore', 'pipe', 'inherit'] });

async function end(child: ReturnType<typeof spawn>): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

/** From the start of `mailfarm serve` to its line that it serves; the median of five. */
export async function benchStart(context: BenchContext): Promise<void> {
  // The demo writes the files of a farm; then its two processes are started by themselves.
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  await farm.stop();
  const data = join(farm.dir, 'directory');
  const listen = `127.0.0.1:${farm.ports.ldap}`;
  const directory = run(['directory', 'serve', '--data', data, '--listen', listen]);
  const seconds: number[] = [];
  try {
    await untilReady(directory, 'is ready');
    for (let i = 0; i < 6; i++) {
      const node = run(['serve', '--config', join(farm.dir, 'node.yaml')]);
      const took = await untilReady(node, 'mailfarm is ready');
      if (i > 0) seconds.push(took); // The first one fills the compile cache.
      await end(node);
    }
  } finally {
    await end(directory);
  }
  const median = seconds.toSorted((a, b) => a - b)[2] ?? 0;
  printRows('start', [
    compare({ what: 'mailfarm serve until ready', ours: median, peer: 1, unit: 's', aim: '< 1' }),
  ]);
}
