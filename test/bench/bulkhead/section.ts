/**
 * Calls on volumes by libuv's pool, by threads of each volume, by a process of each volume: speed
 * on a local disk and memory (decision 14; isolation and restarts are the laboratory's matter).
 */
import { join } from 'node:path';
import { residentBytes } from '../../harness/processes.ts';
import type { BenchContext } from '../context.ts';
import { Host } from './hosts.ts';
import { type Candidate, CANDIDATES, compareSpeed } from './speed.ts';

const ROUNDS = 4;

/** What each costs while nothing happens, with one volume and with three more. */
async function memory(candidate: Candidate): Promise<string> {
  const sizes: number[] = [];
  for (const volumes of [1, 4]) {
    const host = await Host.start(
      {
        variant: candidate.variant,
        slots: candidate.slots,
        volumes,
        deadlineMs: 60_000,
        directorySync: 'always',
      },
      candidate.threads,
    );
    await host.ask('others', { turns: 2 }); // The pool's threads exist from the first call on.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    sizes.push(residentBytes([host.pid]) / 1e6);
    await host.stop();
  }
  const [one = 0, four = 0] = sizes;
  return `${one.toFixed(0)} MB with one volume, ${((four - one) / 3).toFixed(1)} MB each further`;
}

export async function benchBulkhead({ dir, scale }: BenchContext): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`calls on volumes, letters of 5 KiB, the best of ${ROUNDS} interleaved rounds`);
  const request = { dir: join(dir, 'bulkhead'), scale, rounds: ROUNDS, candidates: CANDIDATES };
  for (const line of await compareSpeed({ ...request, directorySync: 'always' })) say(line);
  for (const candidate of CANDIDATES) {
    say(`memory idle             ${candidate.name.padEnd(13)} ${await memory(candidate)}`);
  }
  say('');
}
