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
import { messageBucket } from './outbound-names.ts';
import { outboundPlaces, type OutboundTree } from './outbound-tree.ts';
import type { SpoolTree } from './tree.ts';

/** Who writes and was cut off for so long has no session to answer to. */
const ABANDONED_MS = 24 * 3_600_000;
/** So long a letter that seems to belong to nobody can still be read. */
const ASIDE_MS = 7 * 24 * 3_600_000;

/** What a sweep needs of a tree. */
type Swept = Pick<SpoolTree, 'root' | 'run' | 'serverNow'>;

/**
 * Removes from one bucket what nobody answers for: drafts, and messages without an envelope. The
 * essay in tree.ts says why it takes two days and a week. @returns how many were removed.
 */
export const sweepBucket = (tree: SpoolTree, bucket: string): Promise<number> =>
  sweep(tree, bucket, () => idsOf(tree, bucket));

/** The same of outbound mail, and versions of envelopes that no name says any more. */
export const sweepOutbound = (tree: OutboundTree, bucket: string): Promise<number> =>
  sweep(tree, bucket, () => outboundKnown(tree, bucket));

async function sweep(
  tree: Swept,
  bucket: string,
  list: () => Promise<readonly string[]>,
): Promise<number> {
  const at = (kind: string): string => `${tree.root}/${kind}/${bucket}`;
  const now = await tree.serverNow();
  const [drafts, messages, versions, times, aside] = await tree.run(
    'sweep',
    at('message'),
    async (nfs) => [
      await oldIn(nfs, at('draft'), now),
      await oldIn(nfs, at('message'), now),
      await oldIn(nfs, at('version'), now),
      // Who asked for the time and died.
      await oldIn(nfs, `${tree.root}/clock`, now),
      await namesIn(nfs, at('aside')),
    ],
  );
  const letters = drafts.length + messages.length + versions.length + aside.length;
  if (letters + times.length === 0) return 0;
  const known = new Set(letters === 0 ? [] : [...(await list()), ...(await list())]);
  return tree.run('sweep', at('message'), async (nfs) => {
    let count = 0;
    for (const name of times) await removeIfThere(nfs, `${tree.root}/clock/${name}`);
    for (const name of drafts) count += await removed(nfs, `${at('draft')}/${name}`);
    for (const name of versions.filter((version) => !known.has(version))) {
      count += await removed(nfs, `${at('version')}/${name}`);
    }
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

/** The same of outbound mail, and the names of the versions that the letters have. */
async function outboundKnown(tree: OutboundTree, bucket: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const at of outboundPlaces(tree)) {
    for (const { id, version } of await tree.list(at)) {
      if (messageBucket(id) !== bucket) continue;
      names.push(id);
      if (version !== '') names.push(`${id},V=${version}`);
    }
  }
  return names;
}

/** Files of letters that have been there for long, by the server's time. */
async function oldIn(nfs: Nfs, directory: string, now: number): Promise<readonly string[]> {
  const old: string[] = [];
  for (const name of await namesIn(nfs, directory)) {
    const [id = ''] = name.split(',');
    // Names say the time of who took it, which spares a stat for most; the server's decides.
    if (!isId(id) || now - arrivedAt(id) < ABANDONED_MS) continue;
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
