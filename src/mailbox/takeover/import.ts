import { hash } from 'node:crypto';
import { AdminError } from '../../directory/admin/error.ts';
import type { Account } from '../../directory/types.ts';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { nameKey, type Entry, type FolderState } from '#maildir';
import { INBOX } from '../folder-names.ts';
import { setSubscribed, subscribedNames } from '../subscriptions.ts';
import { copyAll, nameAll } from './copy.ts';
import { targetsOf, type TargetMessage } from './names.ts';
import { Problems, type Problem } from './problems.ts';
import { readSource } from './read.ts';
import type { Format, Source, SourceFolder } from './source.ts';
import { cameOf, clearDeadSeed, journalNames, openMailboxes, pathOf, refOf } from './volumes.ts';
import type { TakeoverOptions } from './volumes.ts';

/**
 * Taking over a user's mail from another server with the numbers that clients know it by (N-08):
 * UIDs and UIDVALIDITY become the first commit of each folder's journal, UIDLs `,U=` in file names.
 *
 * Order, for each folder, INBOX first (its journal gives UIDVALIDITY to the others, and must not be
 * begun by them): the mark `begun`, the files, the journal, keywords that the journal does not have
 * yet, the mark `done`. Subscriptions last.
 *
 * - A crash anywhere: the same command again. `done` folders are left alone (what the user has
 *   deleted since stays deleted); in others files are known by their keys, which are made of the
 *   source alone, so that nothing is copied twice. A journal begun with the numbers wanted is ours.
 * - Mail that comes meanwhile lies in new/ without a number and gets one above all of the source.
 * - A client that looks in meanwhile begins the journal before us: then that folder has new
 *   numbers, and the report says so. So users come after the import, not before.
 * - A mailbox that has messages or numbers, none of them from this source, is somebody's: refused
 *   without --merge. Merged into, a folder with a journal gives new numbers.
 *
 * Rejected: seeding before the files are there (a client would see numbers without messages,
 * and they would be expunged on proof); moving files (the old server is the way back); links (the
 * old owner could still write into them).
 *
 * Standards: RFC 9051 §2.3.1.1, RFC 1939 §7    Errors: AdminError, SourceError, StoreError
 */
export interface ImportOptions {
  readonly account: Account;
  /** A directory; undefined: the mailbox itself, whose files stay where they are. */
  readonly from: string | undefined;
  readonly format: Format | 'auto';
  readonly uidlFormat: string | undefined;
  readonly dryRun: boolean;
  /** Also into a mailbox in use. */
  readonly merge: boolean;
  /** Names subscribed to, at most. */
  readonly subscriptionsMax: number;
  readonly onFolder?: (folder: FolderReport) => void;
}

export interface FolderReport {
  readonly name: string;
  /** In the source. */
  readonly messages: number;
  readonly copied: number;
  /** Lay there already. */
  readonly there: number;
  /** Messages that have the UID they had. */
  readonly numbered: number;
  /** `kept`: UIDVALIDITY and UIDs are the source's. */
  readonly numbers: 'kept' | 'new' | 'done before' | 'not yet';
  /** Why they are new. */
  readonly why?: string;
  readonly uidls: number;
  readonly uidValidity?: number;
  readonly uidNext?: number;
}

export interface ImportReport {
  readonly user: string;
  readonly from: string;
  readonly format: Format;
  readonly to: { readonly volume: string; readonly maildir: string };
  readonly dryRun: boolean;
  readonly folders: readonly FolderReport[];
  readonly subscriptions: number;
  readonly problems: readonly Problem[];
}

const DRAWER = 'takeover';

/** @throws AdminError, SourceError, StoreError; what was done until then stays, to be continued */
export async function importMailbox(
  volumes: TakeoverOptions,
  options: ImportOptions,
): Promise<ImportReport> {
  const mailboxes = openMailboxes(volumes);
  try {
    const mailbox = await mailboxes.open(options.account);
    const problems = new Problems();
    const { format, uidlFormat, account } = options;
    const from = options.from ?? mailbox.maildir;
    const source = await readSource({ from, format }, { uidlFormat, problems });
    const inPlace = options.from === undefined;
    if (inPlace && source.format === 'cyrus') {
      throw new AdminError('invalid', 'The spool of Cyrus is no Maildir: import it with --from');
    }
    if (!inPlace && sameOrBelow(source.from, mailbox.maildir)) {
      const text = `${source.from} is the mailbox itself: mailfarm mailbox adopt takes it over`;
      throw new AdminError('invalid', text);
    }
    const work = new Import({ mailbox, source, problems, options, inPlace });
    const done = await work.run();
    const to = { volume: mailbox.volume.name, maildir: mailbox.maildir };
    const about = { user: account.login, from: source.from, format: source.format, to };
    return { ...about, dryRun: options.dryRun, ...done, problems: problems.list() };
  } finally {
    mailboxes.close();
  }
}

