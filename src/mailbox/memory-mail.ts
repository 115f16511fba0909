import { linkBase } from '#maildir';
import type { Added, Copied, FlagChange, FolderState, Numbered, Stored } from '#maildir';
import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import { below, byName, folderName, INBOX, newFolderName } from './folder-names.ts';
import {
  MailError,
  type Draft,
  type DraftOptions,
  type Folder,
  type FolderInfo,
  type Mail,
  type Quota,
  type SpecialUse,
  type StoredRange,
} from './mail.ts';
import { wireOctetsOf, type MemoryFolderData, type MemoryMailbox } from './memory-mailbox.ts';
import type { Query } from './query.ts';
import { writeRemoved } from './removed-folders.ts';
import type { SearchSource, Stretch } from './search.ts';
import { checkUse, usesOf } from './special-use.ts';
import { StoredForm } from './stored-form.ts';
import type { HeadSummary, Summary, SummaryNeed } from './summary.ts';
import type { UserFacts } from './user-facts.ts';
import { lineEndsOf, wireForm } from './wire.ts';

export interface MemoryLimits {
  readonly foldersMax: number;
  /** Octets of a message in wire form. */
  readonly messageMax: number;
}

const PIECE_OCTETS = 64 * 1024;

/** The Mail of a user in this process; it passes what the Maildir one passes. */
export class MemoryMail implements Mail {
  readonly account: Account;
  readonly facts: UserFacts;
  readonly #mailbox: MemoryMailbox;
  readonly #limits: MemoryLimits;

  constructor(account: Account, mailbox: MemoryMailbox, limits: MemoryLimits) {
    this.account = account;
    this.facts = mailbox.facts;
    this.#mailbox = mailbox;
    this.#limits = limits;
  }

