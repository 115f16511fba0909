import type { Farm } from '../harness/farm.ts';
import { cpuSeconds } from '../harness/processes.ts';

export interface BenchContext {
  /** A directory of this section's own, on a real disk. */
  readonly dir: string;
  /** 1 for the whole, less for a quick look. */
  readonly scale: number;
}

export interface Measured {
  readonly cpu: number;
  readonly seconds: number;
}

/** CPU of the processes below `pid` while `work` runs, and the wall seconds that `work` reports. */
export async function measure(pid: number, work: () => Promise<number>): Promise<Measured> {
  const before = cpuSeconds([pid]);
  const seconds = await work();
  // The last operations' bookkeeping belongs to them.
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { cpu: cpuSeconds([pid]) - before, seconds };
}

export const benchUsers = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `bench${i}@example.test`);

/** Adds users through the command line, as an administrator would. */
export async function addUsers(farm: Farm, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const added = await farm.command(['user', 'add', user, '--password-stdin'], 'demo');
    if (added.code !== 0) throw new Error(`user add ${user}: ${added.stderr}`);
  }
}
