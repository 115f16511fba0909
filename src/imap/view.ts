/**
 * What one client was told of its folder: message numbers, and of each message flags, keywords
 * and MODSEQ.
 *
 * The folder's state is a sequence of immutable versions (FolderState); other sessions, hosts and
 * programs make new ones at any time. The client knows an older one, and its numbers (RFC 9051
 * §2.3.1.2) mean what it was told. `advance` compares and says what the client has to be told; from
 * then on the numbers are the new ones. An EXPUNGE may not be said at any time (§7.5.1), so the
 * view may hold messages that are gone; they keep their numbers until it may.
 *
 * Memory: while nothing is withheld the view is the array of the version itself, shared by all
 * sessions of the process. Time: versions share their message objects, so comparing 100,000
 * messages is that many comparisons of pointers, and none when the version is the same.
 *
 * Messages come in ascending order of UID and new ones have higher UIDs than all before, so both
 * lists are walked side by side.
 */
import type { FolderState, Numbered } from '../mailbox/mail.ts';
import { SyntaxFault } from './wire/args.ts';
import { parseSequence } from './wire/sequence.ts';

/** How a command names messages: by its numbers or, with UID before it, by UIDs. */
export type By = 'sequence' | 'uid';

/** Indexes (message number less one), the end not in. */
export type Span = readonly [from: number, end: number];

/** What is to be told, in this order. */
export interface Update {
  /** Message numbers for EXPUNGE, highest first, so that none moves another. */
  readonly expunged: readonly number[];
  /** The same as UIDs, ascending, for VANISHED (RFC 7162 §3.2.10). */
  readonly vanished: readonly number[];
  /** The new count, when it grew (or an EXPUNGE left it to be said). */
  readonly exists: number | undefined;
  /** Message numbers, ascending, whose flags or keywords are others; of the new numbering. */
  readonly changed: readonly number[];
}

export class View {
  #state: FolderState;
  #messages: readonly Numbered[];
  /** Messages of #messages that are gone and whose EXPUNGE waits. */
  #withheld = 0;
  /** What the client has been told since the last comparison, by UID. */
  #told: Map<number, Numbered> | undefined;
  /** \Recent of this session alone (RFC 3501 §2.3.2), by UID. */
  readonly recent: Set<number>;

  constructor(state: FolderState, recent: Iterable<number> = []) {
    this.#state = state;
    this.#messages = state.messages;
    this.recent = new Set(recent);
  }

  /** The version the client was brought to; it may still count messages that are gone from it. */
  get state(): FolderState {
    return this.#state;
  }

  get count(): number {
    return this.#messages.length;
  }

  /** By index; the message as the client was told last. */
  get messages(): readonly Numbered[] {
    return this.#messages;
  }

  get lastUid(): number {
    return this.#messages.at(-1)?.uid ?? 0;
  }

  /** Message numbers are from 1; undefined: there is none. */
  at(number: number): Numbered | undefined {
    return this.#messages[number - 1];
  }

