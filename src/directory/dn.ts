import { isUtf8 } from 'node:buffer';
import { comparable } from './schema.ts';

/** One name of a DN: `cn=alice@example.test`, or several joined by `+`. */
export type Rdn = readonly (readonly [attribute: string, value: string])[];

/** A distinguished name is not one, or is longer or deeper than we take. */
export class DnError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DnError';
  }
}

export const DN_LENGTH_MAX = 4096;
const DN_DEPTH_MAX = 16;

/**
 * Reads the string form of a distinguished name (RFC 4514 §3), nearest name first.
 * @throws DnError for what is not one.
 */
export function parseDn(text: string): readonly Rdn[] {
  if (text.length > DN_LENGTH_MAX) throw new DnError('The DN is too long');
  if (text.trim() === '') return [];
  const rdns: (readonly [string, string])[][] = [[]];
  let at = 0;
  for (;;) {
    const equals = text.indexOf('=', at);
    const attribute = equals < 0 ? '' : text.slice(at, equals).trim();
    if (!/^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/.test(attribute)) {
      throw new DnError('The DN has a name without an attribute');
    }
    const { value, end } = readValue(text, equals + 1);
    rdns.at(-1)?.push([attribute, value]);
    if (end >= text.length) return rdns;
    if (text[end] !== '+') rdns.push([]);
    if (rdns.length > DN_DEPTH_MAX) throw new DnError('The DN is too deep');
    at = end + 1;
  }
}

/** A value without anything special in it, which nearly all are, and the place behind it. */
const PLAIN_VALUE = / *([^\\",+;<>=#\0 ](?:[^\\",+;<>\0]*[^\\",+;<>\0 ])?) *(?=[,+;]|$)/y;

/** A value up to its separator, unescaped. Spaces around it do not count, escaped ones do. */
function readValue(text: string, start: number): { value: string; end: number } {
  PLAIN_VALUE.lastIndex = start;
  const plain = PLAIN_VALUE.exec(text);
  if (plain) return { value: plain[1] ?? '', end: PLAIN_VALUE.lastIndex };
  const bytes: Buffer[] = [];
  let at = start;
  while (text[at] === ' ') at += 1;
  if (text[at] === '#') throw new DnError('Hexadecimal values in a DN are not supported');
  let keep = 0;
  for (; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (char === ',' || char === '+' || char === ';') break;
    if (char === '"' || char === '<' || char === '>' || char === '\0') {
      throw new DnError('The DN has a character that must be escaped');
    }
    if (char === '\\') {
      const escape = readEscape(text, at + 1);
      bytes.push(escape.bytes);
      at += escape.length;
      keep = bytes.length;
      continue;
    }
    const point = String.fromCodePoint(text.codePointAt(at) ?? 0);
    at += point.length - 1;
    bytes.push(Buffer.from(point));
    if (char !== ' ') keep = bytes.length;
  }
  const raw = Buffer.concat(bytes.slice(0, keep));
  if (raw.length === 0) throw new DnError('The DN has a name without a value');
  return { value: utf8(raw), end: at };
}

function readEscape(text: string, at: number): { bytes: Buffer; length: number } {
  const pair = /^[0-9A-Fa-f]{2}/.exec(text.slice(at, at + 2))?.[0];
  if (pair !== undefined) return { bytes: Buffer.from(pair, 'hex'), length: 2 };
  const char = text[at] ?? '';
  if (!' "#+,;<=>\\'.includes(char) || char === '') {
    throw new DnError('The DN has a backslash that escapes nothing');
  }
  return { bytes: Buffer.from(char), length: 1 };
}

function utf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new DnError('The DN is not UTF-8');
  return bytes.toString('utf8');
}

/** A value as it stands in a DN (RFC 4514 §2.4). */
export function escapeDnValue(value: string): string {
  return value.replace(/[\\",+;<>=]|^[ #]| $/g, String.raw`\$&`).replaceAll('\0', String.raw`\00`);
}

export const formatRdn = (rdn: Rdn): string =>
  rdn.map(([attribute, value]) => `${attribute}=${escapeDnValue(value)}`).join('+');

export const formatDn = (rdns: readonly Rdn[]): string => rdns.map(formatRdn).join(',');

/** The DN of an entry by its name: `nameDn('cn', login, layout.users)`. */
export const nameDn = (attribute: string, value: string, parent: string): string =>
  `${attribute}=${escapeDnValue(value)},${parent}`;

/** The DN of what an entry stands below. @throws DnError */
export const parentDn = (dn: string): string => formatDn(parseDn(dn).slice(1));

/** Whether the first is the second or stands below it. @throws DnError */
export const isWithin = (dn: string, branch: string): boolean =>
  `,${dnKey(parseDn(dn))}`.endsWith(`,${dnKey(parseDn(branch))}`);

/**
 * A string that two spellings of one DN share. A comma in it always separates names, so that
 * "ends with `,parent`" is "lies below parent".
 */
export function dnKey(rdns: readonly Rdn[]): string {
  return rdns.map(rdnKey).join(',');
}

const rdnKey = (rdn: Rdn): string =>
  rdn
    .map(([name, value]) => `${name.toLowerCase()}=${separated(comparable(name, value))}`)
    .toSorted()
    .join('+');

const separated = (value: string): string =>
  value.replace(/[\\,+=]/g, (char) => `\\${char.charCodeAt(0).toString(16)}`);
