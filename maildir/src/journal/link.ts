import { isErrno, isOneOf, UnknownResultError } from '../errno.ts';
import { believed, linkOnce, listFresh, removeIfThere, syncDirectory } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { encodeFile, isEmpty, parseFile, type CommitFile, type Rows } from './format.ts';
import { isUnbroken, viewOf } from './log.ts';
import {
  listIfThere,
  makeDirectories,
  newId,
  readWhole,
  writeOurs,
  type Journal,
  type Place,
} from './place.ts';
import { commitName, comparePositions, lastName, type Position } from './positions.ts';
import { snapshotWhenDue } from './compact.ts';

/** How often a commit that is not there after its link is linked again. */
const LINKS_MAX = 3;

/**
 * Commits rows that were made from the book as it is: steps 3 to 6 of the essay in journal.ts.
 * @returns `lost`: another has taken the number; what is new is to be read, and the rows made
 *   again. @throws ENOSPC and the like: nothing happened; UnknownResultError: it may be there
 */
export async function commit(
  journal: Journal,
  place: Place,
  rows: Rows,
  entries?: ReadonlyMap<string, Entry>,
): Promise<'won' | 'lost'> {
  const { book } = place;
  if (book === undefined || isEmpty(rows)) return 'won';
  const at: Position = { validity: book.validity, number: book.position.number + 1 };
  const uidNext = rows.added.reduce((next, { uid }) => Math.max(next, uid + 1), book.uidNext);
  const synced = needsSync(rows, place);
  const file: CommitFile = {
    kind: 'commit',
    id: newId(journal.random),
    at,
    after: book.id,
    modseq: Math.max(book.modseq + 1, synced ? Math.floor(journal.clock.now()) : 0),
    uidNext,
    ...rows,
  };
  const durable = synced && journal.keeps('fsync');
  const witness = lastName(at, file.id);
  await writeLast(journal, place, witness, encodeFile(file), durable);
  const outcome = await linkLast(journal, place, { witness, at, id: file.id, durable });
  if (outcome.what === 'lost') {
    place.logNames = undefined;
    return 'lost';
  }
  book.apply(file, entries);
  place.arriving?.read(file);
  place.logNames = outcome.names;
  await keepWitness(journal, place, witness);
  await snapshotWhenDue(journal, place, outcome.names);
  return 'won';
}

/** A commit of letters only says what file names say; all else is only here. */
function needsSync(rows: Rows, { book }: Place): boolean {
  if (rows.added.length > 0 || rows.removed.length > 0 || rows.validity !== undefined) return true;
  return rows.changed.some(({ uid, keywords }) => {
    const own = book?.find(uid)?.own ?? [];
    return own.length !== keywords.length || own.some((name, index) => name !== keywords[index]);
  });
}

/** Writes a file into last/, whose directories are made when they are missing. */
export async function writeLast(
  journal: Journal,
  place: Place,
  name: string,
  content: Buffer | (() => Promise<Buffer>),
  durable: boolean,
): Promise<void> {
  const path = `${place.last}/${name}`;
  for (let attempt = 1; ; attempt++) {
    try {
      return await writeOurs(journal.nfs, path, content, durable);
    } catch (error) {
      // Its content may be what failed: then its name is there, and must not be at the second try.
      await removeIfThere(journal.nfs, path).catch(() => {});
      if (!isErrno(error, 'ENOENT') || attempt > 1) throw error;
      await makeDirectories(journal.nfs, place);
    }
  }
}

export interface Linking {
  /** Name in last/. */
  readonly witness: string;
  readonly at: Position;
  readonly id: string;
  readonly durable: boolean;
}

type Linked = { readonly what: 'won'; readonly names: readonly string[] | undefined } | Lost;
interface Lost {
  readonly what: 'lost';
}
const LOST: Lost = { what: 'lost' };

/** Links what lies in last/ to its place in log/, and believes only what log/ shows after that. */
export async function linkLast(journal: Journal, place: Place, link: Linking): Promise<Linked> {
  const { nfs } = journal;
  const path = `${place.last}/${link.witness}`;
  try {
    const linked = await linkAndLook(journal, place, link);
    if (linked.what === 'lost') await removeIfThere(nfs, path).catch(() => {});
    else if (link.durable) await syncLog(journal, place);
    return linked;
  } catch (error) {
    // The name stays in last/ when the result is unknown: whoever finds it there links it.
    if (!(error instanceof UnknownResultError)) await removeIfThere(nfs, path).catch(() => {});
    throw error;
  }
}

