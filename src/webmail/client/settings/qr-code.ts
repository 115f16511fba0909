/**
 * QR codes (ISO/IEC 18004), drawn where they are looked at, so that the secret in one goes to no
 * other host. What nobody here needs is left out: bytes are the only mode, M the only level of
 * correction (a seventh may be unreadable), and version 20 is the last, which a telephone still
 * reads from a screen.
 */

/** How many octets correct a block, and how many blocks there are, of versions 1 to 20. */
const CORRECTION = [
  10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
] as const;
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16] as const;
/** In the half octet before the count. */
const MODE_BYTES = 4;
/** What fills the room that is left, in turn. */
const PADS = [0xec, 0x11] as const;

const FORMAT = { generator: 0x537, bits: 10, mask: 0x5412 } as const;
const VERSION = { generator: 0x1f25, bits: 12, from: 7 } as const;
const FINDER = 7;
const TIMING = 6;

const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** Rows from the top, in each the modules from the left: true is dark. */
export type QrCode = readonly (readonly boolean[])[];

/** @returns undefined where the text is too long, which is beyond some 660 octets */
export function qrCode(text: string): QrCode | undefined {
  const octets = [...new TextEncoder().encode(text)];
  const at = CORRECTION.findIndex((_, index) => roomOf(index + 1) >= octets.length);
  if (at < 0) return undefined;
  const version = at + 1;
  const words = interleaved(padded(octets, version), version);
  const tries = MASKS.map((_, mask) => drawn(version, words, mask));
  return tries.toSorted((a, b) => penalty(a) - penalty(b))[0];
}

const sizeOf = (version: number): number => 17 + 4 * version;
const countBits = (version: number): number => (version < 10 ? 8 : 16);

/** Along one side of the code, where the middles of its small squares are. */
function alignments(version: number): readonly number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((4 * version + 4) / (2 * count - 2)) * 2;
  const last = sizeOf(version) - FINDER;
  return [TIMING, ...Array.from({ length: count - 1 }, (_, at) => last - at * step).toReversed()];
}

/** Octets that a version has room for, those that correct among them. */
function wordsOf(version: number): number {
  const fixed = new Grid(version);
  return Math.floor(fixed.free / 8);
}

const correctionOf = (version: number): number => CORRECTION[version - 1] ?? 0;
const blocksOf = (version: number): number => BLOCKS[version - 1] ?? 1;
const dataOf = (version: number): number =>
  wordsOf(version) - correctionOf(version) * blocksOf(version);
/** Octets of text: mode and the end of it are half an octet each. */
const roomOf = (version: number): number => dataOf(version) - 1 - countBits(version) / 8;

function padded(octets: readonly number[], version: number): number[] {
  const count = octets.length;
  const head = countBits(version) === 8 ? [count] : [count >> 8, count & 0xff];
  const halves = [...head, ...octets].flatMap((octet) => [octet >> 4, octet & 15]);
  const shifted = [MODE_BYTES, ...halves, 0];
  const data = Array.from(
    { length: shifted.length / 2 },
    (_, at) => ((shifted[2 * at] ?? 0) << 4) | (shifted[2 * at + 1] ?? 0),
  );
  const rest = Array.from({ length: dataOf(version) - data.length }, (_, at) => PADS[at % 2] ?? 0);
  return [...data, ...rest];
}

/** The blocks' octets in turn, so that a stain takes a little from each; the longer come last. */
function interleaved(data: readonly number[], version: number): number[] {
  const blocks = blocksOf(version);
  const short = Math.floor(data.length / blocks);
  const shortBlocks = blocks - (data.length % blocks);
  const parts = Array.from({ length: blocks }, (_, at) => {
    const begin = at * short + Math.max(0, at - shortBlocks);
    return data.slice(begin, begin + short + (at < shortBlocks ? 0 : 1));
  });
  const checks = parts.map((part) => remainder(part, correctionOf(version)));
  return [...inTurn(parts), ...inTurn(checks)];
}

function inTurn(parts: readonly (readonly number[])[]): number[] {
  const longest = Math.max(...parts.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => parts.flatMap((part) => part[at] ?? [])).flat();
}

/** Product in the field of 256 elements of x⁸ + x⁴ + x³ + x² + 1. */
function product(a: number, b: number): number {
  let result = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    result = (result << 1) ^ ((result >> 7) * 0x11d);
    if ((b >> bit) & 1) result ^= a;
  }
  return result;
}

/** Reed-Solomon: what is left of the octets divided by (x - 1)(x - 2)(x - 4)… */
function remainder(octets: readonly number[], degree: number): number[] {
  let divisor = [1];
  for (let n = 0, root = 1; n < degree; n += 1, root = product(root, 2)) {
    const by = root;
    const times = divisor.map((one) => product(one, by));
    divisor = [...divisor, 0].map((one, at) => one ^ (times[at - 1] ?? 0));
  }
  const rest = [...octets, ...divisor.slice(1).map(() => 0)];
  for (let at = 0; at < octets.length; at += 1) {
    const factor = rest[at] ?? 0;
    divisor.forEach((one, n) => {
      rest[at + n] = (rest[at + n] ?? 0) ^ product(one, factor);
    });
  }
  return rest.slice(octets.length);
}

/** A value with its remainder behind it (BCH), as format and version are told. */
function withCheck(value: number, code: { readonly generator: number; readonly bits: number }) {
  let rest = value;
  for (let n = 0; n < code.bits; n += 1) {
    rest = (rest << 1) ^ ((rest >> (code.bits - 1)) * code.generator);
  }
  return (value << code.bits) | rest;
}

