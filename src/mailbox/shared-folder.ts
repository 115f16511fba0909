import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox, Mailboxes } from '../volumes/mailboxes.ts';
import type { FolderRef, FolderState, Numbered } from '#maildir';
import type { Hint } from './hints.ts';
import { MailError } from './mail.ts';
import type { Watched, Watcher } from './watching.ts';

/**
 * A folder as all sessions of this process share it: the newest state known, those who watch it,
 * and one look at a time.
 *
 * - `state` never goes back: of two with one UIDVALIDITY the one with the lower MODSEQ is old,
 *   whoever brings it last. Another UIDVALIDITY is another folder of that name, and counts.
 * - A look that runs may have listed before the change that the next caller knows of. So a caller
 *   never gets a look that began before he asked: one runs, one more waits, all who ask meanwhile
 *   share that one.
 * - INBOX of somebody who never got mail is empty (`EMPTY`) until his mailbox is made; its numbers
 *   have another UIDVALIDITY, and a session that has the empty one selected would have to end. So
 *   SELECT (`claim`) makes the mailbox as a first delivery does; where that cannot be (the volume
 *   is full or away), and for EXAMINE and STATUS, which change nothing, INBOX is the empty one. A
 *   session that examines it is told of another folder when the first mail comes.
 */
export interface SharedFolderParts {
  readonly mailboxes: Mailboxes<Account>;
  readonly watcher: Watcher;
  readonly account: Account;
  readonly name: string;
  /** On disk; '' is INBOX. */
  readonly disk: string;
}

type Listener = (state: FolderState) => void;

/** The INBOX of somebody who never got mail. */
export const EMPTY: FolderState = {
  journalId: '0000000000000000',
  uidValidity: 1,
  uidNext: 1,
  modseq: 1,
  messages: [],
  expunged: [],
  expungedSince: 1,
  unnumbered: 0,
};

/** A folder that is there. */
export interface Placed {
  readonly mailbox: Mailbox;
  readonly ref: FolderRef;
}

export class SharedFolder implements Watched {
  readonly #parts: SharedFolderParts;
  #placed: Placed | undefined;
  #state: FolderState | undefined;
  #running: Promise<FolderState> | undefined;
  #next: Promise<FolderState> | undefined;
  #listeners: Set<Listener> | undefined;
  #unwatch: (() => void) | undefined;
  /** Sessions that have it open. */
  users = 0;

