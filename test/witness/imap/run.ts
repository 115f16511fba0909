/** Several clients at random commands on one folder, and the judge after them. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nameFlags } from '#maildir';
import type { Connection } from '../../harness/chat.ts';
import { RandomClient } from './client.ts';
import { Judge, type JudgeOptions } from './judge.ts';
import type { Filed, Sessions, Violation } from './records.ts';

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
  try {
    for (let n = 0; n < run.clients; n++) {
      const to = run.to[n % run.to.length];
      if (to === undefined) throw new Error('no front end');
      const { user, password, folder, aside, seed } = run;
      const name = `c${n}`;
      clients.push(await RandomClient.open({ name, to, user, password, folder, aside, seed }));
    }
    await Promise.all(
      clients.map(async (client) => {
        await client.select();
        for (let step = 0; step < run.steps; step++) await client.step();
      }),
    );
    for (const client of clients) await client.last();
  } finally {
    for (const client of clients) client.close();
  }
  const exchanges = clients
    .flatMap((client) => client.exchanges)
    .toSorted((a, b) => a.answer.sentAt - b.answer.sentAt);
  const files = run.maildir === undefined ? undefined : filesOf(run.maildir);
  return { exchanges, files };
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
