/**
 * The snapshot file: what front ends ask of the directory, in one file that never changes.
 *
 *     header        256 octets; written last
 *     records       one behind the other, each with a checksum
 *     pages         a hash table of pages of 512 octets, each with a checksum
 *
 * Looked up as in a constant database (cdb): the hash of a key names a page, the page names the
 * records that may have this key, the record says which keys it has. Two reads of a few hundred
 * octets, which the page cache answers in microseconds; a process holds nothing of it but an open
 * file, so that 200,000 users cost a worker no memory. Reads are synchronous, for the thread pool
 * may be stuck on a dead volume; the file therefore lies on a local disk.
 *
 * What is trusted: opening reads the file once from end to end and compares its length and its
 * SHA-256 with the header, so that a torn, truncated or foreign file is refused whole. Afterwards
 * every page and every record is checked again when it is read: the disk may rot, and somebody
 * may write into the file in place. Both checksums begin with the identity of the snapshot and the
 * place of the page or record, so that parts of two snapshots never make a third. A page that
 * cannot be trusted is no "not there": the question fails, as if the directory did not answer.
 *
 * A new snapshot is a new file, renamed over the old one. Who has the old one open goes on with
 * it until the new one is verified.
 *
 * Keys are short texts with a letter in front (`records.ts`); values are JSON. Numbers are little
 * endian. A reader takes the one version it knows.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const MAGIC = Buffer.from('MWSNAP\r\n', 'latin1');
export const VERSION = 1;
export const HEADER_BYTES = 256;
export const PAGE_BYTES = 512;

const PAGE_HEAD_BYTES = 16;
const SLOT_BYTES = 16;
export const SLOTS_PER_PAGE = (PAGE_BYTES - PAGE_HEAD_BYTES) / SLOT_BYTES;

export const RECORD_HEAD_BYTES = 8;
/** A list with 200,000 members has some 2 MB. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;

/** A snapshot file that cannot be used, or a part of one; the text says which and why. */
export class SnapshotError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SnapshotError';
  }
}

export interface Header {
  /** Random; begins every checksum. */
  readonly identity: number;
  /** When reading the directory began, in ms since 1970. */
  readonly createdAt: number;
  readonly withPasswords: boolean;
  readonly records: number;
  /** Where the pages begin, and how many there are. */
  readonly pagesAt: number;
  readonly pages: number;
  readonly fileBytes: number;
  /** SHA-256 of everything behind the header. */
  readonly digest: Buffer;
}

const FLAG_PASSWORDS = 1;
const HEADER_SUM_AT = HEADER_BYTES - 4;

export function encodeHeader(header: Header): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(out);
  out.writeUInt32LE(VERSION, 8);
  out.writeUInt32LE(header.withPasswords ? FLAG_PASSWORDS : 0, 12);
  out.writeUInt32LE(header.identity, 16);
  out.writeUInt32LE(header.pages, 20);
  out.writeDoubleLE(header.createdAt, 24);
  out.writeDoubleLE(header.records, 32);
  out.writeDoubleLE(header.pagesAt, 40);
  out.writeDoubleLE(header.fileBytes, 48);
  header.digest.copy(out, 56);
  out.writeUInt32LE(crc32(out.subarray(0, HEADER_SUM_AT)), HEADER_SUM_AT);
  return out;
}

/** @throws SnapshotError that says what is wrong, without the path */
export function decodeHeader(bytes: Buffer): Header {
  if (bytes.length < MAGIC.length || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new SnapshotError('is no snapshot of a directory');
  }
  if (bytes.length < HEADER_BYTES) throw new SnapshotError('is cut off within its header');
  if (bytes.readUInt32LE(HEADER_SUM_AT) !== crc32(bytes.subarray(0, HEADER_SUM_AT))) {
    throw new SnapshotError('has a damaged header');
  }
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) {
    throw new SnapshotError(`has version ${version}; this release reads version ${VERSION} only`);
  }
  const header = {
    withPasswords: (bytes.readUInt32LE(12) & FLAG_PASSWORDS) !== 0,
    identity: bytes.readUInt32LE(16),
    pages: bytes.readUInt32LE(20),
    createdAt: bytes.readDoubleLE(24),
    records: bytes.readDoubleLE(32),
    pagesAt: bytes.readDoubleLE(40),
    fileBytes: bytes.readDoubleLE(48),
    digest: Buffer.from(bytes.subarray(56, 88)),
  };
  if (header.pages < 1 || header.pagesAt + header.pages * PAGE_BYTES !== header.fileBytes) {
    throw new SnapshotError('has a header that contradicts itself');
  }
  return header;
}

