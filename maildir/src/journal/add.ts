import { isErrno, systemError, UnknownResultError } from '../errno.ts';
import { checkName } from '../check.ts';
import { linkBase, nameKey, publishedName } from '../names.ts';
import { linkOurs, moveOurs, removeIfThere, syncDirectory } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { Arriving } from './arriving.ts';
import { openLog } from './begin.ts';
import { lettersOf, sortLetters, type Book, type Message } from './book.ts';
import { commitRows } from './expunge.ts';
import { NO_ROWS, type AddedRow, type ChangedRow, type Rows } from './format.ts';
import { isFull, type Journal, type Place } from './place.ts';
import { publish, syncPlace } from './sync.ts';
import type { Added, StagedMessage } from './types.ts';

/**
 * Adding messages to a folder: their files get their names in cur/, all or none, then one commit
 * numbers them. Another process that lists in between may number them first; then its numbers
 * count, and our commit has the keywords only. It may even expunge them: then there is nothing to
 * commit, and the UID is that which it had (arriving.ts).
 */

/** A message that is to be numbered: its file is in cur/, or about to be. */
interface Arrival {
  readonly key: string;
  /** Name without flags. */
  readonly base: string;
  readonly letters: string;
  readonly keywords: readonly string[];
}

/** A call that failed; nothing is left of its files, or its error is an UnknownResultError. */
export interface NotAdded {
  readonly error: unknown;
}

/** The interface's `add`, for calls that wait together: each is all or none, one commit for all. */
export async function addAll(
  journal: Journal,
  place: Place,
  calls: readonly (readonly StagedMessage[])[],
): Promise<readonly (Added | NotAdded)[]> {
  await openNumbered(journal, place);
  const named: (readonly Arrival[] | NotAdded)[] = [];
  for (const messages of calls) {
    named.push(await nameAll(journal, place, messages).catch((error: unknown) => ({ error })));
  }
  const numbered = await numberAll(
    journal,
    place,
    named.flatMap((each) => ('error' in each ? [] : [each])),
  );
  let next = 0;
  return named.map((each) => ('error' in each ? each : (numbered[next++] as Added | NotAdded)));
}

/** Gives the files of a call their names in cur/, all or none. */
async function nameAll(
  journal: Journal,
  place: Place,
  messages: readonly StagedMessage[],
): Promise<readonly Arrival[]> {
  for (const message of messages) checkName(message);
  const { keywords } = place.book as Book;
  const arrivals = messages.map((message): Arrival => {
    const split = keywords.split(message.keywords);
    return {
      key: message.base,
      base: publishedName(message.base, message.octets, message.wireOctets),
      letters: sortLetters(message.letters + split.letters),
      keywords: split.own,
    };
  });
  const moved: string[] = [];
  try {
    for (const arrival of arrivals) {
      const to = pathOf(place, arrival);
      moved.push(to);
      const result = await moveOurs(journal.nfs, `${place.path}/tmp/${arrival.key}`, to);
      if (result === 'no-directory') throw systemError('ENOENT', 'rename', to);
    }
  } catch (error) {
    await undo(journal, moved);
    throw error;
  }
  return arrivals;
}

const nameOf = ({ base, letters }: Arrival): string => `${base}:2,${letters}`;
const pathOf = (place: Place, arrival: Arrival): string => `${place.path}/cur/${nameOf(arrival)}`;

/** All or none: what has its name already loses it again. */
async function undo(journal: Journal, paths: readonly string[]): Promise<void> {
  for (const path of paths) await removeIfThere(journal.nfs, path).catch(() => {});
}

/** What lies in a folder gets its numbers before what comes. */
async function openNumbered(journal: Journal, place: Place): Promise<void> {
  if (place.book === undefined) await openLog(journal, place);
  if (place.book?.uidNext === 1) await syncPlace(journal, place);
}

/** Numbers what is in cur/. Meanwhile the place keeps what others' commits say of it. */
async function numberAll(
  journal: Journal,
  place: Place,
  calls: readonly (readonly Arrival[])[],
): Promise<readonly (Added | NotAdded)[]> {
  place.mailNames = undefined;
  const keys = journal.keeps('numbered-once') ? calls.flat().map(({ key }) => key) : [];
  const arriving = new Arriving(keys, place.book?.validity);
  place.arriving = arriving;
  try {
    return await numberArriving(journal, place, calls, arriving);
  } finally {
    place.arriving = undefined;
  }
}

/**
 * All calls in one commit; what does not go together is tried for each. Names and commit become
 * durable side by side; both before anybody is told.
 */
