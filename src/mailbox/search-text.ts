/** The text of a message as a search sees it: decoded, whatever it was sent in. */
import { decodeWords } from '../message/encoded-word.ts';
import { decodeCharset, decodeUnknown } from '../message/mime/charset.ts';
import { htmlToText } from '../message/mime/html-text.ts';
import { decodeTransfer } from '../message/mime/transfer.ts';
import type { Envelope, Extent, MimePart } from '../message/mime/types.ts';
import { foldText } from './search-fold.ts';

/** Of one part; what is beyond is not searched. */
export const PART_OCTETS_MAX = 8 * 1024 * 1024;

/** Fields of a header, decoded and folded, by name in lower case. */
export function searchedFields(header: Uint8Array): ReadonlyMap<string, readonly string[]> {
  const fields = new Map<string, string[]>();
  for (const field of decodeUnknown(header)
    .replace(/\r?\n(?=[ \t])/g, '')
    .split('\n')) {
    const colon = field.indexOf(':');
    if (colon <= 0) continue;
    const name = field.slice(0, colon).trimEnd().toLowerCase();
    const value = foldText(decodeWords(field.slice(colon + 1)).trim());
    const known = fields.get(name);
    if (known) known.push(value);
    else fields.set(name, [value]);
  }
  return fields;
}

/** The header as one text. */
export function searchedHeader(fields: ReadonlyMap<string, readonly string[]>): string {
  let out = '';
  for (const [name, values] of fields) {
    for (const value of values) out += `${name.toUpperCase()}: ${value}\n`;
  }
  return out;
}

/** A text of a body: a part to be decoded, or what stands in the head of an embedded message. */
export type BodyText =
  | { readonly kind: 'part'; readonly part: MimePart; readonly body: Extent }
  | { readonly kind: 'text'; readonly text: string };

/** What a search in the body looks at: text parts, and heads of embedded messages. */
export function bodyTexts(structure: MimePart): readonly BodyText[] {
  const texts: BodyText[] = [];
  const open: MimePart[] = [structure];
  for (let part = open.pop(); part; part = open.pop()) {
    const { body } = part;
    if (part.message) {
      texts.push({ kind: 'text', text: headText(part.message.envelope) });
      open.push(part.message.part);
    } else if (part.type === 'text') texts.push({ kind: 'part', part, body });
    for (let at = part.parts.length - 1; at >= 0; at--) open.push(part.parts[at] as MimePart);
  }
  return texts;
}

/** What a reader of an embedded message sees above it. */
function headText(envelope: Envelope): string {
  const people = [envelope.from, envelope.to, envelope.cc].flat();
  const shown = people.map(
    ({ name = '', local = '', domain = '' }) => `${decodeWords(name)} <${local}@${domain}>`,
  );
  return foldText([decodeWords(envelope.subject ?? ''), ...shown].join('\n'));
}

/** A part of type text as folded text. */
export function partText(part: MimePart, stored: Uint8Array): string {
  const charset = part.parameters.find(([name]) => name === 'charset')?.[1] ?? '';
  const text = decodeCharset(charset, decodeTransfer(part.encoding, stored));
  return foldText(part.subtype === 'html' ? htmlToText(text) : text);
}
