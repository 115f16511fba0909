/** A lane that sends letter after letter, as mail hosts do: what was not acknowledged waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import { chance, pick, shuffled, type Chance } from './chance.ts';
import type { Desk } from './desk.ts';
import { dotted, makeLetter } from './letter.ts';
import type { Measure } from './measure.ts';
import { now, type Settings, type User } from './options.ts';
import { attempt, type Told } from './smtp.ts';

export interface SenderParts {
  readonly desk: Desk;
  readonly settings: Settings;
  readonly measure: Measure;
  /** In letters' numbers; no two lanes of a start have the same. */
  readonly lane: string;
  readonly group: string;
  /** Whom this lane writes to. */
  readonly users: readonly User[];
  /** At least so many groups among the recipients of a letter. */
  readonly groups: 1 | 2;
  /** The farm may park now. */
  readonly parking: () => boolean;
  readonly running: () => boolean;
  /** Retries go on until then. */
  readonly draining: () => boolean;
  readonly stopped: AbortSignal;
}

interface Waiting {
  readonly id: string;
  readonly to: readonly User[];
  readonly attempts: number;
  readonly dueAt: number;
}

const REST_MS = 100;

export class Sender {
  readonly #parts: SenderParts;
  readonly #random: Chance;
  readonly #waiting: Waiting[] = [];
  #number = 0;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    const { settings, desk, lane } = parts;
    this.#random = chance(`${settings.seed} sender ${desk.book.starts} ${lane}`);
  }

  /** Letters that wait for another attempt. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async run(): Promise<void> {
    const { settings, running, draining } = this.#parts;
    while (running()) {
      const due = this.#due();
      if (due) await this.#send(due);
      else if (this.#waiting.length < settings.waitingMax) await this.#sendNew();
      else await this.#rest(REST_MS);
      if (settings.sendPauseMs > 0) await this.#rest(settings.sendPauseMs);
    }
    while (draining() && this.#waiting.length > 0) {
      const due = this.#due();
      if (due) await this.#send(due);
      else await this.#rest(REST_MS);
    }
  }

  #rest(ms: number): Promise<unknown> {
    const { stopped } = this.#parts;
    return sleep(ms, undefined, { signal: stopped }).catch(() => sleep(stopped.aborted ? 5 : 0));
  }

  #due(): Waiting | undefined {
    const at = now();
    const found = this.#waiting.findIndex(({ dueAt }) => dueAt <= at);
    return found < 0 ? undefined : this.#waiting.splice(found, 1)[0];
  }

  #sendNew(): Promise<void> {
    const { desk, lane, settings } = this.#parts;
    const { series, starts } = desk.book;
    const to = this.#recipients();
    const letter = makeLetter(settings, `${series}.${starts}.${lane}.${this.#number++}`);
    desk.put({
      kind: 'letter',
      id: letter.id,
      to: to.map(({ login }) => login),
      octets: letter.payload.length,
      hash: letter.hash,
      body: letter.body,
    });
    return this.#send({ id: letter.id, to, attempts: 0, dueAt: 0 }, letter.payload);
  }

  #recipients(): readonly User[] {
    const { users, groups, settings } = this.#parts;
    const mixed = shuffled(this.#random, users);
    const several = groups > 1 || this.#random() < settings.several;
    const count = several ? 2 + Math.floor(this.#random() * 4) : 1;
    const to = mixed.slice(0, count);
    if (groups > 1 && new Set(to.map(({ group }) => group)).size < 2) {
      to.push(...mixed.filter(({ group }) => group !== to[0]?.group).slice(0, 1));
    }
    return to;
  }

  async #send(letter: Waiting, text?: Buffer): Promise<void> {
    const { measure, group, settings, desk } = this.#parts;
    const done = measure.begin(group, 'send');
    const payload = text ?? makeLetter(settings, letter.id).payload;
    const told = await this.#anywhere(letter, dotted(payload));
    const ends = [...told.values()];
    const good = ends.every(({ end }) => end === 'acked');
    if (good) done('success', Math.max(...ends.map(({ at }) => at)));
    else if (ends.some(({ end }) => end === 'temporary')) done('temporary');
    else done('failed');
    const left = letter.to.filter(({ login }) => told.get(login)?.end !== 'acked');
    const again = left.filter(({ login }) => told.get(login)?.end !== 'permanent');
    if (again.length === 0) return;
    const begun = again.some(({ login }) => (desk.book.copy(letter.id, login)?.tries ?? 0) > 0);
    if (begun && this.#random() >= settings.retry) return; // Never again: it may be there or not.
    const pause = settings.retryMs * (0.5 + this.#random()) * Math.min(8, 1 + letter.attempts);
    const attempts = letter.attempts + 1;
    this.#waiting.push({ id: letter.id, to: again, attempts, dueAt: now() + pause });
  }

  /** Front ends in turn until one answers. */
  async #anywhere(letter: Waiting, content: Buffer): Promise<Map<string, Told>> {
    const { settings } = this.#parts;
    let told = new Map<string, Told>();
    for (const frontEnd of shuffled(this.#random, settings.smtp)) {
      told = await this.#at(frontEnd, letter, content);
      if ([...told.values()].some(({ end }) => end !== 'unreached')) break;
    }
    return told;
  }

  async #at(frontEnd: string, letter: Waiting, content: Buffer): Promise<Map<string, Told>> {
    const { desk, settings } = this.#parts;
    const number = ++attempts;
    const cuts = this.#parts.running() && this.#random() < settings.cut;
    const told = await attempt({
      ...settings,
      frontEnd,
      to: letter.to,
      content,
      cut: cuts ? pick(this.#random, ['data', 'dot'] as const) : undefined,
      beforeDot: async (to) => {
        const logins = to.map(({ login }) => login);
        desk.put({ kind: 'try', id: letter.id, n: number, at: now(), frontEnd, to: logins });
        await desk.ledger.durable();
      },
    });
    for (const [login, one] of told) this.#write(letter.id, number, frontEnd, login, one);
    return told;
  }

  #write(id: string, n: number, frontEnd: string, login: string, told: Told): void {
    const { desk, parking } = this.#parts;
    const { end, dot, reply, at } = told;
    if (end === 'permanent') {
      const text = `"${reply}", though the recipient is a good one: expected 250 or 4xx`;
      desk.violate('wrong-5xx', text, { mailbox: login, letter: id, frontEnd });
    }
    if (!dot || end === 'unreached') return;
    const parked = parking() ? { parking: true as const } : {};
    desk.put({ kind: 'end', id, n, at, end, to: [login], reply, ...parked });
  }
}

/** Numbers attempts, all lanes together. */
let attempts = 0;
