import { isErrno, isOneOf } from '../errno.ts';
import { linkOurs } from '../nfs.ts';
import { Book } from './book.ts';
import { parseFile, type CommitFile, type JournalFile, type StartFile } from './format.ts';
import { Keywords, parseDovecotKeywords } from './keywords.ts';
import { listIfThere, readWhole, type Journal, type Place } from './place.ts';
import {
  comparePositions,
  isStart,
  parseLastNames,
  parseLogNames,
  samePosition,
  UNKNOWN_ID,
  type LastName,
  type LogName,
} from './positions.ts';

/**
 * Reading the log: brings a folder's book to the end of what log/ lists. The rules and their
 * reasons are in journal.ts.
 */

/** How often a listing with a gap is taken, and how often one with a file that is gone. */
const LISTINGS_MAX = 4;

export type LogRead =
  /** The book is at the end of the log. */
  | { readonly what: 'read' }
  /** There is no journal, or it has lost something: only a begin above `floor` helps. */
  | { readonly what: 'none' | 'lost'; readonly floor: number };

type Step = LogRead | 'again';
const READ: LogRead = { what: 'read' };

export async function readLog(journal: Journal, place: Place): Promise<LogRead> {
  const triesMax = journal.keeps('list-again') ? LISTINGS_MAX : 2;
  let vanished = 0;
  for (let attempt = 1; ;) {
    const last = attempt >= triesMax;
    try {
      const step = await readOnce(journal, place, last);
      if (step !== 'again') return step;
      attempt++;
    } catch (error) {
      // A compaction removed what was listed, a writer its own witness, or the server failed over.
      // Counted by itself: it may be the first time in a last attempt.
      if (!isOneOf(error, ['ENOENT', 'ESTALE']) || ++vanished >= triesMax) throw error;
      place.logNames = undefined;
    }
  }
}

async function readOnce(journal: Journal, place: Place, last: boolean): Promise<Step> {
  if (place.book !== undefined) {
    const names = (await listIfThere(journal.nfs, place.log)) ?? [];
    if (sameNames(names, place.logNames)) return READ;
    const step = await advance(journal, place, names);
    if (step === 'read') {
      place.logNames = names;
      return READ;
    }
    if (step === 'again' && !last) return 'again';
  }
  return readFromStart(journal, place, last);
}

function sameNames(names: readonly string[], before: readonly string[] | undefined): boolean {
  if (names.length !== before?.length) return false;
  return names.every((name, index) => name === before[index]);
}

/** What a listing of log/ means. */
export interface View {
  /** Of the newest UIDVALIDITY, ascending. */
  readonly starts: readonly LogName[];
  readonly commits: readonly LogName[];
  readonly end: LogName | undefined;
}

export function viewOf(names: readonly string[]): View {
  const all = parseLogNames(names);
  const end = all.at(-1);
  const newest = all.filter(({ position }) => position.validity === end?.position.validity);
  return {
    starts: newest.filter(isStart),
    commits: newest.filter(({ kind }) => kind === 'commit'),
    end,
  };
}

/** Whether every commit after `from` up to the end is listed. */
export function isUnbroken({ commits, end }: View, from: number): boolean {
  let next = from + 1;
  for (const { position } of commits) if (position.number === next) next++;
  return next > (end?.position.number ?? 0);
}

