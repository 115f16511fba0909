import { systemError } from '../errno.ts';
import { nameBase, nameFlags } from '../names.ts';
import { renameAllExact, type RenameResult } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { openLog } from './begin.ts';
import { lettersOf, sortLetters, type Book, type Message } from './book.ts';
import { NO_ROWS, isEmpty, type ChangedRow } from './format.ts';
import { commit } from './link.ts';
import { isFull, type Journal, type Place } from './place.ts';
import { publish, publishAsFilesSay, syncPlace, TRIES_MAX } from './sync.ts';
import type { FlagChange, Stored } from './types.ts';

/**
 * Changing flags. Letters are changed by rename from the exact name known: whoever loses that
 * looks again. Then all that changed goes into one commit, whose rows are made anew from the
 * newest book each time another's commit comes first.
 *
 * Several calls that wait for the same folder share one commit: each is applied to what the one
 * before it left. Those with `unchangedSince` run alone, since they ask for MODSEQ.
 */

/** A message under change in this call. */
interface Touched {
  /** In a journal that was begun anew meanwhile its UID is another message's. */
  readonly key: string;
  /** Changes asked for, in order. */
  readonly changes: FlagChange[];
  entry: Entry;
  /** When its name was changed, or looked at: another one later says that others changed it. */
  modseq: number;
  /** The folder was looked at since: what is recorded is what the name says. */
  looked: boolean;
}

interface Outcome {
  readonly modified: number[];
  readonly gone: number[];
}

/** Does all changes as one. @returns one result for each, in order */
export async function storeAll(
  journal: Journal,
  place: Place,
  changes: readonly FlagChange[],
): Promise<readonly Stored[]> {
  let looked = place.book === undefined;
  if (looked) await syncPlace(journal, place);
  else if (changes.some(({ unchangedSince }) => unchangedSince !== undefined)) {
    await openLog(journal, place);
  }
  const known = (place.book as Book).validity;
  const outcomes: Outcome[] = changes.map(() => ({ modified: [], gone: [] }));
  const touched = new Map<number, Touched>();
  let failed: { readonly error: unknown } | undefined;
  try {
    for (const [index, change] of changes.entries()) {
      const outcome = outcomes[index] as Outcome;
      const of = { ...change, uidValidity: change.uidValidity ?? known };
      looked = await renameAll(journal, place, { change: of, outcome, touched, looked });
    }
  } catch (error) {
    failed = { error }; // What was renamed is recorded all the same.
  }
  let state = await record(journal, place, touched);
  if (failed !== undefined) throw failed.error;
  if (state.uidValidity !== known) {
    // The journal was lost meanwhile. Names have their letters; keywords have gone with it.
    ({ state } = await syncPlace(journal, place));
    for (const [index, { uids }] of changes.entries()) {
      outcomes[index] = { modified: [], gone: [...uids] };
    }
  }
  addExpunged(place, changes, outcomes);
  return outcomes.map(({ modified, gone }) => ({ state, modified, gone }));
}

/**
 * Another's expunge may come between a rename and its commit: then the message is gone all the
 * same.
 */
function addExpunged(
  { book }: Place,
  changes: readonly FlagChange[],
  outcomes: readonly Outcome[],
): void {
  for (const [index, { uids }] of changes.entries()) {
    const { gone } = outcomes[index] as Outcome;
    const told = new Set(gone);
    gone.push(...uids.filter((uid) => !told.has(uid) && book?.find(uid) === undefined));
  }
}

interface Work {
  readonly change: FlagChange & { readonly uidValidity: number };
  readonly outcome: Outcome;
  readonly touched: Map<number, Touched>;
  /** Whether the folder was looked at in this call: "nothing to do" has to be true now. */
  readonly looked: boolean;
}

/** Looks at a folder that all have to miss a message before a change of its flags is given up. */
const LOOKS_MIN = 2;

/** @returns whether the folder was looked at */
async function renameAll(journal: Journal, place: Place, work: Work): Promise<boolean> {
  let pending: readonly number[] = work.change.uids;
  let { looked } = work;
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    pending = await renameOnce(journal, place, { ...work, looked }, pending);
    if (pending.length === 0) return looked;
    await record(journal, place, work.touched);
    work.touched.clear();
    await syncPlace(journal, place);
    looked = true;
    if (attempt < LOOKS_MIN) continue;
    // Somebody else's program removed it. Its end is told when it is proved; flags it takes no
    // more.
    const { missing } = place;
    work.outcome.gone.push(...pending.filter((uid) => missing.has(uid)));
    pending = pending.filter((uid) => !missing.has(uid));
  }
  throw systemError('EAGAIN', 'rename', place.path);
}

