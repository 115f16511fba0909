import { findKeys } from '../listing.ts';
import { nameKey } from '../names.ts';
import type { Book } from './book.ts';
import type { CommitFile } from './format.ts';
import type { Journal, Place } from './place.ts';

/**
 * What the log says of messages that an add of this process has put into cur/ and not numbered yet:
 * rule numbered-once of journal.ts.
 *
 * Invariant: a key of ours gets a row only if no commit below that row's number has numbered it.
 *
 * Races, after a commit of ours that lost its number:
 *  - another has numbered the key, and it is there: the book knows its UID.
 *  - numbered and expunged, its file still to be cleared: the book knows that UID too.
 *  - numbered, expunged, cleared: the book has forgotten it, so each commit read is asked (`read`).
 *  - the same, and a start was read instead of those commits (`skipped`): files are asked. A key is
 *    cleared when its file is gone, so a file that is there is not numbered up to where we have
 *    read; and one that is not there was numbered and expunged, or some other program took it away.
 * Another that numbers it after we have read makes us lose again.
 */
export class Arriving {
  readonly #keys: ReadonlySet<string>;
  #validity: number | undefined;
  #uids = new Map<string, number>();
  readonly #gone = new Set<string>();
  #isSkipped = false;

  constructor(keys: readonly string[], validity: number | undefined) {
    this.#keys = new Set(keys);
    this.#validity = validity;
  }

  /** A commit was applied. */
  read({ added }: CommitFile): void {
    for (const { uid, base } of added) {
      const key = nameKey(base);
      if (this.#keys.has(key) && !this.#uids.has(key)) this.#uids.set(key, uid);
    }
  }

  /** The book is read anew from a start: what came and went before that is not in it. */
  skipped(book: Book): void {
    if (book.validity !== this.#validity) this.#uids = new Map();
    this.#validity = book.validity;
    this.#isSkipped = true;
    for (const key of this.#keys) {
      const uid = book.withKey(key)?.uid;
      if (uid !== undefined) this.#uids.set(key, uid);
    }
  }

  /** UID of a key, whether it is there or expunged; undefined: none, or nobody knows any more. */
  uidOf(book: Book, key: string): number | undefined {
    return book.withKey(key)?.uid ?? book.unclearedKeys.get(key) ?? this.#uids.get(key);
  }

  /** Whether it waits for a number: it is there, and nobody has given it one. */
  isWaiting(book: Book, key: string): boolean {
    return !this.#gone.has(key) && this.uidOf(book, key) === undefined;
  }

  /** Asks the files about what a start may have hidden. @throws errors of listing */
  async look({ nfs }: Journal, { path }: Place, book: Book): Promise<void> {
    if (!this.#isSkipped) return;
    const unknown = [...this.#keys].filter((key) => this.isWaiting(book, key));
    if (unknown.length > 0) {
      const found = await findKeys(nfs, path, new Set(unknown));
      for (const key of unknown) if (!found.has(key)) this.#gone.add(key);
    }
    this.#isSkipped = false;
  }
}