/** 64 bits of a key's SHA-256: the first half names the page, slots are compared by both. */
export interface KeyHash {
  readonly low: number;
  readonly high: number;
}

export function keyHash(key: string): KeyHash {
  const digest = hash('sha256', key, 'binary'); // A text costs half of what a buffer does.
  return { low: halfOf(digest, 0), high: halfOf(digest, 4) };
}

const halfOf = (digest: string, at: number): number =>
  (digest.charCodeAt(at) |
    (digest.charCodeAt(at + 1) << 8) |
    (digest.charCodeAt(at + 2) << 16) |
    (digest.charCodeAt(at + 3) << 24)) >>>
  0;

export const pageOfHash = ({ low }: KeyHash, pages: number): number => low % pages;

/** One slot: eight octets of hash, six of place, two free. */
export interface Slot {
  readonly hash: KeyHash;
  readonly at: number;
}

/** `more`: the page was full, and the next one goes on. */
export function encodePage(
  page: { readonly slots: readonly Slot[]; readonly more: boolean },
  where: { readonly identity: number; readonly index: number },
): Buffer {
  const out = Buffer.alloc(PAGE_BYTES);
  out.writeUInt32LE(where.index, 4);
  out.writeUInt16LE(page.slots.length, 8);
  out.writeUInt16LE(page.more ? 1 : 0, 10);
  for (const [index, { hash: key, at }] of page.slots.entries()) {
    const place = PAGE_HEAD_BYTES + index * SLOT_BYTES;
    out.writeUInt32LE(key.low, place);
    out.writeUInt32LE(key.high, place + 4);
    out.writeUIntLE(at, place + 8, 6);
  }
  out.writeUInt32LE(crc32(out.subarray(4), where.identity), 0);
  return out;
}

/** Places of records that may have the key. @throws SnapshotError */
export function readPage(
  page: Buffer,
  where: { readonly identity: number; readonly index: number },
  key: KeyHash,
): { readonly places: readonly number[]; readonly more: boolean } {
  const count = page.readUInt16LE(8);
  if (
    page.readUInt32LE(0) !== crc32(page.subarray(4), where.identity) ||
    page.readUInt32LE(4) !== where.index ||
    count > SLOTS_PER_PAGE
  ) {
    throw new SnapshotError(`page ${where.index} is damaged`);
  }
  const places: number[] = [];
  for (let slot = 0; slot < count; slot += 1) {
    const place = PAGE_HEAD_BYTES + slot * SLOT_BYTES;
    // Numbers, not a comparison of buffers: that is a call for each of 31 slots.
    if (page.readUInt32LE(place) !== key.low || page.readUInt32LE(place + 4) !== key.high) continue;
    places.push(page.readUIntLE(place + 8, 6));
  }
  return { places, more: page.readUInt16LE(10) !== 0 };
}

/** What a record says: its keys, and a value or why there is none to be had. */
export interface RecordBody {
  readonly keys: readonly string[];
  readonly value?: unknown;
  /** The directory's entry is damaged, or two hold the same: the question fails with this text. */
  readonly fault?: string;
}

const seed = Buffer.alloc(10);
const seedOf = (identity: number, at: number): number => {
  seed.writeUInt32LE(identity, 0);
  seed.writeUIntLE(at, 4, 6);
  return crc32(seed);
};

export function encodeRecord(body: RecordBody, identity: number, at: number): Buffer {
  const text = Buffer.from(JSON.stringify(body));
  const out = Buffer.allocUnsafe(RECORD_HEAD_BYTES + text.length);
  out.writeUInt32LE(text.length, 4);
  text.copy(out, RECORD_HEAD_BYTES);
  out.writeUInt32LE(crc32(out.subarray(4), seedOf(identity, at)), 0);
  return out;
}

/** Octets of the record that begins here, with its head. @throws SnapshotError */
export function recordBytes(head: Buffer, at: number): number {
  const length = head.length < RECORD_HEAD_BYTES ? Infinity : head.readUInt32LE(4);
  if (length > RECORD_BYTES_MAX) throw new SnapshotError(`the record at ${at} is damaged`);
  return RECORD_HEAD_BYTES + length;
}

/** @throws SnapshotError */
export function decodeRecord(bytes: Buffer, identity: number, at: number): RecordBody {
  if (bytes.readUInt32LE(0) !== crc32(bytes.subarray(4), seedOf(identity, at))) {
    throw new SnapshotError(`the record at ${at} is damaged`);
  }
  return JSON.parse(bytes.toString('utf8', RECORD_HEAD_BYTES)) as RecordBody;
}
