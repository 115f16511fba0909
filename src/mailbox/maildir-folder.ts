import { nameOctets, nameWireOctets, type Entry, type FlagChange } from '#maildir';
import type { Copied, FolderState, FolderRef, Numbered, Stored } from '#maildir';
import { StoreError } from '../volumes/error.ts';
import type { Volume } from '../volumes/volume.ts';
import type { MailContext } from './context.ts';
import type { Folder, StoredRange } from './mail.ts';
import { folderPath } from './maildir-draft.ts';
import { mailboxEvents } from './metrics.ts';
import { OneByOne } from './one-by-one.ts';
import type { Query } from './query.ts';
import { readAhead, type Ahead, type AheadRequest } from './read-ahead.ts';
import { READ_CHUNK_BYTES, readWire, shortFile } from './reader.ts';
import { EMPTY, pick, type Placed, type SharedFolder } from './shared-folder.ts';
import type { SearchSource, Stretch } from './search.ts';
import { sizeMessage } from './sizing.ts';
import type { Begins, MessageSource } from './summaries.ts';
import type { HeadSummary, Summary, SummaryNeed } from './summary.ts';

/** Sizes and dates that names do not say, found out once. */
const sizes = new WeakMap<Numbered, number>();
const dates = new WeakMap<Numbered, number>();

const SECOND = 1000;
/** Seconds that a name begins with: what APPEND, and nearly every tool, put there. */
const SECONDS = /^(\d{1,11})\./;

/** What a folder needs of the Mail that opened it. */
export interface FolderParts {
  readonly context: MailContext;
  readonly shared: SharedFolder;
  /** Where messages go that are copied. @throws MailError */
  readonly target: (name: string) => Promise<{ readonly ref: FolderRef; readonly name: string }>;
  readonly requireQuota: (octets: number) => Promise<void>;
  readonly onClose: () => void;
}

/** A session's hold on a folder. All that can be shared is in `SharedFolder`. */
export class MaildirFolder implements Folder {
  readonly #parts: FolderParts;
  #watching: Set<() => void> | undefined;
  #closed = false;

  constructor(parts: FolderParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.shared.name;
  }

  get state(): FolderState {
    return this.#parts.shared.state ?? EMPTY;
  }

  refresh(): Promise<FolderState> {
    return this.#parts.shared.refresh();
  }

  claim(): Promise<readonly number[]> {
    return this.#parts.shared.claim();
  }

