import type { Account } from '../../directory/types.ts';
import { StoreError } from '../../volumes/error.ts';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { hashedPath } from '../../volumes/placement.ts';
import { emailIdOf, keywordsIn, nameKey, nodeFs, type Entry, type FolderState } from '#maildir';
import { byName, diskName, folderName, namesOf, shownName } from '../folder-names.ts';
import { setSubscribed } from '../subscriptions.ts';
import { Problems, type Problem } from '../takeover/problems.ts';
import { readSource } from '../takeover/read.ts';
import type { SourceFolder, SourceMessage } from '../takeover/source.ts';
import {
  journalNames,
  openMailboxes,
  pathOf,
  refOf,
  type TakeoverOptions,
} from '../takeover/volumes.ts';
import { uidlOf } from '../uidl.ts';
import { nameCalled } from './called.ts';
import { isRestored, restoredName } from './names.ts';
import { fileBytes, isGone, joinDoubles, liveBytes, putBack, type ToPut } from './put.ts';
import { findSnapshot, snapshotName, SnapshotError, type Snapshot } from './snapshots.ts';
import { digestOf, placesNow } from './there.ts';

/**
 * Putting back from a backup what a mailbox has lost (P-12), while its user is logged in and
 * letters arrive. Nothing that is there is changed; nothing is ever put twice.
 *
 * A message of the backup is *there* when the mailbox has it in any folder (there.ts): by its
 * email id, else by its content. What is not there is put: copied into tmp/ of the folder where it
 * was, fsynced, linked to its name with its flags in it, in cur/ (in new/ what nobody had seen).
 * Then keywords, by the journal. \Deleted is left out: the next EXPUNGE would take it again.
 *
 * The name is not the old one, but made of it (names.ts): `…Q<generation>R<hash>I<email id>`.
 *
 * Invariants:
 *  R1. Whatever breaks off where: the same command again ends as if it had run once.
 *  R2. Two restores at once with the same options, on any hosts, leave each message once.
 *  R3. No file that restore has not made is removed or renamed.
 *  R4. What was put is durable, whole, and of the length that the backup's name says, or not put.
 *  R5. A session that goes on sees a new message with a new UID; never an old UID again.
 *
 * Races:
 *  - Killed after the link, before keywords: the message is there by its email id; its keywords are
 *    lost to a second run where a client has set others since, else they are set (`settle`).
 *  - Killed before the link: a file in tmp/, which the sweep removes.
 *  - Two restores at once: both make the same name, link(2) makes it once, EEXIST is success. That
 *    holds while the first one's name is still the same. Moved from new/ to cur/ or flagged in
 *    between, the message has two names; each restore looks for that when it is done with a folder,
 *    and joins them by rename. Whoever puts last looks last, so one of them sees both.
 *  - A host that was stuck in the removal of the old file (its POP3 session or expunge was decided
 *    before, its call comes through now): it knows the old name, or finds files by the old key. So
 *    the restored message has another key. Restored, removed and restored again: another
 *    generation, by the expunges that the folder's journal remembers (30 days).
 *  - The user moves a message while we look: missed in both listings it would be put a second time.
 *    The mailbox is listed twice, and what either listing shows is there.
 *  - The user deletes while we restore: what was listed as there is not put; the same command
 *    again would put it.
 *  - The folder is removed while we put: 'mailbox-missing', and the same command makes it anew.
 *  - The volume goes away: 'volume-down' after its deadline; what was put stays.
 *  - The backup's copy moved between new/ and cur/ while it was made: two files of one key are one.
 *
 * Rejected: the old key (see the stuck host; and an expunge that was committed and not yet cleared
 * would take the file again, by the journal's rule `clear`); random names and a lock (a paused
 * holder goes on); APPEND (its names are its own, so a second run would put all again).
 *
 * Standards: RFC 8474 §5.1, RFC 1939 §7    Errors: SnapshotError, StoreError, AdminError, MailError
 */
export interface RestoreOptions {
  readonly account: Account;
  /** A snapshot, a directory of them, or one of those for each volume. */
  readonly from: string;
  /** The newest snapshot that was complete not after this, in ms since 1970. */
  readonly at?: number | undefined;
  /** Whose mailbox in the backup: the id of a user who is gone. The account's own otherwise. */
  readonly id?: string | undefined;
  /** This folder alone, as users see it. */
  readonly folder?: string | undefined;
  /** Messages alone that are called so: UIDL, file name, email id or Message-ID. */
  readonly message?: string | undefined;
  /** All into this folder; each into its own otherwise. */
  readonly into?: string | undefined;
  readonly dryRun: boolean;
  readonly subscriptionsMax: number;
  readonly onFolder?: (folder: RestoredFolder) => void;
}

