import { isErrno, isOneOf, systemError } from './errno.ts';
import { FILE_NAME_OCTETS_MAX } from './names.ts';
import {
  believed,
  finishWriting,
  listFresh,
  makeDirectory,
  makeInOurs,
  moveDirectory,
  parentOf,
  removeDirectory,
  removeIfThere,
  syncDirectory,
  type Nfs,
} from './nfs.ts';

/** Directories of every Maildir, in the order in which they are made. */
const PARTS = ['tmp', 'new', 'cur'] as const;

/** Depth to which a removed folder is emptied: folder, cur, and caches of other tools. */
const TREE_DEPTH_MAX = 6;

/**
 * Why a folder name is refused, or undefined. Names are without the leading dot, parts are
 * separated by dots (`Archive.2026`). What comes from a peer is checked here, once.
 */
export function folderNameFault(folder: string): string | undefined {
  if (folder === '') return 'A folder needs a name';
  if (folder.includes('/')) return 'A folder name has no slash';
  if (/[\u0000-\u001f\u007f]/.test(folder)) return 'A folder name has no control characters';
  if (folder.split('.').includes('')) return 'A folder name has no empty part';
  if (Buffer.byteLength(folder) + 1 > FILE_NAME_OCTETS_MAX) return 'The folder name is too long';
  if (/^nfs[0-9a-f]{8,}$/i.test(folder)) return 'The name is one that NFS clients use';
  return folder.isWellFormed() ? undefined : 'The folder name is not well-formed Unicode';
}

/** Makes a Maildir and what is missing of its parents below `root`. Idempotent between hosts. */
export async function createMaildir(nfs: Nfs, maildir: string, root: string): Promise<void> {
  const inside = maildir.startsWith(`${root}/`) ? maildir.slice(root.length + 1) : '';
  const parts = inside.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw systemError('EINVAL', 'mkdir', maildir);
  }
  let path = root;
  let made: 'made' | 'there' = 'there';
  for (const part of parts) {
    path = `${path}/${part}`;
    made = await makeAndSync(nfs, path);
  }
  await makeParts(nfs, maildir, made);
}

async function makeParts(nfs: Nfs, maildir: string, made: 'made' | 'there'): Promise<void> {
  const make = made === 'made' ? makeInOurs : makeDirectory;
  for (const part of PARTS) await make(nfs, `${maildir}/${part}`);
  await syncDirectory(nfs, maildir);
}

async function makeAndSync(nfs: Nfs, path: string): Promise<'made' | 'there'> {
  const made = await makeDirectory(nfs, path);
  // Also when it was there: whoever made it may have died before its fsync.
  await syncDirectory(nfs, parentOf(path));
  return made;
}

/** Whether tmp, new and cur are all there; false only after a fresh look. */
export async function maildirExists(nfs: Nfs, maildir: string): Promise<boolean> {
  try {
    const missing = await partsMissing(nfs, maildir);
    if (missing.length === 0) return true;
    const again = await partsMissing(nfs, maildir); // Missing once is not missing.
    return !missing.some((part) => again.includes(part));
  } catch (error) {
    if (isOneOf(error, ['ENOENT', 'ENOTDIR'])) return false;
    throw error;
  }
}

async function partsMissing(nfs: Nfs, maildir: string): Promise<string[]> {
  const names = await listFresh(nfs, maildir);
  return PARTS.filter((part) => !names.includes(part));
}

/** Folder names, sorted, without the leading dot. A dot file is not a folder: it has no cur. */
export async function listFolders(nfs: Nfs, maildir: string): Promise<readonly string[]> {
  const folders: string[] = [];
  // Two listings, since a folder that one of them misses must not look deleted.
  const names = new Set(await listFresh(nfs, maildir));
  for (const name of await listFresh(nfs, maildir)) names.add(name);
  for (const name of names) {
    const folder = name.slice(1);
    if (!name.startsWith('.') || folderNameFault(folder) !== undefined) continue;
    if (await maildirExists(nfs, `${maildir}/${name}`)) folders.push(folder);
  }
  return folders.toSorted();
}

/** Makes a Maildir++ folder with its `maildirfolder` mark. There already is success. */
export async function createFolder(nfs: Nfs, maildir: string, folder: string): Promise<void> {
  const path = folderPath(maildir, folder);
  const made = await makeAndSync(nfs, path);
  try {
    const mark = `${path}/maildirfolder`;
    await finishWriting(nfs, await believed(nfs, mark, () => nfs.fs.create(mark)), false);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  await makeParts(nfs, path, made);
}

/**
 * Removes a folder with its messages: one rename into tmp/ makes it vanish whole, then it is
 * emptied. What a crash or an open file leaves of it, the sweep of tmp removes.
 * @throws ENOENT when there is no such folder.
 */
export async function removeFolder(
  nfs: Nfs,
  request: { readonly maildir: string; readonly folder: string; readonly trash: string },
): Promise<void> {
  const { maildir, folder } = request;
  const away = `${maildir}/tmp/${request.trash}`;
  await moveDirectory(nfs, folderPath(maildir, folder), away);
  await syncDirectory(nfs, maildir);
  await removeTree(nfs, away).catch(() => {}); // The folder is gone; the sweep does the rest.
}

/** Removes a file, or a directory with all in it. */
export async function removeTree(nfs: Nfs, path: string, depth = 0): Promise<void> {
  try {
    await removeIfThere(nfs, path);
    return;
  } catch (error) {
    if (!isOneOf(error, ['EISDIR', 'EPERM']) || depth >= TREE_DEPTH_MAX) throw error;
  }
  for (const name of await listFresh(nfs, path)) {
    await removeTree(nfs, `${path}/${name}`, depth + 1);
  }
  await removeDirectory(nfs, path);
}

function folderPath(maildir: string, folder: string): string {
  const fault = folderNameFault(folder);
  if (fault !== undefined) throw systemError('EINVAL', fault, folder);
  return `${maildir}/.${folder}`;
}
