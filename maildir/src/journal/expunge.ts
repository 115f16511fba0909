import { systemError } from '../errno.ts';
import { findKeys } from '../listing.ts';
import { nameKey } from '../names.ts';
import { removeIfThere } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { openLog } from './begin.ts';
import type { Book, Message } from './book.ts';
import { isEmpty, NO_ROWS, type RemovedRow, type Rows } from './format.ts';
import { commit } from './link.ts';
import { isFull, type Journal, type Place } from './place.ts';
import { publish, syncPlace, TRIES_MAX } from './sync.ts';
import type { FolderState } from './types.ts';

/** UIDs, and what they are numbers of; undefined: what is known now. */
export interface Uids {
  readonly uids: readonly number[];
  readonly uidValidity: number | undefined;
}

/**
 * Removing messages: commit, unlink, commit that they are cleared. A crash between leaves what
 * whoever comes next completes. On a volume without room: unlink, then commit if there is room
 * now; else others prove the absence.
 */
export async function expungePlace(
  journal: Journal,
  place: Place,
  { uids, uidValidity }: Uids,
): Promise<FolderState> {
  if (place.book === undefined) await syncPlace(journal, place);
  const victims = new Map<number, Message>();
  const validity = place.book?.validity;
  const isOf = (uidValidity ?? validity) === validity;
  for (const uid of isOf ? uids : []) {
    const message = place.book?.find(uid);
    if (message !== undefined) victims.set(uid, message);
  }
  if (victims.size === 0) return publish(place);
  const messages = [...victims.values()];
  if (!journal.keeps('expunge-commit')) {
    await unlinkAll(journal, place, messages);
    return publish(place);
  }
  try {
    await commitRemoved(journal, place, victims);
  } catch (error) {
    if (!isFull(error)) throw error;
    return expungeWithoutRoom(journal, place, victims);
  }
  // The journal was lost while we committed: our UIDs have no meaning any more, and no file goes.
  if (place.book?.validity !== validity) return (await syncPlace(journal, place)).state;
  const ours = messages.filter(({ uid, key }) => place.book?.uncleared.get(uid) === key);
  await unlinkAll(journal, place, ours);
  place.mailNames = undefined;
  await commitCleared(journal, place, ours).catch(ignoreFull);
  return publish(place);
}

/** What has no room is told by the next who has. */
function ignoreFull(error: unknown): void {
  if (!isFull(error)) throw error;
}

const commitRemoved = (
  journal: Journal,
  place: Place,
  victims: ReadonlyMap<number, Message>,
): Promise<void> =>
  commitRows(journal, place, (book) => {
    return { ...NO_ROWS, removed: stillThere(book, victims, 'made') };
  });

/** In a journal that was begun anew meanwhile the same UIDs are other messages. */
const stillThere = (
  book: Book,
  victims: ReadonlyMap<number, Message>,
  how: RemovedRow['how'],
): readonly RemovedRow[] =>
  [...victims]
    .filter(([uid, { key }]) => book.find(uid)?.key === key)
    .map(([uid]) => ({ uid, how }));

const commitCleared = (
  journal: Journal,
  place: Place,
  messages: readonly Message[],
): Promise<void> =>
  commitRows(journal, place, (book) => ({
    ...NO_ROWS,
    cleared: messages
      .filter(({ uid, key }) => book.uncleared.get(uid) === key)
      .map(({ uid }) => uid),
  }));

/** Commits rows made from the newest book, until a commit is won or none is needed. */
export async function commitRows(
  journal: Journal,
  place: Place,
  make: (book: Book) => Rows | Promise<Rows>,
  entries?: ReadonlyMap<string, Entry>,
): Promise<void> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    if (place.book === undefined) await openLog(journal, place);
    const rows = await make(place.book as Book);
    if (isEmpty(rows)) return;
    if ((await commit(journal, place, rows, entries)) === 'won') return;
    await openLog(journal, place);
  }
  throw systemError('EAGAIN', 'commit', place.log);
}

/** Removes the files, found again where their names have changed. */
async function unlinkAll(
  journal: Journal,
  place: Place,
  messages: readonly Message[],
): Promise<void> {
  const { nfs } = journal;
  let pending: readonly Entry[] = messages.map(({ entry }) => entry);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const absent: Entry[] = [];
    for (const entry of pending) {
      const path = `${place.path}/${entry.directory}/${entry.name}`;
      if ((await removeIfThere(nfs, path)) === 'absent') absent.push(entry);
    }
    if (absent.length === 0) return;
    const keys = new Set(absent.map(({ name }) => nameKey(name)));
    pending = [...(await findKeys(nfs, place.path, keys)).values()];
    if (pending.length === 0) return;
  }
  throw systemError('EAGAIN', 'unlink', place.path);
}

async function expungeWithoutRoom(
  journal: Journal,
  place: Place,
  victims: ReadonlyMap<number, Message>,
): Promise<FolderState> {
  await unlinkAll(journal, place, [...victims.values()]);
  place.mailNames = undefined;
  for (const uid of victims.keys()) place.hidden.add(uid);
  try {
    await commitRows(journal, place, (book) => {
      return { ...NO_ROWS, removed: stillThere(book, victims, 'found') };
    });
    for (const uid of victims.keys()) place.hidden.delete(uid);
  } catch (error) {
    ignoreFull(error);
  }
  return publish(place);
}
