import { asError, isErrno, isOneOf, UnknownResultError } from './errno.ts';
import { hasKey, nameKey } from './names.ts';
import type { Fs, Lie, ManyFiles } from './types.ts';

/**
 * Every lie that NFS tells the engine is met here, in one function each, and counted.
 *
 * - A reply is lost and the call is sent again: rename, unlink and rmdir then say ENOENT, link
 *   and mkdir say EEXIST, though they worked. Names are ours alone (64 random bits), so a fresh
 *   listing decides: the name is there, or it is not. Only listings count as evidence; stat,
 *   access and open answer from caches.
 * - A negative look-up is cached for up to a minute: ENOENT for what another host has just made.
 *   Listing the parent makes the client ask the server; then the call is tried once more.
 * - ESTALE: the file went away under a handle, or the server failed over. Asked again by path.
 * - ENOSPC, EDQUOT and EIO show only at fsync or close, so both are awaited; fsync is never
 *   repeated (the kernel has dropped the pages and would say success), nor is close (the
 *   descriptor is gone and may be another's already).
 *
 * Invariants: success is reported only when the name was seen or the call said so. When the call
 * failed without a refusal of the server (EIO, ETIMEDOUT and all that is not in REFUSED) and a
 * listing does not show the name, it may still happen: UnknownResultError. Only ENOENT and ESTALE
 * with the staged file still in tmp/ are tried once more.
 *
 * Races: between a rename that worked and our listing another host may move the message on to
 * cur/ (looked for there) or delete it (unknown; the sender repeats, as it would after a crash).
 *
 * Rejected: comparing inode, size or link count (cached; the reuse of inodes is legal); link and
 * unlink in place of rename (two calls more, and a reader between them sees the message twice);
 * trusting EEXIST of link as "another made it" (nobody else can make our name).
 *
 * Standards: RFC 1813 §3.3.14, RFC 8881 §18.26.    Errors: UnknownResultError
 */

/** The server, or the kernel before it, refused: the call had no effect. */
const REFUSED = [
  'EACCES',
  'EDQUOT',
  'EINVAL',
  'EISDIR',
  'ELOOP',
  'EMLINK',
  'ENAMETOOLONG',
  'ENOSPC',
  'ENOTDIR',
  'EPERM',
  'EROFS',
  'EXDEV',
] as const;

/** Parents listed in search of one that exists, when a path is said not to. */
const PARENTS_MAX = 4;

export interface Nfs {
  readonly fs: Fs;
  readonly directorySync: 'always' | 'never';
  readonly lie: (lie: Lie) => void;
  readonly many?: ManyFiles | undefined;
}

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
const leafOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/**
 * Runs a call that has no effect when it fails (open, list); answers ENOENT only after the
 * parents were listed, and ESTALE only when it came twice.
 */
export async function believed<T>(nfs: Nfs, path: string, run: () => Promise<T>): Promise<T> {
  const met = new Set<'stale' | 'lookup'>();
  for (;;) {
    try {
      const value = await run();
      for (const lie of met) nfs.lie(lie);
      return value;
    } catch (error) {
      const lie = isErrno(error, 'ESTALE') ? 'stale' : 'lookup';
      if (met.has(lie) || !isOneOf(error, ['ENOENT', 'ESTALE'])) throw error;
      met.add(lie);
    }
    if (met.has('lookup')) await refreshLookups(nfs, path);
  }
}

/** Names in a directory, as fresh as the server has them; [] is an empty directory. */
export const listFresh = (nfs: Nfs, directory: string): Promise<string[]> =>
  believed(nfs, directory, () => nfs.fs.list(directory));

export interface Commit {
  /** `rename` takes the name in tmp away, `link` leaves it. */
  readonly call: 'rename' | 'link';
  /** Directory and name of the staged file. */
  readonly from: { readonly directory: string; readonly name: string };
  /** Maildir and name in its new/, which nobody else can make. */
  readonly to: { readonly maildir: string; readonly name: string };
}