/** @returns the UIDs whose files had other names, or have to be looked at first */
async function renameOnce(
  journal: Journal,
  place: Place,
  { change, outcome, touched, looked }: Work,
  uids: readonly number[],
): Promise<readonly number[]> {
  const lost: number[] = [];
  const renames: Rename[] = [];
  const book = place.book as Book;
  for (const uid of uids) {
    const message = book.validity === change.uidValidity ? book.find(uid) : undefined;
    if (message === undefined || place.hidden.has(uid)) {
      outcome.gone.push(uid);
      continue;
    }
    if (message.modseq > (change.unchangedSince ?? Infinity)) {
      outcome.modified.push(uid);
      continue;
    }
    const known = touched.get(uid);
    const entry = known?.entry ?? message.entry;
    const letters = wantedLetters(book, change, lettersOf(entry.name));
    if (!looked && restsOnMemory(book, change, { message, known, letters })) {
      lost.push(uid);
      continue;
    }
    renames.push({ message, known, entry, wanted: renamedTo(entry, letters) });
  }
  const results = await renameEach(journal, place, renames);
  for (const [index, result] of results.entries()) {
    const { message, known, wanted } = renames[index] as Rename;
    const { uid, key, modseq } = message;
    if (typeof result === 'object') throw result.failed;
    if (result === 'lost') lost.push(uid);
    else if (known === undefined) {
      touched.set(uid, { key, changes: [change], entry: wanted, modseq, looked: false });
    } else {
      known.changes.push(change);
      known.entry = wanted;
    }
  }
  return lost;
}

/** A message that gets another name, or stays as it is. */
interface Rename {
  readonly message: Message;
  /** What this call did to it before. */
  readonly known: Touched | undefined;
  readonly entry: Entry;
  readonly wanted: Entry;
}

/** In order, until one fails. 'lost': its name was not there any more. */
async function renameEach(
  journal: Journal,
  place: Place,
  renames: readonly Rename[],
): Promise<readonly RenameResult[]> {
  const changing = renames.filter(({ entry, wanted }) => entry !== wanted);
  const pathOf = ({ directory, name }: Entry): string => `${place.path}/${directory}/${name}`;
  const pairs = changing.map(({ entry, wanted }) => [pathOf(entry), pathOf(wanted)] as const);
  if (pairs.length > 0) place.mailNames = undefined;
  const renamed = await renameAllExact(journal.nfs, pairs);
  if (changing.length === renames.length) return renamed;
  const results: RenameResult[] = [];
  let at = 0;
  for (const { entry, wanted } of renames) {
    const result = entry === wanted ? 'renamed' : renamed[at++];
    if (result === undefined) break; // One before it failed.
    results.push(result);
  }
  return results;
}

interface Believed {
  readonly message: Message;
  /** What this call did to it before. */
  readonly known: Touched | undefined;
  /** That it is to have. */
  readonly letters: string;
}

/**
 * Whether a change says something of which this process believes that it is so already: that may be
 * old. Letters are proved by a rename of this call, keywords by the commit.
 */
function restsOnMemory(
  book: Book,
  change: FlagChange,
  { message, known, letters }: Believed,
): boolean {
  const entry = known?.entry ?? message.entry;
  if (lettersOf(entry.name) !== letters || entry !== message.entry) return false;
  const asked = change.letters + book.keywords.split(change.keywords).letters;
  if (change.how === 'replace' || asked !== '') return true;
  if (known !== undefined) return false;
  return sameList(wantedKeywords(book, change, message.own, message.entry), message.own);
}

/** The entry with these letters. */
function renamedTo(entry: Entry, letters: string): Entry {
  if (lettersOf(entry.name) === letters) return entry;
  const info = entry.name.indexOf(':2,');
  const more = info < 0 ? '' : entry.name.slice(info + 3 + nameFlags(entry.name).length);
  return { directory: 'cur', name: `${nameBase(entry.name)}:2,${letters}${more}` };
}

/** The letters a name gets. Those that nobody asks for by name stay. */
function wantedLetters(book: Book, change: FlagChange, had: string): string {
  const { keywords } = book;
  const asked = change.letters + keywords.split(change.keywords).letters;
  if (change.how === 'add') return sortLetters(had + asked);
  const names = new Set(change.keywords.map((name) => keywords.spell(name)));
  const stays = had.split('').filter((letter) => {
    const name = keywords.nameOf(letter);
    if (change.how === 'remove') {
      return !asked.includes(letter) && (name === undefined || !names.has(name));
    }
    return name === undefined ? !'DFRST'.includes(letter) : names.has(name);
  });
  return sortLetters(stays.join('') + (change.how === 'replace' ? asked : ''));
}

