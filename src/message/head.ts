/**
 * The header of a message while it streams by. Whoever must know or change the header before the
 * body goes on holds back what came until the blank line, with a bound, and nothing after it: what
 * of the body came in the same piece is a view of that piece, and later pieces pass untouched.
 *
 * Stored form: lines end in LF. A CR before it is an octet like any other, and part of no line end.
 *
 * The header ends at the first blank line, or before the first line that is neither a field nor the
 * continuation of one: then the blank line is missing and that line is text. Programs that read
 * on behind such a line would find fields there that nobody checked, so who passes the message on
 * puts the blank line in.
 */

/** One field, as it came. */
export interface HeaderField {
  /** In lower case. */
  readonly name: string;
  /** Name, colon, value and all folded lines, with the LF at the end: exactly its octets. */
  readonly raw: Buffer;
}

/** The header of a message: fields in order. Together they are all its octets, but for `marked`. */
export interface MessageHead {
  readonly fields: readonly HeaderField[];
  /** Octets of all fields, without the blank line. */
  readonly octets: number;
  /** False when text began, or the message ended, without a blank line. */
  readonly separated: boolean;
  /** A mailbox file's `From ` line stood before all fields; it is in none of them. */
  readonly marked: boolean;
}

export type HeadStep =
  /** Nothing to do: the octets are kept. */
  | { readonly kind: 'more' }
  /** The header is whole. `body`: what of the body came with it; views, in order. */
  | { readonly kind: 'head'; readonly head: MessageHead; readonly body: readonly Uint8Array[] }
  /** Longer than it may be, so it is not looked at. `held` is everything so far. */
  | { readonly kind: 'too-long'; readonly held: Buffer };

const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const BLANK_LINE = Buffer.from('\n\n');
const MARK = Buffer.from('From ');

/** Collects a header out of the pieces of a message. One for each message. */
export class HeadCollector {
  readonly #octetsMax: number;
  readonly #held: Buffer[] = [];
  #octets = 0;
  #last = LF; // Before the first line there is the end of one.

  constructor(options: { readonly octetsMax: number }) {
    this.#octetsMax = options.octetsMax;
  }

  /** Takes the next piece; what is kept is copied. Not to be called again after the end. */
  push(piece: Uint8Array): HeadStep {
    if (piece.length === 0) return { kind: 'more' };
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    const blank = this.#blankLine(bytes);
    const headEnd = blank ?? bytes.length;
    if (this.#octets + headEnd > this.#octetsMax) return this.#tooLong(bytes);
    this.#keep(bytes.subarray(0, headEnd));
    if (blank === undefined) return { kind: 'more' };
    return this.#whole(bytes.subarray(blank + 1), true);
  }

  /** The message ended before a blank line. */
  end(): { readonly head: MessageHead; readonly body: readonly Uint8Array[] } {
    const { head, body } = this.#whole(Buffer.alloc(0), false);
    return { head, body };
  }

  /** Index of the LF that is a blank line by itself. */
  #blankLine(bytes: Buffer): number | undefined {
    if (this.#last === LF && bytes[0] === LF) return 0;
    const at = bytes.indexOf(BLANK_LINE);
    return at < 0 ? undefined : at + 1;
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#held.push(Buffer.from(bytes));
    this.#octets += bytes.length;
    this.#last = bytes[bytes.length - 1] ?? LF;
  }

  #whole(rest: Buffer, blank: boolean): Extract<HeadStep, { kind: 'head' }> {
    const held = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held);
    const { head, end } = parse(held, blank);
    if (end === held.length) return { kind: 'head', head, body: rest.length > 0 ? [rest] : [] };
    const text = held.subarray(end);
    // The blank line was one of the text.
    const body = blank ? [text, Buffer.of(LF), rest] : [text];
    return { kind: 'head', head, body: body.filter(({ length }) => length > 0) };
  }

  /** Text without a blank line before it is no long header. */
  #tooLong(bytes: Buffer): HeadStep {
    const held = Buffer.concat([...this.#held, bytes]);
    const { head, end } = parse(held, false);
    const text = held.subarray(end);
    if (head.octets > this.#octetsMax || !text.includes(LF)) return { kind: 'too-long', held };
    return { kind: 'head', head, body: [text] };
  }
}

/** Fields from the start of `bytes`, and where they end. */
function parse(
  bytes: Buffer,
  blank: boolean,
): { readonly head: MessageHead; readonly end: number } {
  const marked = bytes.subarray(0, MARK.length).equals(MARK);
  const start = marked ? lineEnd(bytes, 0) : 0;
  const fields: HeaderField[] = [];
  let at = start;
  while (at < bytes.length) {
    const name = fieldName(bytes, at);
    if (name === undefined) break;
    let end = lineEnd(bytes, at);
    while (bytes[end] === SPACE || bytes[end] === TAB) end = lineEnd(bytes, end);
    fields.push({ name, raw: bytes.subarray(at, end) });
    at = end;
  }
  const separated = blank && at === bytes.length;
  return { head: { fields, octets: at - start, separated, marked }, end: at };
}

function lineEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(LF, from);
  return at < 0 ? bytes.length : at + 1;
}

/** The name before the colon (RFC 5322 §2.2), which blanks may precede (§4.5.8). */
function fieldName(bytes: Buffer, start: number): string | undefined {
  let at = start;
  while (at < bytes.length && isNameOctet(bytes[at] ?? 0)) at += 1;
  const end = at;
  while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
  if (end === start || bytes[at] !== COLON) return undefined;
  return bytes.toString('latin1', start, end).toLowerCase();
}

const isNameOctet = (octet: number): boolean => octet > SPACE && octet < 0x7f && octet !== COLON;

/** The value of a field: unfolded, without the name, trimmed; UTF-8. */
export function fieldValue({ raw }: HeaderField): string {
  return raw
    .toString('utf8', raw.indexOf(COLON) + 1)
    .replace(/\n(?=[ \t])/g, '')
    .trim();
}

/** The value of the first field of a name in lower case; undefined where there is none. */
export function valueOf(head: Pick<MessageHead, 'fields'>, name: string): string | undefined {
  const field = head.fields.find((one) => one.name === name);
  return field && fieldValue(field);
}
