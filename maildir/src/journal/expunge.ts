import { systemError } from '../errno.ts';
import { findKeys } from '../listing.ts';
import { nameKey } from '../names.ts';
import { removeIfThere } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { openLog } from './begin.ts';
import type { Book, Message } from './book.ts';
import { isEmpty, NO_ROWS, type Rows } from './format.ts';
import { commit } from './link.ts';
import { isFull, type Journal, type Place } from './place.ts';
import { publish, syncPlace, TRIES_MAX } from './sync.ts';
import type { FolderState } from './types.ts';

/**
 * Removing messages: commit, unlink, commit that they are cleared. A crash between leaves what
 * whoever comes next completes. On a volume without room: unlink, then commit if there is room
 * now; else others prove the absence.
 */
export async function expungePlace(
  journal: Journal,
  place: Place,
  uids: readonly number[],
): Promise<FolderState> {
  if (place.book === undefined) await syncPlace(journal, place);
  const victims = new Map<number, Message>();
  for (const uid of uids) {
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
  await unlinkAll(journal, place, messages);
  place.mailNames = undefined;
  await commitCleared(journal, place, messages).catch(ignoreFull);
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
    const there = [...victims.keys()].filter((uid) => book.find(uid) !== undefined);
    return { ...NO_ROWS, removed: there.map((uid) => ({ uid, how: 'made' as const })) };
  });

const commitCleared = (
  journal: Journal,
  place: Place,
  messages: readonly Message[],
): Promise<void> =>
  commitRows(journal, place, (book) => ({
    ...NO_ROWS,
    cleared: messages.map(({ uid }) => uid).filter((uid) => book.uncleared.has(uid)),
  }));

/** Commits rows made from the newest book, until a commit is won or none is needed. */
export async function commitRows(
  journal: Journal,
  place: Place,
  make: (book: Book) => Rows,
  entries?: ReadonlyMap<string, Entry>,
): Promise<void> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    if (place.book === undefined) await openLog(journal, place);
    const rows = make(place.book as Book);
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
      const there = [...victims.keys()].filter((uid) => book.find(uid) !== undefined);
      return { ...NO_ROWS, removed: there.map((uid) => ({ uid, how: 'found' as const })) };
    });
    for (const uid of victims.keys()) place.hidden.delete(uid);
  } catch (error) {
    ignoreFull(error);
  }
  return publish(place);
}
