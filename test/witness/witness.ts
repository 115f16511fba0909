/**
 * The witness as a library: sends and reads until it is told to end, then proves.
 *
 *     const witness = await Witness.start({ ledger, smtp, pop3, users });
 *     witness.phase('hung'); …; witness.phase('after');
 *     const report = await witness.finish();
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Book } from './book.ts';
import { Desk } from './desk.ts';
import { verifyMailboxes } from './final.ts';
import { Judge } from './judge.ts';
import { Measure } from './measure.ts';
import { groupsOf, now, settle, type Settings, type WitnessOptions } from './options.ts';
import { Lost, Pop3, Unavailable } from './pop3.ts';
import { noCounts, Reader, type ReaderCounts } from './reader.ts';
import { makeReport, type Counts, type Report } from './report.ts';
import { Sender } from './sender.ts';

/** How long the farm may take before the first letter. */
const READY_MS = 180_000;
const READY_PAUSE_MS = 250;

export interface PhaseOptions {
  /**
   * The farm may park what it acknowledges in this phase: to be said of the phase after the return
   * of a volume too, until it was noticed.
   */
  readonly parking?: boolean;
}

/** What may be changed for the verification. */
export type FinishOptions = Partial<
  Pick<WitnessOptions, 'pop3' | 'landMs' | 'drainMs' | 'maildirs'>
>;

interface Parts {
  readonly desk: Desk;
  readonly settings: Settings;
  readonly measure: Measure;
  readonly judge: Judge;
  readonly counts: ReaderCounts;
}

