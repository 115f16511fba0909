/** What tests of this module share: letters in memory, heads of text, chance that is counted. */
import type { Random } from '../base/random.ts';
import { HeadCollector, type MessageHead } from './head.ts';
import type { Original } from './original.ts';

/** The header of a stored message. */
export function headOf(text: string): MessageHead {
  const collector = new HeadCollector({ octetsMax: 1_000_000 });
  const step = collector.push(Buffer.from(text));
  return step.kind === 'head' ? step.head : collector.end().head;
}

/** A letter that is read in pieces of at most so many octets. */
export function letterOf(bytes: Buffer, piece = 65_536): Original {
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(bytes.subarray(offset, offset + Math.min(length, piece)));
  return { octets: bytes.length, read };
}

/** Every byte is the next number. */
export function countedRandom(): Random {
  let next = 0;
  return { bytes: (n) => Uint8Array.from({ length: n }, () => next++) };
}

/** All of a stream, in one. */
export async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

/** Pieces of text that have broken mail programs. */
export const HOSTILE = [
  '\r\n',
  '\n',
  '\r',
  '\n\n',
  '\r\nBcc: eve@example.org\r\n',
  '\n\n<script>',
  '\0',
  '\x1b[2J',
  '\x9b31m',
  '\u202e',
  '\u200b',
  '\u2028',
  '\ud800',
  '=?UTF-8?Q?=0D=0ABcc:_x?=',
  '=?UTF-8?B?DQpCY2M6IHg=?=',
  '=?x?q?a?=',
  '=?=',
  '--=_0',
  '--',
  '<',
  '>',
  '"',
  '\\',
  '(',
  ',',
  ';',
  ':',
  '@',
  'Gr\u00fc\u00dfe ',
  '\u20ac',
  '\u{1f4e7}',
  '\u4fe1',
  '   ',
  '\t',
  'word ',
  'From ',
  '.\n',
  'x'.repeat(300),
  ' y'.repeat(100),
];
