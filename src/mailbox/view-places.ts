import { setImmediate } from 'node:timers/promises';
import { emailIdOf } from '#maildir';
import type { FolderState, Numbered } from './mail.ts';
import { findUid, indexFrom } from './shared-folder.ts';
import type { EmailPlace, FolderView } from './view.ts';

/**
 * Where emails are, by id, for all versions of a view. Made at the first look, then it takes what
 * is new: a UID of a journal means one message for ever, so nothing that is in it gets wrong, and
 * whether a message is still there the version's own state says. What is gone stays until it is
 * half of all: then the view begins another one.
 */
const SLOT = 2 ** 32;
const GARBAGE_MIN = 10_000;
/** Some 5 ms. */
const SLICE = 5_000;

interface Taken {
  readonly slot: number;
  /** UIDs below are in it. */
  upTo: number;
}

export class Places {
  /** Slot of the folder's journal * 2^32 + UID; more than one for what lies in many places. */
  readonly #byId = new Map<string, number | number[]>();
  readonly #taken = new Map<string, Taken>();
  /** Journal of each slot. */
  readonly #journals: string[] = [];
  #count = 0;

  /** Whether most of it is of messages that are gone. */
  isOld(folders: readonly FolderView[]): boolean {
    const there = folders.reduce((sum, { state }) => sum + state.messages.length, 0);
    return this.#count > 2 * there + GARBAGE_MIN;
  }

  /** Takes what is new in folders, some at a time: others have their turn between. */
  async fill(states: readonly FolderState[]): Promise<void> {
    for (const state of states)
      while (this.#takeSome(state, SLICE) === 'more') await setImmediate();
  }

  /** Takes what is new in a folder: O(changes). */
  take(state: FolderState): void {
    this.#takeSome(state, Infinity);
  }

  #takeSome({ journalId, messages }: FolderState, most: number): 'more' | 'all' {
    const taken = this.#takenOf(journalId);
    const from = indexFrom(messages, taken.upTo);
    const end = Math.min(messages.length, from + most);
    for (let at = from; at < end; at++) {
      const { uid, key } = messages[at] as Numbered;
      this.#put(emailIdOf(key), taken.slot * SLOT + uid);
      taken.upTo = uid + 1;
    }
    return end < messages.length ? 'more' : 'all';
  }

  /** Of an email in folders that were taken, by journal id. */
  find(emailId: string, folders: ReadonlyMap<string, FolderView>): readonly EmailPlace[] {
    const found = this.#byId.get(emailId);
    if (found === undefined) return [];
    const places: EmailPlace[] = [];
    for (const place of typeof found === 'number' ? [found] : found) {
      const view = folders.get(this.#journals[Math.floor(place / SLOT)] as string);
      const message = view && findUid(view.state.messages, place % SLOT);
      if (view && message) places.push({ in: view, message });
    }
    return places;
  }

  #takenOf(journalId: string): Taken {
    const known = this.#taken.get(journalId);
    if (known !== undefined) return known;
    const taken = { slot: this.#journals.length, upTo: 1 };
    this.#journals.push(journalId);
    this.#taken.set(journalId, taken);
    return taken;
  }

  #put(emailId: string, place: number): void {
    const known = this.#byId.get(emailId);
    if (known === undefined) this.#byId.set(emailId, place);
    else if (typeof known === 'number') this.#byId.set(emailId, [known, place]);
    else known.push(place);
    this.#count += 1;
  }
}
