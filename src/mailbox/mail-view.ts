/**
 * A user's mail as one collection, for all requests of a process.
 *
 * Invariants:
 *  V1. A version that `refresh` resolves with has all that any node acknowledged before it was
 *      called (in the folders asked for).
 *  V2. Ids are those of decision 22: the same on each node and after a restart, over moves and
 *      renames. They are computed, never given.
 *  V3. No version is without an email that was moved and not removed: what has left one folder is
 *      looked for in all others before that is told. So `emailChanges` destroys nothing that is
 *      there.
 *  V4. From the state of any version, of any node, those of later versions can tell what changed,
 *      as long as the journals remember: nothing is kept here that others do not have.
 *
 * A move links the message into the other folder and commits that, then expunges it here
 * (journal.ts). So whoever has seen the expunge sees the arrival in a look that begins after that:
 * rule `again`: where a look shows an expunge of an email that the version has nowhere, every other
 * folder that was not looked at since, and the list of folders, is looked at again, before anybody
 * gets the version. The first look of a process knows nothing of before, so it checks all expunges
 * of 30 days.
 *
 * Races:
 *  - Moved while folders are looked at, from one not looked at yet to one that was: `again`.
 *  - Moved once more meanwhile, on and on: so many rounds and no more; then it is told destroyed,
 *    and created by the next version. Somebody must move it for longer than ten looks at all
 *    folders.
 *  - Moved to a folder that was made after the list: the list is looked at again too.
 *  - A folder renamed or removed after the list: opening it, or a look, says that there is none;
 *    the list is read again, and all folders looked at after that (a message may have been moved
 *    out of it before it went). Renamed, it is found by its other name, with the same journal.
 *  - A folder removed and made again under its name: its state has another journal, and is another.
 *  - A folder listed under both names while it is renamed: one journal, two names: again.
 *  - This process changes a folder while it is looked at: `Folder.state` never goes back; each
 *    version takes the newest state of every folder, so one look serves many, and what a version
 *    shows of a folder that was not looked at is at least what was known before.
 *  - Two refreshes at once: one runs, one more waits for all who ask meanwhile (V1). A partial one
 *    that waits is part of the same.
 *  - A look fails: the refresh fails, nothing is told. Half a mailbox is none.
 *
 * Cost: a look at a folder in which nothing has changed is three listings (GETATTR on NFS), with
 * the list of folders one more for each and eight (views.test.ts). An email that was removed for
 * good costs one more look at all other folders. A version is O(folders), the places of emails
 * O(changes); nothing but `emailChanges` looks at all messages, and that at one number each.
 */
import type { Clock } from '../base/clock.ts';
import { byName } from './folder-names.ts';
import { MailError, type Folder, type FolderInfo, type FolderState, type Mail } from './mail.ts';
import { RemovedFolders } from './removed-folders.ts';
import { inParallel } from './summaries-parallel.ts';
import type {
  Changed,
  EmailPlace,
  FolderView,
  MailVersion,
  MailView,
  Threads,
  ThreadsSoFar,
} from './view.ts';
import { emailChanges, mailboxChanges } from './view-changes.ts';
import { emailChangesPart, mailboxChangesPart } from './view-changes-part.ts';
import { Places } from './view-places.ts';
import { mailboxIdOf, mailboxRowOf } from './view-states.ts';
import { ThreadIndex } from './view-threads.ts';
import { Version } from './view-version.ts';

/** Looks at all folders that a message which is moved on and on may cost. */
const ROUNDS_MAX = 10;
/** Folders looked at, at once. */
const PARALLEL = 8;
/** While somebody listens, the list of folders is looked at so often. */
const LIST_MS = 30_000;