const sameOrBelow = (path: string, other: string): boolean =>
  path === other || path.startsWith(`${other}/`) || other.startsWith(`${path}/`);

interface Parts {
  readonly mailbox: Mailbox;
  readonly source: Source;
  readonly problems: Problems;
  readonly options: ImportOptions;
  readonly inPlace: boolean;
}

class Import {
  readonly #parts: Parts;
  /** Names this source in marks. */
  readonly #id: string;

  constructor(parts: Parts) {
    this.#parts = parts;
    const from = parts.inPlace ? 'in place' : parts.source.from;
    this.#id = hash('sha256', from, 'hex').slice(0, 16);
  }

  async run(): Promise<Pick<ImportReport, 'folders' | 'subscriptions'>> {
    const { source, options, inPlace } = this.#parts;
    if (!options.merge && !inPlace) await this.#requireUnused();
    const folders: FolderReport[] = [];
    for (const folder of source.folders) {
      const report = await this.#folder(folder);
      folders.push(report);
      options.onFolder?.(report);
    }
    return { folders, subscriptions: await this.#subscribe() };
  }

  /** @throws AdminError where the mailbox has what is not from this source */
  async #requireUnused(): Promise<void> {
    const { mailbox, options } = this.#parts;
    if ((await this.#marks('')).has('begun')) return;
    for (const disk of ['', ...(await mailbox.volume.folders(mailbox.maildir))]) {
      const what = await this.#inUse(disk);
      if (what === undefined) continue;
      const where = `${disk === '' ? INBOX : disk} of ${options.account.login}`;
      const text = `${where} ${what}; --merge imports into it all the same, with new UIDs there`;
      throw new AdminError('invalid', text);
    }
  }

  async #inUse(disk: string): Promise<string | undefined> {
    const { mailbox } = this.#parts;
    const entries = await mailbox.volume.list(pathOf(mailbox, disk));
    if (entries.length > 0) return `has messages already (${entries.length})`;
    const names = await journalNames(mailbox, disk);
    return names.length === 0 ? undefined : 'was opened by a client already and has numbers';
  }

  async #folder(folder: SourceFolder): Promise<FolderReport> {
    const { source, problems, options, inPlace, mailbox } = this.#parts;
    const { name, messages, numbers } = folder;
    const marks = await this.#marks(folder.disk);
    const said = { name, messages: messages.length, ...numbers };
    if (marks.has('done')) {
      return { ...said, copied: 0, there: 0, numbered: 0, uidls: 0, numbers: 'done before' };
    }
    const targets = targetsOf(folder, { format: source.format, problems, inPlace });
    const uidls = targets.filter(({ uidl }) => uidl !== undefined).length;
    if (options.dryRun) {
      const counts = { copied: inPlace ? 0 : targets.length, there: 0, uidls, numbered: 0 };
      return { ...said, ...counts, numbers: 'not yet' };
    }
    if (folder.disk !== '') await mailbox.volume.createFolder(mailbox.maildir, folder.disk);
    await this.#mark(folder.disk, 'begun');
    const files = await this.#files(folder, targets);
    const numbered = await this.#number(folder, targets);
    await this.#mark(folder.disk, 'done');
    return { ...said, copied: files.copied, there: files.kept, uidls, ...numbered };
  }

