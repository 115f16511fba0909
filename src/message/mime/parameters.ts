/**
 * Content-Type and Content-Disposition: a value with parameters (RFC 2045 §5.1), those in pieces
 * and with character sets too (RFC 2231). Whatever a stranger wrote is read as far as it goes.
 */
import { decodeCharset } from './charset.ts';
import type { Parameters } from './types.ts';

/** More are not read. */
const PARAMETERS_MAX = 200;

interface Segment {
  readonly index: number;
  readonly encoded: boolean;
  readonly text: string;
}

/** The value in lower case without comments, and its parameters in order, each name once. */
export function withParameters(field: string): Parameters {
  const semicolon = field.indexOf(';');
  const value = (semicolon < 0 ? field : field.slice(0, semicolon)).trim().toLowerCase();
  const plain = value.includes('(') ? value.replace(/\([^()]*\)/g, '').trim() : value;
  if (semicolon < 0) return { value: plain, parameters: [] };
  return { value: plain, parameters: readParameters(field, semicolon + 1) };
}

function readParameters(field: string, start: number): readonly (readonly [string, string])[] {
  const found = new Map<string, string>();
  const pieces = new Map<string, Segment[]>();
  let at = start;
  for (let count = 0; at < field.length && count < PARAMETERS_MAX; count++) {
    const { name, value, end } = readParameter(field, at);
    at = end;
    if (name === '') continue;
    const star = name.indexOf('*');
    if (star < 0) {
      if (!found.has(name)) found.set(name, value);
      continue;
    }
    const base = name.slice(0, star);
    const segments = pieces.get(base) ?? [];
    segments.push({ ...suffix(name.slice(star)), text: value });
    pieces.set(base, segments);
  }
  // What has a character set says more than what stands beside it for old readers.
  for (const [name, segments] of pieces) found.set(name, joined(segments));
  return [...found];
}

/** `*`, `*3`, `*3*` (RFC 2231 §3 and §4). */
function suffix(text: string): { readonly index: number; readonly encoded: boolean } {
  const match = /^\*(?:(\d{1,4})(\*)?)?$/.exec(text);
  if (match === null) return { index: 0, encoded: false };
  const index = match[1];
  return index === undefined
    ? { index: 0, encoded: true }
    : { index: Number(index), encoded: match[2] !== undefined };
}

function joined(segments: Segment[]): string {
  segments.sort((a, b) => a.index - b.index);
  const first = segments[0] as Segment;
  let charset = '';
  let text = first.text;
  if (first.encoded) {
    const match = /^([^']*)'[^']*'/.exec(text);
    if (match) {
      charset = match[1] ?? '';
      text = text.slice(match[0].length);
    }
  }
  const octets = segments.map((segment, at) =>
    segment.encoded
      ? percentDecoded(at === 0 ? text : segment.text)
      : Buffer.from(at === 0 ? text : segment.text),
  );
  return decodeCharset(charset, Buffer.concat(octets));
}

const percentDecoded = (text: string): Buffer =>
  /[^\0-\xff]/.test(text)
    ? Buffer.from(text)
    : Buffer.from(
        text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
          String.fromCharCode(parseInt(hex, 16)),
        ),
        'latin1',
      );

interface Read {
  readonly name: string;
  readonly value: string;
  /** Behind the semicolon that ends it. */
  readonly end: number;
}

function readParameter(field: string, start: number): Read {
  const semicolon = field.indexOf(';', start);
  const stop = semicolon < 0 ? field.length : semicolon;
  const equals = field.indexOf('=', start);
  if (equals < 0 || equals > stop) return { name: '', value: '', end: stop + 1 };
  const name = withoutComments(field.slice(start, equals)).toLowerCase();
  let at = equals + 1;
  while (field[at] === ' ' || field[at] === '\t') at += 1;
  if (field[at] !== '"') {
    // Blanks in it are not allowed, and written.
    return { name, value: withoutComments(field.slice(at, stop)), end: stop + 1 };
  }
  const close = quoteEnd(field, at + 1);
  const inside = field.slice(at + 1, close);
  const value = inside.includes('\\') ? inside.replace(/\\(["\\])/g, '$1') : inside;
  const next = field.indexOf(';', close);
  return { name, value, end: next < 0 ? field.length : next + 1 };
}

function quoteEnd(field: string, start: number): number {
  for (let at = start; at < field.length; at++) {
    if (field[at] === '\\') at += 1;
    else if (field[at] === '"') return at;
  }
  return field.length;
}

const withoutComments = (text: string): string =>
  (text.includes('(') ? text.replace(/(?:^|\s)\([^()]*\)/g, '') : text).trim();