/**
 * Gives a staged file its name in new/. Nothing is overwritten: the name carries 64 random bits.
 * @throws UnknownResultError when the message may be there, now or later; a system error when it
 *   is not and will not be.
 */
export async function commitName(nfs: Nfs, commit: Commit): Promise<void> {
  const from = `${commit.from.directory}/${commit.from.name}`;
  const to = `${commit.to.maildir}/new/${commit.to.name}`;
  for (let attempt = 1; ; attempt++) {
    let failed: unknown;
    try {
      return await nfs.fs[commit.call](from, to);
    } catch (error) {
      failed = error;
    }
    if (attempt === 1 && isOneOf(failed, REFUSED)) throw failed;
    const what = await whatHappened(nfs, commit, failed);
    if (what === 'done') return nfs.lie(commit.call);
    if (what === 'no-target') throw failed;
    // The staged file is there, so is new/, and the name is not: the answer came from a cache.
    if (attempt === 2) throw unknownResult(commit, failed);
    nfs.lie(isErrno(failed, 'ESTALE') ? 'stale' : 'lookup');
  }
}

/** What fresh listings show after a failed commit. @throws UnknownResultError. */
async function whatHappened(
  nfs: Nfs,
  commit: Commit,
  error: unknown,
): Promise<'done' | 'not-done' | 'no-target'> {
  try {
    const key = nameKey(commit.to.name);
    const shows = (names: readonly string[]): boolean => names.some((name) => hasKey(name, key));
    if (shows(await listFresh(nfs, `${commit.to.maildir}/new`))) return 'done';
    if (shows(await listFresh(nfs, `${commit.to.maildir}/cur`))) return 'done';
    const staged = await listFresh(nfs, commit.from.directory);
    const mayRepeat = isOneOf(error, ['ENOENT', 'ESTALE']);
    if (mayRepeat && staged.includes(commit.from.name)) return 'not-done';
  } catch (listing) {
    if (isErrno(listing, 'ENOENT') && isErrno(error, 'ENOENT')) return 'no-target';
    // Falls through: what cannot be listed cannot be judged.
  }
  throw unknownResult(commit, error);
}

const unknownResult = (commit: Commit, error: unknown): UnknownResultError =>
  new UnknownResultError(`${commit.call} to ${commit.to.maildir}/new`, error);

/**
 * Renames from a name that others may rename too: the compare-and-swap of flags.
 * @returns 'lost' when the name was not there (another was quicker, or the reply was lost: the
 *   caller looks for the message by its key and sees which). @throws any other system error.
 */
export async function renameExact(nfs: Nfs, from: string, to: string): Promise<'renamed' | 'lost'> {
  let failed: unknown;
  try {
    await nfs.fs.rename(from, to);
  } catch (error) {
    failed = error;
  }
  return renameResult(failed, to);
}

/**
 * `renameExact` of many, in order, until one fails otherwise than by being lost; that failure is
 * the last result. In one go where the file system can.
 */
export async function renameAllExact(
  nfs: Nfs,
  pairs: readonly (readonly [from: string, to: string])[],
): Promise<readonly RenameResult[]> {
  let done: readonly (Error | undefined)[] | undefined;
  try {
    done = pairs.length < RENAMES_MIN ? undefined : await nfs.many?.rename(pairs);
  } catch (error) {
    const [first] = pairs;
    return [{ failed: new UnknownResultError(`rename of ${first?.[0]} and others`, error) }];
  }
  const results: RenameResult[] = [];
  for (const [index, [from, to]] of pairs.entries()) {
    try {
      if (done === undefined) results.push(await renameExact(nfs, from, to));
      else results.push(renameResult(done[index], to));
    } catch (failed) {
      results.push({ failed });
      break;
    }
  }
  return results;
}

/** What came of a rename; a failure is as `renameExact` throws it. */
export type RenameResult = 'renamed' | 'lost' | { readonly failed: unknown };

