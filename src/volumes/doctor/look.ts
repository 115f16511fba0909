/** Looks at a volume without changing it: owners, modes, room. Runs in the doctor's child only. */
import { readdir, stat, statfs } from 'node:fs/promises';
import type { Looked } from './trial.ts';
import type { Owned, Room } from './types.ts';

export async function look(path: string): Promise<Looked> {
  const { uid, gid, mode, nlink, mtimeMs } = await stat(path);
  return { path, uid, gid, mode: mode & 0o7777, links: nlink, modifiedMs: mtimeMs };
}

const owned = async (path: string): Promise<Owned> => {
  const { uid, gid, mode } = await look(path);
  return { path, uid, gid, mode };
};

/** Listed first: a listing asks the server, a stat alone may tell what was true a minute ago. */
export async function lookRoot(path: string): Promise<Owned> {
  await readdir(path).catch(() => []); // Who may not list it may still see whose it is.
  return owned(path);
}

export async function lookRoom(path: string): Promise<Room> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  return {
    totalBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    totalInodes: files,
    freeInodes: ffree,
  };
}

const HASHED = /^[0-9a-f]{2}$/;
const SAMPLES = 4;

/** The sentinel, some of the hashed directories and a mailbox in each. */
export async function lookBelow(root: string): Promise<readonly Owned[]> {
  const found: Owned[] = [];
  const first = (await readdir(root)).filter((name) => HASHED.test(name)).toSorted();
  const step = Math.max(1, Math.floor(first.length / SAMPLES));
  for (const name of first.filter((_, i) => i % step === 0).slice(0, SAMPLES)) {
    let path = `${root}/${name}`;
    found.push(await owned(path));
    for (const form of [HASHED, /^[A-Za-z0-9-]{1,64}$/, /^new$/]) {
      const inside = await readdir(path).catch(() => []);
      const next = inside.find((one) => form.test(one));
      if (next === undefined) break;
      path = `${path}/${next}`;
      found.push(await owned(path));
    }
  }
  return found;
}
