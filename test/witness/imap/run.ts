/** Several clients at random commands on one folder, and the judge after them. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nameFlags } from '#maildir';
import type { Connection } from '../../harness/chat.ts';
import { RandomClient } from './client.ts';
import { Judge, type JudgeOptions } from './judge.ts';
import type { Filed, Other, Sessions, Violation } from './records.ts';

export interface RandomRun {
  /** Front ends; clients are spread over them. */
  readonly to: readonly Connection[];
  readonly user: string;
  readonly password: string;
  /** Both exist. */
  readonly folder: string;
  readonly aside: string;
  readonly clients: number;
  /** Of each client. */
  readonly steps: number;
  readonly seed: number;
  /** Each goes on for so long, however many steps that are. */
  readonly ms?: number;
  /** Works in the same folder until `stopped` says so. @returns what it did */
  readonly others?: (stopped: () => boolean) => Promise<readonly Other[]>;
  /** After all have stopped: waited for until clients see so many messages as there are files. */
  readonly settleMs?: number;
  /** Where the folder's files lie, when somebody can look. */
  readonly maildir?: string;
}

const LETTERS: Readonly<Record<string, string>> = {
  D: '\\Draft',
  F: '\\Flagged',
  R: '\\Answered',
  S: '\\Seen',
  T: '\\Deleted',
};

function filesOf(maildir: string): Filed[] {
  return ['new', 'cur'].flatMap((sub) => {
    const directory = join(maildir, sub);
    const names = existsSync(directory) ? readdirSync(directory) : [];
    return names.map((name) => {
      const text = readFileSync(join(directory, name), 'latin1');
      const letters = nameFlags(name)
        .split('')
        .flatMap((letter) => LETTERS[letter] ?? []);
      return { serial: /^X-Serial: (\S+)/m.exec(text)?.[1] ?? '?', flags: letters.toSorted() };
    });
  });
}

/** Works, stops, looks once more with all of them. @returns what `judge` needs */
export async function randomSessions(run: RandomRun): Promise<Sessions> {
  const clients: RandomClient[] = [];
  let others: readonly Other[] = [];
  try {
    for (let n = 0; n < run.clients; n++) {
      const to = run.to[n % run.to.length];
      if (to === undefined) throw new Error('no front end');
      const { user, password, folder, aside, seed } = run;
      const name = `c${n}`;
      clients.push(await RandomClient.open({ name, to, user, password, folder, aside, seed }));
    }
    for (const client of clients) await client.select();
    others = await work(run, clients);
    await settle(run, clients);
    for (const client of clients) await client.last();
  } finally {
    for (const client of clients) client.close();
  }
  const exchanges = clients
    .flatMap((client) => client.exchanges)
    .toSorted((a, b) => a.answer.sentAt - b.answer.sentAt);
  const files = run.maildir === undefined ? undefined : filesOf(run.maildir);
  return { exchanges, files, others };
}

/** All at once; the others end when no client works any more. */
async function work(run: RandomRun, clients: readonly RandomClient[]): Promise<readonly Other[]> {
  const until = Date.now() + (run.ms ?? 0);
  let working = clients.length;
  const others = run.others?.(() => working === 0) ?? Promise.resolve([]);
  const steps = clients.map(async (client) => {
    try {
      for (let step = 0; step < run.steps || Date.now() < until; step++) await client.step();
    } finally {
      working -= 1;
    }
  });
  const [done] = await Promise.all([others, ...steps]);
  return done;
}

/** What others took away is told when it is proved, and that takes its time. */
async function settle(run: RandomRun, clients: readonly RandomClient[]): Promise<void> {
  const { maildir, settleMs } = run;
  if (maildir === undefined || settleMs === undefined) return;
  const until = Date.now() + settleMs;
  const isSettled = (): boolean => {
    const count = filesOf(maildir).length;
    return clients.every((client) => client.count === count);
  };
  do {
    for (const client of clients) await client.noop();
    await sleep(500);
  } while (!isSettled() && Date.now() < until);
}

/** What was wrong, in the order in which it is found. */
export const judge = (sessions: Sessions, options: JudgeOptions): readonly Violation[] =>
  new Judge(options).judge(sessions);

/** For people: the first of each kind, with how many there are. */
export function violationText(violations: readonly Violation[]): string {
  const kinds = Map.groupBy(violations, ({ kind }) => kind);
  return [...kinds]
    .map(([kind, all]) => {
      const [first] = all;
      const when = first === undefined ? '' : new Date(first.at).toISOString().slice(11, 23);
      return `${all.length} × ${kind}: ${first?.client} at ${when}: ${first?.text}`;
    })
    .join('\n');
}
