/**
 * One host at work in a folder through the journal, at random, for so long; a process of its own.
 * What it was told goes to its parent in the end; what was wrong in itself it finds out at once.
 */
import { createHash } from 'node:crypto';
import { nodeFs, openJournals, openMaildirs, systemClock, systemRandom } from '#maildir';
import type { FolderState, Journals, Maildirs } from '#maildir';

export interface JournalOrder {
  readonly maildir: string;
  readonly host: string;
  /** Only this host sets and removes it, so that it knows how each message must end. */
  readonly letter: string;
  readonly seed: number;
  readonly ms: number;
}
export interface JournalLedger {
  readonly host: string;
  readonly steps: number;
  readonly wrong: readonly string[];
  /** Key by `validity/uid`. */
  readonly numbers: readonly (readonly [string, string])[];
  /** Digest of the state by `validity/modseq`. */
  readonly states: readonly (readonly [string, string])[];
  /** Keys of messages that it was told are there. */
  readonly added: readonly string[];
  /** `validity/uid` of what it expunged or tried to. */
  readonly expunged: readonly string[];
  /** `validity/uid` and whether its own letter and keyword must be there. */
  readonly flags: readonly (readonly [string, boolean])[];
}

const LETTER = Buffer.from('Subject: journal\n\nx\n');
const MESSAGES_MIN = 20;

/** The journal as a process of a host has it. `aheadMs`: its clock. */
export function journalsOn(
  host: string,
  aheadMs = 0,
): { readonly maildirs: Maildirs; readonly journals: Journals } {
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const options = {
    fs: nodeFs,
    clock,
    random: systemRandom,
    node: host,
    pid: process.pid,
    directorySync: 'never',
  } as const;
  const maildirs = openMaildirs(options);
  return { maildirs, journals: openJournals({ ...options, maildirs }) };
}

/** All that a client can be told of a state. */
export function pictureOf(state: FolderState): string {
  const rows = state.messages.map(
    ({ uid, key, flags, keywords, modseq }) =>
      `${uid} ${key} ${flags} ${keywords.join()} ${modseq}`,
  );
  return [state.uidValidity, state.uidNext, state.modseq, ...rows].join('\n');
}

class Worker {
  readonly #order: JournalOrder;
  readonly #maildirs: Maildirs;
  readonly #journals: Journals;
  readonly #ref;
  readonly #wrong: string[] = [];
  readonly #numbers = new Map<string, string>();
  readonly #states = new Map<string, string>();
  readonly #added: string[] = [];
  readonly #expunged = new Set<string>();
  readonly #flags = new Map<string, boolean>();
  /** What a client holds that asks for changes only. */
  #view = { validity: 0, modseq: 0, messages: new Map<number, string>() };
  #state: FolderState | undefined;
  #chance: number;

  constructor(order: JournalOrder) {
    const { maildirs, journals } = journalsOn(order.host);
    this.#order = order;
    this.#maildirs = maildirs;
    this.#journals = journals;
    this.#ref = { maildir: order.maildir, folder: '' };
    this.#chance = order.seed;
  }