async function numberArriving(
  journal: Journal,
  place: Place,
  calls: readonly (readonly Arrival[])[],
  arriving: Arriving,
): Promise<readonly (Added | NotAdded)[]> {
  const validity = place.book?.validity;
  const [named, committed] = await Promise.allSettled([
    syncDirectory(journal.nfs, `${place.path}/cur`),
    commitArrivals(journal, place, calls.flat(), arriving),
  ]);
  if (named.status === 'rejected') {
    const error = new UnknownResultError(`fsync of ${place.path}/cur`, named.reason);
    return calls.map(() => ({ error }));
  }
  const failed: unknown[] = [];
  if (committed.status === 'rejected') {
    for (const [index, arrivals] of calls.entries()) {
      const mending = mend(journal, place, arriving, { arrivals, first: committed.reason });
      await mending.catch((error: unknown) => (failed[index] = error));
    }
  }
  // A journal that was lost meanwhile has ours and nothing else yet.
  if (place.book?.validity !== validity) await syncPlace(journal, place);
  return calls.map((arrivals, index) =>
    failed[index] === undefined ? addedNow(place, arrivals, arriving) : { error: failed[index] },
  );
}

const commitArrivals = (
  journal: Journal,
  place: Place,
  arrivals: readonly Arrival[],
  arriving: Arriving,
): Promise<void> => {
  const entries = new Map<string, Entry>();
  for (const arrival of arrivals) {
    entries.set(arrival.key, { directory: 'cur', name: nameOf(arrival) });
  }
  const make = async (book: Book): Promise<Rows> => {
    await arriving.look(journal, place, book);
    return rowsOf(book, arrivals, arriving);
  };
  return commitRows(journal, place, make, entries);
};

/**
 * After a commit that failed: once more, by what the log says now, which may have it all the same.
 * Without room, messages wait for their numbers, unless they have keywords, which have no other
 * place. When no commit of ours can be there, nothing is left of the files.
 */
async function mend(
  journal: Journal,
  place: Place,
  arriving: Arriving,
  { arrivals, first }: { readonly arrivals: readonly Arrival[]; readonly first: unknown },
): Promise<void> {
  let error = first;
  let unknown = first instanceof UnknownResultError;
  place.logNames = undefined;
  if (unknown || !isFull(first)) {
    try {
      await openLog(journal, place);
      return await commitArrivals(journal, place, arrivals, arriving);
    } catch (second) {
      error = second;
      unknown ||= second instanceof UnknownResultError;
      place.logNames = undefined;
    }
  }
  if (unknown) throw new UnknownResultError(`add to ${place.path}`, error);
  if (isFull(error) && arrivals.every(({ keywords }) => keywords.length === 0)) return;
  const paths = arrivals.map((arrival) => pathOf(place, arrival));
  await undo(journal, paths);
  throw error;
}

function addedNow(place: Place, arrivals: readonly Arrival[], arriving: Arriving): Added {
  const book = place.book as Book;
  const uids = arrivals.map(({ key }) => arriving.uidOf(book, key));
  const waiting = arrivals.filter(({ key }) => arriving.isWaiting(book, key)).length;
  const state = publish(place);
  if (waiting === 0) return { state, uids };
  place.state = { ...state, unnumbered: state.unnumbered + waiting };
  place.stateVersion = -1;
  return { state: place.state, uids };
}

function rowsOf(book: Book, arrivals: readonly Arrival[], arriving: Arriving): Rows {
  let uid = book.uidNext;
  const added: AddedRow[] = [];
  const changed: ChangedRow[] = [];
  for (const { key, base, letters, keywords } of arrivals) {
    const known = book.withKey(key);
    if (arriving.isWaiting(book, key)) added.push({ uid: uid++, base, letters, keywords });
    if (known === undefined) continue;
    if (keywords.some((name) => !known.own.includes(name))) {
      const both = book.keywords.intern([...new Set([...known.own, ...keywords])].toSorted());
      changed.push({ uid: known.uid, letters: known.flags, keywords: both });
    }
  }
  return { ...NO_ROWS, added, changed };
}

/** A message of another folder, to be linked into this one. */
export interface Linked {
  readonly from: Message;
  readonly arrival: Arrival;
}

/** What a link of a message is called: a key of its own that begins with the same seconds. */
export function arrivalOf(journal: Journal, message: Message, how: 'moved' | 'copied'): Arrival {
  const { name } = message.entry;
  const base = linkBase(journal.uniqueName(), name, how);
  return { key: nameKey(base), base, letters: lettersOf(name), keywords: message.own };
}

/**
 * Links messages into a folder, all or none, and numbers them.
 * @returns `lost` when one was not there under the name known: nothing is left of the others
 */
export async function addLinks(
  journal: Journal,
  place: Place,
  source: Place,
  linked: readonly Linked[],
): Promise<Added | 'lost'> {
  await openNumbered(journal, place);
  const paths: string[] = [];
  try {
    for (const { from, arrival } of linked) {
      const to = pathOf(place, arrival);
      paths.push(to);
      if (await linkedTo(journal, source, from.entry, to)) continue;
      await undo(journal, paths);
      return 'lost';
    }
  } catch (error) {
    await undo(journal, paths);
    throw error;
  }
  const arrivals = linked.map(({ arrival }) => arrival);
  const [added] = await numberAll(journal, place, [arrivals]);
  if (added === undefined || 'error' in added) throw added?.error;
  return added;
}

async function linkedTo(
  journal: Journal,
  source: Place,
  entry: Entry,
  to: string,
): Promise<boolean> {
  try {
    await linkOurs(journal.nfs, `${source.path}/${entry.directory}/${entry.name}`, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESTALE')) return false;
    throw error;
  }
}
