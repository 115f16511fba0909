/**
 * From DATA at one host's MX to those who wait for the letter elsewhere: a POP3 session that begins
 * when it was taken, a session in IDLE, a webmail's stream of events, each at another host.
 */
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { chance } from '../witness/chance.ts';
import type { ImapFarm } from './imap-farm.ts';
import { Idler, simpleLetter } from './imap-idler.ts';

/** Milliseconds since DATA was said, of each letter. */
export interface Latencies {
  /** The MX has answered 250. */
  readonly taken: number[];
  readonly pop3: number[];
  readonly idle: number[];
  readonly events: number[];
}

const LOOK_MS = 5;
const LIMIT_MS = 240_000;
const PAUSE_MS = 1_500;

/** Milliseconds from `began` until it holds, which is asked every few. */
async function until(began: number, what: string, holds: () => boolean): Promise<number> {
  while (!holds()) {
    if (performance.now() - began > LIMIT_MS) throw new Error(`${what}: nothing came`);
    await sleep(LOOK_MS);
  }
  return performance.now() - began;
}

/** Letters that a new session lists. */
async function listed(farm: ImapFarm, user: string): Promise<number> {
  const chat = await farm.pop3(user, 'c2');
  const { size } = await chat.listing('UIDL');
  await chat.quit();
  return size;
}

/** Counts events of a webmail's stream. */
class Events {
  count = 0;
  readonly #request: ClientRequest;

  private constructor(asked: ClientRequest) {
    this.#request = asked;
  }

  /** Resolves after the first event, which tells how things are. */
  static async open(farm: ImapFarm, user: string): Promise<Events> {
    const asked = request({
      ...farm.https('c3'),
      path: '/jmap/events?types=EmailDelivery&closeafter=no&ping=0',
      auth: `${farm.login(user)}:${farm.password}`,
      rejectUnauthorized: false,
      agent: false,
    });
    const events = new Events(asked.end());
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    if (answer.statusCode !== 200) throw new Error(`events: ${await text(answer)}`);
    asked.on('error', () => undefined); // The test has ended.
    answer.setEncoding('latin1').on('data', (chunk: string) => {
      events.count += chunk.match(/^event: state/gm)?.length ?? 0;
    });
    await until(performance.now(), 'first event', () => events.count > 0);
    return events;
  }

  close(): void {
    this.#request.destroy();
  }
}

/** One letter after another, with pauses of chance, so that none meets the looks of the last. */
export async function latencies(farm: ImapFarm, user: string, letters: number): Promise<Latencies> {
  const found: Latencies = { taken: [], pop3: [], idle: [], events: [] };
  const random = chance('latency');
  const events = await Events.open(farm, user);
  const reader = await farm.session('c2', user);
  await reader.ok('SELECT INBOX');
  const idler = await Idler.begin(reader);
  try {
    for (let n = 0; n < letters; n++) {
      await sleep(PAUSE_MS * (1 + random()));
      const [heard, told, there] = [events.count, idler.told.length, await listed(farm, user)];
      const { chat } = await SmtpChat.open(farm.mx('c1'));
      await chat.hello();
      await chat.command('MAIL FROM:<sender@world.example>');
      await chat.command(`RCPT TO:<${farm.login(user)}>`);
      const began = performance.now();
      const waits = [
        until(began, 'IDLE', () => idler.told.slice(told).some((line) => line.endsWith(' EXISTS'))),
        until(began, 'events', () => events.count > heard),
      ] as const;
      const answer = await chat.data(simpleLetter(`latency-${n}`, 5_000));
      if (answer.code !== 250) throw new Error(`${answer.code} ${answer.text}`);
      found.taken.push(performance.now() - began);
      chat.stream.destroy();
      while ((await listed(farm, user)) === there);
      found.pop3.push(performance.now() - began);
      found.idle.push(await waits[0]);
      found.events.push(await waits[1]);
    }
  } finally {
    events.close();
    await idler.end();
    await reader.logout();
  }
  return found;
}

/** The smallest that so large a part of them does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

export const latencyLines = (found: Latencies): readonly string[] => [
  `${found.taken.length} letters, ms from DATA      median      p99`,
  ...(
    [
      ['250 by the MX', found.taken],
      ['a new POP3 session lists it', found.pop3],
      ['IDLE tells it', found.idle],
      ["webmail's events tell it", found.events],
    ] as const
  ).map(([what, all]) => {
    const columns = [0.5, 0.99].map((part) => quantile(all, part).toFixed(0).padStart(8));
    return `${what.padEnd(28)} ${columns.join(' ')}`;
  }),
];