  async work(): Promise<JournalLedger> {
    const until = systemClock.now() + this.#order.ms;
    let steps = 0;
    for (; systemClock.now() < until; steps++) {
      try {
        await this.#step();
      } catch (error) {
        this.#wrong.push(error instanceof Error ? (error.stack ?? '') : String(error));
      }
    }
    return {
      host: this.#order.host,
      steps,
      wrong: this.#wrong.slice(0, 20),
      numbers: [...this.#numbers],
      states: [...this.#states],
      added: this.#added,
      expunged: [...this.#expunged],
      flags: [...this.#flags],
    };
  }

  async #step(): Promise<void> {
    const state = this.#state;
    const message = state?.messages[this.#below(state.messages.length)];
    const dice = this.#below(100);
    if (state === undefined || message === undefined || dice < 30) {
      const { state: now } = await this.#journals.sync(this.#ref, { claim: dice < 10 });
      return this.#told(now);
    }
    if (dice < 40) return this.#deliver();
    if (dice < 55) return this.#append();
    if (dice < 85) return this.#store(state.uidValidity, message.uid);
    if (state.messages.length > MESSAGES_MIN) await this.#expunge(state.uidValidity, message.uid);
  }

  async #stage(): Promise<string> {
    const { maildir } = this.#order;
    const base = this.#maildirs.uniqueName();
    await this.#maildirs.stage({ maildir, base, offset: 0, bytes: LETTER, last: true });
    return base;
  }

  async #deliver(): Promise<void> {
    const { maildir } = this.#order;
    const base = await this.#stage();
    const sizes = { octets: LETTER.length, wireOctets: LETTER.length + 3 };
    const [result] = await this.#maildirs.publish({ maildir, base, ...sizes, targets: [maildir] });
    if (result?.error) throw result.error;
    this.#added.push(base);
  }

  async #append(): Promise<void> {
    const base = await this.#stage();
    const sizes = { octets: LETTER.length, wireOctets: LETTER.length + 3 };
    const message = { base, ...sizes, letters: '', keywords: ['appended'] };
    const { state, uids } = await this.#journals.add(this.#ref, [message]);
    this.#added.push(base);
    this.#told(state);
    if (uids[0] === undefined) this.#wrong.push(`${base} got no number`);
    else this.#numbers.set(`${state.uidValidity}/${uids[0]}`, base);
  }

  async #store(validity: number, uid: number): Promise<void> {
    const { letter, host } = this.#order;
    const set = this.#below(2) === 0;
    const change = { uids: [uid], letters: letter, keywords: [`k-${host}`] };
    const how = set ? 'add' : 'remove';
    const { state, gone } = await this.#journals.store(this.#ref, { ...change, how });
    if (gone.length === 0 && state.uidValidity === validity) {
      this.#flags.set(`${validity}/${uid}`, set);
    }
    this.#told(state);
  }

  async #expunge(validity: number, uid: number): Promise<void> {
    this.#expunged.add(`${validity}/${uid}`);
    const state = await this.#journals.expunge(this.#ref, [uid]);
    this.#told(state);
    if (state.messages.some((message) => message.uid === uid)) {
      this.#wrong.push(`UID ${uid} was expunged and is there`);
    }
  }

  /** A client that asks for changes only comes to the same as one that asks for everything. */
  #told(state: FolderState): void {
    this.#state = state;
    const picture = pictureOf(state);
    const digest = createHash('md5').update(picture).digest('hex');
    const at = `${state.uidValidity}/${state.modseq}`;
    if ((this.#states.get(at) ?? digest) !== digest) this.#wrong.push(`two states of ${at}`);
    this.#states.set(at, digest);
    const rows = state.messages.map((message) => {
      const number = `${state.uidValidity}/${message.uid}`;
      const had = this.#numbers.get(number) ?? message.key;
      if (had !== message.key) this.#wrong.push(`${number} means ${had} and ${message.key}`);
      this.#numbers.set(number, message.key);
      return [message, `${message.flags} ${message.keywords.join()}`] as const;
    });
    if (this.#view.validity !== state.uidValidity) {
      this.#view = { validity: state.uidValidity, modseq: 0, messages: new Map() };
    }
    const { modseq, messages } = this.#view;
    if (state.modseq < modseq) this.#wrong.push(`MODSEQ went from ${modseq} to ${state.modseq}`);
    for (const gone of state.expunged) if (gone.modseq > modseq) messages.delete(gone.uid);
    for (const [message, text] of rows) {
      if (message.modseq > modseq) messages.set(message.uid, text);
    }
    const viewed = [...messages].map(([uid, text]) => `${uid} ${text}`).toSorted();
    const true_ = rows.map(([{ uid }, text]) => `${uid} ${text}`).toSorted();
    if (viewed.join() !== true_.join())
      this.#wrong.push(`changes since ${modseq} are not all told`);
    this.#view.modseq = state.modseq;
  }

  /** A number below `n`: a generator with a seed (after mulberry32, public domain). */
  #below(n: number): number {
    this.#chance = (this.#chance + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#chance ^ (this.#chance >>> 15), 1 | this.#chance);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % Math.max(1, n);
  }
}

const [, , order] = process.argv;
if (process.send !== undefined && order !== undefined && import.meta.main) {
  const ledger = await new Worker(JSON.parse(order) as JournalOrder).work();
  process.send(ledger, () => process.disconnect());
}