  constructor(parts: SharedFolderParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  get hint(): Hint {
    return { account: this.#parts.account.id, folder: this.#parts.name };
  }

  /** The newest that is known, also by other ways than through this folder. */
  get state(): FolderState | undefined {
    const known = this.#placed?.mailbox.volume.journals.known(this.#placed.ref);
    if (known !== undefined && known !== this.#state) this.take(known);
    return this.#state;
  }

  /** Where it lies; undefined while no mail ever came. @throws StoreError */
  async placed(): Promise<Placed | undefined> {
    if (this.#placed !== undefined) return this.#placed;
    const { mailboxes, account, disk } = this.#parts;
    const mailbox = await mailboxes.open(account);
    if (mailbox === undefined) return undefined;
    this.#placed = { mailbox, ref: { maildir: mailbox.maildir, folder: disk } };
    return this.#placed;
  }

  /** A new state, of whatever operation. */
  take(state: FolderState): void {
    const had = this.#state;
    if (state === had) return;
    if (had?.uidValidity === state.uidValidity && state.modseq < had.modseq) return;
    this.#state = state;
    if (had !== undefined) this.#tell();
  }

  /** Looks at journal and files. @throws StoreError, MailError */
  refresh(): Promise<FolderState> {
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  async #afterRunning(): Promise<FolderState> {
    await this.#running?.catch(() => {});
    const running = this.#sync();
    this.#running = running;
    this.#next = undefined;
    try {
      return await running;
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }

  /**
   * As `refresh`, and takes messages out of new/: @returns their UIDs. Makes a newcomer's INBOX.
   */
  async claim(): Promise<readonly number[]> {
    const placed = (await this.placed()) ?? (await this.#make());
    return placed === undefined ? this.#nothing() : this.#claimIn(placed, 'first');
  }

  async #claimIn(placed: Placed, attempt: 'first' | 'last'): Promise<readonly number[]> {
    try {
      const { volume } = placed.mailbox;
      const { state, claimed } = await volume.journals.sync(placed.ref, { claim: true });
      this.take(state);
      return claimed;
    } catch (error) {
      if (!this.#isUnmade(placed, error)) throw await this.explain(error);
      const made = attempt === 'first' ? await this.#make() : undefined;
      return made === undefined ? this.#nothing() : this.#claimIn(made, 'last');
    }
  }

  #nothing(): readonly number[] {
    this.take(EMPTY);
    return [];
  }

  /** The mailbox of somebody who never got mail; undefined: it cannot be made now. */
  async #make(): Promise<Placed | undefined> {
    const { mailboxes, account, disk } = this.#parts;
    if (disk !== '') return undefined;
    try {
      const mailbox = await mailboxes.ensure(account);
      this.#placed = { mailbox, ref: { maildir: mailbox.maildir, folder: '' } };
      return this.#placed;
    } catch (error) {
      if (error instanceof StoreError) return undefined; // Whoever delivers is told what it is.
      throw error;
    }
  }

  async #sync(): Promise<FolderState> {
    const placed = await this.placed();
    if (placed === undefined) return this.#empty();
    try {
      const { state } = await placed.mailbox.volume.journals.sync(placed.ref);
      this.take(state);
      return this.#state ?? state;
    } catch (error) {
      if (this.#isUnmade(placed, error)) return this.#empty();
      throw await this.explain(error);
    }
  }

  #empty(): FolderState {
    this.take(EMPTY);
    return EMPTY;
  }

  /** He has an explicit path, and no mail ever came. */
  #isUnmade({ mailbox }: Placed, error: unknown): boolean {
    const isMissing = error instanceof StoreError && error.kind === 'mailbox-missing';
    if (!isMissing || mailbox.stored || this.#parts.disk !== '') return false;
    this.#placed = undefined; // It may be made, and then it is asked for by another place.
    return true;
  }

  /** "Not there" is said of the folder only when its mailbox is there. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof StoreError) || error.kind !== 'mailbox-missing') return error;
    const { mailboxes, disk, name } = this.#parts;
    const mailbox = this.#placed?.mailbox;
    if (mailbox === undefined) return error;
    return explainMissing({ mailboxes, mailbox, name, isInbox: disk === '' });
  }

  watch(listener: Listener): () => void {
    const own: Listener = (state) => listener(state);
    this.#listeners ??= new Set();
    this.#listeners.add(own);
    this.#unwatch ??= this.#parts.watcher.watch(this);
    return () => {
      this.#listeners?.delete(own);
      if (this.#listeners?.size !== 0) return;
      this.#listeners = undefined;
      this.#unwatch?.();
      this.#unwatch = undefined;
    };
  }

  /** For the watcher. */
  async look(): Promise<'changed' | 'same'> {
    const before = this.#state;
    try {
      await this.refresh();
    } catch {
      if (before !== undefined) this.#tell(); // As of before: nothing is known to have changed.
      return 'same';
    }
    return this.#state === before ? 'same' : 'changed';
  }

  /** Each listener by itself, and after whoever brought the state has gone on. */
  #tell(): void {
    for (const listener of this.#listeners ?? []) {
      queueMicrotask(() => {
        const state = this.#state;
        if (state !== undefined && this.#listeners?.has(listener) === true) listener(state);
      });
    }
  }
}

interface Missing {
  readonly mailboxes: Mailboxes<Account>;
  readonly mailbox: Mailbox;
  readonly name: string;
  readonly isInbox: boolean;
}

/** What "not there" of a folder's operation means: our trouble, or no such folder. */
export async function explainMissing(missing: Missing): Promise<Error> {
  const { mailboxes, mailbox, name, isInbox } = missing;
  if (isInbox) return mailboxes.missing(mailbox);
  try {
    if (await mailbox.volume.exists(mailbox.maildir)) return noFolder(name);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return mailboxes.missing(mailbox);
}

export const noFolder = (name: string): MailError =>
  new MailError('no-such-folder', `There is no folder ${name}`);

/** A search by halves for each costs about so many steps. */
const STEPS = 17;

/** The messages with these UIDs, as far as they are there, by UID where they are many. */
export function pick(state: FolderState, uids: readonly number[]): readonly Numbered[] {
  const { messages } = state;
  if (uids.length * STEPS > messages.length) {
    const wanted = new Set(uids);
    return messages.filter(({ uid }) => wanted.has(uid));
  }
  return uids.map((uid) => findUid(messages, uid)).filter((message) => message !== undefined);
}

export function findUid(messages: readonly Numbered[], uid: number): Numbered | undefined {
  const found = messages[indexFrom(messages, uid)];
  return found?.uid === uid ? found : undefined;
}

/** Where the messages from this UID on begin. */
export function indexFrom(messages: readonly Numbered[], uid: number): number {
  let [low, high] = [0, messages.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle] as Numbered).uid < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}