/** Fewer renames are not worth a call for many. */
const RENAMES_MIN = 4;

function renameResult(error: unknown, to: string): 'renamed' | 'lost' {
  if (error === undefined) return 'renamed';
  if (isOneOf(error, ['ENOENT', 'ESTALE'])) return 'lost';
  if (isOneOf(error, REFUSED)) throw asError(error);
  throw new UnknownResultError(`rename to ${to}`, error);
}

/**
 * Moves a file that only we would move to a name that nobody else can make, in a directory that
 * others may remove while it is empty.
 * @returns 'no-directory' when there is none to move it to; nothing happened then.
 * @throws UnknownResultError when it may be there, now or later, or was there and is somebody
 *   else's by now; a system error when it is not and will not be.
 */
export async function moveOurs(
  nfs: Nfs,
  from: string,
  to: string,
): Promise<'moved' | 'no-directory'> {
  for (let attempt = 1; ; attempt++) {
    let failed: unknown;
    try {
      await nfs.fs.rename(from, to);
      return 'moved';
    } catch (error) {
      failed = error;
    }
    if (attempt === 1 && isOneOf(failed, REFUSED)) throw failed;
    const unknown = new UnknownResultError(`rename to ${to}`, failed);
    const moved = await isThere(nfs, to);
    if (moved === true) {
      nfs.lie('rename');
      return 'moved';
    }
    const mayRepeat = isOneOf(failed, ['ENOENT', 'ESTALE']);
    if (!mayRepeat || (await isThere(nfs, from)) !== true) throw unknown;
    if (moved === undefined && (await isMissing(nfs, parentOf(to)))) return 'no-directory';
    if (attempt === 2) throw unknown;
    nfs.lie(isErrno(failed, 'ESTALE') ? 'stale' : 'lookup');
  }
}

/** Gives a file another name that nobody else can make; there already is a lost reply. */
export async function linkOurs(nfs: Nfs, existing: string, added: string): Promise<void> {
  try {
    await nfs.fs.link(existing, added);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    nfs.lie('link');
  }
}

/**
 * Gives a file a name that others compete for. Whoever did: the caller lists, and reads what is
 * there. @returns what went wrong, if anything. @throws when the server refused: nothing happened
 */
export async function linkOnce(nfs: Nfs, existing: string, added: string): Promise<unknown> {
  try {
    await nfs.fs.link(existing, added);
    return undefined;
  } catch (error) {
    if (isOneOf(error, REFUSED)) throw error;
    return error;
  }
}

/** Gives a file the name of another, which is replaced. Both are whole at any moment. */
export async function replaceFile(nfs: Nfs, from: string, to: string): Promise<void> {
  try {
    await believed(nfs, from, () => nfs.fs.rename(from, to));
  } catch (error) {
    const done = isErrno(error, 'ENOENT') && (await isThere(nfs, from)) === false;
    if (!done || (await isThere(nfs, to)) !== true) throw error;
    nfs.lie('rename');
  }
}

async function isMissing(nfs: Nfs, directory: string): Promise<boolean> {
  try {
    await listFresh(nfs, directory);
    return false;
  } catch (error) {
    return isErrno(error, 'ENOENT');
  }
}