  watch(listener: (state: FolderState) => void): () => void {
    const unwatch = this.#parts.shared.watch(listener);
    const watching = (this.#watching ??= new Set());
    const stop = (): void => {
      unwatch();
      watching.delete(stop);
    };
    watching.add(stop);
    return stop;
  }

  async store(change: FlagChange): Promise<Stored> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) return { state: EMPTY, modified: [], gone: change.uids };
    const before = this.state;
    const stored = await this.#run(placed, ({ volume }, ref) => volume.journals.store(ref, change));
    this.#took(stored.state, before);
    return stored;
  }

  async expunge(uids: readonly number[], uidValidity?: number): Promise<FolderState> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined || uids.length === 0) return this.state;
    const before = this.state;
    const state = await this.#run(placed, ({ volume }, ref) =>
      volume.journals.expunge(ref, uids, uidValidity),
    );
    if (state.uidValidity === before.uidValidity) this.#removed(before, state, uids);
    this.#took(state, before);
    return state;
  }

  async copy(uids: readonly number[], to: string, uidValidity?: number): Promise<Copied> {
    const target = await this.#parts.target(to);
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) return { state: EMPTY, pairs: [] };
    const octets = storedOctets(pick(this.state, uids));
    await this.#parts.requireQuota(octets);
    const copied = await this.#run(placed, ({ volume }, ref) =>
      volume.journals.copy(ref, uids, target.ref, uidValidity),
    );
    const { context } = this.#parts;
    context.usage.added(context.account.id, octets, copied.pairs.length);
    this.#arrived(target, copied);
    return copied;
  }

  async move(uids: readonly number[], to: string, uidValidity?: number): Promise<Copied> {
    const target = await this.#parts.target(to);
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) return { state: EMPTY, pairs: [] };
    const before = this.state;
    const copied = await this.#run(placed, ({ volume }, ref) =>
      volume.journals.move(ref, uids, target.ref, uidValidity),
    );
    this.#arrived(target, copied);
    const { volume } = placed.mailbox;
    this.#took(volume.journals.known(placed.ref) ?? before, before);
    return copied;
  }

  async *read(message: Numbered, range?: StoredRange): AsyncGenerator<Buffer> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) throw new StoreError('message-gone', `${message.key}: no mailbox`);
    const maildir = folderPath(placed);
    let { entry } = message;
    const source = {
      volume: placed.mailbox.volume,
      maildir,
      entry: () => entry,
      moved: (now: Entry) => void (entry = now),
    };
    const said = nameOctets(entry.name);
    const { offset, end } = range ?? { offset: 0, end: Infinity };
    const isSmall = Math.min(end, said ?? Infinity) - offset < READ_CHUNK_BYTES;
    const size = isSmall ? 'small' : 'large';
    const { stored } = yield* readWire(source, { offset, end, size });
    const expected = said === undefined ? undefined : Math.min(end, said) - offset;
    if (expected !== undefined && stored < expected) {
      mailboxEvents.inc('short-file');
      const fields = { code: 'MF-MBX-001', maildir, name: entry.name, octets: offset + stored };
      this.#parts.context.log.error(fields, 'file shorter than its name says');
      throw shortFile(maildir, entry.name, offset + stored);
    }
  }

  async readAhead(request: AheadRequest): Promise<Ahead | undefined> {
    const placed = await this.#parts.shared.placed();
    return placed && readAhead(beginsIn(placed.mailbox.volume, folderPath(placed)), request);
  }

  octets(message: Numbered): number | Promise<number> {
    return nameWireOctets(message.entry.name) ?? sizes.get(message) ?? this.#size(message);
  }

  date(message: Numbered): number | Promise<number> {
    const seconds = SECONDS.exec(message.key)?.[1];
    if (seconds !== undefined) return Number(seconds) * SECOND;
    return dates.get(message) ?? this.#modified(message);
  }

  summaries(messages: readonly Numbered[], need: 'head'): AsyncIterable<HeadSummary | undefined>;
  summaries(messages: readonly Numbered[], need: 'all'): AsyncIterable<Summary | undefined>;
  summaries(messages: readonly Numbered[], need: SummaryNeed): AsyncIterable<Summary | undefined> {
    return new OneByOne(this.#summaries(messages, need));
  }

  async search(query: Query, state: FolderState): Promise<readonly number[]> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) return [];
    return this.#parts.context.searches.run(this.#searched(placed), query, state);
  }

  async *searchNewest(query: Query, state: FolderState, until: number): AsyncGenerator<Stretch> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) yield { uids: [], left: 0 };
    else {
      yield* this.#parts.context.searches.newest(this.#searched(placed), query, state, until);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#watching ?? []) stop();
    this.#parts.onClose();
  }

  async #run<T>(
    placed: Placed,
    work: (mailbox: Placed['mailbox'], ref: FolderRef) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(placed.mailbox, placed.ref);
    } catch (error) {
      throw await this.#parts.shared.explain(error);
    }
  }

  /** Our own change: the other sessions of this process, and those who wait elsewhere. */
  #took(state: FolderState, before: FolderState): void {
    const { context, shared } = this.#parts;
    shared.take(state);
    if (state !== before) context.hints.tell(context.account.id, shared.name);
  }

  #arrived(target: { readonly ref: FolderRef; readonly name: string }, copied: Copied): void {
    const { context } = this.#parts;
    if (copied.pairs.length === 0) return;
    context.folders.peek(context.account, target.ref.folder)?.take(copied.state);
    context.hints.tell(context.account.id, target.name);
  }

  #removed(before: FolderState, state: FolderState, uids: readonly number[]): void {
    const left = new Set(pick(state, uids).map(({ uid }) => uid));
    const gone = pick(before, uids).filter(({ uid }) => !left.has(uid));
    const { context } = this.#parts;
    context.usage.added(context.account.id, -storedOctets(gone), -gone.length);
  }

  async *#summaries(
    messages: readonly Numbered[],
    need: SummaryNeed,
  ): AsyncGenerator<readonly (Summary | undefined)[]> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) return;
    yield* this.#parts.context.summaries.lists(this.#source(placed), messages, need);
  }

  #searched(placed: Placed): SearchSource {
    return {
      ...this.#source(placed),
      octets: (message) => this.octets(message),
      date: (message) => this.date(message),
    };
  }

  /** Messages as whoever looks into them needs them. */
  #source(placed: Placed): MessageSource {
    const { volume } = placed.mailbox;
    const maildir = folderPath(placed);
    return {
      ref: placed.ref,
      facts: volume.facts,
      current: () => this.state.messages,
      read: async ({ entry }, piece) => {
        try {
          return await volume.read({ maildir, entry, ...piece });
        } catch (error) {
          if (error instanceof StoreError && error.kind === 'message-gone') return undefined;
          throw error;
        }
      },
      begins: beginsIn(volume, maildir),
    };
  }

  async #size(message: Numbered): Promise<number> {
    const placed = await this.#parts.shared.placed();
    const { entry, key } = message;
    const sized =
      placed && (await sizeMessage({ ...placed.mailbox, maildir: folderPath(placed) }, entry));
    if (sized === undefined) throw new StoreError('message-gone', `${key} was deleted`);
    sizes.set(message, sized.wireOctets);
    return sized.wireOctets;
  }

  /** The file's own time, where its name has none. */
  async #modified(message: Numbered): Promise<number> {
    const placed = await this.#parts.shared.placed();
    if (placed === undefined) throw new StoreError('message-gone', `${message.key}: no mailbox`);
    let at: number;
    try {
      at = await modified(placed, message);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'message-gone') throw error;
      // Flags or another directory may be all that has changed.
      const [now] = pick(await this.refresh(), [message.uid]);
      if (now?.key !== message.key) throw error;
      at = await modified(placed, now);
    }
    dates.set(message, at);
    return at;
  }
}

const beginsIn = (volume: Volume, maildir: string): Begins => ({
  ready: (messages) => volume.readsMany(messages),
  read: async (messages, piece) => {
    const entries = messages.map(({ entry }) => entry);
    const results = await volume.readMany({ maildir, entries, ...piece });
    return results.map((result) => {
      if (!(result instanceof Error)) return result;
      if (result instanceof StoreError && result.kind === 'message-gone') return undefined;
      throw result;
    });
  },
});

async function modified(placed: Placed, { entry }: Numbered): Promise<number> {
  const path = `${folderPath(placed)}/${entry.directory}/${entry.name}`;
  return placed.mailbox.volume.guard({
    operation: 'modified',
    where: path,
    absent: 'message-gone',
    run: (fs) => fs.modified(path),
  });
}

/** Sum of S= over names. */
function storedOctets(messages: readonly Numbered[]): number {
  let sum = 0;
  for (const { entry } of messages) sum += nameOctets(entry.name) ?? 0;
  return sum;
}
