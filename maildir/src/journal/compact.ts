import { linkOnce, listFresh, removeIfThere } from '../nfs.ts';
import { encodeFile, parseFile } from './format.ts';
import { inodesOf, viewOf } from './log.ts';
import { newId, readWhole, writeOurs, type Journal, type Place } from './place.ts';
import {
  comparePositions,
  parseLastNames,
  parseLogNames,
  snapshotName,
  type Position,
} from './positions.ts';

/**
 * Keeping log/ small. Whoever commits and sees that the newest start is many commits back writes
 * a snapshot of what it knows. Then what the last but one snapshot covers is removed, when that is
 * an hour old by the server's clock, or when it is more than NAMES_MAX names.
 *
 * Why so: a process that polls reads a few commits, not a snapshot; a folder that changes a
 * thousand times a second has some hundreds of names in log/ all the same. Correctness needs
 * neither the hour nor the number: see `covered`, `newest-start`, `list-again`.
 *
 * Trouble of any kind leaves things as they are and is told to `onFailure`: the next who commits
 * tries again. Where it lasts, log/ grows, and whoever opens the folder reads more.
 */
const SNAPSHOT_EVERY = 64;
/** And one more for so many messages: a larger snapshot is written more rarely. */
const MESSAGES_PER_COMMIT = 200;
const MORE_MAX = 1_000;
export const NAMES_MAX = 128;
const AGE_MS = 3_600_000;

export async function snapshotWhenDue(
  journal: Journal,
  place: Place,
  names: readonly string[] | undefined,
): Promise<void> {
  const { book } = place;
  if (book === undefined) return;
  const more = Math.min(MORE_MAX, Math.floor(book.messages.length / MESSAGES_PER_COMMIT));
  const every = journal.snapshotEvery ?? SNAPSHOT_EVERY + more;
  if (book.position.number - book.start.number < every || names === undefined) return;
  const { position } = book;
  try {
    if (!journal.keeps('snapshot-first')) await removeCovered(journal, place, position);
    await writeSnapshot(journal, place);
    book.start = position;
    place.logNames = undefined;
    await removeCovered(journal, place, await keptBefore(journal, place, position));
  } catch (error) {
    journal.failed('upkeep', error); // Nothing depends on it; the next commit tries again.
  }
}

/** Links a snapshot of the book and reads it back, whoever linked the one that is there. */
async function writeSnapshot(journal: Journal, place: Place): Promise<void> {
  const { book } = place;
  if (book === undefined) return;
  const { nfs, clock, random } = journal;
  const temporary = `${place.path}/tmp/${journal.uniqueName()}`;
  const name = snapshotName(book.position);
  try {
    const content = async (): Promise<Buffer> => {
      const inodes = await inodesOf(journal, place, temporary);
      return encodeFile(book.snapshot({ id: newId(random), inodes, now: clock.now() }));
    };
    await writeOurs(nfs, temporary, content, true);
    await linkOnce(nfs, temporary, `${place.log}/${name}`);
  } finally {
    // Litter only.
    await removeIfThere(nfs, temporary).catch((error: unknown) => journal.failed('litter', error));
  }
  const file = parseFile(await readWhole(nfs, `${place.log}/${name}`));
  if (file?.kind === 'snapshot' && comparePositions(file.at, book.position) === 0) return;
  throw new Error(`The snapshot ${place.log}/${name} cannot be read back`);
}

/** Up to where everything may go: the start before this one, when it is old or covers much. */
async function keptBefore(
  journal: Journal,
  place: Place,
  newest: Position,
): Promise<Position | undefined> {
  if (!journal.keeps('keep-previous')) return newest;
  const names = await listFresh(journal.nfs, place.log);
  const { starts } = viewOf(names);
  const previous = starts.findLast(({ position }) => comparePositions(position, newest) < 0);
  if (previous === undefined) return undefined;
  const covered = parseLogNames(names).filter(
    ({ position }) => comparePositions(position, previous.position) <= 0,
  );
  if (covered.length > journal.namesMax) return previous.position;
  const { fs } = journal.nfs;
  const now = await fs.modified(`${place.log}/${snapshotName(newest)}`);
  const then = await fs.modified(`${place.log}/${previous.name}`);
  return now - then >= AGE_MS ? previous.position : undefined;
}

/** Removes the commits up to a start and the starts before it; litter in last/ too. */
async function removeCovered(
  journal: Journal,
  place: Place,
  upTo: Position | undefined,
): Promise<void> {
  if (upTo === undefined) return;
  const { nfs } = journal;
  for (const { name, position, kind } of parseLogNames(await listFresh(nfs, place.log))) {
    const order = comparePositions(position, upTo);
    // A begin is a start as well, and stays when it is the one that is kept.
    const isKept = order === 0 && (kind === 'snapshot' || position.number === 0);
    if (order <= 0 && !isKept) await removeIfThere(nfs, `${place.log}/${name}`);
  }
  for (const { name, position } of parseLastNames(await listFresh(nfs, place.last))) {
    if (comparePositions(position, upTo) > 0 || name === place.witness) continue;
    await removeIfThere(nfs, `${place.last}/${name}`);
  }
}
