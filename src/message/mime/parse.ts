/**
 * A message as a tree of parts, with the octets where each begins and ends: in the stored file,
 * where reading begins, and counted in wire form, which is what IMAP tells of.
 *
 * One pass over pieces of any size; nothing is kept of the octets but values of fields (bounded)
 * and the start of the first text (for the preview). Parts are bounded in depth and number, lines
 * are compared with the innermost boundary of a name through a map, so the time is linear in the
 * octets whatever they are. Measured on one core: 700 MB/s for lines of 77 octets, some 10 µs for
 * a message of 5 KB.
 *
 * What is decided where RFC 2046 leaves room:
 * - A line is a delimiter when it is `--`, the boundary, perhaps `--`, and blanks; a boundary
 *   that merely begins a line is text, because nested ones often share their beginning.
 * - The line end before a delimiter belongs to the delimiter. In a file of ours a CR before an LF
 *   is text (`LineEnds`), so no CR makes a blank line there.
 * - A delimiter ends a header too. A line that is no field ends a header before it (`../head.ts`).
 * - A multipart whose boundary comes no more ends where what is around it ends.
 * - Beyond the bounds nothing is lost: what is too deep or too much is the body of a part.
 */
import { BOUNDARY_MAX, Draft, type Position } from './draft.ts';
import { envelopeOf, idsOf } from './envelope.ts';
import { FIELD, FieldReader } from './fields.ts';
import { TextStart } from './preview.ts';
import type { Envelope, Extent, LineEnds, MimePart } from './types.ts';

export const DEPTH_MAX = 100;
export const PARTS_MAX = 10_000;

export interface ParsedHead {
  readonly envelope: Envelope;
  readonly references: readonly string[];
  readonly header: Extent;
  /** The header has more fields of these names, or longer ones, than are kept. */
  readonly partial: boolean;
}

export interface ParsedMessage extends ParsedHead {
  /** Of the whole message in wire form. */
  readonly octets: number;
  readonly structure: MimePart;
  readonly preview: string;
}

const LF = 0x0a;
const CR = 0x0d;
const HYPHEN = 0x2d;
/** Of a line without an end, what is held until more comes; longer lines go on in parts. */
const HELD_MAX = 8192;
/** `--`, the boundary, `--`, and blanks that some tool put there. */
const DELIMITER_MAX = BOUNDARY_MAX + 4 + 100;

/** A message in one piece. */
export function parseMessage(
  stored: Uint8Array | Iterable<Uint8Array>,
  lineEnds: LineEnds,
): ParsedMessage {
  const parser = new MessageParser(lineEnds);
  if (stored instanceof Uint8Array) parser.push(stored);
  else for (const piece of stored) parser.push(piece);
  return parser.end();
}

/**
 * The head of a message, from the start of it.
 * @returns undefined when the header goes on after `start` and `start` is not all there is
 */
export function parseHead(
  start: Uint8Array,
  lineEnds: LineEnds,
  all: 'all' | 'start',
): ParsedHead | undefined {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.length);
  const fields = new FieldReader();
  let at = 0;
  let lines = 0;
  let added = 0;
  let ended = false;
  while (at < bytes.length && !ended) {
    const lf = bytes.indexOf(LF, at);
    if (lf < 0 && all === 'start') return undefined;
    const next = lf < 0 ? bytes.length : lf + 1;
    const crlf = lineEnds === 'bare-lf' && lf > at && bytes[lf - 1] === CR;
    const end = lf < 0 ? next : crlf ? lf - 1 : lf;
    ended = end === at && lf >= 0;
    if (!ended && fields.line(bytes, at, end) === 'text') break;
    if (lf >= 0) {
      lines += 1;
      if (!crlf) added += 1;
    }
    at = next;
  }
  if (at === bytes.length && !ended && all === 'start') return undefined;
  return headOf(fields, { offset: 0, end: at, wireOctets: at + added });
}

const headOf = (fields: FieldReader, header: Extent): ParsedHead => ({
  envelope: envelopeOf(fields),
  references: idsOf(fields.value(FIELD.references)),
  partial: fields.partial,
  header,
});

/** Takes a message in pieces, which it does not keep. */
export class MessageParser {
  readonly #every: boolean;
  readonly #root: Draft;
  /** The part whose lines come now. */
  #part: Draft;
  #inHeader = true;
  #parts = 1;
  /** Multiparts that are open, by boundary, the innermost of each. */
  readonly #open = new Map<string, Draft>();
  /** What was taken so far. */
  #offset = 0;
  #added = 0;
  #lines = 0;
  /** Octets of the last line end as stored, and what wire form adds to it. */
  #endOctets = 0;
  #endAdded = 0;
  /** The start of a line whose end has not come. */
  #held: Buffer | undefined;
  #heldOctets = 0;
  /** The start of the line was taken already: it is no delimiter. */
  #within = false;
  /** The last octet taken of it was a CR. */
  #afterCr = false;
  readonly #text = new TextStart();
  readonly #hasPreview: boolean;

