import { isOwnKey, nameKey } from '#maildir';
import type { LineEnds } from '../message/mime/types.ts';

/**
 * From stored line ends (LF) to those of the wire (CRLF), piece by piece.
 *
 * In a file of our own delivery every LF stands for a CRLF of the client, so that a bare CR
 * before a line end comes out as it came in. Files of other tools may carry CRLF already: there
 * only an LF that no CR precedes is completed.
 *
 * This is where bulk RETR spends its time. Measured on one core, 256 KiB pieces of base64 lines
 * (77 octets) and of lines of random length, MB/s:
 *
 *     byte by byte into a buffer                    380   320
 *     latin1 string, replaceAll, back               350
 *     indexOf and copy                              400   310   (20-octet lines: 100)
 *     indexOf and Buffer.concat                     300
 *     4 octets at a time, then this (8 at a time)   1,000 to 1,300   850
 *
 * Four octets are looked at as one number: `(y - 0x01010101) & ~y & 0x80808080`, y being the
 * number with LF made zero, is 0 exactly when none of them is LF, and its lowest set bit marks
 * the first that is. They are stored before that is known: what is too much gets overwritten.
 */
export type { LineEnds };

/**
 * How the line ends of a file with this name are to be completed. Whoever renamed a file with a key
 * of our engine since, we wrote what is in it.
 */
export const lineEndsOf = (name: string): LineEnds =>
  isOwnKey(nameKey(name)) ? 'every-lf' : 'bare-lf';

const LF = 10;
const CR = 13;
const LFS = 0x0a0a0a0a;
const LF_AS_CRLF = 0x0a0d; // As a little-endian number.

/** Converts the pieces of one message in order. */
export interface WireForm {
  /**
   * The piece as it goes out, in `into` when that has room for twice its octets and 8, else in
   * memory of its own. The piece is free again.
   */
  convert(piece: Uint8Array, into?: Buffer): Buffer;
}

/** Shared by all conversions: a conversion is synchronous, and its result is copied out. */
let scratch = new Uint8Array(512 * 1024);
let scratchView = new DataView(scratch.buffer);

export function wireForm(lineEnds: LineEnds): WireForm {
  if (lineEnds === 'every-lf') return { convert: convertEvery };
  let endsInCr = false;
  return {
    convert: (piece, into) => {
      const afterCr = endsInCr;
      if (piece.length > 0) endsInCr = piece[piece.length - 1] === CR;
      if (!afterCr && !piece.includes(CR)) return convertEvery(piece, into);
      return convertBare(piece, afterCr);
    },
  };
}

function convertEvery(piece: Uint8Array, into?: Buffer): Buffer {
  const length = piece.length;
  const source = new DataView(piece.buffer, piece.byteOffset, length);
  const given = into !== undefined && into.length >= 2 * length + 8 ? into : undefined;
  if (given === undefined) makeRoom(2 * length + 8);
  const out = given ?? scratch;
  const target = given ? new DataView(given.buffer, given.byteOffset, given.length) : scratchView;
  const lastPair = length - 8;
  let from = 0;
  let to = 0;
  while (from <= lastPair) {
    const first = source.getInt32(from, true);
    const y = first ^ LFS;
    target.setInt32(to, first, true);
    const found = (y - 0x01010101) & ~y & 0x80808080;
    if (found !== 0) {
      const at = (31 - Math.clz32(found & -found)) >> 3;
      target.setInt16(to + at, LF_AS_CRLF, true);
      to += at + 2;
      from += at + 1;
      continue;
    }
    const second = source.getInt32(from + 4, true);
    const z = second ^ LFS;
    target.setInt32(to + 4, second, true);
    const foundNext = (z - 0x01010101) & ~z & 0x80808080;
    if (foundNext === 0) {
      from += 8;
      to += 8;
      continue;
    }
    const at = 4 + ((31 - Math.clz32(foundNext & -foundNext)) >> 3);
    target.setInt16(to + at, LF_AS_CRLF, true);
    to += at + 2;
    from += at + 1;
  }
  for (; from < length; from++) {
    const octet = piece[from] as number;
    if (octet === LF) out[to++] = CR;
    out[to++] = octet;
  }
  return given?.subarray(0, to) ?? copyOut(to);
}

/** Foreign files only, and rarely with a CR in them: byte by byte is good enough. */
function convertBare(piece: Uint8Array, afterCr: boolean): Buffer {
  makeRoom(2 * piece.length);
  const out = scratch;
  let to = 0;
  let previous = afterCr ? CR : 0;
  for (let from = 0; from < piece.length; from++) {
    const octet = piece[from] as number;
    if (octet === LF && previous !== CR) out[to++] = CR;
    out[to++] = octet;
    previous = octet;
  }
  return copyOut(to);
}

function makeRoom(octets: number): void {
  if (scratch.length >= octets) return;
  scratch = new Uint8Array(octets);
  scratchView = new DataView(scratch.buffer);
}

function copyOut(octets: number): Buffer {
  const result = Buffer.allocUnsafe(octets);
  result.set(scratch.subarray(0, octets));
  return result;
}

/** Counts what `wireForm` would give, without making it. */
export interface WireCount {
  add(piece: Uint8Array): void;
  /** Octets as stored, so far. */
  readonly octets: number;
  /** Octets with CRLF line ends, so far. */
  readonly wireOctets: number;
}

export function wireCount(lineEnds: LineEnds): WireCount {
  let octets = 0;
  let added = 0;
  let previous = 0;
  return {
    add: (piece) => {
      for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, at + 1)) {
        const before = at > 0 ? piece[at - 1] : previous;
        if (lineEnds === 'every-lf' || before !== CR) added += 1;
      }
      octets += piece.length;
      if (piece.length > 0) previous = piece[piece.length - 1] as number;
    },
    get octets() {
      return octets;
    },
    get wireOctets() {
      return octets + added;
    },
  };
}
