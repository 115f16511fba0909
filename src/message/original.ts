/**
 * The letter that a notice or an answer is about, read in pieces: nothing of it is kept but the
 * start of its header. In stored form (LF line ends).
 */
import { LINE_OCTETS_MAX } from './body.ts';
import { HeadCollector, type MessageHead } from './head.ts';

export interface Original {
  readonly octets: number;
  /** At most `length` octets from `offset`; undefined when the letter is gone. */
  read(offset: number, length: number): Promise<Uint8Array | undefined>;
}

/** Of a longer header a notice has the fields before this. */
export const HEAD_OCTETS_MAX = 65_536;
const PIECE_OCTETS = 65_536;

const LF = 0x0a;

/** What a transport that promises less than BINARYMIME needs to know about octets. */
export interface Octets {
  readonly ascii: boolean;
  /** Lines over 998 octets, NUL or bare CR: legal in no message of ours. */
  readonly strange: boolean;
}

export interface Examined extends Octets {
  /** Whole fields from the start, bounded. */
  readonly head: MessageHead;
}

/**
 * Reads the letter once, or only its head where `whole` is false.
 * @returns undefined when it is gone.
 */
export async function examine(original: Original, whole: boolean): Promise<Examined | undefined> {
  const start = await readFully(original, 0, Math.min(original.octets, HEAD_OCTETS_MAX));
  if (start === undefined) return undefined;
  const head = headOf(start, start.length < original.octets);
  const judge = new Judge();
  judge.push(start);
  if (whole) {
    for await (const piece of pieces(original, start.length)) {
      if (piece === undefined) return undefined;
      judge.push(piece);
    }
  }
  return { head, ...judge.result() };
}

/** The letter in pieces, from `offset`; undefined, and no more, when it is gone or shorter. */
export async function* pieces(
  original: Original,
  offset = 0,
): AsyncGenerator<Uint8Array | undefined> {
  for (let at = offset; at < original.octets;) {
    const piece = await original.read(at, Math.min(PIECE_OCTETS, original.octets - at));
    if (piece === undefined || piece.length === 0) {
      yield undefined;
      return;
    }
    at += piece.length;
    yield piece;
  }
}

async function readFully(
  original: Original,
  offset: number,
  octets: number,
): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  for (let at = offset; at < offset + octets;) {
    const part = await original.read(at, offset + octets - at);
    if (part === undefined || part.length === 0) return undefined;
    // A copy: the reader may use its buffer again.
    parts.push(Buffer.from(part));
    at += part.length;
  }
  return Buffer.concat(parts);
}

/** What of the start of a letter is its header; of one that is cut, its whole fields. */
function headOf(start: Buffer, cut: boolean): MessageHead {
  const collector = new HeadCollector({ octetsMax: HEAD_OCTETS_MAX });
  const step = collector.push(start);
  if (step.kind === 'head') return step.head;
  const { head } = collector.end();
  return cut ? { ...head, fields: head.fields.slice(0, -1) } : head;
}

/** Looks at octets piece by piece. */
class Judge {
  #ascii = true;
  #strange = false;
  #line = 0;

  push(piece: Uint8Array): void {
    for (const octet of piece) {
      if (octet === LF) this.#line = 0;
      else {
        if (octet >= 0x80) this.#ascii = false;
        if (++this.#line > LINE_OCTETS_MAX || octet === 0 || octet === 0x0d) this.#strange = true;
      }
    }
  }

  result(): Octets {
    return { ascii: this.#ascii, strange: this.#strange };
  }
}

/** The same of octets in hand. */
export function octetsOf(bytes: Uint8Array): Octets {
  const judge = new Judge();
  judge.push(bytes);
  return judge.result();
}