  async folders(): Promise<readonly FolderInfo[]> {
    const { folders, subscribed } = this.#mailbox;
    const names = [...folders.keys()].toSorted(byName);
    const uses = usesOf(names, this.#said());
    return names.map((name) => ({
      name,
      use: uses.get(name),
      subscribed: subscribed.has(name),
    }));
  }

  async create(given: string, use?: SpecialUse): Promise<void> {
    const name = newFolderName(given);
    const { folders } = this.#mailbox;
    if (folders.has(name)) throw new MailError('folder-exists', `There is a folder ${name}`);
    this.#requireRoom();
    if (use !== undefined) checkUse(use, this.#said());
    const data = this.#mailbox.newFolder();
    data.use = use;
    folders.set(name, data);
  }

  async remove(given: string): Promise<void> {
    const name = folderName(given);
    if (name === INBOX) throw new MailError('not-possible', 'INBOX cannot be removed');
    const { state } = this.#data(name);
    await writeRemoved(this.facts, state, this.#mailbox.clock.now());
    this.#mailbox.folders.delete(name);
  }

  async rename(givenFrom: string, givenTo: string): Promise<void> {
    const [from, to] = [folderName(givenFrom), newFolderName(givenTo)];
    const { folders } = this.#mailbox;
    const moved = from === INBOX ? [] : below(folders.keys(), from);
    if (moved.length === 0) this.#data(from);
    if (folders.has(to)) throw new MailError('folder-exists', `There is a folder ${to}`);
    if (to.startsWith(`${from}/`) && from !== INBOX) {
      throw new MailError('not-possible', `${from} cannot be moved into itself`);
    }
    const renamed = [from, ...moved].map(
      (name) => [name, `${to}${name.slice(from.length)}`] as const,
    );
    for (const [, name] of renamed) {
      folderName(name);
      if (folders.has(name)) throw new MailError('folder-exists', `There is a folder ${name}`);
    }
    if (from === INBOX) return this.#renameInbox(to);
    for (const [old, name] of renamed) {
      const data = folders.get(old);
      if (data === undefined) continue;
      folders.delete(old);
      folders.set(name, data);
    }
  }

  async subscribe(given: string, subscribed: 'yes' | 'no'): Promise<void> {
    const name = folderName(given);
    if (subscribed === 'yes') this.#mailbox.subscribed.add(name);
    else this.#mailbox.subscribed.delete(name);
  }

  async subscriptions(): Promise<readonly string[]> {
    return [...this.#mailbox.subscribed].toSorted(byName);
  }

  async open(given: string): Promise<Folder> {
    const name = folderName(given);
    const requireQuota = (octets: number): void => this.#requireQuota(octets);
    return new MemoryFolder({ name, data: this.#data(name), mailbox: this.#mailbox, requireQuota });
  }

  async quota(): Promise<Quota> {
    const { octets, messages } = this.#mailbox;
    return { octets, messages, octetsMax: this.account.quotaBytes };
  }

  async draft(folder: string, options: DraftOptions): Promise<Draft> {
    this.#data(folderName(folder));
    if ((options.octets ?? 0) > this.#limits.messageMax) throw tooLarge(this.#limits.messageMax);
    this.#requireQuota((options.before ?? 0) + (options.octets ?? 0));
    return new MemoryDraft(options, this.#limits.messageMax);
  }

  async append(folder: string, drafts: readonly Draft[]): Promise<Added> {
    const data = this.#data(folderName(folder));
    const now = this.#mailbox.clock.now();
    const messages = drafts.map((draft) => {
      if (!(draft instanceof MemoryDraft)) throw new TypeError('a draft of another store');
      const { letters, keywords, date } = draft.options;
      const stored = draft.take();
      return { stored, directory: 'cur', letters, keywords, date: date ?? now } as const;
    });
    this.#requireQuota(messages.reduce((sum, { stored }) => sum + stored.length, 0));
    const uids = data.put(messages);
    return { state: data.state, uids };
  }

  close(): void {}

  #data(name: string): MemoryFolderData {
    const data = this.#mailbox.folders.get(name);
    if (data === undefined) throw noFolder(name);
    return data;
  }

  #said(): ReadonlyMap<string, SpecialUse> {
    const said = new Map<string, SpecialUse>();
    for (const [name, { use }] of this.#mailbox.folders) if (use) said.set(name, use);
    return said;
  }

  /** INBOX stays, empty; its messages are in the new folder (RFC 9051 §6.3.6). */
  #renameInbox(to: string): void {
    this.#requireRoom();
    const { inbox, folders } = this.#mailbox;
    const data = this.#mailbox.newFolder();
    folders.set(to, data);
    const uids = inbox.state.messages.map(({ uid }) => uid);
    linkInto({ mailbox: this.#mailbox, from: inbox, uids, to: data, how: 'moved' });
    inbox.expunge(uids);
  }

  #requireRoom(): void {
    const { foldersMax } = this.#limits;
    if (this.#mailbox.folders.size < foldersMax) return;
    throw new MailError('too-many-folders', `There are ${foldersMax} folders, which is the limit`);
  }

  #requireQuota(octets: number): void {
    const { quotaBytes } = this.account;
    if (quotaBytes === 0 || this.#mailbox.octets + octets <= quotaBytes) return;
    throw new MailError('over-quota', `The mailbox may hold ${quotaBytes} octets`);
  }
}

const noFolder = (name: string): MailError =>
  new MailError('no-such-folder', `There is no folder ${name}`);

const tooLarge = (max: number): MailError =>
  new MailError('too-large', `A message may have ${max} octets`);

class MemoryDraft implements Draft {
  readonly options: DraftOptions;
  readonly #form = new StoredForm();
  readonly #max: number;
  #pieces: Buffer[] | undefined = [];

  constructor(options: DraftOptions, max: number) {
    this.options = options;
    this.#max = max;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#pieces === undefined) throw new TypeError('the draft was used up');
    this.#pieces.push(this.#form.convert(piece));
    if (this.#form.wireOctets > this.#max) throw tooLarge(this.#max);
  }

  async discard(): Promise<void> {
    this.#pieces = undefined;
  }

  take(): Buffer {
    if (this.#pieces === undefined) throw new TypeError('the draft was used up');
    const stored = Buffer.concat([...this.#pieces, this.#form.end()]);
    this.#pieces = undefined;
    return stored;
  }
}

interface Link {
  readonly mailbox: MemoryMailbox;
  readonly from: MemoryFolderData;
  readonly uids: readonly number[];
  readonly to: MemoryFolderData;
  readonly how: 'moved' | 'copied';
}

function linkInto({ mailbox, from, uids, to, how }: Link): Copied {
  const wanted = new Set(uids);
  const found = from.state.messages.filter(({ uid }) => wanted.has(uid));
  const added = to.put(
    found.map(({ key, entry, flags, keywords }) => ({
      stored: from.contents.get(key) as Buffer,
      name: linkBase(`0.${mailbox.uniqueName()}`, entry.name, how),
      directory: 'cur',
      letters: flags,
      keywords,
      date: dateOf(key),
    })),
  );
  const pairs = found.map(({ uid }, at) => ({ from: uid, to: added[at] }));
  return { state: to.state, pairs };
}

const isOf = ({ state }: MemoryFolderData, uidValidity = state.uidValidity): boolean =>
  uidValidity === state.uidValidity;

const dateOf = (key: string): number => (Number.parseInt(key, 10) || 0) * 1000;

interface MemoryFolderParts {
  readonly name: string;
  readonly data: MemoryFolderData;
  readonly mailbox: MemoryMailbox;
  readonly requireQuota: (octets: number) => void;
}

class MemoryFolder implements Folder {
  readonly #parts: MemoryFolderParts;
  readonly #watching = new Set<() => void>();

  constructor(parts: MemoryFolderParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.name;
  }

  get state(): FolderState {
    return this.#parts.data.state;
  }

  async refresh(): Promise<FolderState> {
    return this.#data().state;
  }

  async claim(): Promise<readonly number[]> {
    return this.#data().claim();
  }

  watch(listener: (state: FolderState) => void): () => void {
    const { listeners } = this.#parts.data;
    const own = (state: FolderState): void => listener(state);
    listeners.add(own);
    const stop = (): void => {
      listeners.delete(own);
      this.#watching.delete(stop);
    };
    this.#watching.add(stop);
    return stop;
  }

  async store(change: FlagChange): Promise<Stored> {
    return this.#data().store(change);
  }

  async expunge(uids: readonly number[], uidValidity?: number): Promise<FolderState> {
    return this.#data().expunge(uids, uidValidity);
  }

  async copy(uids: readonly number[], to: string, uidValidity?: number): Promise<Copied> {
    const [data, target] = [this.#data(), this.#target(to)];
    if (!isOf(data, uidValidity)) return { state: target.state, pairs: [] };
    const copied = data.state.messages.filter(({ uid }) => uids.includes(uid));
    const sizes = copied.map(({ key }) => data.contents.get(key)?.length ?? 0);
    this.#parts.requireQuota(sizes.reduce((sum, octets) => sum + octets, 0));
    const { mailbox } = this.#parts;
    return linkInto({ mailbox, from: data, uids, to: target, how: 'copied' });
  }

  async move(uids: readonly number[], to: string, uidValidity?: number): Promise<Copied> {
    const [data, target] = [this.#data(), this.#target(to)];
    if (!isOf(data, uidValidity)) return { state: target.state, pairs: [] };
    const { mailbox } = this.#parts;
    const copied = linkInto({ mailbox, from: data, uids, to: target, how: 'moved' });
    data.expunge(copied.pairs.map(({ from }) => from));
    return { ...copied, state: this.#target(to).state };
  }

  readAhead(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *read(message: Numbered, range?: StoredRange): AsyncGenerator<Buffer> {
    const stored = this.#stored(message);
    const form = wireForm(lineEndsOf(message.entry.name));
    const end = Math.min(range?.end ?? stored.length, stored.length);
    for (let at = range?.offset ?? 0; at < end; at += PIECE_OCTETS) {
      yield form.convert(stored.subarray(at, Math.min(at + PIECE_OCTETS, end)));
    }
  }

  octets(message: Numbered): number {
    return wireOctetsOf(message.entry.name, this.#stored(message));
  }

  date(message: Numbered): number {
    return dateOf(message.key);
  }

  summaries(messages: readonly Numbered[], need: 'head'): AsyncIterable<HeadSummary | undefined>;
  summaries(messages: readonly Numbered[], need: 'all'): AsyncIterable<Summary | undefined>;
  async *summaries(
    messages: readonly Numbered[],
    need: SummaryNeed,
  ): AsyncGenerator<Summary | undefined> {
    const { mailbox } = this.#parts;
    yield* mailbox.summaries.of(this.#source(), messages, need);
  }

  async search(query: Query, state: FolderState): Promise<readonly number[]> {
    return this.#parts.mailbox.searches.run(this.#source(), query, state);
  }

  searchNewest(query: Query, state: FolderState, until: number): AsyncGenerator<Stretch> {
    return this.#parts.mailbox.searches.newest(this.#source(), query, state, until);
  }

  close(): void {
    for (const stop of this.#watching) stop();
  }

  /** @throws MailError when the folder was removed or renamed */
  #data(): MemoryFolderData {
    const { name, data, mailbox } = this.#parts;
    if (mailbox.folders.get(name) !== data) throw noFolder(name);
    return data;
  }

  #target(given: string): MemoryFolderData {
    const name = folderName(given);
    const data = this.#parts.mailbox.folders.get(name);
    if (data === undefined) throw noFolder(name);
    return data;
  }

  #stored({ key }: Numbered): Buffer {
    const stored = this.#data().contents.get(key);
    if (stored === undefined) throw new StoreError('message-gone', `${key} was deleted`);
    return stored;
  }

  #source(): SearchSource {
    const { name, data } = this.#parts;
    return {
      ref: { maildir: '', folder: name },
      facts: undefined,
      current: () => data.state.messages,
      read: async ({ key }, { offset, length }) => {
        const bytes = data.contents.get(key)?.subarray(offset, offset + length);
        return bytes && { bytes, end: bytes.length < length };
      },
      octets: (message) => this.octets(message),
      date: (message) => this.date(message),
    };
  }
}
