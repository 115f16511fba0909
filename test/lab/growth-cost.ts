/**
 * What the same work costs a farm of one, two and three front ends: calls on the wire, questions
 * to the directory, hints. Any front end has any user, by chance. (CPU is told by `npm run bench --
 * growth`: what this kernel counts depends on who else has the machine.)
 *
 * "The same" has two meanings, and both are measured. A user of a large farm comes back when what
 * a host knew of his mailbox is too old to be believed (`cold`: all is forgotten before a round).
 * Nothing that one front end knew could have helped, and the cost must not depend on how many
 * there are. A user who comes again within the minute (`warm`: each front end has had him) costs
 * a farm of one less: nobody else has changed tmp and new since. Where another has, the host asks
 * for its rights there again: two calls a delivery, however many others there are.
 *
 * What does grow with the number: each front end beats, reads the sentinels and asks for settings
 * by itself (so many calls a minute and front end: `--long` waits for them); it asks the directory
 * itself for a user whom another has asked for already; and a delivery tells every other front
 * end of itself: datagrams, which touch no volume and have a rate (net/hints.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedRequests } from '../../src/directory/metrics.ts';
import { chance, type Chance, pick, shuffled } from '../witness/chance.ts';
import type { ImapFarm } from './imap-farm.ts';
import { simpleLetter } from './imap-idler.ts';
import { asRoot, callsDuring, type Client } from './inside.ts';

export const KINDS = ['delivery, cold', 'delivery, warm', 'poll, cold', 'poll, warm'] as const;
export type Kind = (typeof KINDS)[number];

/** Of one kind of work with so many front ends, for one operation. */
export interface Cost {
  readonly frontends: number;
  readonly kind: Kind;
  readonly calls: number;
  /** Of the round that took least, into which no beat and no probe fell. */
  readonly least: number;
  /** Of that, what beats and probes may have been, as long as it took. */
  readonly upkeep: number;
  readonly questions: number;
  readonly hints: number;
  readonly by: string;
}

export interface Work {
  readonly users: readonly string[];
  readonly rounds: number;
  /** Milliseconds in which nothing is asked for; 0: not measured. */
  readonly restMs: number;
}

const LETTER_OCTETS = 5_000;
const LANES = 3;
const FIRST_TRIES = 240;
/** Of a front end in a minute: volumes/hosts.ts, a probe of the sentinel, room. */
const UPKEEP_CALLS = 14;

/** The host's caches of names, attributes and pages. */
const forget = (): Promise<string> => asRoot('sh', '-c', 'sync; echo 3 > /proc/sys/vm/drop_caches');

type Operation = (client: Client, user: string) => Promise<void>;

async function deliver(farm: ImapFarm, client: Client, user: string): Promise<void> {
  const code = await farm.deliver(client, user, simpleLetter(`to-${user}`, LETTER_OCTETS));
  if (code !== 250) throw new Error(`${client} answered ${code} for ${user}`);
}

async function poll(farm: ImapFarm, client: Client, user: string): Promise<void> {
  const chat = await farm.pop3(user, client);
  await chat.listing('UIDL');
  await chat.quit();
}