/** The modules of a version: what is the same in every code of it is there from the start. */
class Grid {
  readonly size: number;
  readonly #version: number;
  readonly #dark: (boolean | undefined)[][];

  constructor(version: number) {
    this.#version = version;
    this.size = sizeOf(version);
    this.#dark = Array.from({ length: this.size }, () => Array.from({ length: this.size }));
    this.#drawSquares();
    this.#drawVersion();
    this.drawFormat(0); // Keeps the place.
  }

  get rows(): QrCode {
    return this.#dark.map((row) => row.map((dark) => dark === true));
  }

  /** Modules that text has. */
  get free(): number {
    return this.#dark.flat().filter((dark) => dark === undefined).length;
  }

  /** Which mask, beside the finders, twice; level M is 0. */
  drawFormat(mask: number): void {
    const bits = withCheck(mask, FORMAT) ^ FORMAT.mask;
    const end = this.size - 1;
    for (let at = 0; at < 15; at += 1) {
      const dark = ((bits >> at) & 1) === 1;
      const near = at < TIMING ? at : at + 1; // The timing pattern is stepped over.
      if (at < 8) this.#set(8, near, dark);
      else this.#set(at === 8 ? 7 : 14 - at, 8, dark);
      if (at < 8) this.#set(end - at, 8, dark);
      else this.#set(8, end - 14 + at, dark);
    }
    this.#set(8, end - 7, true);
  }

  /** Puts bits where nothing is, in columns of two from the right, up and down in turn. */
  drawData(words: readonly number[], mask: (x: number, y: number) => boolean): void {
    let bit = 0;
    for (let pair = 0; pair < (this.size - 1) / 2; pair += 1) {
      const ordinary = this.size - 1 - 2 * pair;
      const right = ordinary > TIMING ? ordinary : ordinary - 1;
      for (let n = 0; n < 2 * this.size; n += 1) {
        const step = n >> 1;
        const [x, y] = [right - (n % 2), pair % 2 === 0 ? this.size - 1 - step : step];
        if (this.#dark[y]?.[x] !== undefined) continue;
        const word = words[bit >> 3] ?? 0;
        this.#set(x, y, (((word >> (7 - (bit % 8))) & 1) === 1) !== mask(x, y));
        bit += 1;
      }
    }
  }

  #set(x: number, y: number, dark: boolean): void {
    const row = this.#dark[y];
    if (row && x >= 0 && x < this.size) row[x] = dark;
  }

  #drawSquares(): void {
    for (let at = 0; at < this.size; at += 1) {
      this.#set(at, TIMING, at % 2 === 0);
      this.#set(TIMING, at, at % 2 === 0);
    }
    const [near, far] = [3, this.size - 4];
    for (const [x, y] of [
      [near, near],
      [far, near],
      [near, far],
    ] as const) {
      this.#drawRings(x, y, 4);
    }
    const middles = alignments(this.#version);
    const [first, last] = [middles[0], middles.at(-1)];
    for (const x of middles) {
      for (const y of middles) {
        const isFinder =
          (x === first && (y === first || y === last)) || (x === last && y === first);
        if (!isFinder) this.#drawRings(x, y, 2);
      }
    }
  }

  /** Rings about a middle; of a finder the outermost is its light edge. */
  #drawRings(x: number, y: number, radius: number): void {
    for (let dx = -radius; dx <= radius; dx += 1) {
      for (let dy = -radius; dy <= radius; dy += 1) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        this.#set(x + dx, y + dy, radius === 4 ? ring !== 2 && ring !== 4 : ring !== 1);
      }
    }
  }

  #drawVersion(): void {
    if (this.#version < VERSION.from) return;
    const bits = withCheck(this.#version, VERSION);
    for (let at = 0; at < 18; at += 1) {
      const [a, b] = [this.size - 11 + (at % 3), Math.floor(at / 3)];
      this.#set(a, b, ((bits >> at) & 1) === 1);
      this.#set(b, a, ((bits >> at) & 1) === 1);
    }
  }
}

function drawn(version: number, words: readonly number[], mask: number): QrCode {
  const grid = new Grid(version);
  grid.drawFormat(mask);
  grid.drawData(words, MASKS[mask] ?? (() => false));
  return grid.rows;
}

/** How hard a code is to read: by long runs, blocks, what looks like a finder, too much of one. */
function penalty(code: QrCode): number {
  const across = code.map((row) => row.map(Number).join(''));
  const down = code.map((_, x) => code.map((row) => Number(row[x])).join(''));
  let points = 0;
  for (const line of [...across, ...down]) {
    for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) points += run.length - 2;
    points += 40 * [...line.matchAll(/(?=10111010000|00001011101)/g)].length;
  }
  code.forEach((row, y) => {
    row.forEach((dark, x) => {
      const others = [row[x + 1], code[y + 1]?.[x], code[y + 1]?.[x + 1]];
      if (others.every((other) => other === dark)) points += 3;
    });
  });
  const share = across.join('').replaceAll('0', '').length / code.length ** 2;
  return points + 10 * Math.floor(Math.abs(share - 0.5) * 20);
}

/** A path of SVG: a stroke of height 1 for each run of dark modules. */
export function pathOf(code: QrCode): string {
  return code
    .flatMap((row, y) =>
      [...row.map(Number).join('').matchAll(/1+/g)].map(
        ({ index, 0: { length } }) => `M${index} ${y}h${length}v1h-${length}z`,
      ),
    )
    .join('');
}
