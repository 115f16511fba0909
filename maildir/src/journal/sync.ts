import { byArrival } from '../arrival.ts';
import { isOneOf, systemError } from '../errno.ts';
import { isMessageName, nameBase, nameKey, withFlags } from '../names.ts';
import { removeIfThere, renameExact } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { openLog } from './begin.ts';
import { lettersOf, type Book, type Message } from './book.ts';
import { isEmpty, type AddedRow, type ChangedRow, type Rows } from './format.ts';
import { commit } from './link.ts';
import { hasOtherLetters, namedLetters } from './log.ts';
import { listMail, surveyMail, type Difference } from './mail.ts';
import { isFull, type Journal, type MailNames, type Place } from './place.ts';
import { stampBefore, stampAfter } from './stamp.ts';
import type { FolderState } from './types.ts';

/** How often others may be quicker before an operation gives up. */
export const TRIES_MAX = 20;
const ABSENT_MS = 10_000;

/** The interface's `sync`. */
export async function syncPlace(
  journal: Journal,
  place: Place,
  options: { readonly claim?: boolean } = {},
): Promise<{ readonly state: FolderState; readonly claimed: readonly number[] }> {
  const stamp = await stampBefore(journal, place);
  if (stamp === 'unchanged' && place.state !== undefined) {
    if (options.claim !== true || !hasNew(place.state)) return { state: place.state, claimed: [] };
  }
  const claimed: string[] = [];
  const book = await bringUpToDate(journal, place, options.claim === true ? claimed : undefined);
  if (stamp !== 'unchanged') await stampAfter(journal, place, stamp);
  const uids = claimed.map((key) => book.withKey(key)?.uid).filter((uid) => uid !== undefined);
  return { state: place.state as FolderState, claimed: uids.toSorted((a, b) => a - b) };
}

/**
 * Lists of messages, which are never changed, with none in new/: looking through 100,000 is dear.
 */
const claimedAll = new WeakSet<FolderState['messages']>();

function hasNew({ messages }: FolderState): boolean {
  if (claimedAll.has(messages)) return false;
  if (messages.some(({ entry }) => entry.directory === 'new')) return true;
  claimedAll.add(messages);
  return false;
}

/** Reads the log, lists the mail, commits what they differ in; again when others were quicker. */
async function bringUpToDate(
  journal: Journal,
  place: Place,
  claimed: string[] | undefined,
): Promise<Book> {
  let old = journal.keeps('log-before-files') ? undefined : await listMail(journal, place);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    await openLog(journal, place);
    const book = place.book as Book;
    if (claimed !== undefined) await claimNew(journal, place, claimed);
    const begun = journal.clock.now();
    const difference = await surveyMail(journal, place, book, old);
    if (showsOtherLetters(difference)) book.renameLetters(await namedLetters(journal, place));
    if ((await settle(journal, place, book, { difference, begun })) === 'done') return book;
    old = journal.keeps('start-over') ? undefined : difference.names;
  }
  throw systemError('EAGAIN', 'commit', place.log);
}

/** Files came or were renamed with letters that `dovecot-keywords` names. */
const showsOtherLetters = ({ fresh, moved }: Difference): boolean =>
  [...fresh.values(), ...moved.values()].some(({ name }) =>
    hasOtherLetters({ letters: lettersOf(name) }),
  );

interface Surveyed {
  readonly difference: Difference;
  /** When the listing began. */
  readonly begun: number;
}

async function settle(
  journal: Journal,
  place: Place,
  book: Book,
  { difference, begun }: Surveyed,
): Promise<'done' | 'lost'> {
  const removed = provedAbsent(journal, place, difference, begun);
  const cleared = await clearExpunged(journal, place, book, difference);
  const rows = rowsOf(journal, book, difference, { removed, cleared });
  const entries = new Map<string, Entry>(difference.fresh);
  const renamed = new Map<number, Entry>();
  for (const [uid, entry] of difference.moved) {
    const message = book.find(uid) as Message;
    if (lettersOf(entry.name) === message.flags) renamed.set(uid, entry);
    else entries.set(message.key, entry);
  }
  book.see(renamed);
  if (!isEmpty(rows)) {
    try {
      if ((await commit(journal, place, rows, entries)) === 'lost') return 'lost';
    } catch (error) {
      if (!isFull(error)) throw error;
      book.see(difference.moved);
      place.mailNames = undefined;
      publishAsFilesSay(place, difference.fresh.size);
      return 'done';
    }
  }
  for (const uid of removed) place.missing.delete(uid);
  const steady = difference.settled && place.book === book;
  place.mailNames = steady ? difference.names : undefined;
  publish(place);
  return 'done';
}

