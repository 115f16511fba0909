/** Opens what BODY[…], RFC822 and BINARY[…] ask of a message (RFC 9051 §6.4.5, RFC 3516 §4). */
import type { Folder, Numbered } from '../../mailbox/mail.ts';
import type { Piece } from '../../mailbox/summaries.ts';
import type { HeadSummary, Summary } from '../../mailbox/summary.ts';
import { lineEndsOf, wireForm } from '../../mailbox/wire.ts';
import { StoreError } from '../../volumes/error.ts';
import { transferDecoder } from '../../message/mime/transfer.ts';
import type { Extent, MimePart } from '../../message/mime/types.ts';
import { Refusal } from '../replies.ts';
import type { Selected } from '../state.ts';
import { findPart, locate, type Partial, type Section } from '../wire/body-section.ts';
import type { FetchItem } from '../wire/fetch-items.ts';
import { FieldPicker } from '../wire/header-fields.ts';
import { decodedCount, decodedPieces, type PartKey } from './fetch-decoded.ts';
import { beginStream, octetsOf, readPartial, type Stream } from './fetch-stream.ts';

/** An item's value: a text, or octets that follow `{n}`. */
export type Opened = string | { readonly head: string; readonly stream: Stream };

export interface PartContext {
  readonly state: Selected;
  readonly message: Numbered;
  readonly summary: HeadSummary | Summary | undefined;
  /** The message's begin as stored, where that was read already; see `aheadOctets`. */
  readonly begin?: Piece | undefined;
}

/** Headers are looked for in this much first. */
const HEADER_OCTETS = 16_384;
/** A header that ends before this is whole in the head of a summary (mailbox/summaries.ts). */
const HEAD_WHOLE = 1_048_576;
/** Decoded in memory up to this many encoded octets; more are decoded twice, first to count. */
const DECODED_AT_ONCE = 1_048_576;

export type PartItem = Exclude<FetchItem, { readonly kind: 'plain' }>;

/** The message itself, or its header? */
const isTop = (item: PartItem): boolean =>
  item.kind === 'section' && item.section.part.length === 0 && item.section.text !== 'text';

const isAll = (item: PartItem): boolean =>
  item.kind === 'section' && isTop(item) && item.section.text === 'all';

const partsOf = (items: readonly FetchItem[]): readonly PartItem[] =>
  items.flatMap((item) => (item.kind === 'plain' ? [] : [item]));

/** Is the only octets that are asked for those of whole messages? */
export function isWhole(items: readonly FetchItem[]): boolean {
  const [item, ...others] = partsOf(items);
  if (item === undefined || others.length > 0) return false;
  return isAll(item) && item.kind === 'section' && item.partial === undefined;
}

/** How much of each message is worth reading ahead; undefined: what is asked is of another kind. */
export function aheadOctets(items: readonly FetchItem[]): number | 'all' | undefined {
  if (isWhole(items)) return 'all';
  const parts = partsOf(items);
  const headers = parts.length > 0 && parts.every((item) => isTop(item) && !isAll(item));
  return headers ? HEADER_OCTETS : undefined;
}

/** @throws StoreError 'message-gone'; Refusal for a part whose encoding nobody knows */
export function openItem(item: PartItem, context: PartContext): Promise<Opened> {
  if (item.kind === 'section') return openSection(item.section, item.partial, context);
  if (item.kind === 'binary') return openBinary(item.part, item.partial, context);
  return binarySize(item.part, context);
}

async function openSection(
  section: Section,
  partial: Partial | undefined,
  context: PartContext,
): Promise<Opened> {
  const { folder } = context.state;
  const { text } = section;
  const { message } = context;
  if (section.part.length === 0 && text !== 'all' && text !== 'text') {
    const { begin } = context;
    const start = await headerIn(
      begin === undefined
        ? folder.read(message, { offset: 0, end: HEADER_OCTETS })
        : [wireForm(lineEndsOf(message.entry.name)).convert(begin.bytes)],
    );
    const isLarge = !start.blank && start.text.length >= HEADER_OCTETS;
    if (text !== 'fields' && text !== 'fields-not') {
      if (isLarge) return openExtent(await headerOf(folder, message), partial, context);
      return literal(cut(start.text, partial));
    }
    const pieces = isLarge ? folder.read(message) : [Buffer.from(start.text, 'latin1')];
    return literal(cut(await picked(pieces, section.fields, text), partial));
  }
  const extent = await extentOf(section, context);
  if (extent === 'none') return 'NIL';
  if (text === 'fields' || text === 'fields-not') {
    const pieces = folder.read(message, extent);
    return literal(cut(await picked(pieces, section.fields, text), partial));
  }
  return openExtent(extent, partial, context);
}

/** A header may be as long as a message: of it only what was asked for is in memory. */
async function picked(
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
  fields: ReadonlySet<string>,
  which: 'fields' | 'fields-not',
): Promise<string> {
  const picker = new FieldPicker(fields, which);
  for await (const piece of pieces) {
    picker.push(piece.toString('latin1'));
    if (picker.ended) break;
  }
  return picker.end();
}

/** Of a whole look: a head says of a very long header what it saw. @throws StoreError */
async function headerOf(folder: Folder, message: Numbered): Promise<Extent> {
  for await (const summary of folder.summaries([message], 'all')) {
    if (summary !== undefined) return summary.structure.header;
  }
  throw new StoreError('message-gone', `${message.key} was deleted`);
}

const cut = (text: string, partial: Partial | undefined): string =>
  partial === undefined ? text : text.slice(partial.offset, partial.offset + partial.count);

const literal = (octets: string): string =>
  octets === '' ? '""' : `{${octets.length}}\r\n${octets}`;

