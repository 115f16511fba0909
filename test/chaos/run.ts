/** A farm, something that kills its processes, and the witness that watches. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEMO_PASSWORD, DEMO_USERS, startFarm } from '../harness/farm.ts';
import { processTree } from '../harness/processes.ts';
import { chance, type Chance } from '../witness/chance.ts';
import type { Report } from '../witness/report.ts';
import { Witness } from '../witness/witness.ts';

export interface ChaosOptions {
  /** Made when missing; holds the farm's data and the witness's ledger. */
  readonly dir: string;
  readonly seconds: number;
  readonly seed: number;
}

/** What happened; `witness.ok` is the only good result. */
export interface ChaosReport {
  readonly kills: number;
  readonly witness: Report;
}

/** Others may be busy on this machine. */
const READY_MS = 120_000;

/** Kills one process below the farm's own at a time; the farm starts them again by itself. */
async function killAtRandom(root: number, random: Chance, running: () => boolean): Promise<number> {
  let kills = 0;
  while (running()) {
    await sleep(300 + random() * 1700);
    const victims = processTree([root]).filter((pid) => pid !== root);
    const victim = victims[Math.floor(random() * victims.length)];
    if (victim === undefined || !running()) continue;
    try {
      process.kill(victim, 'SIGKILL');
      kills++;
    } catch {
      // It had ended by itself in the meantime.
    }
  }
  return kills;
}

export async function runChaos({ dir, seconds, seed }: ChaosOptions): Promise<ChaosReport> {
  const farm = await startFarm({ dir: join(dir, 'farm'), readyMs: READY_MS });
  try {
    const witness = await Witness.start({
      ledger: join(dir, 'ledger'),
      smtp: [`127.0.0.1:${farm.ports.smtp}`],
      pop3: [`127.0.0.1:${farm.ports.pop3}`],
      users: DEMO_USERS.map((login) => ({ login, password: DEMO_PASSWORD })),
      seed,
      senders: 6,
      readers: 3,
      readPauseMs: 100,
      retryMs: 300,
    });
    const end = performance.now() + seconds * 1000;
    const kills = await killAtRandom(farm.pid, chance(seed), () => performance.now() < end);
    return { kills, witness: await witness.finish() };
  } finally {
    await farm.stop();
  }
}