/** From where the book is. `cold`: what is in memory is not what the log says. */
async function advance(
  journal: Journal,
  place: Place,
  names: readonly string[],
): Promise<'read' | 'again' | 'cold'> {
  const book = place.book as Book;
  const view = viewOf(names);
  if (view.end === undefined || view.end.position.validity !== book.validity) return 'cold';
  if (comparePositions(view.end.position, book.position) < 0) return 'cold';
  const newest = view.starts.at(-1);
  if (newest === undefined) return 'again';
  // What is listed must be enough for one who knows nothing: a loss is judged by files alone.
  const oldest = view.starts.findLast(({ position }) => isUnbroken(view, position.number));
  if (oldest === undefined) return 'again';
  if (comparePositions(newest.position, book.position) > 0 && journal.keeps('newest-start')) {
    return 'cold';
  }
  let named = false;
  for (const { position, name } of view.commits) {
    if (position.number <= book.position.number) continue;
    if (position.number !== book.position.number + 1) return 'again';
    const file = await readFile(journal, place, name);
    if (!isAt(file, { position, kind: 'commit' })) book.applyTorn(position);
    else if (file.after !== book.id && journal.keeps('follows-on')) return 'cold';
    else {
      book.apply(file);
      place.arriving?.read(file);
      // Others rename these: see proof-of-absence.
      for (const { uid } of file.changed) place.missing.delete(uid);
    }
    place.mailNames = undefined;
    if (file?.kind === 'commit') named ||= [...file.added, ...file.changed].some(hasOtherLetters);
  }
  if (named) book.renameLetters(await namedLetters(journal, place));
  return 'read';
}

/** A letter whose name is in `dovecot-keywords`: it may have got one since. */
export const hasOtherLetters = ({ letters }: { readonly letters: string }): boolean =>
  /[a-z]/.test(letters);

/** From the newest whole start. last/ is listed before log/, so what it proves holds for log/. */
async function readFromStart(journal: Journal, place: Place, last: boolean): Promise<Step> {
  const { nfs } = journal;
  const witnesses = parseLastNames((await listIfThere(nfs, place.last)) ?? []);
  const listed = await listIfThere(nfs, place.log);
  const names = listed ?? [];
  const view = viewOf(names);
  const floor = Math.max(
    view.end?.position.validity ?? 0,
    witnesses.at(-1)?.position.validity ?? 0,
  );
  const before = place.book;
  if (view.end === undefined) {
    // One long listing across a compaction may show nothing of what is there throughout.
    if (listed !== undefined && !last) return 'again';
    // Whoever writes into last/ has made log/ before.
    const deleted = listed === undefined && witnesses.length > 0 && journal.keeps('witness');
    const helped = deleted ? 'lost' : await helpWitness(journal, place, witnesses, undefined);
    if (helped === 'helped') return 'again';
    const lost = helped === 'lost' || before !== undefined;
    return { what: lost ? 'lost' : 'none', floor: Math.max(floor, before?.validity ?? 0) };
  }
  const lost: LogRead = { what: 'lost', floor: Math.max(floor, before?.validity ?? 0) };
  const start = await wholeStart(journal, place, view);
  if (start === 'copied' || start === undefined) return last || start ? lost : 'again';
  const book = new Book(start, await keywordsOf(journal, place), before);
  if (!isUnbroken(view, start.at.number)) return last ? lost : 'again';
  place.arriving?.skipped(book);
  if (!(await applyAll(journal, place, book, view))) return last ? lost : 'again';
  const helped = await helpWitness(journal, place, witnesses, book);
  if (helped === 'helped') return 'again';
  if (helped === 'lost') return lost;
  if (before !== undefined && isBehind(book, before)) return last ? lost : 'again';
  adopt(place, book, names);
  return READ;
}

/** The log ends before what this process has read of it: something was taken away. */
const isBehind = (book: Book, before: Book): boolean =>
  comparePositions(book.position, before.position) < 0;

function adopt(place: Place, book: Book, names: readonly string[]): void {
  if (place.book?.validity !== book.validity) {
    place.missing.clear();
    place.hidden.clear();
  }
  place.book = book;
  place.logNames = names;
  place.mailNames = undefined;
}

async function applyAll(
  journal: Journal,
  place: Place,
  book: Book,
  { commits }: View,
): Promise<boolean> {
  for (const { position, name } of commits) {
    if (position.number <= book.position.number) continue;
    const file = await readFile(journal, place, name);
    if (!isAt(file, { position, kind: 'commit' })) book.applyTorn(position);
    else if (follows(file, book) || !journal.keeps('follows-on')) {
      book.apply(file);
      place.arriving?.read(file);
    } else return false;
  }
  return true;
}