export class Witness {
  readonly #parts: Parts;
  readonly #stopped = new AbortController();
  readonly #senders: Sender[] = [];
  readonly #sending: Promise<void>[] = [];
  readonly #reading: Promise<void>[] = [];
  #parking: boolean;
  #readersRun = true;
  #drainUntil = 0;
  /** A lane that failed by a fault of the witness: told at the end, and nothing is proven. */
  #fault: Error | undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#parking = parts.settings.parking;
  }

  /**
   * Opens the ledger, notes what lies in the mailboxes already, begins to send and to read.
   * @throws Error when the options make no sense or a mailbox cannot be read within a minute
   */
  static async start(options: WitnessOptions): Promise<Witness> {
    const { ledger: path, ...rest } = options;
    const settings = settle(rest);
    const desk = new Desk(path);
    const { book } = desk;
    everyMailboxHasItsUser(book, settings);
    desk.put({
      kind: 'begin',
      at: now(),
      series: book.series || randomBytes(4).toString('hex'),
      start: book.starts + 1,
      settings,
    });
    const judge = new Judge(desk, settings);
    const parts = { desk, settings, judge, measure: new Measure(), counts: noCounts() };
    if (book.letters.size === 0) await noteBefore(parts);
    await desk.ledger.durable();
    const witness = new Witness(parts);
    witness.#begin();
    return witness;
  }

  /** From now on figures and violations are of this phase. */
  phase(name: string, options: PhaseOptions = {}): void {
    const { desk, measure, settings } = this.#parts;
    this.#parking = options.parking ?? settings.parking;
    measure.phase(name);
    desk.put({ kind: 'phase', at: now(), name });
  }

  /** Counts and violations so far. */
  progress(): { readonly counts: Counts; readonly violations: number; readonly waiting: number } {
    const { counts, violations } = this.#report(0);
    const waiting = this.#senders.reduce((sum, sender) => sum + sender.waiting, 0);
    return { counts, violations: violations.length, waiting };
  }

  /** Ends sending and reading; what waits is tried again for `drainMs`. */
  async stop(options: Pick<FinishOptions, 'drainMs'> = {}): Promise<void> {
    if (!this.#stopped.signal.aborted) {
      this.#drainUntil = now() + (options.drainMs ?? this.#parts.settings.drainMs);
      this.#stopped.abort();
    }
    await Promise.all(this.#sending);
    this.#readersRun = false;
    await Promise.all(this.#reading);
    this.#parts.measure.end();
    await this.#parts.desk.ledger.durable();
  }

  /** Stops, verifies every mailbox through every front end, closes the ledger. */
  async finish(options: FinishOptions = {}): Promise<Report> {
    await this.stop(options);
    if (this.#fault) throw this.#fault;
    const { desk } = this.#parts;
    desk.put({ kind: 'phase', at: now(), name: 'verification' });
    const settings = { ...this.#parts.settings, ...options };
    const landedMs = await verifyMailboxes({ ...this.#parts, settings });
    await desk.ledger.close();
    return this.#report(landedMs);
  }

  #report(landedMs: number): Report {
    const { desk, judge } = this.#parts;
    return makeReport({
      ...this.#parts,
      book: desk.book,
      vanished: judge.vanished.size,
      landedMs,
    });
  }

  #begin(): void {
    const { settings } = this.#parts;
    const { users } = settings;
    const groups = groupsOf(settings);
    for (const [i, group] of groups.entries()) {
      const own = users.filter((user) => user.group === group);
      for (let n = 0; n < settings.senders; n++) {
        this.#send({ lane: `${i}s${n}`, group, users: own, groups: 1 });
      }
      for (let n = 0; n < settings.readers; n++) this.#read(`${i}r${n}`, group, own);
    }
    if (groups.length < 2) return;
    for (let n = 0; n < settings.mixedSenders; n++) {
      this.#send({ lane: `m${n}`, group: 'mixed', users, groups: 2 });
    }
  }

  #send(lane: Pick<ConstructorParameters<typeof Sender>[0], LaneKey>): void {
    const sender = new Sender({
      ...this.#parts,
      ...lane,
      parking: () => this.#parking,
      running: () => !this.#stopped.signal.aborted,
      draining: () => now() < this.#drainUntil,
      stopped: this.#stopped.signal,
    });
    this.#senders.push(sender);
    this.#sending.push(this.#guarded(sender.run()));
  }

  #read(lane: string, group: string, users: Settings['users']): void {
    const running = (): boolean => this.#readersRun;
    const reader = new Reader({ ...this.#parts, lane, group, users, running }, this.#parts.counts);
    this.#reading.push(this.#guarded(reader.run()));
  }

  async #guarded(lane: Promise<void>): Promise<void> {
    try {
      await lane;
    } catch (error) {
      this.#fault ??= error as Error;
      this.#readersRun = false;
      this.#stopped.abort();
    }
  }
}

type LaneKey = 'lane' | 'group' | 'users' | 'groups';

/** @throws Error when there is a mailbox with letters that nobody would look at */
function everyMailboxHasItsUser(book: Book, { users }: Pick<Settings, 'users'>): void {
  const known = new Set(users.map(({ login }) => login));
  const left = [...book.boxes.keys()].filter((login) => !known.has(login));
  if (left.length === 0) return;
  throw new Error(`the ledger has letters to ${left.join(', ')}: say these users too`);
}

/** Messages that others put there are theirs: left alone, and not judged. */
async function noteBefore({ desk, settings }: Pick<Parts, 'desk' | 'settings'>): Promise<void> {
  const until = now() + READY_MS;
  for (const { login, password } of settings.users) {
    for (let turn = 0; ; turn++) {
      const frontEnd = settings.pop3[turn % settings.pop3.length] ?? '';
      try {
        const pop = await Pop3.connect(frontEnd, settings.connectMs, settings.answerMs);
        const { rows } = await pop.view(login, password).finally(() => pop.close());
        desk.put({ kind: 'before', box: login, uidls: [...rows.keys()] });
        break;
      } catch (error) {
        const passes = error instanceof Lost || error instanceof Unavailable;
        if (passes && now() < until) await sleep(READY_PAUSE_MS);
        else throw new Error(`before the first letter: ${login} at ${frontEnd}`, { cause: error });
      }
    }
  }
}

/** Verifies what a ledger says, without sending anything: also after the witness was killed. */
export async function verifyLedger(path: string, options: FinishOptions = {}): Promise<Report> {
  const desk = new Desk(path);
  const { book } = desk;
  if (!book.settings) throw new Error(`${path} is empty or is not there`);
  book.forsake();
  const settings = { ...book.settings, ...options };
  desk.put({ kind: 'phase', at: now(), name: 'verification' });
  const judge = new Judge(desk, settings);
  const counts = noCounts();
  const measure = new Measure();
  const landedMs = await verifyMailboxes({ desk, judge, settings, counts });
  measure.end();
  await desk.ledger.close();
  // Of the sessions before the witness died nothing is known but what they saw.
  const floor = { ...settings.floor, sessions: 1, fetched: 1 };
  return makeReport({
    book,
    settings: { ...settings, floor },
    measure,
    counts,
    vanished: judge.vanished.size,
    landedMs,
  });
}