  /** The message number of a UID; 0: the client knows none of it. */
  numberOf(uid: number): number {
    const index = firstFrom(this.#messages, uid);
    return this.#messages[index]?.uid === uid ? index + 1 : 0;
  }

  /** The client was told of this version of a message: it is not told again. */
  told(message: Numbered): void {
    this.#told ??= new Map();
    this.#told.set(message.uid, message);
  }

  /**
   * Which messages a set names, ascending and disjoint. `$` is `saved` (UIDs). Numbers that are
   * not there are a fault (RFC 9051 §9 `seq-number`), UIDs that are not there are nothing.
   * @throws SyntaxFault
   */
  spans(set: string, by: By, saved: readonly number[]): Span[] {
    if (set === '$') return this.#spansOf(saved);
    if (by === 'sequence') {
      return parseSequence(set, this.count).map(([from, to]) => {
        if (from < 1 || to > this.count) throw new SyntaxFault('There is no such message number');
        return [from - 1, to];
      });
    }
    const spans: Span[] = [];
    for (const [from, to] of parseSequence(set, this.lastUid)) {
      const span: Span = [firstFrom(this.#messages, from), firstFrom(this.#messages, to + 1)];
      if (span[0] < span[1]) spans.push(span);
    }
    return spans;
  }

  #spansOf(uids: readonly number[]): Span[] {
    const spans: [number, number][] = [];
    for (const uid of uids) {
      const number = this.numberOf(uid);
      if (number === 0) continue;
      const last = spans.at(-1);
      if (last?.[1] === number - 1) last[1] = number;
      else spans.push([number - 1, number]);
    }
    return spans;
  }

  /** Whether `advance` would have nothing to say; cheap. */
  isCurrent(next: FolderState): boolean {
    return next === this.#state && this.#withheld === 0;
  }

  /**
   * Takes `next` for what the client knows from now on, and says what it must be told for that.
   * With `later`, messages that are gone stay and keep their numbers. `reset`: the folder is
   * another one, and nothing that the client knows counts.
   * @param modseq whether another MODSEQ alone is a change (the client uses CONDSTORE)
   */
  advance(
    next: FolderState,
    expunges: 'now' | 'later',
    modseq: boolean,
  ): Update | 'reset' | undefined {
    const told = this.#told;
    this.#told = undefined;
    if (this.isCurrent(next)) return undefined;
    if (next.uidValidity !== this.#state.uidValidity) return 'reset';
    const step = new Step(this.#messages, next.messages, { expunges, modseq, told });
    if (step.broken) return 'reset';
    const grown = step.messages.length > this.#messages.length - step.expunged.length;
    this.#state = next;
    this.#messages = step.messages;
    this.#withheld = step.withheld;
    if (step.vanished.length === 0 && step.changed.length === 0 && !grown) return undefined;
    for (const uid of step.vanished) this.recent.delete(uid);
    return {
      expunged: step.expunged.reverse(),
      vanished: step.vanished,
      exists: grown ? this.#messages.length : undefined,
      changed: step.changed,
    };
  }
}

interface StepOptions {
  readonly expunges: 'now' | 'later';
  readonly modseq: boolean;
  readonly told: ReadonlyMap<number, Numbered> | undefined;
}

/** Walks what the client knows and what there is side by side. */
class Step {
  messages: readonly Numbered[];
  readonly expunged: number[] = []; // Numbers of before, ascending.
  readonly vanished: number[] = [];
  readonly changed: number[] = [];
  withheld = 0;
  broken = false;

  constructor(old: readonly Numbered[], now: readonly Numbered[], options: StepOptions) {
    this.messages = now;
    const gone: Numbered[] = [];
    let at = 0; // In `now`.
    for (let index = 0; index < old.length; index += 1) {
      const before = old[index] as Numbered;
      const after = now[at];
      if (after?.uid === before.uid) {
        at += 1;
        const told = before === after ? before : (options.told?.get(before.uid) ?? before);
        if (told !== after && differs(told, after, options.modseq)) this.changed.push(at);
        continue;
      }
      if (after !== undefined && after.uid < before.uid) {
        this.broken = true; // A UID below one that is known appeared: no numbering explains it.
        return;
      }
      gone.push(before);
      this.expunged.push(index + 1);
      this.vanished.push(before.uid);
    }
    if (gone.length > 0 && options.expunges === 'later') this.#keep(gone, now);
  }

  /** What is gone stays among the rest; the numbers of what changed follow. */
  #keep(gone: readonly Numbered[], now: readonly Numbered[]): void {
    const merged: Numbered[] = [];
    const changed = new Set(this.changed.map((number) => (now[number - 1] as Numbered).uid));
    this.changed.length = 0;
    let next = 0;
    for (const message of now) {
      for (; (gone[next]?.uid ?? Infinity) < message.uid; next += 1) {
        merged.push(gone[next] as Numbered);
      }
      merged.push(message);
      if (changed.has(message.uid)) this.changed.push(merged.length);
    }
    for (; next < gone.length; next += 1) merged.push(gone[next] as Numbered);
    this.messages = merged;
    this.withheld = gone.length;
    this.expunged.length = 0;
    this.vanished.length = 0;
  }
}

const differs = (a: Numbered, b: Numbered, modseq: boolean): boolean =>
  a.flags !== b.flags ||
  (modseq && a.modseq !== b.modseq) ||
  (a.keywords !== b.keywords && a.keywords.join(' ') !== b.keywords.join(' '));

/** The first index whose UID is `uid` or above; the length when there is none. */
export function firstFrom(messages: readonly Numbered[], uid: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle] as Numbered).uid < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}