  /** @param preview Left out where nobody looks at it: it costs a tenth of all. */
  constructor(lineEnds: LineEnds, preview: 'made' | 'left out' = 'made') {
    this.#hasPreview = preview === 'made';
    this.#every = lineEnds === 'every-lf';
    this.#root = new Draft(undefined, this.#here());
    this.#part = this.#root;
  }

  push(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    let at = this.#heldOctets > 0 || this.#within ? this.#goOn(bytes) : 0;
    while (at < bytes.length) {
      if (!this.#inHeader) at = this.#skim(bytes, at);
      if (at >= bytes.length) return;
      const lf = bytes.indexOf(LF, at);
      if (lf < 0) return this.#hold(bytes, at);
      this.#line(bytes, at, lf + 1);
      at = lf + 1;
    }
  }

  /** The message is whole. */
  end(): ParsedMessage {
    if (this.#heldOctets > 0) this.#line(this.#held as Buffer, 0, this.#heldOctets);
    while (this.#inHeader) this.#headerEnds(this.#here());
    this.#close(undefined, this.#here());
    const octets = this.#offset + this.#added;
    const { fields } = this.#root;
    const structure = this.#root.finished as MimePart;
    const preview = this.#text.preview();
    return { ...headOf(fields, structure.header), octets, structure, preview };
  }

  #here(): Position {
    return { offset: this.#offset, added: this.#added, lines: this.#lines };
  }

  /** Where the line before ended. */
  #beforeLineEnd(): Position {
    return {
      offset: this.#offset - this.#endOctets,
      added: this.#added - this.#endAdded,
      lines: this.#lines - (this.#endOctets > 0 ? 1 : 0),
    };
  }

  /** Takes lines of a body that cannot be delimiters. @returns where one could begin */
  #skim(bytes: Buffer, start: number): number {
    const bounded = this.#open.size > 0;
    let at = start;
    let lines = 0;
    let crlfs = 0;
    let lf = -1;
    while (at < bytes.length) {
      if (bounded && bytes[at] === HYPHEN && bytes[at + 1] === HYPHEN) break;
      const next = bytes.indexOf(LF, at);
      if (next < 0) break;
      lf = next;
      lines += 1;
      if (!this.#every && lf > 0 && bytes[lf - 1] === CR && lf > at) crlfs += 1;
      at = lf + 1;
    }
    if (lines === 0) return at;
    const crlf = !this.#every && lf > start && bytes[lf - 1] === CR && bytes[lf] === LF;
    this.#text.add(bytes, start, at);
    this.#offset += at - start;
    this.#lines += lines;
    this.#added += lines - crlfs;
    this.#endOctets = crlf ? 2 : 1;
    this.#endAdded = crlf ? 0 : 1;
    return at;
  }

  /** A line from its start to behind its LF, or to the end of the message. */
  #line(bytes: Buffer, start: number, next: number): void {
    const ended = bytes[next - 1] === LF;
    const crlf = ended && !this.#every && next - 2 >= start && bytes[next - 2] === CR;
    const end = ended ? next - (crlf ? 2 : 1) : next;
    const delimiter = this.#delimiterAt(bytes, start, end);
    if (delimiter) {
      const { multipart, closes } = delimiter;
      if (this.#inHeader) this.#headerEnds(this.#beforeLineEnd(), 'cut');
      this.#close(multipart, this.#beforeLineEnd());
      this.#take(next - start, ended, crlf);
      if (closes) this.#forget(multipart);
      else this.#begin(multipart);
      return;
    }
    while (this.#inHeader) {
      if (ended && end === start) {
        this.#take(next - start, ended, crlf);
        return this.#headerEnds(this.#here());
      }
      if (this.#part.fields.line(bytes, start, end) !== 'text') break;
      this.#headerEnds(this.#here());
    }
    if (!this.#inHeader) this.#text.add(bytes, start, next);
    this.#take(next - start, ended, crlf);
  }

  #take(octets: number, ended: boolean, crlf: boolean): void {
    this.#offset += octets;
    if (ended) {
      this.#lines += 1;
      if (!crlf) this.#added += 1;
    }
    this.#endOctets = ended ? (crlf ? 2 : 1) : 0;
    this.#endAdded = ended && !crlf ? 1 : 0;
  }

  /** A line that does not end in this piece. */
  #hold(bytes: Buffer, start: number): void {
    const octets = bytes.length - start;
    if (this.#heldOctets === 0 && this.#isText(bytes, start)) return this.#long(bytes, start);
    if (this.#heldOctets + octets > HELD_MAX) {
      const held = this.#heldOctets;
      this.#heldOctets = 0;
      if (held > 0) this.#long((this.#held as Buffer).subarray(0, held), 0);
      return this.#long(bytes, start);
    }
    this.#held ??= Buffer.allocUnsafe(HELD_MAX);
    this.#held.set(bytes.subarray(start), this.#heldOctets);
    this.#heldOctets += octets;
  }

  /** Whether a line of a body cannot become a delimiter. */
  #isText(bytes: Buffer, start: number): boolean {
    if (this.#inHeader) return false;
    if (this.#open.size === 0) return true;
    return bytes[start] !== HYPHEN || (start + 1 < bytes.length && bytes[start + 1] !== HYPHEN);
  }

  /** Takes a piece of a line whose end has not come. */
  #long(bytes: Buffer, start: number): void {
    if (this.#inHeader && !this.#within) {
      while (this.#inHeader) {
        if (this.#part.fields.line(bytes, start, bytes.length) !== 'text') break;
        this.#headerEnds(this.#here());
      }
    } else if (this.#inHeader) this.#part.fields.more(bytes, start, bytes.length);
    if (!this.#inHeader) this.#text.add(bytes, start, bytes.length);
    this.#within = true;
    this.#afterCr = bytes[bytes.length - 1] === CR;
    this.#take(bytes.length - start, false, false);
  }

  /** Goes on with a line of before. @returns where the next one begins */
  #goOn(bytes: Buffer): number {
    const lf = bytes.indexOf(LF);
    if (lf < 0) {
      if (this.#within) this.#long(bytes, 0);
      else this.#hold(bytes, 0);
      return bytes.length;
    }
    const next = lf + 1;
    if (!this.#within && this.#heldOctets + next <= HELD_MAX) {
      const held = this.#held as Buffer;
      held.set(bytes.subarray(0, next), this.#heldOctets);
      const octets = this.#heldOctets + next;
      this.#heldOctets = 0;
      this.#line(held.subarray(0, octets), 0, octets);
      return next;
    }
    if (!this.#within) this.#hold(bytes.subarray(0, lf), 0);
    else if (lf > 0) this.#long(bytes.subarray(0, lf), 0);
    if (!this.#inHeader) this.#text.add(bytes, lf, next);
    const crlf = !this.#every && this.#afterCr;
    this.#take(1, true, crlf);
    this.#within = false;
    return next;
  }

  #delimiterAt(
    bytes: Buffer,
    start: number,
    end: number,
  ): { readonly multipart: Draft; readonly closes: boolean } | undefined {
    if (bytes[start] !== HYPHEN || bytes[start + 1] !== HYPHEN) return undefined;
    if (this.#open.size === 0 || end - start > DELIMITER_MAX) return undefined;
    let stop = end;
    while (stop > start && isBlank(bytes[stop - 1] as number)) stop -= 1;
    const found = bytes.toString('latin1', start + 2, stop);
    const next = this.#open.get(found);
    if (next) return this.#parts < PARTS_MAX ? { multipart: next, closes: false } : undefined;
    if (!found.endsWith('--')) return undefined;
    const closed = this.#open.get(found.slice(0, -2));
    return closed && { multipart: closed, closes: true };
  }

  /** `cut`: by a delimiter, so nothing of the part follows. */
  #headerEnds(end: Position, cut?: 'cut'): void {
    const part = this.#part;
    this.#inHeader = false;
    part.endHeader(end);
    if (cut) return;
    if (part.boundary !== undefined && part.depth < DEPTH_MAX) {
      part.shadowed = this.#open.get(part.boundary);
      this.#open.set(part.boundary, part);
      part.isOpen = true;
    } else if (part.holdsMessage && part.depth < DEPTH_MAX && this.#parts < PARTS_MAX) {
      this.#begin(part);
    } else if (this.#hasPreview) this.#text.begin(part);
  }

  #begin(parent: Draft): void {
    this.#part = new Draft(parent, this.#here());
    this.#parts += 1;
    this.#inHeader = true;
  }

  /** Ends all parts within `last`, or all there are. */
  #close(last: Draft | undefined, end: Position): void {
    this.#inHeader = false;
    this.#text.end();
    let part: Draft | undefined = this.#part;
    let at = end;
    while (part !== undefined && part !== last) {
      this.#forget(part);
      at = part.end(at);
      part = part.parent;
    }
    if (part) this.#part = part;
  }

  /** Its boundary is a boundary no more. */
  #forget(multipart: Draft): void {
    if (!multipart.isOpen) return;
    multipart.isOpen = false;
    const boundary = multipart.boundary as string;
    if (multipart.shadowed?.isOpen) this.#open.set(boundary, multipart.shadowed);
    else this.#open.delete(boundary);
  }
}

const isBlank = (octet: number): boolean => octet === 0x20 || octet === 0x09 || octet === CR;
