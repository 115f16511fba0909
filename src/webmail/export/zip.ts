/**
 * A zip archive as a stream (APPNOTE.TXT 6.3.10, PKWARE): entries are written as they are read, of
 * any size and number, so everything that may grow is in its ZIP64 form. Sizes and checksum of an
 * entry follow it (general purpose bit 3), for they are not known before. What stays in memory is
 * the directory at the end: some 100 octets for each entry.
 */
import { crc32, createDeflateRaw, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  /** With `/` between parts; safe to unpack is the caller's duty. */
  readonly name: string;
  /** ms since 1970. */
  readonly at: number;
  /** Pieces may be used again by their owner as soon as the next is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

interface Written {
  readonly name: Buffer;
  readonly time: number;
  readonly crc: number;
  readonly packed: number;
  readonly octets: number;
  readonly offset: number;
}

const VERSION = 45; // ZIP64 (§4.4.3.2).
const FLAGS = 0x0808; // Sizes follow; names are UTF-8 (§4.4.4).
const DEFLATED = 8;
/** Mail packs well at once, and harder packing costs the other users of the node. */
const LEVEL = 1;
/** Packed in one go: a stream costs more than that, and most messages are no larger. */
const AT_ONCE_MAX = 64 * 1024;
const MAX_32 = 0xffff_ffff;
const MAX_16 = 0xffff;

export async function* zip(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer> {
  const written: Written[] = [];
  let offset = 0;
  for await (const { name, at, content } of entries) {
    const head = { name: Buffer.from(name), time: dosTime(at) };
    const header = localHeader(head);
    yield header;
    const sums = { crc: 0, octets: 0, packed: 0 };
    for await (const piece of deflated(content, sums)) {
      sums.packed += piece.length;
      yield piece;
    }
    const end = descriptor(sums);
    yield end;
    written.push({ ...head, ...sums, offset });
    offset += header.length + sums.packed + end.length;
  }
  let size = 0;
  for (const entry of written) {
    const header = centralHeader(entry);
    size += header.length;
    yield header;
  }
  yield endOf({ count: written.length, size, offset });
}

async function* deflated(
  content: AsyncIterable<Uint8Array>,
  sums: { crc: number; octets: number },
): AsyncGenerator<Buffer> {
  const pieces = content[Symbol.asyncIterator]();
  try {
    const begin: Buffer[] = [];
    for (let octets = 0; octets <= AT_ONCE_MAX; octets += begin.at(-1)?.length ?? 0) {
      const next = await pieces.next();
      if (next.done === true) {
        const whole = Buffer.concat(begin);
        sums.crc = crc32(whole);
        sums.octets = whole.length;
        yield deflateRawSync(whole, { level: LEVEL });
        return;
      }
      begin.push(Buffer.from(next.value));
    }
    yield* streamed(following(begin, pieces), sums);
  } finally {
    await pieces.return?.();
  }
}

async function* following(
  begin: readonly Buffer[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* begin;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function* streamed(
  content: AsyncIterable<Uint8Array>,
  sums: { crc: number; octets: number },
): AsyncGenerator<Buffer> {
  const packer = createDeflateRaw({ level: LEVEL });
  const feeding = feed(content, packer, sums);
  // Its end is waited for below; a failure also breaks off what is read here.
  feeding.catch((error: Error) => packer.destroy(error));
  try {
    for await (const piece of packer) yield piece as Buffer;
    await feeding;
  } finally {
    packer.destroy();
  }
}

async function feed(
  content: AsyncIterable<Uint8Array>,
  packer: ReturnType<typeof createDeflateRaw>,
  sums: { crc: number; octets: number },
): Promise<void> {
  const closed = new Promise<void>((resolve) => packer.once('close', resolve));
  for await (const piece of content) {
    if (packer.destroyed) return;
    sums.crc = crc32(piece, sums.crc);
    sums.octets += piece.length;
    const taken = new Promise<void>((resolve) => packer.write(piece, () => resolve()));
    await Promise.race([taken, closed]);
  }
  packer.end();
}

/** §4.3.7; the sizes are in the descriptor. */
function localHeader({ name, time }: { readonly name: Buffer; readonly time: number }): Buffer {
  const header = Buffer.alloc(30 + 20);
  header.writeUInt32LE(0x0403_4b50, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(DEFLATED, 8);
  header.writeUInt32LE(time, 10);
  header.writeUInt32LE(MAX_32, 18);
  header.writeUInt32LE(MAX_32, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(20, 28);
  // The extra field that says: sizes of the descriptor have 8 octets (§4.3.9.2).
  header.writeUInt16LE(1, 30);
  header.writeUInt16LE(16, 32);
  return Buffer.concat([header.subarray(0, 30), name, header.subarray(30)]);
}

/** §4.3.9. */
function descriptor({ crc, packed, octets }: Pick<Written, 'crc' | 'packed' | 'octets'>): Buffer {
  const end = Buffer.alloc(24);
  end.writeUInt32LE(0x0807_4b50, 0);
  end.writeUInt32LE(crc, 4);
  end.writeBigUInt64LE(BigInt(packed), 8);
  end.writeBigUInt64LE(BigInt(octets), 16);
  return end;
}

/** §4.3.12. */
function centralHeader({ name, time, crc, packed, octets, offset }: Written): Buffer {
  const header = Buffer.alloc(46 + 28);
  header.writeUInt32LE(0x0201_4b50, 0);
  header.writeUInt16LE((3 << 8) | VERSION, 4); // Made on a system whose names have `/`.
  header.writeUInt16LE(VERSION, 6);
  header.writeUInt16LE(FLAGS, 8);
  header.writeUInt16LE(DEFLATED, 10);
  header.writeUInt32LE(time, 12);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(MAX_32, 20);
  header.writeUInt32LE(MAX_32, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(28, 30);
  header.writeUInt32LE(0o100_600 * 0x1_0000, 38); // A file that is its owner's.
  header.writeUInt32LE(MAX_32, 42);
  header.writeUInt16LE(1, 46);
  header.writeUInt16LE(24, 48);
  header.writeBigUInt64LE(BigInt(octets), 50);
  header.writeBigUInt64LE(BigInt(packed), 58);
  header.writeBigUInt64LE(BigInt(offset), 66);
  return Buffer.concat([header.subarray(0, 46), name, header.subarray(46)]);
}

/** §4.3.14 to §4.3.16. */
function endOf(of: {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
}): Buffer {
  const end = Buffer.alloc(56 + 20 + 22);
  end.writeUInt32LE(0x0606_4b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(VERSION, 12);
  end.writeUInt16LE(VERSION, 14);
  end.writeBigUInt64LE(BigInt(of.count), 24);
  end.writeBigUInt64LE(BigInt(of.count), 32);
  end.writeBigUInt64LE(BigInt(of.size), 40);
  end.writeBigUInt64LE(BigInt(of.offset), 48);
  end.writeUInt32LE(0x0706_4b50, 56);
  end.writeBigUInt64LE(BigInt(of.offset + of.size), 64);
  end.writeUInt32LE(1, 72);
  end.writeUInt32LE(0x0605_4b50, 76);
  end.writeUInt16LE(MAX_16, 84);
  end.writeUInt16LE(MAX_16, 86);
  end.writeUInt32LE(MAX_32, 88);
  end.writeUInt32LE(MAX_32, 92);
  return end;
}

/** Date and time of MS-DOS in UTC (§4.4.6), 1980 to 2107. */
function dosTime(ms: number): number {
  const date = new Date(ms);
  const year = Math.min(127, Math.max(0, date.getUTCFullYear() - 1980));
  const day = (year << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate();
  const time =
    (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1);
  return day * 0x1_0000 + time;
}
