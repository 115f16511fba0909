import { isErrno, systemError, UnknownResultError } from '../errno.ts';
import { checkName } from '../check.ts';
import { publishedName } from '../names.ts';
import { linkOurs, moveOurs, removeIfThere, syncDirectory } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { openLog } from './begin.ts';
import { lettersOf, sortLetters, type Book, type Message } from './book.ts';
import { commitRows } from './expunge.ts';
import { NO_ROWS, type AddedRow, type ChangedRow } from './format.ts';
import { isFull, type Journal, type Place } from './place.ts';
import { publish, syncPlace } from './sync.ts';
import type { Added, StagedMessage } from './types.ts';

/**
 * Adding messages to a folder: their files get their names in cur/, all or none, then one commit
 * numbers them. Another process that lists in between may number them first; then its numbers
 * count, and our commit has the keywords only.
 */

/** A message that is to be numbered: its file is in cur/, or about to be. */
interface Arrival {
  readonly key: string;
  /** Name without flags. */
  readonly base: string;
  readonly letters: string;
  readonly keywords: readonly string[];
}

/** The interface's `add`. */
export async function addStaged(
  journal: Journal,
  place: Place,
  messages: readonly StagedMessage[],
): Promise<Added> {
  for (const message of messages) checkName(message);
  await openNumbered(journal, place);
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
  return number(journal, place, arrivals);
}

const nameOf = ({ base, letters }: Arrival): string => `${base}:2,${letters}`;
const pathOf = (place: Place, arrival: Arrival): string => `${place.path}/cur/${nameOf(arrival)}`;

/** All or none: what has its name already loses it again. */
async function undo(journal: Journal, paths: readonly string[]): Promise<void> {
  for (const path of paths) await removeIfThere(journal.nfs, path).catch(() => {});
}

/** What lies in a folder gets its numbers before what comes. */
async function openNumbered(journal: Journal, place: Place): Promise<void> {
  await openLog(journal, place);
  if (place.book?.uidNext === 1) await syncPlace(journal, place);
}

/**
 * Commits numbers and keywords, and once more when the result is not known: what the first try has
 * done is in the log then. Without room, messages wait for their numbers, unless they have keywords,
 * which have no other place. When the commit is known not to be there, nothing is left of the files.
 */
async function commitArrivals(
  journal: Journal,
  place: Place,
  arrivals: readonly Arrival[],
  entries: ReadonlyMap<string, Entry>,
): Promise<void> {
  let unknown = false;
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt > 1) await openLog(journal, place);
      return await commitRows(journal, place, (book) => rowsOf(book, arrivals), entries);
    } catch (error) {
      place.logNames = undefined;
      unknown ||= error instanceof UnknownResultError;
      if (!unknown && isFull(error) && arrivals.every(({ keywords }) => keywords.length === 0))
        return;
      if (attempt === 1 && !isFull(error)) continue;
      if (unknown) throw new UnknownResultError(`add to ${place.path}`, error);
      const paths = arrivals.map((arrival) => pathOf(place, arrival));
      await undo(journal, paths);
      throw error;
    }
  }
}

/** Numbers what is in cur/. What cannot be numbered for want of room waits. */
async function number(
  journal: Journal,
  place: Place,
  arrivals: readonly Arrival[],
): Promise<Added> {
  place.mailNames = undefined;
  const validity = place.book?.validity;
  const entries = new Map<string, Entry>();
  for (const arrival of arrivals) {
    entries.set(arrival.key, { directory: 'cur', name: nameOf(arrival) });
  }
  // The names and the commit become durable side by side; both before anybody is told.
  const [named, committed] = await Promise.allSettled([
    syncDirectory(journal.nfs, `${place.path}/cur`),
    commitArrivals(journal, place, arrivals, entries),
  ]);
  if (committed.status === 'rejected') throw committed.reason;
  if (named.status === 'rejected')
    throw new UnknownResultError(`add to ${place.path}`, named.reason);
  // A journal that was lost meanwhile has ours and nothing else yet.
  if (place.book?.validity !== validity) await syncPlace(journal, place);
  const book = place.book as Book;
  const uids = arrivals.map(({ key }) => book.withKey(key)?.uid);
  const waiting = uids.filter((uid) => uid === undefined).length;
  const state = publish(place);
  if (waiting === 0) return { state, uids };
  place.state = { ...state, unnumbered: state.unnumbered + waiting };
  place.stateVersion = -1;
  return { state: place.state, uids };
}

function rowsOf(book: Book, arrivals: readonly Arrival[]): typeof NO_ROWS {
  let uid = book.uidNext;
  const added: AddedRow[] = [];
  const changed: ChangedRow[] = [];
  for (const { key, base, letters, keywords } of arrivals) {
    const known = book.withKey(key);
    if (known === undefined) added.push({ uid: uid++, base, letters, keywords });
    else if (keywords.some((name) => !known.own.includes(name))) {
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

/** What a copy of a message is called: a key of its own that begins with the same seconds. */
export function arrivalOf(journal: Journal, message: Message): Arrival {
  const unique = journal.uniqueName();
  const seconds = /^\d{1,12}(?=\.)/.exec(message.key)?.[0];
  const key = seconds === undefined ? unique : unique.replace(/^\d+/, seconds);
  const colon = message.entry.name.indexOf(':');
  const old = colon < 0 ? message.entry.name : message.entry.name.slice(0, colon);
  const base = `${key}${old.slice(message.key.length)}`;
  return { key, base, letters: lettersOf(message.entry.name), keywords: message.own };
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
  return number(journal, place, arrivals);
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
