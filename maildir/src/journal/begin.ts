import { isErrno, systemError } from '../errno.ts';
import { serverTime } from '../sweep.ts';
import { encodeFile, type StartFile } from './format.ts';
import { keepWitness, linkLast, writeLast } from './link.ts';
import { inodesOf, readLog, type LogRead } from './log.ts';
import { isFull, makeDirectories, newId, type Journal, type Place } from './place.ts';
import { lastName } from './positions.ts';

/**
 * Beginning a journal, and beginning it anew after a loss: rules new-validity, validity-record
 * and settle of journal.ts. A begin is empty but for an import; messages are numbered by the
 * commit after it.
 */

/** How often others' begins and losses are met before this is given up. */
const TRIES_MAX = 8;
const SETTLES_MAX = 2;
const VALIDITY_MAX = 0xffff_ffff;

/** What a begin starts with. */
export type Beginning = Pick<StartFile, 'uidNext' | 'messages'>;
const EMPTY: Beginning = { uidNext: 1, messages: [] };

/** Brings the book to the end of the log, which is begun when there is none. */
export async function openLog(journal: Journal, place: Place): Promise<void> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const read = await readLog(journal, place);
    if (read.what === 'read') return;
    try {
      await begin(journal, place, read, EMPTY);
    } catch (error) {
      throw isFull(error) ? noRoom(error, place) : error;
    }
  }
  throw systemError('EAGAIN', 'begin', place.log);
}

/** Without numbers there is nothing true to show, and an empty folder would be a lie. */
function noRoom(error: unknown, place: Place): Error {
  const why = 'begin the journal that numbers messages (make room on the volume, then try again)';
  const code = (['ENOSPC', 'EDQUOT', 'EROFS'] as const).find((name) => isErrno(error, name));
  return Object.assign(systemError(code ?? 'ENOSPC', why, place.log), { cause: error });
}

/**
 * Links a begin; another's may win. `validity` is an import's.
 * @returns whether ours did
 */
export async function begin(
  journal: Journal,
  place: Place,
  read: Exclude<LogRead, { what: 'read' }>,
  beginning: Beginning,
  validity?: number,
): Promise<'won' | 'lost'> {
  const { nfs, random } = journal;
  const made = await makeDirectories(nfs, place);
  const seconds = await secondsOf(journal, place, made);
  if (seconds === 'changed') return 'lost';
  const atLeast = validity ?? (await nextValidity(journal, place, read, seconds));
  if (atLeast > VALIDITY_MAX) throw systemError('EINVAL', 'uidvalidity', place.log);
  if (validity !== undefined && place.ref.folder !== '') {
    await journal.reserve(place.ref, validity);
  }
  const id = newId(random);
  const at = { validity: atLeast, number: 0 };
  const witness = lastName(at, id);
  const content = async (): Promise<Buffer> =>
    encodeFile({
      kind: 'begin',
      id,
      at,
      after: id,
      journal: id,
      modseq: 1,
      ...beginning,
      inodes: await inodesOf(journal, place, `${place.last}/${witness}`),
      since: 0,
      validity: place.ref.folder === '' ? atLeast : undefined,
      expunged: [],
      uncleared: new Map(),
    });
  await writeLast(journal, place, witness, content, journal.keeps('fsync'));
  const linked = await linkLast(journal, place, { witness, at, id, durable: true });
  if (linked.what === 'won') await keepWitness(journal, place, witness);
  place.logNames = undefined;
  return linked.what;
}

async function nextValidity(
  journal: Journal,
  place: Place,
  read: Exclude<LogRead, { what: 'read' }>,
  seconds: number,
): Promise<number> {
  const floor = journal.keeps('new-validity') ? read.floor + 1 : 0;
  const atLeast = Math.max(seconds, floor, 1);
  if (!journal.keeps('validity-record')) return atLeast;
  if (place.ref.folder !== '') return journal.reserve(place.ref, atLeast);
  return Math.max(atLeast, (place.book?.validityGiven ?? 0) + 1);
}

/**
 * The server's seconds. When log/ was there and has changed in this very second, the next is
 * waited for; `changed` when there is a journal now.
 */
async function secondsOf(
  journal: Journal,
  place: Place,
  made: 'made' | 'there',
): Promise<number | 'changed'> {
  const { nfs, clock } = journal;
  const probe = (): Promise<number> => serverTime(nfs, `${place.path}/tmp/${journal.uniqueName()}`);
  let now = await probe();
  if (made === 'made' || !journal.keeps('settle')) return secondOf(now);
  for (let settles = 0; settles < SETTLES_MAX; settles++) {
    const changed = await nfs.fs.modified(place.log);
    if (secondOf(now) > secondOf(changed)) return secondOf(now);
    await clock.sleep((secondOf(changed) + 1) * 1000 - now + 1);
    if ((await readLog(journal, place)).what === 'read') return 'changed';
    now = await probe();
  }
  return Math.max(secondOf(now), secondOf(await nfs.fs.modified(place.log)) + 1);
}

const secondOf = (ms: number): number => Math.floor(ms / 1000);
