/** Messages of a folder by arrival, which nearly every list is: names of files say all of it. */
import { setImmediate } from 'node:timers/promises';
import type { Folder, FolderState, Numbered } from '../../mailbox/mail.ts';
import { inTurns, sortInTurns } from '../../mailbox/turns.ts';
import type { FolderView } from '../../mailbox/view.ts';
import { StoreError } from '../../volumes/error.ts';
import { edited, Kept, placeOf } from './kept.ts';

/** Messages looked at before others have their turn. */
const SLICE = 5_000;

/** Never changes. */
export interface Arrived {
  readonly newestFirst: readonly Numbered[];
  /** INTERNALDATE, in milliseconds since 1970. Of messages that are in it. */
  date(message: Numbered): number;
  /** Of two that are in it: below 0 where the first is newer. */
  readonly compare: (a: Numbered, b: Numbered) => number;
  /** -1: it is not there. */
  readonly indexOf: (message: Numbered) => number;
}

const kept = new Kept<Order>();

/** Equal times are decided by UID. One that is gone before its time was known has none, 0. */
export const arrivedIn = (view: FolderView): Promise<Arrived> =>
  kept.of(view, {
    make: () => made(view),
    change: async (before, { gone, fresh }) => {
      const order = new Order(view, before.newestFirst);
      for (const message of fresh) await learn(view, message);
      const newestFirst = edited(before.newestFirst, { gone, fresh }, order.compare);
      return newestFirst && new Order(view, newestFirst);
    },
  });

/** Times that names do not say, by UID; one set for all orders of a journal. */
type Dates = Map<number, number>;
const journals = new WeakMap<Folder, { readonly id: string; readonly dates: Dates }>();

function datesOf({ folder, state: { journalId } }: FolderView): Dates {
  const known = journals.get(folder);
  if (known?.id === journalId) return known.dates;
  const dates: Dates = new Map();
  journals.set(folder, { id: journalId, dates });
  return dates;
}

class Order implements Arrived {
  readonly newestFirst: readonly Numbered[];
  readonly #dates: Dates;
  readonly #folder: Folder;

  constructor(view: FolderView, newestFirst: readonly Numbered[]) {
    this.#folder = view.folder;
    this.#dates = datesOf(view);
    this.newestFirst = newestFirst;
  }

  date(message: Numbered): number {
    const known = this.#dates.get(message.uid);
    if (known !== undefined) return known;
    const said = this.#folder.date(message);
    return typeof said === 'number' ? said : 0;
  }

  readonly compare = (a: Numbered, b: Numbered): number =>
    this.date(b) - this.date(a) || b.uid - a.uid;

  readonly indexOf = (message: Numbered): number => {
    const at = placeOf(this.newestFirst, message, this.compare);
    return this.newestFirst[at] === message ? at : -1;
  };
}

/** Its time, and so that `dates` know it. @throws StoreError */
function learn(view: FolderView, message: Numbered): number | Promise<number> {
  const dates = datesOf(view);
  const known = dates.get(message.uid) ?? view.folder.date(message);
  return typeof known === 'number' ? known : learned(dates, message, known);
}

async function learned(dates: Dates, { uid }: Numbered, said: Promise<number>): Promise<number> {
  const date = await said.catch((error: unknown) => {
    if (error instanceof StoreError && error.kind === 'message-gone') return 0;
    throw error;
  });
  dates.set(uid, date);
  return date;
}

async function made(view: FolderView): Promise<Order> {
  const { messages } = view.state;
  const times = new Float64Array(messages.length);
  // Mostly sorted already: UIDs are given as messages arrive.
  let isSorted = true;
  for (const [at, message] of messages.entries()) {
    const said = learn(view, message);
    const time = typeof said === 'number' ? said : await said;
    times[at] = time;
    isSorted &&= at === 0 || time >= (times[at - 1] as number);
    if (at % SLICE === SLICE - 1) await setImmediate();
  }
  return new Order(view, isSorted ? messages.toReversed() : await sorted(messages, times));
}

async function sorted(
  messages: FolderState['messages'],
  times: Float64Array,
): Promise<readonly Numbered[]> {
  const order = Array.from(times.keys());
  const newer = (a: number, b: number): number =>
    (times[b] as number) - (times[a] as number) || b - a;
  const found = await inTurns(sortInTurns(order, newer));
  return found.map((at) => messages[at] as Numbered);
}