/** A folder of the list, as this view knows it. Times are counts of what happened here. */
class Entry {
  readonly folder: Folder;
  info: FolderInfo;
  state: FolderState;
  view: FolderView | undefined;
  /** When the last look began. */
  lookedAt = 0;
  /** Expunges up to this MODSEQ were looked for elsewhere. */
  closed = 0;
  /** Since when expunges wait for looks at the others. */
  openSince: number | undefined;
  unwatch: (() => void) | undefined;

  constructor(info: FolderInfo, folder: Folder) {
    this.info = info;
    this.folder = folder;
    this.state = folder.state;
  }

  viewNow(): FolderView {
    const { info, folder, state, view } = this;
    if (view?.info === info && view.state === state) return view;
    this.view = { id: mailboxIdOf(mailboxRowOf(info.name, state)), info, folder, state };
    return this.view;
  }
}

/** What is to be looked at. */
interface Wanted {
  list: boolean;
  readonly all: boolean;
  readonly ids: ReadonlySet<string>;
}

export interface MailViewParts {
  readonly mail: Mail;
  readonly clock: Clock;
}

/** Opened by `openMailView`, which looks at everything once. */
export class FolderedView implements MailView {
  readonly mail: Mail;
  readonly #clock: Clock;
  readonly #removedFolders: RemovedFolders;
  readonly #threads: ThreadIndex;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(version: MailVersion) => void>();
  #places = new Places();
  #removed: Version['removed'] = new Map();
  #version = new Version([], this.#places, new Map());
  /** Counts what happens: looks that begin, states that come. */
  #now = 0;
  #listedAt = 0;
  /** When a folder was last seen to be gone. */
  #goneAt = 0;
  #asked: { list: boolean; all: boolean; ids: Set<string> } | undefined;
  #next: Promise<Version> | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #isTurning = false;
  /** Answers about threads that were given before all was known. */
  #threadsAwaited = 0;

  constructor({ mail, clock }: MailViewParts) {
    this.mail = mail;
    this.#clock = clock;
    this.#removedFolders = new RemovedFolders(mail.facts);
    this.#threads = new ThreadIndex(mail.facts);
  }

  get version(): MailVersion {
    return this.#version;
  }

  /** Whether somebody listens. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Messages of all folders. */
  get size(): number {
    return this.#version.folders.reduce((sum, { state }) => sum + state.messages.length, 0);
  }

