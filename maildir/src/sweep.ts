import { isOneOf } from './errno.ts';
import { removeTree } from './folders.ts';
import { believed, finishWriting, listFresh, removeOurs, type Nfs } from './nfs.ts';

/** A `.nfs…` file is another host's open file that was removed; after a week nobody has it open. */
const SILLY_AGE_MS = 7 * 24 * 3_600_000;

/**
 * Removes what crashed deliveries and removals left in tmp/. Age is the difference of two times
 * of the volume server: of the file, and of a file of our own written now. The host's own clock
 * is not asked: with one that is a day ahead, a delivery under way would be swept away.
 * @returns how many were removed.
 */
export async function sweepTmp(
  nfs: Nfs,
  maildir: string,
  options: { readonly olderThanMs: number; readonly probe: string },
): Promise<number> {
  const tmp = `${maildir}/tmp`;
  const names = await listFresh(nfs, tmp);
  if (names.length === 0) return 0;
  const now = await serverTime(nfs, `${tmp}/${options.probe}`);
  let count = 0;
  for (const name of names) {
    const age = await ageOf(nfs, `${tmp}/${name}`, now);
    const limit = name.startsWith('.')
      ? Math.max(options.olderThanMs, SILLY_AGE_MS)
      : options.olderThanMs;
    if (age !== undefined && age >= limit && (await removed(nfs, `${tmp}/${name}`))) count++;
  }
  return count;
}

/** What may not be removed, or still has an open file in it, is left to the next sweep. */
async function removed(nfs: Nfs, path: string): Promise<boolean> {
  try {
    await removeTree(nfs, path);
    return true;
  } catch (error) {
    if (isOneOf(error, ['EACCES', 'EPERM', 'ENOTEMPTY', 'EEXIST'])) return false;
    throw error;
  }
}

/** The volume server's time in milliseconds, by writing a file of our own. */
export async function serverTime(nfs: Nfs, path: string): Promise<number> {
  const fd = await believed(nfs, path, () => nfs.fs.create(path));
  try {
    try {
      await nfs.fs.write(fd, Buffer.from('\n'), 0); // A write is stamped by the server.
    } finally {
      await finishWriting(nfs, fd, false);
    }
    return await nfs.fs.modified(path);
  } finally {
    await removeOurs(nfs, path);
  }
}

async function ageOf(nfs: Nfs, path: string, now: number): Promise<number | undefined> {
  try {
    return now - (await nfs.fs.modified(path));
  } catch (error) {
    if (isOneOf(error, ['ENOENT', 'ESTALE'])) return undefined; // Published or swept meanwhile.
    throw error;
  }
}