export interface RestoredMessage {
  /** Its UIDL, which stays. */
  readonly uidl: string;
  readonly folder: string;
  /** `vanished`: the backup lost it while it was read. */
  readonly result: 'restored' | 'there' | 'damaged' | 'vanished';
  /** The folder in which it is now. */
  readonly now?: string;
}

export interface RestoredFolder {
  readonly name: string;
  /** In the backup, of those that were asked for. */
  readonly messages: number;
  readonly restored: number;
  readonly there: number;
  /** Of those there, what lies in another folder now. */
  readonly elsewhere: number;
  readonly damaged: number;
}

export interface RestoreReport {
  readonly user: string;
  readonly snapshot: { readonly path: string; readonly at: string };
  readonly to: { readonly volume: string; readonly maildir: string };
  readonly dryRun: boolean;
  readonly folders: readonly RestoredFolder[];
  /** Folders that were gone and are there again. */
  readonly made: readonly string[];
  readonly messages: readonly RestoredMessage[];
  readonly problems: readonly Problem[];
}

/** A message of the backup, and where it is to go. */
interface Wanted {
  readonly folder: string;
  readonly name: string;
  readonly source: SourceMessage;
  /** The folder on disk that it goes to. */
  readonly disk: string;
}

interface Live extends Entry {
  readonly folder: string;
  readonly disk: string;
}

/** @throws SnapshotError, StoreError, AdminError, MailError; what was put until then stays */
export async function restoreMailbox(
  volumes: TakeoverOptions,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const { account, from, at } = options;
  const mailboxes = openMailboxes(volumes);
  try {
    const mailbox = await mailboxes.open(account);
    const relative = relativePlace(mailbox, options);
    const snapshot = await findSnapshot({ from, relative, at });
    return await new Restore(mailbox, snapshot, options).run();
  } finally {
    mailboxes.close();
  }
}

/** Below a volume's root: of a mailbox with an explicit path, and no other id, its own. */
function relativePlace({ maildir, volume }: Mailbox, { id, account }: RestoreOptions): string {
  const root = volume.entry.path;
  const place = id === undefined ? maildir : hashedPath(root, id);
  const isOwn = id === undefined && account.path === undefined;
  return (isOwn ? hashedPath(root, account.id) : place).slice(root.length + 1);
}

class Restore {
  readonly #mailbox: Mailbox;
  readonly #snapshot: Snapshot;
  readonly #options: RestoreOptions;
  readonly #problems = new Problems();
  readonly #states = new Map<string, FolderState | undefined>();
  readonly #made: string[] = [];
  #live: readonly Live[] = [];
  #disks: readonly string[] = [];

  constructor(mailbox: Mailbox, snapshot: Snapshot, options: RestoreOptions) {
    this.#mailbox = mailbox;
    this.#snapshot = snapshot;
    this.#options = options;
  }

  async run(): Promise<RestoreReport> {
    const options = this.#options;
    const problems = this.#problems;
    const mailbox = this.#mailbox;
    const snapshot = this.#snapshot;
    const from = { from: snapshot.maildir, format: 'qmail' as const };
    const source = await readSource(from, { uidlFormat: undefined, problems });
    this.#disks = await mailbox.volume.folders(mailbox.maildir);
    const all = source.folders.flatMap((folder) => this.#wantedOf(folder));
    const chosen = await this.#chosen(source.folders, all);
    this.#live = await this.#listTwice();
    const places = await placesNow(all, this.#live, {
      backup: ({ source: { file } }) => digestOf(fileBytes(file.path)).catch(goneIsNone),
      live: (live) => digestOf(liveBytes(this.#putting(live.disk), live)).catch(goneIsNone),
    });
    const messages: RestoredMessage[] = [];
    const folders: RestoredFolder[] = [];
    for (const { name } of source.folders.toSorted((a, b) => byName(a.name, b.name))) {
      const indices = [...all.keys()].filter(
        (index) => all[index]?.folder === name && chosen.has(index),
      );
      if (indices.length === 0) continue;
      const done = await this.#folder(
        indices.map((index) => ({ wanted: all[index] as Wanted, now: places[index] })),
      );
      messages.push(...done);
      const folder = countsOf(name, done);
      folders.push(folder);
      options.onFolder?.(folder);
    }
    return {
      user: options.account.login,
      snapshot: { path: snapshot.path, at: snapshotName(snapshot.at) },
      to: { volume: mailbox.volume.name, maildir: mailbox.maildir },
      dryRun: options.dryRun,
      folders,
      made: this.#made,
      messages,
      problems: problems.list(),
    };
  }

  /** Of a key that the copy has twice, the one that was in cur/. */
  #wantedOf({ name: folder, disk, messages }: SourceFolder): Wanted[] {
    const { into } = this.#options;
    const to = into === undefined ? disk : this.#diskOf(folderName(into));
    const keys = new Set<string>();
    const wanted: Wanted[] = [];
    for (const source of messages) {
      const { name } = source.file;
      if (keys.has(nameKey(name))) continue;
      keys.add(nameKey(name));
      wanted.push({ folder, name, source, disk: to });
    }
    return wanted;
  }