  refresh(which?: readonly string[]): Promise<MailVersion> {
    const unknown = which?.some((id) => this.#version.folder(id) === undefined);
    const all = which === undefined || unknown === true;
    return this.#ask({ list: all, all, ids: new Set(which) });
  }

  emailChanges(since: string, version: MailVersion): Changed | undefined {
    return emailChanges(since, version as Version);
  }

  mailboxChanges(
    since: string,
    version: MailVersion,
  ): (Changed & { readonly countsOnly: boolean }) | undefined {
    return mailboxChanges(since, version as Version);
  }

  emailChangesPart(
    ...[since, version, how]: Parameters<MailView['emailChangesPart']>
  ): ReturnType<MailView['emailChangesPart']> {
    return emailChangesPart(since, version as Version, how);
  }

  mailboxChangesPart(
    ...[since, version, how]: Parameters<MailView['mailboxChangesPart']>
  ): ReturnType<MailView['mailboxChangesPart']> {
    return mailboxChangesPart(since, version as Version, how);
  }

  threadIds(places: readonly EmailPlace[]): Promise<readonly string[]> {
    return this.#threads.ids(places);
  }

  threads(version: MailVersion, gone?: readonly string[]): Promise<Threads> {
    return this.#threads.of(version, gone);
  }

  get threadsPending(): boolean {
    return this.#threadsAwaited > 0;
  }

  async threadsSoon(version: MailVersion, ms: number): Promise<ThreadsSoFar> {
    const all = this.#threads.of(version);
    const found = await Promise.race([all, this.#clock.sleep(ms)]);
    if (found) return { threads: found, isAll: true };
    this.#threadsAwaited += 1;
    const known = (): void => {
      this.#threadsAwaited -= 1;
      if (!this.threadsPending) this.#tell();
    };
    all.then(known, known);
    return { threads: this.#threads.soFar(version), isAll: false };
  }

  toldThreads(): Promise<void> {
    return this.#threads.others();
  }

  watch(listener: (version: MailVersion) => void): () => void {
    const own = (version: MailVersion): void => listener(version);
    this.#listeners.add(own);
    for (const entry of this.#entries.values()) this.#watchEntry(entry);
    if (!this.#isTurning) void this.#turn();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      for (const entry of this.#entries.values()) this.#unwatchEntry(entry);
    };
  }

  /** Lets go of the folders. Whoever works with this view can end that. */
  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.mail.close();
  }

  /** All who ask before it begins share one. */
  #ask(wanted: Wanted): Promise<Version> {
    this.#asked ??= { list: false, all: false, ids: new Set() };
    this.#asked.list ||= wanted.list;
    this.#asked.all ||= wanted.all;
    for (const id of wanted.ids) this.#asked.ids.add(id);
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  async #afterRunning(): Promise<Version> {
    await this.#running.catch(() => {}); // Whoever asked for it is told.
    const asked = this.#asked as Wanted;
    this.#asked = undefined;
    this.#next = undefined;
    const running = this.#look(asked);
    this.#running = running;
    return running;
  }

  async #look(asked: Wanted): Promise<Version> {
    let wanted = [...this.#entries.values()].filter(
      ({ view }) => asked.all || (view !== undefined && asked.ids.has(view.id)),
    );
    let list = asked.list;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const fresh = list ? await this.#list() : [];
      await this.#lookAt(asked.all && round === 0 ? [...this.#entries.values()] : wanted, fresh);
      await this.#places.fill([...this.#entries.values()].map(({ folder }) => folder.state));
      this.#checkExpunges(this.#candidate());
      list = this.#isListOld();
      wanted = [...this.#entries.values()].filter((entry) => this.#isOld(entry));
      if (!list && wanted.length === 0) break;
    }
    return this.#publish();
  }

  /** Looks at the list of folders. @returns those that are new in it */
  async #list(): Promise<readonly Entry[]> {
    this.#listedAt = ++this.#now;
    const infos = await this.mail.folders();
    this.#removed = await this.#removedFolders.load(this.#clock.now());
    const listed = new Map(infos.map((info) => [info.name, info]));
    for (const [name, entry] of this.#entries) if (!listed.has(name)) this.#gone(entry);
    const fresh: Entry[] = [];
    await inParallel(infos, PARALLEL, () => async (info) => {
      const known = this.#entries.get(info.name);
      if (known) known.info = isSame(known.info, info) ? known.info : info;
      else await this.#open(info, fresh);
    });
    return fresh;
  }

  async #open(info: FolderInfo, fresh: Entry[]): Promise<void> {
    try {
      const entry = new Entry(info, await this.mail.open(info.name));
      this.#entries.set(info.name, entry);
      fresh.push(entry);
      if (this.isWatched) this.#watchEntry(entry);
      if (this.#isClosed) this.#drop(entry);
    } catch (error) {
      if (!isNoFolder(error)) throw error;
      this.#goneAt = ++this.#now;
    }
  }

  async #lookAt(wanted: readonly Entry[], fresh: readonly Entry[]): Promise<void> {
    await inParallel([...new Set([...wanted, ...fresh])], PARALLEL, () => async (entry) => {
      entry.lookedAt = ++this.#now;
      try {
        await entry.folder.refresh();
      } catch (error) {
        if (!isNoFolder(error)) throw error;
        this.#gone(entry);
      }
    });
  }

  /** What is known now, of all folders. */
  #candidate(): Version {
    const byJournal = new Map<string, Entry>();
    for (const entry of this.#entries.values()) {
      const { state } = entry.folder;
      if (state.journalId !== entry.state.journalId) entry.closed = 0;
      entry.state = state;
      const twin = byJournal.get(state.journalId);
      if (twin) this.#gone(twin.lookedAt < entry.lookedAt ? twin : entry);
      if (!twin || twin.lookedAt < entry.lookedAt) byJournal.set(state.journalId, entry);
    }
    const folders = [...this.#entries.values()].map((entry) => entry.viewNow());
    folders.sort((a, b) => byName(a.info.name, b.info.name));
    const { folders: before, removed } = this.#version;
    const isSame =
      folders.length === before.length && folders.every((view, at) => view === before[at]);
    if (isSame && removed === this.#removed) return this.#version;
    if (this.#places.isOld(folders)) this.#places = new Places();
    return new Version(folders, this.#places, this.#removed);
  }

  /** Rule `again`: notes which folders show expunges of emails that are nowhere. */
  #checkExpunges(version: Version): void {
    for (const entry of this.#entries.values()) {
      const { expunged, modseq } = entry.state;
      let at = expunged.length;
      let isOpen = false;
      while (at > 0 && !isOpen) {
        const row = expunged[--at];
        if (row === undefined || row.modseq <= entry.closed) break;
        isOpen = row.emailId !== '' && version.places(row.emailId).length === 0;
      }
      if (isOpen) entry.openSince = ++this.#now;
      entry.closed = modseq;
    }
  }

  /** Whether it is to be looked at for what has left another. */
  #isOld(entry: Entry): boolean {
    if (entry.lookedAt < this.#goneAt) return true;
    for (const other of this.#entries.values()) {
      if (other !== entry && entry.lookedAt < (other.openSince ?? 0)) return true;
    }
    return false;
  }

  #isListOld(): boolean {
    if (this.#listedAt < this.#goneAt) return true;
    return [...this.#entries.values()].some(({ openSince = 0 }) => this.#listedAt < openSince);
  }

  #publish(): Version {
    const before = this.#version;
    this.#version = this.#candidate();
    const { emailState, mailboxState } = this.#version;
    const isTold = emailState === before.emailState && mailboxState === before.mailboxState;
    if (!isTold) this.#tell();
    return this.#version;
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener(this.#version);
      });
    }
  }

  /** It is not there, or not under this name. */
  #gone(entry: Entry): void {
    const { name } = entry.info;
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    this.#drop(entry);
    this.#goneAt = ++this.#now;
  }

