import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SENTINEL_NAME } from '../../volumes/sentinel.ts';
import { isDirectory, namesIn } from '../takeover/files.ts';

/**
 * Finding a mailbox in backups. A snapshot is a copy of a whole volume in a directory that is
 * named after the moment when the copy was complete, in UTC; it got that name last, so a copy
 * that is under way or was broken off has another. Below one directory lie a snapshot of each
 * moment (`<dir>/2026-11-22T040000Z`), or such directories of several volumes (`<dir>/mail1/…`).
 * A user may have lived on another volume then: all are looked through.
 */
export interface Snapshot {
  /** The copy of the volume. */
  readonly path: string;
  /** When it was complete, in ms since 1970; of a copy without a date the time of its directory. */
  readonly at: number;
  /** The mailbox in it. */
  readonly maildir: string;
}

/** There is no such backup, or nothing of the user or of the message in it. */
export class SnapshotError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SnapshotError';
  }
}

const NAME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** When the snapshot of this name was complete, in ms since 1970; undefined: it is none. */
export function snapshotTime(name: string): number | undefined {
  const parts = NAME.exec(name)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [year = 0, month = 0, day = 0, ...time] = parts;
  const at = Date.UTC(year, month - 1, day, ...time);
  return new Date(at).toISOString().startsWith(name.slice(0, 10)) ? at : undefined;
}

export const snapshotName = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replaceAll(':', '')}Z`;

/**
 * The newest snapshot that was complete not after `at` and holds mail of the mailbox. Of each
 * volume its newest with the mailbox counts and no older one; a Maildir without a message on one
 * volume is what two front ends left that placed a user at once, and hides no mail on another.
 *
 * @param relative where the mailbox lies below a volume's root
 * @throws SnapshotError, system errors
 */
export async function findSnapshot(given: {
  readonly from: string;
  readonly relative: string;
  /** In ms since 1970; the newest of all where nothing is said. */
  readonly at?: number | undefined;
}): Promise<Snapshot> {
  const { from, relative, at = Infinity } = given;
  if (!(await isDirectory(from))) throw new SnapshotError(`${from} is no directory`);
  const all = await snapshotsBelow(from);
  if (all.length === 0) {
    const names =
      'directories named like 2026-11-22T040000Z, or a directory of them for each volume';
    throw new SnapshotError(`${from} has no snapshots (${names}) and is none itself`);
  }
  const times = all.map((snapshot) => snapshot.at);
  const inTime = all.filter((snapshot) => snapshot.at <= at);
  if (inTime.length === 0) {
    const first = snapshotName(Math.min(...times));
    throw new SnapshotError(`${from} has no snapshot as old as that: its first is of ${first}`);
  }
  const looked = new Set<string>();
  let empty: string | undefined;
  for (const { path, at: when } of inTime.toSorted((a, b) => b.at - a.at)) {
    const maildir = `${path}/${relative}`;
    const volume = dirname(path);
    if (looked.has(volume) || !(await isMaildir(maildir))) continue;
    if (await holdsMail(maildir)) return { path, at: when, maildir };
    looked.add(volume);
    empty ??= maildir;
  }
  if (empty !== undefined) throw new SnapshotError(`${empty} has no message: nothing is restored`);
  const [oldest, newest] = [Math.min(...times), Math.max(...inTime.map((each) => each.at))];
  const span = `${snapshotName(oldest)} to ${snapshotName(newest)}`;
  throw new SnapshotError(`No snapshot in ${from} (${span}) has a mailbox at ${relative}`);
}

const isMaildir = async (path: string): Promise<boolean> =>
  (await isDirectory(`${path}/cur`)) || (await isDirectory(`${path}/new`));

/** In the INBOX or a folder. */
async function holdsMail(maildir: string): Promise<boolean> {
  const folders = (await namesIn(maildir)).filter((name) => name.startsWith('.'));
  for (const folder of ['', ...folders]) {
    for (const part of ['cur', 'new']) {
      const path = `${maildir}/${folder}/${part}`;
      if ((await isDirectory(path)) && (await namesIn(path)).length > 0) return true;
    }
  }
  return false;
}

type Found = Pick<Snapshot, 'path' | 'at'>;

async function snapshotsBelow(from: string): Promise<readonly Found[]> {
  const names = await namesIn(from);
  const own = dated(from, names);
  if (own.length > 0) return own;
  if (names.includes(SENTINEL_NAME)) {
    const name = from.slice(from.lastIndexOf('/') + 1);
    return [{ path: from, at: snapshotTime(name) ?? (await stat(from)).mtimeMs }];
  }
  const found: Found[] = [];
  for (const name of names) {
    if (!name.startsWith('.'))
      found.push(...dated(`${from}/${name}`, await namesIn(`${from}/${name}`)));
  }
  return found;
}

const dated = (path: string, names: readonly string[]): readonly Found[] =>
  names.flatMap((name) => {
    const at = snapshotTime(name);
    return at === undefined ? [] : [{ path: `${path}/${name}`, at }];
  });
