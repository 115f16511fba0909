import { setTimeout as sleep } from 'node:timers/promises';
import { startFarm } from '../harness/farm.ts';
import { processTree } from '../harness/processes.ts';
import { Ledger } from './ledger.ts';
import { judgeMailbox, readMailboxes, type ReaderOptions } from './reader.ts';
import { sendLetters } from './sender.ts';

export interface ChaosOptions {
  readonly dir: string;
  readonly seconds: number;
  readonly seed: number;
}

/** What happened, in numbers; no violations is the only good result. */
export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  readonly kills: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly unknownEnds: number;
  readonly confirmedDeletions: number;
  readonly longestSilenceMs: number;
  readonly violations: readonly string[];
}

/** Mulberry32: a small generator, so that a seed repeats the choices (not the timing). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const USERS = ['alice@example.test', 'bob@example.test', 'admin@example.test'];

/** Kills one process below the farm's own at a time; the farm starts them again by itself. */
async function killAtRandom(
  root: number,
  random: () => number,
  running: () => boolean,
): Promise<number> {
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

/** The longest time between two acknowledgements: what users felt. */
async function watchSilence(ledger: Ledger, running: () => boolean): Promise<number> {
  let longest = 0;
  while (running()) {
    await sleep(250);
    const last = Math.max(
      0,
      ...[...ledger.letters.values()].slice(-200).map((l) => l.acknowledgedAt ?? 0),
    );
    if (last > 0) longest = Math.max(longest, performance.now() - last);
  }
  return Math.round(longest);
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const farm = await startFarm({ dir: options.dir });
  const ledger = new Ledger(USERS);
  const random = seeded(options.seed);
  const end = performance.now() + options.seconds * 1000;
  const running = (): boolean => performance.now() < end;
  const pause = (ms: number): Promise<void> => sleep(ms);
  const reader: ReaderOptions = {
    ledger,
    port: farm.ports.pop3,
    password: 'demo',
    random,
    running,
    pause,
  };
  try {
    const lanes = Array.from({ length: 6 }, (_, lane) =>
      sendLetters({ ledger, port: farm.ports.smtp, users: USERS, lane, random, running, pause }),
    );
    const readers = Array.from({ length: 3 }, () => readMailboxes(reader));
    const silence = watchSilence(ledger, running);
    const kills = await killAtRandom(farm.pid, random, running);
    await Promise.all([...lanes, ...readers]);
    await sleep(2000);
    for (const box of ledger.boxes.values()) await judgeMailbox(reader, box);
    const letters = [...ledger.letters.values()];
    return {
      seed: options.seed,
      seconds: options.seconds,
      kills,
      sent: letters.length,
      acknowledged: letters.filter((letter) => letter.acknowledgedAt !== undefined).length,
      unknownEnds: letters.reduce((sum, letter) => sum + letter.unknown, 0),
      confirmedDeletions: [...ledger.boxes.values()].reduce((s, box) => s + box.deleted.size, 0),
      longestSilenceMs: await silence,
      violations: ledger.violations,
    };
  } finally {
    await farm.stop();
  }
}