  #drop(entry: Entry): void {
    this.#unwatchEntry(entry);
    entry.folder.close();
  }

  #watchEntry(entry: Entry): void {
    entry.unwatch ??= entry.folder.watch((state) => {
      if (state !== entry.state) this.#noticed({ list: false, all: false, ids: new Set() });
    });
  }

  #unwatchEntry(entry: Entry): void {
    entry.unwatch?.();
    entry.unwatch = undefined;
  }

  /** Makes a version of what has come; what fails now is looked at when more comes. */
  #noticed(wanted: Wanted): void {
    this.#ask(wanted).catch(() => {});
  }

  /** While somebody listens: folders that others made, renamed or removed. */
  async #turn(): Promise<void> {
    this.#isTurning = true;
    while (this.isWatched) {
      await this.#clock.sleep(LIST_MS);
      if (this.isWatched) this.#noticed({ list: true, all: false, ids: new Set() });
    }
    this.#isTurning = false;
  }
}

/** Looks at everything once. @throws StoreError */
export async function openMailView(parts: MailViewParts): Promise<FolderedView> {
  const view = new FolderedView(parts);
  try {
    await view.refresh();
    return view;
  } catch (error) {
    view.close();
    throw error;
  }
}

const isNoFolder = (error: unknown): boolean =>
  error instanceof MailError && error.kind === 'no-such-folder';

const isSame = (a: FolderInfo, b: FolderInfo): boolean =>
  a.name === b.name && a.use === b.use && a.subscribed === b.subscribed;