/** What is linked and not durable is neither done nor not done. */
async function syncLog({ nfs }: Journal, place: Place): Promise<void> {
  try {
    await syncDirectory(nfs, place.log);
  } catch (error) {
    throw new UnknownResultError(`fsync of ${place.log}`, error);
  }
}

async function linkAndLook(journal: Journal, place: Place, link: Linking): Promise<Linked> {
  const { nfs } = journal;
  const from = `${place.last}/${link.witness}`;
  const name = commitName(link.at);
  for (let attempt = 1; ; attempt++) {
    const failed = await linkOrRefused(nfs, from, `${place.log}/${name}`, attempt);
    const names = await listAfterLink(nfs, place, failed);
    if (names === undefined) return LOST; // The journal was deleted.
    if (failed === undefined && isOneMore(names, place.logNames, name)) {
      return { what: 'won', names };
    }
    const view = viewOf(names);
    const { end } = view;
    const later = end !== undefined && end.position.validity > link.at.validity;
    const covered = view.starts.some(
      (start) => start.name !== name && comparePositions(start.position, link.at) >= 0,
    );
    if ((covered || later) && journal.keeps('covered')) return LOST;
    if (names.includes(name) || later || covered) {
      const ours = failed === undefined || !journal.keeps('own-id');
      if (!ours && !(await holdsId(journal, place, name, link.id))) return LOST;
      if (failed !== undefined && !ours) nfs.lie('link');
      const whole = view.starts.some((start) => isUnbroken(view, start.position.number));
      if (whole) return { what: 'won', names: end?.name === name ? names : undefined };
      if (attempt >= LINKS_MAX && journal.keeps('covered')) return LOST;
      if (attempt >= LINKS_MAX) return { what: 'won', names: undefined };
      continue; // A gap: this listing is not one to believe, or the log has lost something.
    }
    if (isOneOf(failed, ['ENOENT', 'ESTALE']) && !(await isIn(journal, place, link.witness))) {
      return LOST; // The folder was renamed or its journal deleted: nothing to link.
    }
    if (attempt === LINKS_MAX) throw new UnknownResultError(`link to ${place.log}/${name}`, failed);
  }
}

/** Whether this is the listing before with our name at its end: no start has come, no gap. */
function isOneMore(
  names: readonly string[],
  before: readonly string[] | undefined,
  name: string,
): boolean {
  if (names.length !== (before?.length ?? -1) + 1 || names.at(-1) !== name) return false;
  return before?.every((old, index) => old === names[index]) ?? false;
}

/** A refusal says that nothing happened only when nothing was tried before. */
async function linkOrRefused(
  nfs: Journal['nfs'],
  from: string,
  to: string,
  attempt: number,
): Promise<unknown> {
  try {
    return await linkOnce(nfs, from, to);
  } catch (error) {
    if (attempt === 1) throw error;
    throw new UnknownResultError(`link to ${to}`, error);
  }
}

/** A listing that fails leaves a link's result unknown. */
async function listAfterLink(
  nfs: Journal['nfs'],
  place: Place,
  failed: unknown,
): Promise<readonly string[] | undefined> {
  try {
    return await listIfThere(nfs, place.log);
  } catch (error) {
    throw new UnknownResultError(`link to ${place.log}`, failed ?? error);
  }
}

async function holdsId(journal: Journal, place: Place, name: string, id: string): Promise<boolean> {
  const path = `${place.log}/${name}`;
  try {
    const bytes = await believed(journal.nfs, path, () => readWhole(journal.nfs, path));
    return parseFile(bytes)?.id === id;
  } catch (error) {
    if (isOneOf(error, ['ENOENT', 'ESTALE'])) return false; // Covered and removed.
    throw new UnknownResultError(`link to ${path}`, error);
  }
}

async function isIn(journal: Journal, place: Place, witness: string): Promise<boolean> {
  try {
    return (await listFresh(journal.nfs, place.last)).includes(witness);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** The newest commit of this process keeps its name in last/, the one before loses it. */
export async function keepWitness(journal: Journal, place: Place, witness: string): Promise<void> {
  const before = place.witness;
  place.witness = witness;
  if (before === undefined || before === witness) return;
  const path = `${place.last}/${before}`;
  await removeIfThere(journal.nfs, path).catch((error: unknown) => journal.failed('litter', error));
}
