import { isUtf8 } from 'node:buffer';

/**
 * The part of BER that LDAP uses (RFC 4511 §5.1): definite lengths, one-octet tags.
 *
 * Why not the reader of ldapjs: it hands a search filter on as text that it parses again, and
 * loses octets on the way (a backslash, NUL and everything beyond the Basic Multilingual Plane),
 * so that one name could be looked up as another; and it calls itself for each message of a chunk.
 * Bytes of a stranger are decoded here into a tree whose lengths, depth and count are checked
 * before anything looks at a value.
 */
export interface Tlv {
  readonly tag: number;
  /** Content octets. */
  readonly value: Buffer;
  /** What a constructed value holds; empty for a primitive one. */
  readonly children: readonly Tlv[];
}

/** The bytes are no LDAP message. */
export class BerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BerError';
  }
}

export const BER_DEPTH_MAX = 32;
export const BER_COUNT_MAX = 100_000;

export const TAG = { boolean: 0x01, integer: 0x02, octets: 0x04, enumerated: 0x0a } as const;
export const SEQUENCE = 0x30;
export const SET = 0x31;

/**
 * How many octets the message at the start of `bytes` has, or undefined while that is unknown.
 * @throws BerError when no message can start like this or it is longer than `max` octets.
 */
export function messageLength(bytes: Buffer, max: number): number | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] !== SEQUENCE) throw new BerError('A message starts with a sequence');
  const header = readHeader(bytes, 0);
  if (!header) return undefined;
  const total = header.start + header.length;
  if (total > max) throw new BerError(`The message has ${total} octets, more than ${max}`);
  return total;
}

/** Decodes exactly one value. @throws BerError */
export function decodeBer(bytes: Buffer): Tlv {
  const budget = { count: BER_COUNT_MAX };
  const { tlv, end } = decodeAt(bytes, 0, 0, budget);
  if (end !== bytes.length) throw new BerError('Octets follow the message');
  return tlv;
}

function decodeAt(
  bytes: Buffer,
  at: number,
  depth: number,
  budget: { count: number },
): { tlv: Tlv; end: number } {
  if (depth > BER_DEPTH_MAX) throw new BerError('The message is nested too deep');
  if ((budget.count -= 1) < 0) throw new BerError('The message has too many parts');
  const header = readHeader(bytes, at);
  if (!header || header.start + header.length > bytes.length) {
    throw new BerError('A length points outside the message');
  }
  const tag = bytes[at] ?? 0;
  const end = header.start + header.length;
  const value = bytes.subarray(header.start, end);
  const children: Tlv[] = [];
  if ((tag & 0x20) !== 0) {
    for (let next = 0; next < value.length;) {
      const child = decodeAt(value, next, depth + 1, budget);
      children.push(child.tlv);
      next = child.end;
    }
  }
  return { tlv: { tag, value, children }, end };
}

function readHeader(bytes: Buffer, at: number): { start: number; length: number } | undefined {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  if ((tag & 0x1f) === 0x1f) throw new BerError('Tags of several count are not used in LDAP');
  if (first < 0x80) return { start: at + 2, length: first };
  const count = first & 0x7f;
  if (count === 0 || count > 4) throw new BerError('The length is indefinite or too long');
  if (at + 2 + count > bytes.length) return undefined;
  return { start: at + 2 + count, length: bytes.readUIntBE(at + 2, count) };
}

/** The integer or enumerated value of a part. @throws BerError */
export function integer(tlv: Tlv | undefined, tag: number = TAG.integer): number {
  if (tlv?.tag !== tag || tlv.value.length === 0 || tlv.value.length > 4) {
    throw new BerError('An integer is expected');
  }
  return tlv.value.readIntBE(0, tlv.value.length);
}

/** The octets of a primitive part. @throws BerError */
export function octets(tlv: Tlv | undefined, tag: number = TAG.octets): Buffer {
  if (tlv?.tag !== tag) throw new BerError('An octet string is expected');
  return tlv.value;
}

/** The text of a part. @throws BerError when it is not UTF-8 */
export function text(tlv: Tlv | undefined, tag: number = TAG.octets): string {
  const bytes = octets(tlv, tag);
  if (!isUtf8(bytes)) throw new BerError('The text is not UTF-8');
  return bytes.toString('utf8');
}

/** The parts of a constructed part. @throws BerError */
export function parts(tlv: Tlv | undefined, tag: number = SEQUENCE): readonly Tlv[] {
  if (tlv?.tag !== tag) throw new BerError(`A part with tag 0x${tag.toString(16)} is expected`);
  return tlv.children;
}

/** Encodes a value from its parts. */
export function encode(tag: number, ...content: readonly (Buffer | string)[]): Buffer {
  let length = 0;
  for (const part of content) {
    length += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
  }
  const extra = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 4;
  const out = Buffer.allocUnsafe(2 + extra + length);
  out[0] = tag;
  out[1] = extra === 0 ? length : 0x80 | extra;
  if (extra > 0) out.writeUIntBE(length, 2, extra);
  let at = 2 + extra;
  for (const part of content) {
    at += typeof part === 'string' ? out.write(part, at) : part.copy(out, at);
  }
  return out;
}

export function encodeInteger(value: number, tag: number = TAG.integer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  let skip = 0;
  while (skip < 3 && bytes[skip] === ((bytes[skip + 1] ?? 0) & 0x80 ? 0xff : 0)) skip += 1;
  return encode(tag, bytes.subarray(skip));
}
