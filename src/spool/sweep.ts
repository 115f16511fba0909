import {
  isErrno,
  listFresh,
  makeDirectory,
  moveOurs,
  parentOf,
  removeIfThere,
  type Nfs,
} from '#maildir';
import { arrivedAt, isId } from './names.ts';
import type { SpoolTree } from './tree.ts';

/** A parker that was cut off for so long has no session to answer to. */
const ABANDONED_MS = 24 * 3_600_000;
/** So long a letter that seems to belong to nobody can still be landed. */
const ASIDE_MS = 7 * 24 * 3_600_000;

/**
 * Removes from one bucket what nobody answers for: drafts, and messages without an envelope. The
 * essay in tree.ts says why it takes two days and a week. @returns how many were removed.
 */
export async function sweepBucket(tree: SpoolTree, bucket: string): Promise<number> {
  const at = (kind: string): string => `${tree.root}/${kind}/${bucket}`;
  const now = await tree.serverNow();
  const [drafts, messages, aside] = await tree.run('sweep', at('message'), async (nfs) => [
    await oldIn(nfs, at('draft'), now),
    await oldIn(nfs, at('message'), now),
    await namesIn(nfs, at('aside')),
  ]);
  if (drafts.length + messages.length + aside.length === 0) return 0;
  const known = new Set([...(await idsOf(tree, bucket)), ...(await idsOf(tree, bucket))]);
  return tree.run('sweep', at('message'), async (nfs) => {
    let count = 0;
    for (const name of drafts) count += await removed(nfs, `${at('draft')}/${name}`);
    for (const name of messages.filter((id) => !known.has(id))) {
      await makeDirectory(nfs, parentOf(at('aside'))).catch(() => {});
      await makeDirectory(nfs, at('aside'));
      const seconds = Math.floor(now / 1000);
      await moveOurs(nfs, `${at('message')}/${name}`, `${at('aside')}/${name},T=${seconds}`);
    }
    for (const name of aside) {
      const [id = '', since = ''] = name.split(',T=');
      const isOld = now - Number(since) * 1000 > ASIDE_MS;
      if (isOld && !known.has(id)) count += await removed(nfs, `${at('aside')}/${name}`);
    }
    return count;
  });
}

/** Every letter of a bucket that any state shows. */
async function idsOf(tree: SpoolTree, bucket: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const state of ['waiting', 'taken', 'failed'] as const) {
    for (const lane of await tree.lanes(state)) {
      for (const { id } of await tree.list(state, lane, bucket)) ids.push(id);
    }
  }
  return ids;
}

async function oldIn(nfs: Nfs, directory: string, now: number): Promise<readonly string[]> {
  const old: string[] = [];
  for (const name of await namesIn(nfs, directory)) {
    // Names say the parker's time, which spares a stat for most; the server's time decides.
    if (!isId(name) || now - arrivedAt(name) < ABANDONED_MS) continue;
    try {
      if (now - (await nfs.fs.modified(`${directory}/${name}`)) > ABANDONED_MS) old.push(name);
    } catch (error) {
      if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ESTALE')) throw error;
    }
  }
  return old;
}

async function namesIn(nfs: Nfs, directory: string): Promise<readonly string[]> {
  try {
    return await listFresh(nfs, directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

const removed = async (nfs: Nfs, path: string): Promise<number> =>
  (await removeIfThere(nfs, path)) === 'removed' ? 1 : 0;