const follows = (file: CommitFile, book: Book): boolean =>
  file.after === book.id || book.id === UNKNOWN_ID;

/** The newest start that is whole; `copied` when it was not written where it is. */
async function wholeStart(
  journal: Journal,
  place: Place,
  view: View,
): Promise<StartFile | 'copied' | undefined> {
  for (const start of view.starts.toReversed()) {
    const file = await readFile(journal, place, start.name);
    if (file === undefined || file.kind === 'commit') continue;
    if (!samePosition(file.at, start.position)) continue;
    if (!journal.keeps('own-inode')) return file;
    const inodes = await inodesOf(journal, place, `${place.log}/${start.name}`);
    return file.inodes === inodes ? file : 'copied';
  }
  return undefined;
}

/** What a start must have been written with: its own inode and that of cur/. */
export async function inodesOf(journal: Journal, place: Place, path: string): Promise<string> {
  const { fs } = journal.nfs;
  return `${await fs.identity(path)}.${await fs.identity(`${place.path}/cur`)}`;
}

/**
 * Looks for what last/ knows of the log's end and log/ does not list. The next commit is linked, as
 * its author would; one further on, or one of another begin, proves that commits are gone.
 */
async function helpWitness(
  journal: Journal,
  place: Place,
  witnesses: readonly LastName[],
  book: Book | undefined,
): Promise<'nothing' | 'helped' | 'lost'> {
  if (!journal.keeps('witness')) return 'nothing';
  for (const { name, position, id } of witnesses) {
    if (book !== undefined && comparePositions(position, book.position) <= 0) continue;
    const file = parseFile(await readWhole(journal.nfs, `${place.last}/${name}`));
    if (file === undefined || file.kind === 'snapshot') continue; // Its author is not done.
    if (file.id !== id || !samePosition(file.at, position)) continue;
    if (position.number > 0) {
      if (position.validity !== book?.validity) return 'lost';
      if (position.number > book.position.number + 1) return 'lost';
      if (file.kind !== 'commit' || !follows(file, book)) continue;
    } else if (!(await isOurInode(journal, place, name, file))) continue;
    await linkOurs(journal.nfs, `${place.last}/${name}`, `${place.log}/${name.split('-')[0]}`);
    return 'helped';
  }
  return 'nothing';
}

async function isOurInode(
  journal: Journal,
  place: Place,
  name: string,
  file: JournalFile,
): Promise<boolean> {
  if (file.kind === 'commit') return false;
  return file.inodes === (await inodesOf(journal, place, `${place.last}/${name}`));
}

/** A commit or begin at its place, by whoever wrote it. */
const isAt = (
  file: JournalFile | undefined,
  { position, kind }: Pick<LogName, 'position' | 'kind'>,
): file is CommitFile => file?.kind === kind && samePosition(file.at, position);

export async function readFile(
  journal: Journal,
  place: Place,
  name: string,
): Promise<JournalFile | undefined> {
  const bytes = await readWhole(journal.nfs, `${place.log}/${name}`);
  const file = parseFile(bytes);
  if (file !== undefined || journal.keeps('torn-empty')) return file;
  throw new Error(`The journal's file ${place.log}/${name} is torn`);
}

async function keywordsOf(journal: Journal, place: Place): Promise<Keywords> {
  if (place.book !== undefined) return place.book.keywords;
  return new Keywords(await namedLetters(journal, place));
}

/** Dovecot's names of the letters a to z, read when a folder is opened or shows new letters. */
export async function namedLetters(
  journal: Journal,
  place: Place,
): Promise<readonly (string | undefined)[]> {
  try {
    const bytes = await readWhole(journal.nfs, `${place.path}/dovecot-keywords`);
    return parseDovecotKeywords(bytes.toString('utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESTALE')) return [];
    throw error;
  }
}