/** Each user once, in an order and at front ends of chance. */
async function round(
  random: Chance,
  clients: readonly Client[],
  users: readonly string[],
  operation: Operation,
): Promise<void> {
  const orders = shuffled(random, users).map((user) => ({ user, client: pick(random, clients) }));
  const lane = async (): Promise<void> => {
    for (let next = orders.pop(); next !== undefined; next = orders.pop()) {
      await operation(next.client, next.user);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

const questions = (): number =>
  (['bind', 'search', 'modify', 'compare'] as const).reduce(
    (sum, operation) => sum + embeddedRequests.value(operation),
    0,
  );

async function hintsSent(farm: ImapFarm, clients: readonly Client[]): Promise<number> {
  const row = 'mailfarm_net_hints_total{event="sent"}';
  const counts = await Promise.all(clients.map((client) => farm.metric(client, row)));
  return counts.reduce((sum, count) => sum + count, 0);
}

interface Total {
  calls: number;
  readonly by: Map<string, number>;
  least: number;
  upkeep: number;
  questions: number;
  hints: number;
}

async function take(
  farm: ImapFarm,
  clients: readonly Client[],
  { users, rounds }: Work,
  kind: Kind,
): Promise<Cost> {
  const random = chance(kind);
  const operation = kind.startsWith('delivery') ? deliver : poll;
  const total: Total = {
    calls: 0,
    by: new Map(),
    least: Infinity,
    upkeep: 0,
    questions: 0,
    hints: 0,
  };
  const one = (client: Client, user: string): Promise<void> => operation(farm, client, user);
  if (kind.endsWith('warm')) {
    for (const client of clients) await round(random, [client], users, one);
  }
  for (let turn = 0; turn < rounds; turn++) {
    if (kind.endsWith('cold')) await forget();
    const before = { questions: questions(), hints: await hintsSent(farm, clients) };
    const began = performance.now();
    const { total: calls, by } = await callsDuring(clients, () =>
      round(random, clients, users, one),
    );
    if (calls < total.least) {
      const minutes = (performance.now() - began) / 60_000;
      Object.assign(total, { least: calls, upkeep: clients.length * minutes * UPKEEP_CALLS });
    }
    total.calls += calls;
    for (const [name, count] of by) total.by.set(name, (total.by.get(name) ?? 0) + count);
    total.questions += questions() - before.questions;
    total.hints += (await hintsSent(farm, clients)) - before.hints;
  }
  const operations = users.length * rounds;
  return {
    frontends: clients.length,
    kind,
    calls: total.calls / operations,
    least: total.least / users.length,
    upkeep: total.upkeep / users.length,
    questions: total.questions / operations,
    hints: total.hints / operations,
    by: [...total.by]
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name} ${(count / operations).toFixed(2)}`)
      .join(', '),
  };
}

/** A node that has just begun may not have looked at its volumes yet: 451. */
async function takesLetters(farm: ImapFarm, client: Client, user: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const code = await farm.deliver(client, user, simpleLetter('first'));
    if (code === 250) return;
    if (tries > FIRST_TRIES) throw new Error(`${client} answers ${code}`);
    await sleep(500);
  }
}

export interface Growth {
  readonly costs: readonly Cost[];
  /** Calls a minute of one front end at rest, by how many there are. */
  readonly rest: readonly number[];
}

async function atRest(clients: readonly Client[], ms: number): Promise<number> {
  const began = performance.now();
  const { total } = await callsDuring(clients, () => sleep(ms));
  return total / clients.length / ((performance.now() - began) / 60_000);
}

/** Everything with one front end, then with one more, to all of them. */
export async function growth(
  farm: ImapFarm,
  clients: readonly Client[],
  work: Work,
): Promise<Growth> {
  const found: Cost[] = [];
  const rest: number[] = [];
  for (const [at, client] of clients.entries()) {
    if (at > 0) await farm.join(client);
    const now = clients.slice(0, at + 1);
    await takesLetters(farm, client, work.users[0] ?? '');
    // Mailboxes are made by the first letter; what a node compiles at first is compiled.
    for (const operation of [deliver, poll]) {
      await round(chance('first'), [client], work.users, (to, user) => operation(farm, to, user));
    }
    for (const kind of KINDS) found.push(await take(farm, now, work, kind));
    if (work.restMs > 0) rest.push(await atRest(now, work.restMs));
  }
  return { costs: found, rest };
}

const thousand = (value: number): string => (value * 1_000).toFixed(0).padStart(9);

/** The table for people, of 1,000 operations each. */
export function growthLines({ costs, rest }: Growth): readonly string[] {
  const head =
    'per 1,000         front ends     calls    at least  directory     hints  calls of one';
  const lines = KINDS.flatMap((kind) =>
    costs
      .filter((row) => row.kind === kind)
      .map(
        ({ frontends, calls, least, questions: asked, hints, by }) =>
          `${kind.padEnd(16)}  ${String(frontends).padStart(10)} ${thousand(calls)}   ` +
          `${thousand(least)}  ${thousand(asked)} ${thousand(hints)}  ${by}`,
      ),
  );
  const resting = rest.map(
    (calls, at) => `at rest: ${calls.toFixed(1)} calls a minute and front end with ${at + 1}`,
  );
  return [head, ...lines, ...resting];
}