/** The journal's own keywords after a change. */
function wantedKeywords(
  book: Book,
  change: FlagChange,
  had: readonly string[],
  entry: Entry,
): readonly string[] {
  const { own } = book.keywords.split(change.keywords);
  // What a letter of the name says already needs no row.
  const letters = lettersOf(entry.name).split('');
  const byLetter = new Set(letters.map((letter) => book.keywords.nameOf(letter)));
  const asked = own.filter((name) => !byLetter.has(name));
  if (change.how === 'replace') return book.keywords.intern(asked);
  if (change.how === 'remove') {
    const stays = had.filter((name) => !own.includes(name));
    return stays.length === had.length ? had : book.keywords.intern(stays);
  }
  const more = asked.filter((name) => !had.includes(name));
  return more.length === 0 ? had : book.keywords.intern([...had, ...more].toSorted());
}

/** Commits what was touched, from the newest book, until a commit is won or none is needed. */
async function record(
  journal: Journal,
  place: Place,
  touched: ReadonlyMap<number, Touched>,
): Promise<Stored['state']> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    if (isOvertaken(place.book as Book, touched)) await lookAgain(journal, place, touched);
    const book = place.book as Book;
    const entries = new Map<string, Entry>();
    const seen = new Map<number, Entry>();
    const changed: ChangedRow[] = [];
    for (const [uid, each] of touched) {
      const message = book.find(uid);
      if (message?.key !== each.key) continue;
      const row = rowOf(book, message, each);
      if (row !== undefined) changed.push(row);
      if (row?.letters === lettersOf(each.entry.name)) entries.set(message.key, each.entry);
      else if (message.flags === lettersOf(each.entry.name)) seen.set(uid, each.entry);
    }
    const rows = { ...NO_ROWS, changed };
    if (seen.size > 0) seeOthers(book, seen);
    if (isEmpty(rows)) return publish(place);
    try {
      if ((await commit(journal, place, rows, entries)) === 'won') return publish(place);
    } catch (error) {
      if (!isFull(error) || needsRoom(book, changed)) throw error;
      const same = [...touched].filter(([uid, { key }]) => book.find(uid)?.key === key);
      book.see(new Map(same.map(([uid, { entry }]) => [uid, entry])));
      return publishAsFilesSay(place, place.state?.unnumbered ?? 0);
    }
    await openLog(journal, place);
  }
  throw systemError('EAGAIN', 'commit', place.log);
}

/**
 * Whether others have recorded other letters for a message since we renamed it. They may have seen
 * a later name, or say an earlier one that they were slow to commit: only a look can tell.
 */
const isOvertaken = (book: Book, touched: ReadonlyMap<number, Touched>): boolean =>
  [...touched].some(([uid, { key, modseq, entry, looked }]) => {
    const message = book.find(uid);
    if (message?.key !== key || message.modseq === modseq) return false;
    return looked || message.flags !== lettersOf(entry.name);
  });

/** Has the letters recorded that names have now; what is left to record is keywords. */
async function lookAgain(
  journal: Journal,
  place: Place,
  touched: ReadonlyMap<number, Touched>,
): Promise<void> {
  await syncPlace(journal, place);
  for (const [uid, each] of touched) {
    each.modseq = place.book?.find(uid)?.modseq ?? each.modseq;
    each.looked = true;
  }
}

function seeOthers(book: Book, seen: Map<number, Entry>): void {
  for (const [uid, entry] of seen) {
    if (book.find(uid)?.entry.name === entry.name) seen.delete(uid);
  }
  book.see(seen);
}

/** Keywords have no other place than a commit. */
const needsRoom = (book: Book, changed: readonly ChangedRow[]): boolean =>
  changed.some(({ uid, keywords }) => book.find(uid)?.own !== keywords);

function rowOf(book: Book, message: Message, touched: Touched): ChangedRow | undefined {
  const letters = touched.looked ? message.flags : lettersOf(touched.entry.name);
  let keywords = message.own;
  for (const change of touched.changes) {
    keywords = wantedKeywords(book, change, keywords, touched.entry);
  }
  if (letters === message.flags && sameList(keywords, message.own)) return undefined;
  return { uid: message.uid, letters, keywords };
}

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((each, index) => each === b[index]));
