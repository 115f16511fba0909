import { isErrno, isOneOf } from '../errno.ts';
import { believed, finishWriting, listFresh, makeDirectory, syncDirectory } from '../nfs.ts';
import type { Nfs } from '../nfs.ts';
import type { Clock, Random } from '../types.ts';
import type { Arriving } from './arriving.ts';
import type { Book } from './book.ts';
import type { RuleName } from './rules.ts';
import type { FolderRef, FolderState } from './types.ts';

/**
 * What may fail without any operation failing. `upkeep`: a snapshot, or removing what it covers.
 * `litter`: removing a file that nobody needs. A closed set: it serves as a metric's label.
 */
export const FAILURES = ['upkeep', 'litter'] as const;
export type Failure = (typeof FAILURES)[number];

/** What all operations of a journal share. */
export interface Journal {
  readonly nfs: Nfs;
  readonly clock: Clock;
  readonly random: Random;
  readonly uniqueName: () => string;
  /** Whether directories carry the exact time of their last change. */
  readonly exact: boolean;
  /** Whether a rule is kept: always, but in tests of the rules. */
  readonly keeps: (rule: RuleName) => boolean;
  readonly snapshotEvery: number | undefined;
  readonly namesMax: number;
  /** Something failed that no operation depends on. */
  readonly failed: (what: Failure, error: unknown) => void;
  /** A UIDVALIDITY above all that were given in this Maildir, and at least this; recorded. */
  readonly reserve: (ref: FolderRef, atLeast: number) => Promise<number>;
}

/** A folder in this process. Operations on it are run one by one. */
export interface Place {
  readonly ref: FolderRef;
  /** Its Maildir. */
  readonly path: string;
  readonly log: string;
  readonly last: string;
  book: Book | undefined;
  /** What `known` answers. */
  state: FolderState | undefined;
  /** Of `book`, when `state` was made; -1 when it shows what no commit says. */
  stateVersion: number;
  /** Names in log/ when the book was brought to their end; undefined when they are to be read. */
  logNames: readonly string[] | undefined;
  /** Names in new/ and cur/ that showed nothing but what the book says. */
  mailNames: MailNames | undefined;
  /** Our newest commit's name in last/. */
  witness: string | undefined;
  /** By UID, since when complete listings have missed the file. */
  readonly missing: Map<number, number>;
  /** Expunged on a full volume: unlinked, without a commit. */
  readonly hidden: Set<number>;
  /** Of an add that is under way: what others' commits say of its messages. */
  arriving: Arriving | undefined;
  /** Times of the directories, where they are exact (see settled.ts). */
  stamp: { readonly text: string; readonly since: number; readonly settled: boolean } | undefined;
}

export interface MailNames {
  readonly new: readonly string[];
  readonly cur: readonly string[];
}

export const folderPathOf = ({ maildir, folder }: FolderRef): string =>
  folder === '' ? maildir : `${maildir}/.${folder}`;

export function newPlace(ref: FolderRef): Place {
  const path = folderPathOf(ref);
  return {
    ref,
    path,
    log: `${path}/mailfarm/log`,
    last: `${path}/mailfarm/last`,
    book: undefined,
    state: undefined,
    stateVersion: -1,
    logNames: undefined,
    mailNames: undefined,
    witness: undefined,
    missing: new Map(),
    hidden: new Set(),
    arriving: undefined,
    stamp: undefined,
  };
}

/** Forgets what was read; the next operation reads it anew. */
export function forget(place: Place): void {
  place.book = undefined;
  place.logNames = undefined;
  place.mailNames = undefined;
  place.missing.clear();
  place.hidden.clear();
}

/** Names in a directory; undefined when there is none. */
export async function listIfThere(nfs: Nfs, directory: string): Promise<string[] | undefined> {
  try {
    return await listFresh(nfs, directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The volume has no room for a commit, or takes none. */
export const isFull = (error: unknown): boolean => isOneOf(error, ['ENOSPC', 'EDQUOT', 'EROFS']);

/** Octets of a whole file. @throws ENOENT, ESTALE when it is not there any more */
export async function readWhole(nfs: Nfs, path: string): Promise<Buffer> {
  const fd = await nfs.fs.openRead(path);
  try {
    const buffer = Buffer.allocUnsafe(await nfs.fs.size(fd));
    let length = 0;
    while (length < buffer.length) {
      const got = await nfs.fs.read(fd, buffer.subarray(length), length);
      if (got === 0) break;
      length += got;
    }
    return buffer.subarray(0, length);
  } finally {
    await nfs.fs.close(fd).catch(() => {}); // Nothing was written: no error can matter.
  }
}

/**
 * Writes a file that only we can make. `content` is asked once its name, and so its inode, is
 * there. @throws a system error; the file is then to be removed
 */
export async function writeOurs(
  nfs: Nfs,
  path: string,
  content: Buffer | (() => Promise<Buffer>),
  durable: boolean,
): Promise<void> {
  const fd = await believed(nfs, path, () => nfs.fs.create(path));
  try {
    const bytes = typeof content === 'function' ? await content() : content;
    for (let at = 0; at < bytes.length;) {
      at += await nfs.fs.write(fd, at === 0 ? bytes : bytes.subarray(at), at);
    }
  } catch (error) {
    await nfs.fs.close(fd).catch(() => {}); // The write's own error is the one to tell.
    throw error;
  }
  await finishWriting(nfs, fd, durable);
}

/** Makes mailfarm/ and what a journal needs in it. @returns whether log/ is new */
export async function makeDirectories(nfs: Nfs, place: Place): Promise<'made' | 'there'> {
  const top = `${place.path}/mailfarm`;
  await makeDirectory(nfs, top);
  const made = await makeDirectory(nfs, place.log);
  await makeDirectory(nfs, place.last);
  await syncDirectory(nfs, top);
  await syncDirectory(nfs, place.path);
  return made;
}

export const newId = (random: Random): string => Buffer.from(random.bytes(8)).toString('hex');
