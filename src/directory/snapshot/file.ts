import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import * as format from './format.ts';
import { SnapshotError, type Header, type RecordBody } from './format.ts';

/** What a look-up reads of a record at once; nearly all are shorter. */
const RECORD_READ_BYTES = 1024;
const VERIFY_BYTES = 1024 * 1024;
/** Octets of records that are kept decoded: the domains, the rules, whom everybody writes to. */
const RECENT_BYTES = 1024 * 1024;

interface Kept {
  readonly record: RecordBody;
  /** In the file. */
  readonly bytes: number;
}

/** Which file it is: a rename puts another one in its place. */
export const fileIdentity = (stats: Stats): string =>
  `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeMs}`;

/** One snapshot file, verified and open. Close it when nobody asks any more. */
export class SnapshotFile {
  readonly path: string;
  readonly header: Header;
  /** As `fileIdentity` gives it. */
  readonly identity: string;
  readonly #fd: number;
  readonly #page = Buffer.alloc(format.PAGE_BYTES);
  readonly #record = Buffer.alloc(RECORD_READ_BYTES);
  /** Records by key that were found lately, and what was found before those. */
  #recent = new Map<string, Kept>();
  #older = new Map<string, Kept>();
  #recentBytes = 0;
  /** Length of the record that was read last. */
  #recordBytes = 0;
  #closed = false;

  private constructor(path: string, fd: number, header: Header, identity: string) {
    this.path = path;
    this.#fd = fd;
    this.header = header;
    this.identity = identity;
  }

  /**
   * Opens a file and reads it once from end to end, with turns of the event loop between.
   * @throws SnapshotError that names the file and says what is wrong with it
   */
  static async open(path: string): Promise<SnapshotFile> {
    let fd: number | undefined;
    try {
      fd = openSync(path, 'r');
      const stats = fstatSync(fd);
      if (!stats.isFile()) throw new SnapshotError('is not a file');
      const header = readHeader(fd, stats.size);
      await verify(fd, header);
      return new SnapshotFile(path, fd, header, fileIdentity(stats));
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      const what = error instanceof SnapshotError ? '' : 'cannot be read: ';
      throw new SnapshotError(`${path} ${what}${(error as Error).message}`, { cause: error });
    }
  }

  /** The record with this key; undefined when there is none. @throws SnapshotError */
  find(key: string): RecordBody | undefined {
    if (this.#closed) throw new SnapshotError(`${this.path} is closed`);
    const recent = this.#recent.get(key);
    if (recent) return recent.record;
    const older = this.#older.get(key);
    const kept = older ?? this.#search(key);
    if (kept) this.#keep(key, kept);
    return kept?.record;
  }

  #search(key: string): Kept | undefined {
    const { pages, pagesAt, identity } = this.header;
    const hash = format.keyHash(key);
    let index = format.pageOfHash(hash, pages);
    for (let tried = 0; tried < pages; tried += 1) {
      this.#read(this.#page, format.PAGE_BYTES, pagesAt + index * format.PAGE_BYTES);
      const { places, more } = format.readPage(this.#page, { identity, index }, hash);
      for (const at of places) {
        const record = this.record(at);
        if (record.keys.includes(key)) return { record, bytes: this.#recordBytes };
      }
      if (!more) return undefined;
      index = (index + 1) % pages;
    }
    return undefined;
  }

  /**
   * Two generations, of which the older is dropped whole: taking single entries out of a Map to
   * keep it in order costs 5 to 13 µs each, more than reading the record again.
   */
  #keep(key: string, kept: Kept): void {
    if (kept.bytes * 8 > RECENT_BYTES) return;
    if (this.#recentBytes + kept.bytes > RECENT_BYTES / 2) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#recentBytes = 0;
    }
    this.#recent.set(key, kept);
    this.#recentBytes += kept.bytes;
  }

  /** The record at a place that another record names. @throws SnapshotError */
  record(at: number): RecordBody {
    if (at < format.HEADER_BYTES || at >= this.header.pagesAt) {
      throw new SnapshotError(`${this.path}: there is no record at ${at}`);
    }
    const atHand = Math.min(RECORD_READ_BYTES, this.header.pagesAt - at);
    this.#read(this.#record, atHand, at);
    const bytes = this.#named(() => format.recordBytes(this.#record.subarray(0, atHand), at));
    if (at + bytes > this.header.pagesAt) {
      throw new SnapshotError(`${this.path}: the record at ${at} is damaged`);
    }
    this.#recordBytes = bytes;
    let whole = this.#record.subarray(0, bytes);
    if (bytes > atHand) {
      whole = Buffer.alloc(bytes);
      this.#read(whole, bytes, at);
    }
    return this.#named(() => format.decodeRecord(whole, this.header.identity, at));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #named<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new SnapshotError(`${this.path}: ${(error as Error).message}`, { cause: error });
    }
  }

  #read(into: Buffer, length: number, at: number): void {
    if (this.#closed) throw new SnapshotError(`${this.path} is closed`);
    const got = this.#named(() => readSync(this.#fd, into, 0, length, at));
    if (got !== length) throw new SnapshotError(`${this.path} was cut off while it was in use`);
  }
}

function readHeader(fd: number, size: number): Header {
  const bytes = Buffer.alloc(format.HEADER_BYTES);
  const got = readSync(fd, bytes, 0, bytes.length, 0);
  const header = format.decodeHeader(bytes.subarray(0, got));
  if (size !== header.fileBytes) {
    throw new SnapshotError(`has ${size} octets of ${header.fileBytes}: it was not copied whole`);
  }
  return header;
}

async function verify(fd: number, header: Header): Promise<void> {
  const digest = createHash('sha256');
  const bytes = Buffer.alloc(VERIFY_BYTES);
  for (let at = format.HEADER_BYTES; at < header.fileBytes;) {
    const got = readSync(fd, bytes, 0, Math.min(bytes.length, header.fileBytes - at), at);
    if (got === 0) throw new SnapshotError('was cut off while it was read');
    digest.update(bytes.subarray(0, got));
    at += got;
    await new Promise(setImmediate);
  }
  if (!digest.digest().equals(header.digest)) {
    throw new SnapshotError('is damaged: its SHA-256 is not the one in its header');
  }
}