  async #files(
    { disk }: SourceFolder,
    targets: readonly TargetMessage[],
  ): ReturnType<typeof copyAll> {
    const { mailbox, source, problems, inPlace } = this.#parts;
    const path = pathOf(mailbox, disk);
    const to = { mailbox, path, format: source.format, problems };
    if (inPlace) return nameAll(to, targets);
    const there = new Map<string, Entry>();
    for (const entry of await mailbox.volume.list(path)) there.set(nameKey(entry.name), entry);
    return copyAll(to, targets, there);
  }

  async #number(
    { disk, numbers }: SourceFolder,
    targets: readonly TargetMessage[],
  ): Promise<
    Pick<FolderReport, 'numbers' | 'numbered' | 'uidValidity' | 'uidNext'> & { why?: string }
  > {
    const { mailbox } = this.#parts;
    const ref = refOf(mailbox, disk);
    const { journals } = mailbox.volume;
    let state: FolderState | undefined;
    if (numbers !== undefined) {
      await clearDeadSeed(mailbox, disk, numbers.uidValidity);
      const seed = { ...numbers, messages: this.#seedOf(targets) };
      state = await journals.seed(ref, seed).catch((error: unknown) => {
        if (cameOf(error, 'EEXIST')) return undefined;
        throw error;
      });
    }
    state ??= (await journals.sync(ref)).state;
    const kept = numbers !== undefined && state.uidValidity === numbers.uidValidity;
    state = await this.#addKeywords(disk, targets, state);
    const { uidValidity, uidNext } = state;
    const uids = new Map(state.messages.map(({ key, uid }) => [key, uid]));
    const same = targets.filter(({ key, uid }) => uid !== undefined && uids.get(key) === uid);
    const told = { uidValidity, uidNext, numbered: kept ? same.length : 0 };
    if (kept) return { ...told, numbers: 'kept' };
    const why =
      numbers === undefined
        ? 'the source has none'
        : 'the folder had numbers already, by a client or an earlier import';
    return { ...told, numbers: 'new', why };
  }

  #seedOf(
    targets: readonly TargetMessage[],
  ): ReadonlyMap<string, { readonly uid: number; readonly keywords: readonly string[] }> {
    const rows = new Map<string, { uid: number; keywords: readonly string[] }>();
    for (const { key, uid, source } of targets) {
      if (uid !== undefined) rows.set(key, { uid, keywords: this.#keywordsOf(source.keywords) });
    }
    return rows;
  }

  /** In place, Dovecot's stand in the names already, and the journal reads its file. */
  #keywordsOf(keywords: readonly string[]): readonly string[] {
    return this.#parts.inPlace && this.#parts.source.format === 'dovecot' ? [] : keywords;
  }

  /** Of messages that the seed could not give them to. */
  async #addKeywords(
    disk: string,
    targets: readonly TargetMessage[],
    state: FolderState,
  ): Promise<FolderState> {
    const byKey = new Map(state.messages.map((message) => [message.key, message]));
    const wanted = new Map<string, { keywords: readonly string[]; uids: number[] }>();
    for (const { key, source } of targets) {
      const message = byKey.get(key);
      const shown = new Set(message?.keywords.map((name) => name.toLowerCase()));
      const keywords = this.#keywordsOf(source.keywords).filter(
        (name) => !shown.has(name.toLowerCase()),
      );
      if (message === undefined || keywords.length === 0) continue;
      const group = keywords.join(' ');
      const uids: number[] = wanted.get(group)?.uids ?? [];
      uids.push(message.uid);
      wanted.set(group, { keywords, uids });
    }
    let latest = state;
    for (const { keywords, uids } of wanted.values()) {
      const change = { uids, how: 'add' as const, letters: '', keywords };
      const { journals } = this.#parts.mailbox.volume;
      latest = (await journals.store(refOf(this.#parts.mailbox, disk), change)).state;
    }
    return latest;
  }

  async #subscribe(): Promise<number> {
    const { mailbox, source, options, inPlace } = this.#parts;
    if (inPlace) return (await subscribedNames(mailbox)).size;
    if (options.dryRun || (await this.#marks('')).has('subscribed')) {
      return source.subscriptions.length;
    }
    for (const name of source.subscriptions) {
      await setSubscribed(mailbox, name, { subscribed: 'yes', max: options.subscriptionsMax });
    }
    await this.#mark('', 'subscribed');
    return source.subscriptions.length;
  }

  async #marks(disk: string): Promise<ReadonlySet<string>> {
    const { mailbox } = this.#parts;
    const names = await mailbox.volume.facts.facts(refOf(mailbox, disk), DRAWER);
    const ours = names.filter((name) => name.endsWith(`-${this.#id}`));
    return new Set(ours.map((name) => name.slice(0, -this.#id.length - 1)));
  }

  async #mark(disk: string, mark: 'begun' | 'done' | 'subscribed'): Promise<void> {
    const { mailbox, source } = this.#parts;
    await mailbox.volume.facts.putFact({
      ref: refOf(mailbox, disk),
      drawer: DRAWER,
      name: `${mark}-${this.#id}`,
      bytes: Buffer.from(`${source.format} ${source.from}\n`),
      durable: true,
    });
  }
}