function rowsOf(
  journal: Journal,
  book: Book,
  difference: Difference,
  found: { readonly removed: readonly number[]; readonly cleared: readonly number[] },
): Rows {
  let uid = book.uidNext;
  const added: AddedRow[] = [];
  const byName = [...difference.fresh.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name } of byArrival(byName)) {
    added.push({ uid: uid++, letters: lettersOf(name), keywords: [], base: nameBase(name) });
  }
  if (!journal.keeps('clear')) {
    for (const { name } of difference.uncleared.values()) {
      added.push({ uid: uid++, letters: lettersOf(name), keywords: [], base: nameBase(name) });
    }
  }
  const changed: ChangedRow[] = [];
  for (const [each, { name }] of difference.moved) {
    const message = book.find(each);
    const letters = lettersOf(name);
    if (message === undefined || message.flags === letters) continue;
    changed.push({ uid: each, letters, keywords: message.own });
  }
  const removed = found.removed.map((each) => ({ uid: each, how: 'found' as const }));
  return { added, changed, removed, cleared: found.cleared, validity: undefined };
}

/**
 * Rule proof-of-absence. Marks since when listings miss a message, and tells which have been missed
 * long enough; one that shows it begins anew. Listings that do not agree prove nothing.
 */
function provedAbsent(
  journal: Journal,
  place: Place,
  { missing, complete }: Difference,
  begun: number,
): readonly number[] {
  if (!journal.keeps('proof-of-absence')) return [...missing];
  for (const uid of place.missing.keys()) if (!missing.has(uid)) place.missing.delete(uid);
  if (!complete) return [];
  const proved: number[] = [];
  const now = journal.clock.now();
  for (const uid of missing) {
    const since = place.missing.get(uid);
    if (since === undefined) place.missing.set(uid, now);
    else if (begun - since >= ABSENT_MS) proved.push(uid);
  }
  return proved;
}

/** Rule clear: completes others' expunges. @returns what is cleared now */
async function clearExpunged(
  journal: Journal,
  place: Place,
  book: Book,
  { uncleared, complete }: Difference,
): Promise<readonly number[]> {
  if (book.uncleared.size === 0 || !journal.keeps('clear')) return [];
  const cleared: number[] = [];
  for (const uid of book.uncleared.keys()) {
    const entry = uncleared.get(uid);
    if (entry !== undefined) {
      const path = `${place.path}/${entry.directory}/${entry.name}`;
      if ((await removeIfThere(journal.nfs, path)) === 'removed') cleared.push(uid);
    } else if (complete) cleared.push(uid);
  }
  return cleared;
}

/** Moves what is in new/ to cur/; whoever wins the rename has \Recent. */
async function claimNew(journal: Journal, place: Place, claimed: string[]): Promise<void> {
  const names: MailNames = await listMail(journal, place);
  for (const name of names.new) {
    if (!isMessageName(name)) continue;
    const to = `${place.path}/cur/${withFlags(name, '', '')}`;
    try {
      const result = await renameExact(journal.nfs, `${place.path}/new/${name}`, to);
      if (result === 'renamed') claimed.push(nameKey(name));
    } catch (error) {
      // Where nothing can be moved, it is read where it is.
      if (!isFull(error) && !isOneOf(error, ['EACCES', 'EPERM'])) throw error;
      return;
    }
  }
}

/** Makes the book's version the state that is known. */
export function publish(place: Place): FolderState {
  const book = place.book as Book;
  if (place.hidden.size > 0) return publishAsFilesSay(place, 0);
  if (place.state === undefined || place.stateVersion !== book.version) {
    place.state = book.state(0);
    place.stateVersion = book.version;
  }
  return place.state;
}

/** No commit is possible: letters as in names, what was unlinked left out, no new numbers. */
export function publishAsFilesSay(place: Place, unnumbered: number): FolderState {
  const book = place.book as Book;
  const messages: Message[] = [];
  for (const message of book.messages) {
    if (place.hidden.has(message.uid)) continue;
    const flags = lettersOf(message.entry.name);
    messages.push(flags === message.flags ? message : { ...message, flags });
  }
  place.state = book.state(unnumbered, messages);
  place.stateVersion = -1;
  return place.state;
}