  /** The folder of this name that is there, or the one that would be made. */
  #diskOf(name: string): string {
    return namesOf(this.#disks).get(name) ?? diskName(name);
  }

  /** @throws SnapshotError where the backup has no such folder or message */
  async #chosen(
    folders: readonly SourceFolder[],
    all: readonly Wanted[],
  ): Promise<ReadonlySet<number>> {
    const { folder, message } = this.#options;
    const where = `The snapshot ${this.#snapshot.path}`;
    const only = folder === undefined ? undefined : folderName(folder);
    if (only !== undefined && !folders.some(({ name }) => name === only)) {
      const has = folders.map(({ name }) => name).join(', ');
      throw new SnapshotError(`${where} has no folder ${only} of this user; it has ${has}`);
    }
    const indices = [...all.keys()].filter(
      (index) => only === undefined || all[index]?.folder === only,
    );
    if (message === undefined) return new Set(indices);
    const some = indices.map((index) => all[index] as Wanted);
    const called = await nameCalled(some, message);
    if (called.size === 0) {
      const in_ = only === undefined ? '' : ` in ${only}`;
      throw new SnapshotError(
        `${where} has no message ${message}${in_}; --at chooses an older one`,
      );
    }
    return new Set(indices.filter((index) => called.has(all[index] as Wanted)));
  }

  #putting(disk: string): { readonly mailbox: Mailbox; readonly path: string } {
    return { mailbox: this.#mailbox, path: pathOf(this.#mailbox, disk) };
  }

  /** Folders one after the other, and all once more: what moves meanwhile is seen by one look. */
  async #listTwice(): Promise<readonly Live[]> {
    const seen = new Map<string, Live>();
    for (let look = 1; look <= 2; look++) {
      for (const disk of ['', ...(await this.#mailbox.volume.folders(this.#mailbox.maildir))]) {
        for (const live of await this.#list(disk)) seen.set(`${disk}/${nameKey(live.name)}`, live);
      }
    }
    return [...seen.values()];
  }

  async #list(disk: string): Promise<readonly Live[]> {
    try {
      const entries = await this.#mailbox.volume.list(pathOf(this.#mailbox, disk));
      return entries.map((entry) => ({ ...entry, folder: shownName(disk), disk }));
    } catch (error) {
      // A folder that was removed since its name was listed.
      const isMissing = error instanceof StoreError && error.kind === 'mailbox-missing';
      if (isMissing && disk !== '') return [];
      throw error;
    }
  }

  async #folder(
    wanted: readonly { readonly wanted: Wanted; readonly now: string | undefined }[],
  ): Promise<readonly RestoredMessage[]> {
    const { dryRun } = this.#options;
    const disk = wanted[0]?.wanted.disk ?? '';
    const isMissing = wanted.some(({ now }) => now === undefined);
    if (isMissing && !dryRun) await this.#makeFolder(disk);
    const state = isMissing ? await this.#stateOf(disk) : undefined;
    const ours = this.#restoredIn(disk);
    const keys = new Map<string, Wanted>();
    const done: RestoredMessage[] = [];
    for (const { wanted: message, now } of wanted) {
      const about = { uidl: uidlOf(message.name), folder: message.folder };
      if (now !== undefined) {
        done.push({ ...about, result: 'there', now });
        const key = ours.get(emailIdOf(nameKey(message.name)));
        if (key !== undefined) keys.set(key, message); // Of a run that was broken off, perhaps.
        continue;
      }
      const result = dryRun ? 'put' : await putBack(this.#putting(disk), toPut(message, state));
      if (result === 'put') keys.set(keyOf(message, state), message);
      const restored = { ...about, result: 'restored', now: shownName(disk) } as const;
      done.push(result === 'put' ? restored : { ...about, result });
    }
    if (!dryRun && keys.size > 0) {
      await joinDoubles(this.#putting(disk), new Set(keys.keys()));
      await this.#settle(disk, keys);
    }
    return done;
  }

  /** Messages that an earlier run has put here: their keys by email id. */
  #restoredIn(disk: string): ReadonlyMap<string, string> {
    const keys = new Map<string, string>();
    for (const live of this.#live) {
      const key = nameKey(live.name);
      if (live.disk === disk && isRestored(key)) keys.set(emailIdOf(key), key);
    }
    return keys;
  }

  /** A folder that was gone is subscribed to: many clients show no other. */
  async #makeFolder(disk: string): Promise<void> {
    if (disk === '' || this.#disks.includes(disk)) return;
    const { volume, maildir } = this.#mailbox;
    await volume.createFolder(maildir, disk);
    this.#disks = [...this.#disks, disk];
    const name = shownName(disk);
    this.#made.push(name);
    const max = this.#options.subscriptionsMax;
    await setSubscribed(this.#mailbox, name, { subscribed: 'yes', max });
  }

  /** Undefined: no client has looked in yet, and we do not begin its numbers. */
  async #stateOf(disk: string): Promise<FolderState | undefined> {
    if (this.#states.has(disk)) return this.#states.get(disk);
    const begun =
      (disk === '' || this.#disks.includes(disk)) &&
      (await journalNames(this.#mailbox, disk)).length > 0;
    const { journals } = this.#mailbox.volume;
    const state = begun ? (await journals.sync(refOf(this.#mailbox, disk))).state : undefined;
    this.#states.set(disk, state);
    return state;
  }

  /** Keywords of what was put, from the journal in the backup, where nobody has set any since. */
  async #settle(disk: string, messages: ReadonlyMap<string, Wanted>): Promise<void> {
    const wanted = new Map<string, readonly string[]>();
    const known = new Map<string, ReadonlyMap<string, readonly string[]>>();
    for (const [key, message] of messages) {
      const path = message.source.file.path.toString().replace(/\/(?:new|cur)\/[^/]*$/, '');
      const keywords = known.get(path) ?? (await keywordsIn(nodeFs, path));
      known.set(path, keywords);
      const own = keywords.get(nameKey(message.name));
      if (own !== undefined) wanted.set(key, own);
    }
    if (wanted.size === 0) return;
    const ref = refOf(this.#mailbox, disk);
    const { journals } = this.#mailbox.volume;
    const { state } = await journals.sync(ref);
    const groups = new Map<string, { uids: number[]; keywords: readonly string[] }>();
    for (const { key, uid, keywords } of state.messages) {
      const lost = keywords.length === 0 ? wanted.get(key) : undefined;
      if (lost === undefined) continue;
      const group = groups.get(lost.join(' ')) ?? { uids: [], keywords: lost };
      group.uids.push(uid);
      groups.set(lost.join(' '), group);
    }
    for (const { uids, keywords } of groups.values()) {
      const change = { uids, how: 'add' as const, letters: '', keywords };
      await journals.store(ref, { ...change, uidValidity: state.uidValidity });
    }
  }
}

const goneIsNone = (error: unknown): undefined => {
  if (isGone(error)) return undefined;
  throw error;
};

/** By the expunges that the folder remembers: each time it was restored and removed again. */
function generationOf({ name }: Wanted, state: FolderState | undefined): number {
  const id = emailIdOf(nameKey(name));
  return state?.expunged.filter(({ emailId }) => emailId === id).length ?? 0;
}

const nameOf = (message: Wanted, state: FolderState | undefined): ToPut['as'] => {
  const seconds = Math.max(0, Math.floor(message.source.file.modifiedMs / 1000));
  const from = { name: message.name, seconds };
  return restoredName(from, message.disk, generationOf(message, state));
};

const keyOf = (message: Wanted, state: FolderState | undefined): string =>
  nameOf(message, state).key;

function toPut(message: Wanted, state: FolderState | undefined): ToPut {
  const { file, letters } = message.source;
  const kept = letters.replace('T', '');
  return {
    file: file.path,
    name: message.name,
    as: nameOf(message, state),
    letters: file.directory === 'new' && kept === '' ? undefined : kept,
  };
}

function countsOf(name: string, messages: readonly RestoredMessage[]): RestoredFolder {
  const count = (result: RestoredMessage['result']): number =>
    messages.filter((message) => message.result === result).length;
  const elsewhere = messages.filter(({ result, now }) => result === 'there' && now !== name);
  return {
    name,
    messages: messages.length,
    restored: count('restored'),
    there: count('there'),
    elsewhere: elsewhere.length,
    damaged: count('damaged') + count('vanished'),
  };
}