/** The whole message's octets are in its name; the rest is in what is kept of it. */
async function extentOf(
  { part, text, ...rest }: Section,
  { state, message, summary }: PartContext,
): Promise<Extent | 'none'> {
  if (part.length > 0) return locate(structureOf(summary), { part, text, ...rest });
  const octets = await state.folder.octets(message);
  if (text === 'all') return { offset: 0, end: Infinity, wireOctets: octets };
  if (summary === undefined) throw new TypeError('TEXT without a summary');
  const isLarge = summary.header.end >= HEAD_WHOLE;
  const header = isLarge ? await headerOf(state.folder, message) : summary.header;
  const { end, wireOctets } = header;
  return { offset: end, end: Infinity, wireOctets: octets - wireOctets };
}

function structureOf(summary: HeadSummary | Summary | undefined): MimePart {
  if (summary === undefined || !('structure' in summary)) {
    throw new TypeError('a part without a structure');
  }
  return summary.structure;
}

async function openExtent(
  extent: Extent,
  partial: Partial | undefined,
  context: PartContext,
): Promise<Opened> {
  const { state, message } = context;
  if (partial !== undefined) return openPartial(extent, partial, context);
  if (extent.wireOctets === 0) return '""';
  const whole = extent.offset === 0 && extent.end === Infinity;
  const pieces = whole ? state.folder.read(message) : state.folder.read(message, extent);
  return { head: '', stream: await beginStream(extent.wireOctets, pieces) };
}

async function openPartial(
  extent: Extent,
  partial: Partial,
  { state, message }: PartContext,
): Promise<Opened> {
  const octets = octetsOf(extent, partial);
  if (octets === 0) return '""';
  const { folder, view } = state;
  const structure = async (): Promise<MimePart | undefined> => {
    for await (const summary of folder.summaries([message], 'all')) return summary?.structure;
    return undefined;
  };
  const pieces = readPartial({ folder, view, message, extent, partial, structure });
  return { head: '', stream: await beginStream(octets, pieces) };
}

/** The header with the blank line at its end; a message of header alone may have none. */
async function headerIn(
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<{ readonly text: string; readonly blank: boolean }> {
  let text = '';
  for await (const piece of pieces) {
    const from = Math.max(0, text.length - 3);
    text += piece.toString('latin1');
    if (text.startsWith('\r\n')) return { text: '\r\n', blank: true };
    const blank = text.indexOf('\r\n\r\n', from);
    if (blank >= 0) return { text: text.slice(0, blank + 4), blank: true };
  }
  return { text, blank: false };
}

const ENCODINGS: ReadonlySet<string> = new Set([
  '7bit',
  '8bit',
  'binary',
  'base64',
  'quoted-printable',
]);

/** A part without its transfer encoding (RFC 3516 §4.2); no part number is the message as it is. */
async function openBinary(
  part: readonly number[],
  partial: Partial | undefined,
  context: PartContext,
): Promise<Opened> {
  const found = part.length === 0 ? undefined : decodable(part, context);
  if (found === 'none') return 'NIL';
  if (found === undefined) return openExtent(await wholeOf(context), partial, context);
  const { octets, bytes } = await decodedOctets(found, context);
  const window = partial ?? { offset: 0, count: octets };
  const count = octetsOf({ wireOctets: octets }, window);
  if (count === 0) return '""';
  if (bytes !== undefined) {
    const text = bytes.toString('latin1', window.offset, window.offset + count);
    return `${text.includes('\0') ? '~' : ''}${literal(text)}`;
  }
  const request = { octets, window: { offset: window.offset, count } };
  const pieces = decodedPieces(keyOf(found, context), request, () => decoded(found, context));
  return { head: '~', stream: await beginStream(count, pieces) };
}

async function binarySize(part: readonly number[], context: PartContext): Promise<string> {
  if (part.length === 0) return `${await context.state.folder.octets(context.message)}`;
  const found = decodable(part, context);
  return found === 'none' ? '0' : `${(await decodedOctets(found, context)).octets}`;
}

const wholeOf = ({ state, message }: PartContext): Promise<Extent> =>
  Promise.resolve(state.folder.octets(message)).then((wireOctets) => ({
    offset: 0,
    end: Infinity,
    wireOctets,
  }));

function decodable(part: readonly number[], { summary }: PartContext): MimePart | 'none' {
  const found = findPart(structureOf(summary), part);
  if (found === undefined) return 'none';
  if (ENCODINGS.has(found.encoding)) return found;
  throw new Refusal('UNKNOWN-CTE', 'The encoding of this part is not known, fetch BODY instead');
}

const keyOf = ({ body }: MimePart, { state, message }: PartContext): PartKey => ({
  view: state.view,
  uid: message.uid,
  offset: body.offset,
});

async function* decoded(part: MimePart, { state, message }: PartContext): AsyncGenerator<Buffer> {
  const decoder = transferDecoder(part.encoding);
  for await (const piece of state.folder.read(message, part.body)) {
    const out = decoder.push(piece);
    if (out.length > 0) yield out;
  }
  const last = decoder.end();
  if (last.length > 0) yield last;
}

/** How many octets a part has when it is decoded; and the octets, if they are few. */
async function decodedOctets(
  part: MimePart,
  context: PartContext,
): Promise<{ readonly octets: number; readonly bytes: Buffer | undefined }> {
  if (part.body.wireOctets > DECODED_AT_ONCE) {
    const octets = await decodedCount(keyOf(part, context), () => decoded(part, context));
    return { octets, bytes: undefined };
  }
  const pieces: Buffer[] = [];
  // A piece may be used until the next is asked for.
  for await (const piece of decoded(part, context)) pieces.push(Buffer.from(piece));
  const bytes = Buffer.concat(pieces);
  return { octets: bytes.length, bytes };
}
