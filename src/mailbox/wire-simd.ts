/**
 * LF to CRLF, sixteen octets at a time, in WebAssembly: what JavaScript has no instructions for.
 *
 * The loop stores sixteen octets before it knows whether an LF is among them; if so, CR LF go over
 * the first of them and it goes on behind: what is too much gets overwritten. Measured on a busy
 * machine, 256 KiB pieces of lines of 77 octets, the copies into and out of its memory included:
 * see `wire.ts`.
 *
 * Memory of WebAssembly is its own, so a piece is copied in and what comes out is copied from it.
 * Rejected: reading files into it at once (every reader would hold pieces of one memory, and a
 * read that hangs could still write there); a package for 150 octets of code.
 */

/** Octets of a piece; the wire form may be twice as long, and sixteen more are written over. */
const PIECE_OCTETS = 256 * 1024;
const PAGE_OCTETS = 65_536;
const PAGES = (3 * PIECE_OCTETS) / PAGE_OCTETS + 1;

// Instructions (WebAssembly 2.0 §5.4).
const BLOCK = [0x02, 0x40];
const LOOP = [0x03, 0x40];
const IF = [0x04, 0x40];
const END = [0x0b];
const [BR, BR_IF, GET, SET, TEE, CONST] = [0x0c, 0x0d, 0x20, 0x21, 0x22, 0x41];
const ADD = [0x6a];
const [EQZ, EQ, GT_U, GE_U, CTZ] = [[0x45], [0x46], [0x4b], [0x4f], [0x68]];
const LOAD_8 = [0x2d, 0, 0];
const STORE_8 = [0x3a, 0, 0];
const STORE_16 = [0x3b, 0, 0];
const LOAD_V = [0xfd, 0x00, 0, 0];
const STORE_V = [0xfd, 0x0b, 0, 0];
const [SPLAT, EQ_8, BITMASK] = [
  [0xfd, 0x0f],
  [0xfd, 0x23],
  [0xfd, 0x64],
];

// Locals: the three parameters (`end` comes as a length), a number, sixteen octets.
const [FROM, LAST, TO, AT, OCTETS] = [0, 1, 2, 3, 4];
const LF = [CONST, 10];
const CR = [CONST, 13];
const CRLF_LITTLE_ENDIAN = [CONST, 0x8d, 0x14]; // 0x0a0d.

const plus = (local: number, octets: number): number[] => [
  GET,
  local,
  CONST,
  octets,
  ...ADD,
  SET,
  local,
];

/** `convert(from, length, to)`: @returns where what it wrote ends. */
const CODE = [
  [GET, FROM, GET, LAST, ...ADD, SET, LAST],
  [...BLOCK, ...LOOP], // While there are sixteen octets:
  [GET, FROM, CONST, 16, ...ADD, GET, LAST, ...GT_U, BR_IF, 1],
  [GET, TO, GET, FROM, ...LOAD_V, TEE, OCTETS, ...STORE_V],
  [GET, OCTETS, ...LF, ...SPLAT, ...EQ_8, ...BITMASK, TEE, AT, ...EQZ],
  [...IF, ...plus(FROM, 16), ...plus(TO, 16), BR, 1, ...END],
  [GET, AT, ...CTZ, SET, AT], // Where the first LF is.
  [GET, TO, GET, AT, ...ADD, ...CRLF_LITTLE_ENDIAN, ...STORE_16],
  [GET, TO, GET, AT, ...ADD, SET, TO, ...plus(TO, 2)],
  [GET, FROM, GET, AT, ...ADD, SET, FROM, ...plus(FROM, 1)],
  [BR, 0, ...END, ...END],
  [...BLOCK, ...LOOP], // And for each of those that are left:
  [GET, FROM, GET, LAST, ...GE_U, BR_IF, 1],
  [GET, FROM, ...LOAD_8, TEE, AT, ...LF, ...EQ],
  [...IF, GET, TO, ...CR, ...STORE_8, ...plus(TO, 1), ...END],
  [GET, TO, GET, AT, ...STORE_8, ...plus(TO, 1), ...plus(FROM, 1)],
  [BR, 0, ...END, ...END],
  [GET, TO, ...END],
].flat();

const I32 = 0x7f;
const V128 = 0x7b;
const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
const sized = (octets: readonly number[]): number[] =>
  octets.length < 128
    ? [octets.length, ...octets]
    : [(octets.length & 127) | 128, octets.length >> 7, ...octets];
const section = (id: number, octets: readonly number[]): number[] => [id, ...sized(octets)];

const VERSION = [1, 0, 0, 0];
const MODULE = Uint8Array.from([
  ...Buffer.from('\0asm'),
  ...VERSION,
  ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]), // One type of function,
  ...section(3, [1, 0]), // one function of it,
  ...section(5, [1, 0, PAGES]), // a memory,
  ...section(7, [2, ...name('memory'), 2, 0, ...name('convert'), 0, 0]),
  ...section(10, [1, ...sized([2, 1, I32, 1, V128, ...CODE])]),
]);

/** What is used of the interface, which no type library of ours has. */
interface Api {
  readonly Module: new (octets: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly convert: (from: number, length: number, to: number) => number;
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Api };
const { memory, convert } = new WebAssembly.Instance(new WebAssembly.Module(MODULE)).exports;
const octets = new Uint8Array(memory.buffer);

/** Writes a piece with each LF as CRLF to `out`. @returns how many octets that were */
export function writeCrlf(piece: Uint8Array, out: Uint8Array): number {
  let written = 0;
  for (let from = 0; from < piece.length; from += PIECE_OCTETS) {
    const made = converted(piece.subarray(from, from + PIECE_OCTETS));
    out.set(made, written);
    written += made.length;
  }
  return written;
}

/** A piece with each LF as CRLF, in memory of its own. */
export function withCrlf(piece: Uint8Array): Buffer {
  if (piece.length <= PIECE_OCTETS) return Buffer.from(converted(piece));
  const out = Buffer.allocUnsafe(2 * piece.length);
  return Buffer.from(out.subarray(0, writeCrlf(piece, out)));
}

/** Good until the next is converted. */
function converted(piece: Uint8Array): Uint8Array {
  octets.set(piece);
  return octets.subarray(PIECE_OCTETS, convert(0, piece.length, PIECE_OCTETS));
}
