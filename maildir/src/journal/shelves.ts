import { newPlace, type Place } from './place.ts';
import { folderPathOf } from './place.ts';
import type { FolderRef } from './types.ts';

/**
 * The folders that this process knows, and whose turn it is: one operation at a time on a folder,
 * in the order of their calls. Those used least recently are forgotten when messages are too many;
 * that costs reading them again.
 */

type Kind = 'store' | 'add';

/** How calls of a kind are done together. */
export interface Sharing<C, R> {
  readonly kind: Kind;
  readonly runAll: (place: Place, calls: readonly C[]) => Promise<readonly R[]>;
}

/** Calls of one kind that will share one commit. */
interface Batch {
  readonly kind: Kind;
  readonly calls: unknown[];
  readonly done: Promise<readonly unknown[]>;
}

export interface Shelf {
  readonly place: Place;
  /** Settles when the operations called so far are done. */
  tail: Promise<unknown>;
  /** Operations not yet done. */
  waiting: number;
  /** That have not begun, with nothing called after them. */
  batch: Batch | undefined;
}

/** What a folder weighs beside its messages. */
const FOLDER_WEIGHT = 20;
const CALLS_MAX = 200;

export class Shelves {
  readonly #messagesMax: number;
  /** By path; insertion order is age of use. */
  readonly #shelves = new Map<string, Shelf>();

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  /** What is known, without using it. */
  peek(ref: FolderRef): Place | undefined {
    return this.#shelves.get(folderPathOf(ref))?.place;
  }

  /** Runs an operation when those called before it are done. */
  run<T>(ref: FolderRef, operation: (place: Place) => Promise<T>): Promise<T> {
    const shelf = this.#shelf(ref);
    shelf.batch = undefined;
    return this.#queue(shelf, operation);
  }

  /**
   * As `run` with an operation that does several calls as one: it gets those that wait together and
   * gives one result for each, in order. Between them no call of another kind was made.
   */
  share<C, R>(
    ref: FolderRef,
    call: C,
    { kind, runAll }: Sharing<C, R>,
    isAlone = false,
  ): Promise<R> {
    const shelf = this.#shelf(ref);
    let { batch } = shelf;
    if (isAlone || batch?.kind !== kind || batch.calls.length >= CALLS_MAX) {
      const calls: C[] = [];
      const done = this.#queue(shelf, (place) => {
        if (shelf.batch?.calls === calls) shelf.batch = undefined;
        return runAll(place, calls);
      });
      batch = { kind, calls, done };
      shelf.batch = isAlone ? undefined : batch;
    }
    const index = batch.calls.push(call) - 1;
    return batch.done.then((results) => results[index] as R);
  }

  /** Forgets what is known of a folder, once its operations are done. */
  forget(ref: FolderRef): Promise<void> {
    return this.run(ref, async (place) => {
      Object.assign(place, newPlace(place.ref));
    });
  }

  #queue<T>(shelf: Shelf, operation: (place: Place) => Promise<T>): Promise<T> {
    shelf.waiting++;
    const done = shelf.tail.then(async () => {
      try {
        return await operation(shelf.place);
      } finally {
        shelf.waiting--;
        if (shelf.waiting === 0) this.#shrink();
      }
    });
    shelf.tail = done.catch(() => {});
    return done;
  }

  #shelf(ref: FolderRef): Shelf {
    const path = folderPathOf(ref);
    const known = this.#shelves.get(path);
    if (known !== undefined) {
      this.#shelves.delete(path);
      this.#shelves.set(path, known);
      return known;
    }
    const shelf: Shelf = {
      place: newPlace(ref),
      tail: Promise.resolve(),
      waiting: 0,
      batch: undefined,
    };
    this.#shelves.set(path, shelf);
    return shelf;
  }

  #shrink(): void {
    let messages = 0;
    for (const { place } of this.#shelves.values()) messages += weightOf(place);
    for (const [path, shelf] of this.#shelves) {
      if (messages <= this.#messagesMax) return;
      if (shelf.waiting > 0) continue;
      messages -= weightOf(shelf.place);
      this.#shelves.delete(path);
    }
  }
}

const weightOf = ({ book }: Place): number => FOLDER_WEIGHT + (book?.messages.length ?? 0);
