import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import * as format from './format.ts';
import { SnapshotError, type Header, type RecordBody } from './format.ts';

/** What a look-up reads of a record at once; nearly all are shorter. */
const RECORD_READ_BYTES = 1024;
const VERIFY_BYTES = 1024 * 1024;

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
    const { pages, pagesAt, identity } = this.header;
    const digest = format.keyHash(key);
    let index = format.pageOfHash(digest, pages);
    for (let tried = 0; tried < pages; tried += 1) {
      this.#read(this.#page, format.PAGE_BYTES, pagesAt + index * format.PAGE_BYTES);
      const { places, more } = format.readPage(this.#page, { identity, index }, digest);
      for (const at of places) {
        const record = this.record(at);
        if (record.keys.includes(key)) return record;
      }
      if (!more) return undefined;
      index = (index + 1) % pages;
    }
    return undefined;
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
