import { isErrno, isOneOf, systemError } from './errno.ts';
import {
  listFresh,
  moveDirectory,
  parentOf,
  removeDirectory,
  removeIfThere,
  syncDirectory,
  type Nfs,
} from './nfs.ts';

/**
 * The end of a Maildir. One rename takes it away from its name, whole; what is set aside is then
 * removed in pieces, each call at most so many files, so that a mailbox of a million letters keeps
 * to deadlines. A crash leaves the rest under the name aside, where the next call finds it.
 *
 * A directory that holds other directories than a Maildir's is left alone: a path that is wrong by
 * one part would name a place with mailboxes in it (`/mail1/3f`), and nothing brings them back.
 */
const DEPTH_MAX = 6;

/** Directories of a Maildir beside its folders, whose names begin with a dot. */
const PARTS: ReadonlySet<string> = new Set(['tmp', 'new', 'cur']);
const OWN: ReadonlySet<string> = new Set([
  ...PARTS,
  'mailfarm',
  'courierimapkeywords',
  'courierimaphieracl',
]);

export async function destroyMaildir(
  nfs: Nfs,
  request: { readonly maildir: string; readonly aside: string; readonly max: number },
): Promise<'more' | 'gone' | 'absent'> {
  const { maildir, aside, max } = request;
  if (parentOf(aside) !== parentOf(maildir) || aside === maildir) {
    throw systemError('EINVAL', 'rename', aside);
  }
  const left = { files: max };
  // First what an earlier call left: two of them do not fit into one name.
  const leftover = await empty(nfs, aside, left, 0);
  if (leftover === 'more') return 'more';
  if (!(await isMaildir(nfs, maildir))) return leftover;
  try {
    await moveDirectory(nfs, maildir, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return leftover;
    throw error;
  }
  await syncDirectory(nfs, parentOf(maildir));
  return (await empty(nfs, aside, left, 0)) === 'more' ? 'more' : 'gone';
}

/** Whether it is there. @throws ENOTEMPTY when it is something else */
async function isMaildir(nfs: Nfs, maildir: string): Promise<boolean> {
  let names: readonly string[];
  try {
    names = await listFresh(nfs, maildir);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
  if (names.length > 0 && !names.some((name) => PARTS.has(name))) {
    throw systemError('ENOTEMPTY', 'rename', maildir);
  }
  for (const name of names) {
    if (name.startsWith('.') || OWN.has(name)) continue;
    if (await isDirectory(nfs, `${maildir}/${name}`)) {
      throw systemError('ENOTEMPTY', 'rename', `${maildir}/${name}`);
    }
  }
  return true;
}

async function isDirectory(nfs: Nfs, path: string): Promise<boolean> {
  try {
    await listFresh(nfs, path);
    return true;
  } catch (error) {
    if (isOneOf(error, ['ENOTDIR', 'ENOENT'])) return false;
    throw error;
  }
}

/** Removes what is at `path`, as long as `left.files` lasts. Links are removed, not followed. */
async function empty(
  nfs: Nfs,
  path: string,
  left: { files: number },
  depth: number,
): Promise<'more' | 'gone' | 'absent'> {
  if (left.files <= 0) return 'more';
  try {
    if ((await removeIfThere(nfs, path)) === 'absent') return 'absent';
    left.files -= 1;
    return 'gone';
  } catch (error) {
    if (!isOneOf(error, ['EISDIR', 'EPERM']) || depth >= DEPTH_MAX) throw error;
  }
  for (const name of await listFresh(nfs, path)) {
    if ((await empty(nfs, `${path}/${name}`, left, depth + 1)) === 'more') return 'more';
  }
  await removeDirectory(nfs, path);
  return 'gone';
}
