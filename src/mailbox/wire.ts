import { isOwnKey, nameKey } from '#maildir';
import type { LineEnds } from '../message/mime/types.ts';
import { withCrlf, writeCrlf } from './wire-simd.ts';

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
 *     4 octets at a time as one number              1,000 to 1,300   850
 *     16 octets at a time, WebAssembly              5 times the line above, in one run
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

/** Converts the pieces of one message in order. */
export interface WireForm {
  /**
   * The piece as it goes out, in `into` when that has room for twice its octets and 8, else in
   * memory of its own. The piece is free again.
   */
  convert(piece: Uint8Array, into?: Buffer): Buffer;
}

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
  if (into === undefined || into.length < 2 * piece.length + 8) return withCrlf(piece);
  return into.subarray(0, writeCrlf(piece, into));
}

/** Foreign files only, and rarely with a CR in them: byte by byte is good enough. */
function convertBare(piece: Uint8Array, afterCr: boolean): Buffer {
  const out = Buffer.allocUnsafe(2 * piece.length);
  let to = 0;
  let previous = afterCr ? CR : 0;
  for (let from = 0; from < piece.length; from++) {
    const octet = piece[from] as number;
    if (octet === LF && previous !== CR) out[to++] = CR;
    out[to++] = octet;
    previous = octet;
  }
  return Buffer.from(out.subarray(0, to));
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
