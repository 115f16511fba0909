import { StoreError } from '../volumes/error.ts';
import type { Volume } from '../volumes/volume.ts';
import type { Entry } from '#maildir';
import { lineEndsOf, wireForm } from './wire.ts';

/**
 * Reads a stored message, or a range of it, as it goes out: piece by piece, one ahead of whoever
 * takes them, so that no more than two pieces of it are in memory, however slow the client is.
 */

/** Octets of a file that are converted and sent at once, and that a small message has not. */
export const READ_CHUNK_BYTES = 256 * 1024;
/**
 * Octets read at once. Each reading is three calls, a hop to another thread each, which costs as
 * much as copying 128 KiB; a session holds two of these.
 */
const READ_OCTETS = 2 * READ_CHUNK_BYTES;

export interface Source {
  readonly volume: Volume;
  /** The Maildir that the file is in: of a folder, the folder's own. */
  readonly maildir: string;
  /** As it was seen last. */
  entry(): Entry;
  /** It was found under another name. */
  moved(entry: Entry): void;
}

export interface ReadPlan {
  readonly offset: number;
  /** Infinity: all there is. */
  readonly end: number;
  /** Less than a piece: what it takes is not worth keeping. */
  readonly size: 'small' | 'large';
}

/** What came, when all of it has been given. */
export interface ReadTotal {
  readonly stored: number;
  readonly sent: number;
}

/** Pieces may be used until the next is asked for. @throws StoreError */
export async function* readWire(source: Source, plan: ReadPlan): AsyncGenerator<Buffer, ReadTotal> {
  const form = wireForm(lineEndsOf(source.entry().name));
  const buffers = plan.size === 'small' ? undefined : takeBuffers();
  let stored = 0;
  let sent = 0;
  let pieces = 0;
  const ask = (): Promise<Piece> => {
    const offset = plan.offset + stored;
    const length = Math.min(READ_OCTETS, plan.end - offset);
    const piece = readPiece(source, { offset, length, into: buffers?.in[pieces++ & 1] });
    piece.catch(() => {}); // One that nobody waits for any more fails in silence.
    return piece;
  };
  let next = ask();
  for (;;) {
    const { bytes, end } = await next;
    stored += bytes.length;
    const done = end || plan.offset + stored >= plan.end;
    if (!done) next = ask();
    for (let from = 0; from < bytes.length; from += READ_CHUNK_BYTES) {
      const wire = form.convert(bytes.subarray(from, from + READ_CHUNK_BYTES), buffers?.out);
      sent += wire.length;
      yield wire;
    }
    if (done) break;
  }
  if (buffers !== undefined) giveBack(buffers);
  return { stored, sent };
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly end: boolean;
}

interface Wanted {
  readonly offset: number;
  readonly length: number;
  readonly into: Buffer | undefined;
}

async function readPiece(source: Source, { offset, length, into }: Wanted): Promise<Piece> {
  const { volume, maildir } = source;
  const entry = source.entry();
  const request = { maildir, entry, offset, length };
  const result = await volume.read(
    into === undefined ? request : { ...request, into: into.subarray(0, length) },
  );
  const { name, directory } = result.entry;
  if (name !== entry.name || directory !== entry.directory) source.moved(result.entry);
  return result;
}

/**
 * What reading a large message takes: two pieces, since the next is read while one is sent, and
 * the wire form of one. Used again, because V8 does a full collection for every 64 MB of buffers
 * that are made: 40 % of the CPU of RETR in bulk.
 *
 * They are given back only when all reads have succeeded and all was sent. After a failure or a
 * lost connection a stuck read or write may still use them, so they are left to the collector.
 */
interface Buffers {
  readonly in: readonly [Buffer, Buffer];
  readonly out: Buffer;
}

const spare: Buffers[] = [];
const SPARE_MAX = 8; // A megabyte and a half each.

const takeBuffers = (): Buffers =>
  spare.pop() ?? {
    in: [Buffer.allocUnsafe(READ_OCTETS), Buffer.allocUnsafe(READ_OCTETS)],
    out: Buffer.allocUnsafe(2 * READ_CHUNK_BYTES + 8),
  };

function giveBack(buffers: Buffers): void {
  if (spare.length < SPARE_MAX) spare.push(buffers);
}

/** A file is shorter than its name says: it must never look whole to a client. */
export const shortFile = (maildir: string, name: string, octets: number): StoreError =>
  new StoreError('volume-down', `${maildir}: ${name} has ${octets} octets`);
