/** Parts of a MIME message as we write them, with LF line ends, fit for any transport. */
import type { Random } from '../base/random.ts';
import { isAscii } from './plain.ts';

const LINE_MAX = 76;
/** Octets of a line that RFC 5322 §2.1.1 allows. */
export const LINE_OCTETS_MAX = 998;

/** 120 bits that nobody can guess: no text of a stranger holds it. */
export const boundary = (random: Random): string =>
  `=_${Buffer.from(random.bytes(15)).toString('hex')}`;

/** RFC 5322 §3.6.4: the time for people, chance for uniqueness. Without its brackets. */
export const messageId = (random: Random, atMs: number, host: string): string =>
  `${Math.floor(atMs).toString(36)}.${Buffer.from(random.bytes(12)).toString('hex')}@${host}`;

/** Fields and body of a text of ours: as it is where that is safe, else quoted-printable. */
export function textPart(text: string): { readonly fields: string; readonly body: string } {
  const { encoding, body } = encodedText(text.endsWith('\n') || text === '' ? text : `${text}\n`);
  return {
    fields: `Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: ${encoding}\n`,
    body,
  };
}

/** A text with LF line ends in UTF-8, as it is where any transport takes it. */
export function encodedText(text: string): {
  readonly encoding: '7bit' | 'quoted-printable';
  readonly body: string;
} {
  const plain =
    isAscii(text) &&
    !/[\0-\x08\x0b-\x1f\x7f]/.test(text) &&
    text.split('\n').every((line) => line.length <= LINE_MAX + 2 && !line.startsWith('From '));
  if (plain) return { encoding: '7bit', body: text };
  return { encoding: 'quoted-printable', body: quotedPrintable(Buffer.from(text)) };
}

const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const EQUALS = 0x3d;
const DOT = 0x2e;
const FROM = Buffer.from('From ');

/** RFC 2045 §6.7 of text with LF line ends. Dots and `From ` at the start of a line are encoded. */
export function quotedPrintable(bytes: Uint8Array): string {
  const out: string[] = [];
  for (let start = 0; start < bytes.length;) {
    const lf = bytes.indexOf(LF, start);
    const end = lf < 0 ? bytes.length : lf;
    out.push(quotedLine(bytes.subarray(start, end)));
    if (lf >= 0) out.push('\n');
    start = end + 1;
  }
  return out.join('');
}

function quotedLine(line: Uint8Array): string {
  const rows: string[] = [];
  let row = '';
  line.forEach((octet, at) => {
    let text = isLiteral(octet, at === line.length - 1) ? String.fromCharCode(octet) : hex(octet);
    if (row.length + text.length > LINE_MAX - 1) {
      rows.push(`${row}=`);
      row = '';
    }
    if (row === '' && startsBadly(line, at)) text = hex(octet);
    row += text;
  });
  rows.push(row);
  return rows.join('\n');
}

function isLiteral(octet: number, last: boolean): boolean {
  if (octet === SPACE || octet === TAB) return !last;
  return octet > SPACE && octet < 0x7f && octet !== EQUALS;
}

const hex = (octet: number): string => `=${octet.toString(16).toUpperCase().padStart(2, '0')}`;

/** A dot is doubled on the way, `From ` is written as `>From ` into mailboxes of one file. */
function startsBadly(line: Uint8Array, at: number): boolean {
  return line[at] === DOT || FROM.every((octet, i) => line[at + i] === octet);
}