/** Removes a file that only we would remove; absent is what was wanted. */
export async function removeOurs(nfs: Nfs, path: string): Promise<void> {
  try {
    await nfs.fs.unlink(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return nfs.lie('unlink');
    if (!isErrno(error, 'ESTALE')) throw error;
    await removeIfThere(nfs, path);
    nfs.lie('stale');
  }
}

/**
 * Removes a file that others may have removed or renamed.
 * @returns 'absent' when it was not there under this name.
 */
export async function removeIfThere(nfs: Nfs, path: string): Promise<'removed' | 'absent'> {
  try {
    await nfs.fs.unlink(path);
    return 'removed';
  } catch (error) {
    if (isOneOf(error, ['ENOENT', 'ESTALE'])) return 'absent';
    throw error;
  }
}

/** Makes a directory that several hosts may make at once; there already is what was wanted. */
export async function makeDirectory(nfs: Nfs, path: string): Promise<'made' | 'there'> {
  try {
    await believed(nfs, path, () => nfs.fs.mkdir(path));
    return 'made';
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return 'there';
    throw error;
  }
}

/**
 * Makes a directory in one that this call has just made, so that "exists" is a lost reply (or
 * another host that makes the same Maildir in the same millisecond, which is as good).
 */
export async function makeInOurs(nfs: Nfs, path: string): Promise<void> {
  if ((await makeDirectory(nfs, path)) === 'there') nfs.lie('mkdir');
}

/**
 * Moves a directory to a name that nobody else can make, or that is free.
 * @throws ENOENT when it was not there; EEXIST or ENOTEMPTY when the name was taken;
 *   UnknownResultError when that cannot be told.
 */
export async function moveDirectory(nfs: Nfs, from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    let failed: unknown;
    try {
      return await nfs.fs.rename(from, to);
    } catch (error) {
      failed = error;
    }
    if (isOneOf(failed, ['EEXIST', 'ENOTEMPTY'])) throw failed;
    if (attempt === 1 && isOneOf(failed, REFUSED)) throw failed;
    const moved = await isThere(nfs, to);
    if (moved === true) return nfs.lie('rename');
    const stayed = await isThere(nfs, from);
    const answered = isOneOf(failed, ['ENOENT', 'ESTALE']);
    if (isErrno(failed, 'ENOENT') && moved === false && stayed === false) throw failed;
    if (!answered || stayed !== true || attempt === 2) {
      throw new UnknownResultError(`rename to ${to}`, failed);
    }
    nfs.lie(isErrno(failed, 'ESTALE') ? 'stale' : 'lookup');
  }
}

/** Whether a fresh listing shows the name; undefined when that cannot be listed. */
async function isThere(nfs: Nfs, path: string): Promise<boolean | undefined> {
  try {
    return (await listFresh(nfs, parentOf(path))).includes(leafOf(path));
  } catch {
    return undefined;
  }
}

/** Removes an empty directory that only we would remove; absent is what was wanted. */
export async function removeDirectory(nfs: Nfs, path: string): Promise<void> {
  try {
    await nfs.fs.rmdir(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    nfs.lie('rmdir');
  }
}

/** Makes the names in a directory durable, where the file system needs to be told. */
export async function syncDirectory(nfs: Nfs, directory: string): Promise<void> {
  if (nfs.directorySync === 'never') return;
  const fd = await believed(nfs, directory, () => nfs.fs.openRead(directory));
  try {
    await nfs.fs.fsync(fd);
  } finally {
    await nfs.fs.close(fd);
  }
}

/**
 * Ends writing: fsync when this was the last piece, and close. Each may bring the error that
 * write did not.
 */
export async function finishWriting(nfs: Nfs, fd: number, last: boolean): Promise<void> {
  let failed: unknown;
  if (last) {
    try {
      await nfs.fs.fsync(fd);
    } catch (error) {
      failed = error;
    }
  }
  try {
    await nfs.fs.close(fd);
  } catch (error) {
    failed ??= error;
  }
  if (failed === undefined) return;
  nfs.lie('write');
  throw asError(failed);
}

/** Lists upwards from `path` until a directory answers: that makes the client ask the server. */
async function refreshLookups(nfs: Nfs, path: string): Promise<void> {
  let directory = parentOf(path);
  for (let up = 0; up < PARENTS_MAX && directory !== ''; up++) {
    try {
      await nfs.fs.list(directory);
      return;
    } catch (error) {
      if (!isOneOf(error, ['ENOENT', 'ESTALE'])) throw error;
      directory = parentOf(directory);
    }
  }
}
