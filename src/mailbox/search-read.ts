import { MessageParser, parseHead } from '../message/mime/parse.ts';
import type { MimePart } from '../message/mime/types.ts';
import { nameOctets, type Numbered } from '#maildir';
import { bodyTexts, partText, PART_OCTETS_MAX, searchedFields } from './search-text.ts';
import type { MessageSource } from './summaries.ts';
import { lineEndsOf } from './wire.ts';

/** What a search may still cost. */
export interface ReadBudget {
  /** @throws MailError */
  spend(octets: number): void;
}

const PIECE_OCTETS = 64 * 1024;
const HEAD_OCTETS_MAX = 1024 * 1024;
/** Of a message this much stays in memory from its first reading; parts beyond are read again. */
const KEPT_OCTETS_MAX = 2 * 1024 * 1024;

type Fields = ReadonlyMap<string, readonly string[]>;

/** All fields of a message; undefined: it is gone. */
export async function readFields(
  source: MessageSource,
  message: Numbered,
  budget: ReadBudget,
): Promise<Fields | undefined> {
  for (let length = 8192; ; length *= 8) {
    const into = Buffer.allocUnsafe(length);
    const piece = await source.read(message, { offset: 0, length, into });
    if (piece === undefined) return undefined;
    budget.spend(piece.bytes.length);
    const all = piece.end || length >= HEAD_OCTETS_MAX ? 'all' : 'start';
    const head = parseHead(piece.bytes, lineEndsOf(message.entry.name), all);
    if (head) return searchedFields(piece.bytes.subarray(0, head.header.end));
  }
}

/** What a search looks at. A text that is undefined says that the message is gone. */
export interface Texts {
  readonly fields: Fields;
  readonly texts: AsyncIterable<string | undefined>;
}

/** Fields and texts of a message; undefined: it is gone. */
export async function readTexts(
  source: MessageSource,
  message: Numbered,
  budget: ReadBudget,
): Promise<Texts | undefined> {
  const parser = new MessageParser(lineEndsOf(message.entry.name), 'left out');
  // One octet more than it has says that it ends there.
  const length = Math.min(PIECE_OCTETS, (nameOctets(message.entry.name) ?? PIECE_OCTETS) + 1);
  const kept: Buffer[] = [];
  let keptOctets = 0;
  for (let offset = 0; ;) {
    const into = Buffer.allocUnsafe(length);
    const piece = await source.read(message, { offset, length, into });
    if (piece === undefined) return undefined;
    budget.spend(piece.bytes.length);
    parser.push(piece.bytes);
    offset += piece.bytes.length;
    if (keptOctets < KEPT_OCTETS_MAX) {
      kept.push(Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, piece.bytes.length));
      keptOctets += piece.bytes.length;
    }
    if (piece.end || piece.bytes.length === 0) break;
  }
  const start = kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept);
  const { structure, header } = parser.end();
  const fields = searchedFields(start.subarray(0, header.end));
  return { fields, texts: textsOf({ source, message, start, budget }, structure) };
}

interface Reading {
  readonly source: MessageSource;
  readonly message: Numbered;
  /** What is in memory of it. */
  readonly start: Buffer;
  readonly budget: ReadBudget;
}

async function* textsOf(reading: Reading, structure: MimePart): AsyncGenerator<string | undefined> {
  for (const found of bodyTexts(structure)) {
    if (found.kind === 'text') yield found.text;
    else {
      const { offset, end } = found.body;
      const bytes = await rangeOf(reading, offset, Math.min(end, offset + PART_OCTETS_MAX));
      yield bytes && partText(found.part, bytes);
    }
  }
}

/** Undefined: the message is gone. */
async function rangeOf(reading: Reading, offset: number, end: number): Promise<Buffer | undefined> {
  const { source, message, start, budget } = reading;
  if (end <= start.length) return start.subarray(offset, end);
  const into = Buffer.allocUnsafe(end - offset);
  let length = 0;
  while (offset + length < end) {
    const request = { offset: offset + length, length: end - offset - length };
    const piece = await source.read(message, { ...request, into: into.subarray(length) });
    if (piece === undefined || piece.bytes.length === 0) return undefined;
    budget.spend(piece.bytes.length);
    into.set(piece.bytes, length);
    length += piece.bytes.length;
  }
  return into;
}
