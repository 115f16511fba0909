import type { Logger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Located } from '../volumes/table.ts';
import { nameOctets, type Entry } from '#maildir';
import { mailboxEvents } from './metrics.ts';
import type { Maildrop } from './types.ts';
import { uidlOf } from './uidl.ts';
import { lineEndsOf, wireForm } from './wire.ts';

/**
 * Octets of a file read at once. Measured with the conversion to the wire, MB per second of
 * processor time on a busy machine: 32 KiB 250, 64 KiB 440, 128 KiB 590, 256 KiB 510, 512 KiB 660,
 * 1 MiB 530. From 128 KiB on the differences are noise, and a session holds four of them.
 */
export const READ_CHUNK_BYTES = 256 * 1024;

/** One `remove` of the volume: enough to spare calls, few enough for its deadline. */
const REMOVE_BATCH = 200;

export interface MaildropParts {
  readonly mailbox: Located;
  /** In arrival order; shared with other sessions. */
  readonly entries: readonly Entry[];
  /** Wire octets of each. */
  readonly sizes: Float64Array;
  readonly log: Logger;
  /** Called with stored octets when messages were removed. */
  readonly onRemoved: (octets: number) => void;
}

/** A snapshot of a Maildir's INBOX. It holds names and sizes, nothing of the messages. */
export class MaildirMaildrop implements Maildrop {
  readonly #parts: MaildropParts;
  /** Messages that were found under another name than the listing's. */
  #moved: Map<number, Entry> | undefined;

  constructor(parts: MaildropParts) {
    this.#parts = parts;
  }

  get listing(): object {
    return this.#parts.entries;
  }

  get count(): number {
    return this.#parts.entries.length;
  }

  octets(index: number): number {
    this.#entry(index);
    return this.#parts.sizes[index] as number;
  }

  /** The file's name and directory, as they were seen last. */
  entry(index: number): Entry {
    return this.#entry(index);
  }

  uidl(index: number): string {
    return uidlOf(this.#entry(index).name);
  }

  async *read(index: number): AsyncGenerator<Buffer> {
    const form = wireForm(lineEndsOf(this.#entry(index).name));
    const buffers = this.octets(index) < READ_CHUNK_BYTES ? undefined : takeBuffers();
    let stored = 0;
    let sent = 0;
    let pieces = 0;
    let next = this.#piece(index, 0, buffers?.in[0]);
    for (;;) {
      const { bytes, end } = await next;
      stored += bytes.length;
      if (!end) next = this.#piece(index, stored, buffers?.in[++pieces & 1]);
      if (bytes.length > 0) {
        const wire = form.convert(bytes, buffers?.out);
        sent += wire.length;
        yield wire;
      }
      if (end) break;
    }
    if (buffers !== undefined) giveBack(buffers);
    if (sent !== this.octets(index)) await this.#wrongSize(index, stored, sent);
  }

  async remove(indices: readonly number[]): Promise<readonly number[]> {
    const { volume, maildir } = this.#parts.mailbox;
    const failed: number[] = [];
    for (let from = 0; from < indices.length; from += REMOVE_BATCH) {
      const batch = indices.slice(from, from + REMOVE_BATCH);
      const entries = batch.map((index) => this.#entry(index));
      try {
        const errors = await volume.remove({ maildir, entries });
        failed.push(...batch.filter((_, at) => errors[at] !== undefined));
        this.#parts.onRemoved(storedOctets(entries.filter((_, at) => errors[at] === undefined)));
      } catch {
        // Counted by the volume. The rest would fail as slowly.
        return failed.concat(indices.slice(from));
      }
    }
    return failed;
  }

  #entry(index: number): Entry {
    const entry = this.#moved?.get(index) ?? this.#parts.entries[index];
    if (entry === undefined) throw new RangeError(`No message ${index}`);
    return entry;
  }

  /** Begins to read a piece; one that nobody waits for any more fails in silence. */
  #piece(index: number, offset: number, into: Buffer | undefined): Promise<Piece> {
    const piece = this.#readPiece(index, offset, into);
    piece.catch(() => {});
    return piece;
  }

  async #readPiece(index: number, offset: number, into: Buffer | undefined): Promise<Piece> {
    const { volume, maildir } = this.#parts.mailbox;
    const entry = this.#entry(index);
    const request = { maildir, entry, offset, length: READ_CHUNK_BYTES };
    const result = await volume.read(into === undefined ? request : { ...request, into });
    if (result.entry.name !== entry.name || result.entry.directory !== entry.directory) {
      this.#moved ??= new Map();
      this.#moved.set(index, result.entry);
    }
    return result;
  }

  /**
   * The file is not as long as its name says. A short one must not look whole to the client, so
   * this throws; the name that another tool gave is corrected for the next session.
   */
  async #wrongSize(index: number, octets: number, wireOctets: number): Promise<void> {
    const { mailbox, log } = this.#parts;
    const entry = this.#entry(index);
    const short = wireOctets < this.octets(index);
    mailboxEvents.inc(short ? 'short-file' : 'long-file');
    const fields = { maildir: mailbox.maildir, name: entry.name, octets };
    if (lineEndsOf(entry.name) === 'bare-lf') {
      const request = { maildir: mailbox.maildir, entry, octets, wireOctets };
      await mailbox.volume.setSizes(request).catch(() => {});
    }
    if (!short) return log.warn(fields, 'file longer than its name says');
    log.error({ code: 'MF-MBX-001', ...fields }, 'file shorter than its name says');
    throw new StoreError('volume-down', `${mailbox.maildir}: ${entry.name} has ${octets} octets`);
  }
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly end: boolean;
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
const SPARE_MAX = 8; // A megabyte each.

const takeBuffers = (): Buffers =>
  spare.pop() ?? {
    in: [Buffer.allocUnsafe(READ_CHUNK_BYTES), Buffer.allocUnsafe(READ_CHUNK_BYTES)],
    out: Buffer.allocUnsafe(2 * READ_CHUNK_BYTES + 8),
  };

function giveBack(buffers: Buffers): void {
  if (spare.length < SPARE_MAX) spare.push(buffers);
}

/** Sum of S= over names. */
export function storedOctets(entries: readonly Entry[]): number {
  let sum = 0;
  for (const { name } of entries) sum += nameOctets(name) ?? 0;
  return sum;
}

/** The maildrop of a user who never got mail. */
export const EMPTY_MAILDROP: Maildrop = {
  listing: {},
  count: 0,
  octets: (index) => noMessage(index),
  uidl: (index) => noMessage(index),
  read: (index) => noMessage(index),
  remove: async (indices) => (indices.length === 0 ? [] : noMessage(indices[0] ?? 0)),
};

function noMessage(index: number): never {
  throw new RangeError(`No message ${index}`);
}
