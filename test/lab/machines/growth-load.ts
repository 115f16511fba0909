/**
 * Sessions of users one after another, each beginning at the front ends in turn, as clients with a
 * list of addresses do; and how each ended. Unlike the witness it knows a connection that was not
 * taken, or told to come back before any work, from a session that broke.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { PASSWORD, PORTS } from './farm.ts';
import { type Frontend, HOSTS } from './inside.ts';

/** No connection: refused, or closed before the greeting. Clients go elsewhere. */
export class NotTaken extends Error {}
/** Told to come back before any work (421, [SYS/TEMP]). Clients go elsewhere. */
class TurnedAway extends Error {}

const NOT_TAKEN = /ECONNREFUSED|ECONNRESET|EHOSTUNREACH|closed instead of a reply/;
const PAUSE_MS = 100;

export const smtpAt = (host: Frontend): { readonly host: string; readonly port: number } => ({
  host: HOSTS[host].address,
  port: PORTS.mx,
});
export const pop3At = (host: Frontend): { readonly host: string; readonly port: number } => ({
  host: HOSTS[host].address,
  port: PORTS.pop3,
});

/** Up to the greeting. @throws NotTaken; Error */
export async function opened<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const text = String((error as Error).message);
    if (NOT_TAKEN.test(text)) throw new NotTaken(text);
    throw error;
  }
}

const letterOf = (subject: string): Buffer => Buffer.from(`Subject: ${subject}\r\n\r\nx\r\n`);

/** A letter. @throws NotTaken; TurnedAway; Error that says how the session failed */
async function sendOnce(host: Frontend, user: string, subject: string): Promise<void> {
  const { chat, greeting } = await opened(() => SmtpChat.open(smtpAt(host)));
  try {
    const early = [greeting, await (greeting.code === 220 ? chat.hello() : greeting)];
    const [from, to] = [`MAIL FROM:<load@world.example>`, `RCPT TO:<${user}>`];
    if (early.every(({ code }) => code < 300)) early.push(await chat.command(from));
    const refusal = early.find(({ code }) => code >= 300);
    if (refusal?.code === 421) throw new TurnedAway(refusal.text);
    if (refusal !== undefined) throw new Error(`${refusal.code} ${refusal.text}`);
    const told = await chat.command(to);
    // A node that ends says so between two commands; nothing was taken yet.
    if (told.code === 421) throw new TurnedAway(told.text);
    const { code, text } = told.code === 250 ? await chat.data(letterOf(subject)) : told;
    // The same between RCPT and DATA: no octet of the letter was sent yet.
    if (code === 421) throw new TurnedAway(text);
    if (code !== 250) throw new Error(`${code} ${text}`);
  } finally {
    chat.stream.destroy();
  }
}

/** All of a mailbox, and the end that confirms it. @throws as `sendOnce` */
async function readOnce(host: Frontend, user: string): Promise<void> {
  const { chat, greeting } = await opened(() => Pop3Chat.open(pop3At(host)));
  try {
    const early = [greeting];
    for (const line of [`USER ${user}`, `PASS ${PASSWORD}`]) {
      if (early.at(-1)?.ok === true) early.push(await chat.command(line));
    }
    const refusal = early.find(({ ok }) => !ok);
    if (refusal?.code === 'SYS/TEMP') throw new TurnedAway(refusal.text);
    if (refusal !== undefined) throw new Error(`-ERR ${refusal.code} ${refusal.text}`);
    for (const number of (await chat.listing('UIDL')).keys()) {
      if (number <= 3) await chat.retrieve(number);
    }
    await chat.expect('QUIT');
  } finally {
    chat.stream.destroy();
  }
}

export class Load {
  /** Where clients may go; may change while they work. */
  readonly places: Frontend[];
  /** Letters that were acknowledged, and to whom. */
  readonly accepted: { readonly user: string; readonly subject: string }[] = [];
  readonly failures: string[] = [];
  notTaken = 0;
  turnedAway = 0;
  readonly #done = new Map<string, number>();
  readonly #lanes: Promise<void>[];
  #stopped = false;
  #turn = 0;

  constructor(places: readonly Frontend[], users: readonly string[]) {
    this.places = [...places];
    this.#lanes = users.flatMap((user, i) => [
      this.#lane('send', (host, n) => this.#send(host, user, `load-${i}-${n}`)),
      this.#lane('read', (host) => readOnce(host, user)),
    ]);
  }

  /** Sessions that went well through a front end. */
  doneAt(host: Frontend): number {
    return ['send', 'read'].reduce(
      (sum, work) => sum + (this.#done.get(`${work} ${host}`) ?? 0),
      0,
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  words(): string {
    const done = [...this.#done].map(([what, count]) => `${what} ${count}`).join(', ');
    const elsewhere = `${this.notTaken} not taken, ${this.turnedAway} turned away, gone elsewhere`;
    const failed = this.failures.slice(0, 5).join('; ');
    return `${done}; ${elsewhere}; failed sessions: ${this.failures.length} ${failed}`.trim();
  }

  async #send(host: Frontend, user: string, subject: string): Promise<void> {
    await sendOnce(host, user, subject);
    this.accepted.push({ user, subject });
  }

  async #lane(
    work: 'send' | 'read',
    session: (host: Frontend, n: number) => Promise<void>,
  ): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      await this.#anywhere(work, (host) => session(host, n));
      await sleep(PAUSE_MS);
    }
  }

  /** At the first of the front ends, in turn, that takes it. */
  async #anywhere(work: string, session: (host: Frontend) => Promise<void>): Promise<void> {
    const first = this.#turn++;
    const { places } = this;
    const order = places.map((_, i) => places[(first + i) % places.length] ?? 'fe1');
    for (const host of order) {
      try {
        await session(host);
        this.#done.set(`${work} ${host}`, (this.#done.get(`${work} ${host}`) ?? 0) + 1);
        return;
      } catch (error) {
        if (error instanceof NotTaken) this.notTaken++;
        else if (error instanceof TurnedAway) this.turnedAway++;
        else return void this.failures.push(`${work} at ${host}: ${String(error)}`);
      }
    }
    this.failures.push(`${work}: nobody took it`);
  }
}

/** No session of the load failed, and there were enough of them to mean it. */
export function expectNoFailure(load: Load): void {
  expect(load.failures.slice(0, 10).join('\n')).toBe('');
  expect(load.accepted.length).toBeGreaterThan(10);
}
