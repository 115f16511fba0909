/**
 * What lists and counts are made of (orders, numbers of unread mail and of threads), of folders
 * that change a little and are asked about often: made once, then brought up to date by what
 * differs.
 *
 * Invariants:
 *  K1. A value is a function of the messages of one state, and never changes. So whoever has one
 *      goes on with it, whatever becomes of the folder meanwhile.
 *  K2. A value that was changed is equal to one that was made anew (lists.test.ts, over histories
 *  of
 *      chance); where `change` cannot tell, it says undefined, and it is made anew.
 *  K3. Messages that stay as they are are looked at by their identity alone, which the journal
 *  keeps:
 *      a comparison of pointers, a tenth of a millisecond for 100,000. All else is O(changes).
 *
 * Races:
 *  - Two requests ask for one state: they share the promise.
 *  - Asked for a state while another of the folder is made, in turns: waits, and changes that. Else
 *    each change that comes meanwhile would make all anew.
 *  - A slow request asks for an older state than the last: differences have no direction.
 *  - A journal that began anew numbers other messages with the same UIDs: nothing is compared.
 *  - Making fails (storage is away): whoever waits for it is told, and the next one tries again.
 */
import type { Folder, FolderState, Numbered } from '../../mailbox/mail.ts';
import type { FolderView } from '../../mailbox/view.ts';

type Messages = FolderState['messages'];

/** By UID; a message whose flags changed is in both. */
export interface Difference {
  readonly gone: readonly Numbered[];
  readonly fresh: readonly Numbered[];
}

export interface Making<T> {
  make(): T | Promise<T>;
  /** Undefined: it cannot be told from that. */
  change(before: T, difference: Difference): T | undefined | Promise<T | undefined>;
}

interface Latest<T> {
  readonly journalId: string;
  readonly messages: Messages;
  readonly value: T;
}

/** With more changes than this share of a folder making anew is cheaper. */
const SHARE_MAX = 1 / 8;
const CHANGES_MIN = 16;
const CHANGES_MAX = 5_000;

/** One kind of value, of all folders. Goes when folders and states do. */
export class Kept<T> {
  readonly #values = new WeakMap<Messages, Promise<T>>();
  readonly #latest = new WeakMap<Folder, Latest<T>>();
  readonly #running = new WeakMap<Folder, Promise<unknown>>();

  /** Whether it was made, or is being made. */
  has({ state }: FolderView): boolean {
    return this.#values.has(state.messages);
  }

  of(view: FolderView, making: Making<T>): Promise<T> {
    const { messages } = view.state;
    const known = this.#values.get(messages);
    if (known !== undefined) return known;
    const before = this.#running.get(view.folder) ?? Promise.resolve();
    const made = before.then(() => this.#made(view, making));
    this.#values.set(messages, made);
    const settled = made.then(
      () => {},
      () => void this.#values.delete(messages),
    );
    this.#running.set(view.folder, settled);
    return made;
  }

  async #made({ folder, state }: FolderView, making: Making<T>): Promise<T> {
    const { journalId, messages } = state;
    const latest = this.#latest.get(folder);
    const difference =
      latest?.journalId === journalId ? differenceOf(latest.messages, messages) : undefined;
    const changed = latest && difference && (await making.change(latest.value, difference));
    const value = changed ?? (await making.make());
    this.#latest.set(folder, { journalId, messages, value });
    return value;
  }
}

/** What a state differs in from the one before it: all kinds of values ask for the same. */
const differences = new WeakMap<
  Messages,
  { readonly before: WeakRef<Messages>; readonly difference: Difference | undefined }
>();

/** Undefined: too much to be worth it. */
export function differenceOf(before: Messages, after: Messages): Difference | undefined {
  const known = differences.get(after);
  if (known?.before.deref() === before) return known.difference;
  const difference = compared(before, after);
  differences.set(after, { before: new WeakRef(before), difference });
  return difference;
}

function compared(before: Messages, after: Messages): Difference | undefined {
  const most = Math.min(CHANGES_MAX, Math.max(CHANGES_MIN, after.length * SHARE_MAX));
  const gone: Numbered[] = [];
  const fresh: Numbered[] = [];
  let [old, now] = [0, 0];
  while (old < before.length || now < after.length) {
    const [one, other] = [before[old], after[now]];
    if (one === other) {
      old += 1;
      now += 1;
      continue;
    }
    const [uid, otherUid] = [one?.uid ?? Infinity, other?.uid ?? Infinity];
    if (one && uid <= otherUid) {
      gone.push(one);
      old += 1;
    }
    if (other && otherUid <= uid) {
      fresh.push(other);
      now += 1;
    }
    if (gone.length + fresh.length > most) return undefined;
  }
  return { gone, fresh };
}

/**
 * Sorted, without those that are gone, with those that are fresh. Undefined: one that is gone is
 * not where it should be.
 */
export function edited<T>(
  sorted: readonly T[],
  { gone, fresh }: { readonly gone: readonly T[]; readonly fresh: readonly T[] },
  compare: (a: T, b: T) => number,
): readonly T[] | undefined {
  const edits = [
    ...gone.map((item) => ({ at: placeOf(sorted, item, compare), removes: 1, item })),
    ...fresh.map((item) => ({ at: placeOf(sorted, item, compare), removes: 0, item })),
  ];
  // Of what goes to one place the fresh, in order, stands before what is there, and that may go.
  edits.sort((a, b) => a.at - b.at || a.removes - b.removes || compare(a.item, b.item));
  const pieces: T[][] = [];
  let from = 0;
  for (const { at, removes, item } of edits) {
    if (removes === 1 && sorted[at] !== item) return undefined;
    if (at > from) pieces.push(sorted.slice(from, at));
    if (removes === 0) pieces.push([item]);
    from = at + removes;
  }
  pieces.push(sorted.slice(from));
  return ([] as T[]).concat(...pieces);
}

/** Where it stands, or would stand. */
export function placeOf<T>(sorted: readonly T[], item: T, compare: (a: T, b: T) => number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle] as T, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
