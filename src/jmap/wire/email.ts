/**
 * What a message says, as properties of an Email (RFC 8621 §4.1.2 to §4.1.4): which of them are
 * asked for, what has to be read for them, and their values.
 */
import { decodeCharset, decoderOf } from '../../message/mime/charset.ts';
import { decodeTransfer } from '../../message/mime/transfer.ts';
import type { Envelope, MailAddress, MimePart } from '../../message/mime/types.ts';
import type { HeadSummary, Summary } from '../../mailbox/summary.ts';
import { bodyLists, bodyStructure, hasAttachment, leavesOf, type BodyPart } from './body.ts';
import {
  addressesOf,
  dateText,
  fieldsOf,
  headerProperty,
  headerValue,
  messageIdsOf,
  textOf,
  type Field,
  type HeaderProperty,
} from './header.ts';

/** Properties that a field has in one form (§4.1.3). */
const FIELD_PROPERTIES = {
  messageId: 'header:Message-ID:asMessageIds',
  inReplyTo: 'header:In-Reply-To:asMessageIds',
  references: 'header:References:asMessageIds',
  sender: 'header:Sender:asAddresses',
  from: 'header:From:asAddresses',
  to: 'header:To:asAddresses',
  cc: 'header:Cc:asAddresses',
  bcc: 'header:Bcc:asAddresses',
  replyTo: 'header:Reply-To:asAddresses',
  subject: 'header:Subject:asText',
  sentAt: 'header:Date:asDate',
} as const;
type FieldProperty = keyof typeof FIELD_PROPERTIES;
const FIELD_NAMES = Object.keys(FIELD_PROPERTIES) as readonly FieldProperty[];
const isFieldProperty = (name: string): name is FieldProperty =>
  Object.hasOwn(FIELD_PROPERTIES, name);

/** What such a property is as a header property, for who writes messages. */
export const fieldOf = (property: string): HeaderProperty | undefined =>
  isFieldProperty(property) ? headerProperty(FIELD_PROPERTIES[property]) : undefined;

const WHOLE = ['hasAttachment', 'preview', 'bodyValues', 'textBody', 'htmlBody', 'attachments'];
/** §4.2: what is told where nothing is asked for. */
export const CONTENT_DEFAULTS: readonly string[] = [...FIELD_NAMES, ...WHOLE];
const CONTENT = new Set([...CONTENT_DEFAULTS, 'bodyStructure', 'headers']);
const PART_DEFAULTS: readonly string[] = [
  ...'partId blobId size name type charset'.split(' '),
  ...'disposition cid language location'.split(' '),
];
const PART = new Set([...PART_DEFAULTS, 'subParts', 'headers']);

/** What is asked of messages, and what must be known of them. */
export interface EmailPlan {
  readonly properties: ReadonlySet<string>;
  readonly partProperties: ReadonlySet<string>;
  readonly headers: readonly HeaderProperty[];
  readonly partHeaders: readonly HeaderProperty[];
  readonly values: { readonly text: boolean; readonly html: boolean; readonly all: boolean };
  /** Octets of UTF-8 of one body value; 0: all. */
  readonly valueOctetsMax: number;
  readonly need: 'nothing' | 'head' | 'all';
}

export interface PlanAsked extends Pick<EmailPlan, 'values' | 'valueOctetsMax'> {
  readonly properties: readonly string[];
  readonly partProperties: readonly string[] | undefined;
}

/** @returns the name of a property that is none */
export function emailPlan(asked: PlanAsked, metadata: ReadonlySet<string>): EmailPlan | string {
  const headers: HeaderProperty[] = [];
  const partHeaders: HeaderProperty[] = [];
  const partProperties = asked.partProperties ?? PART_DEFAULTS;
  for (const name of asked.properties) {
    const header = headerProperty(name);
    if (header) headers.push(header);
    else if (!CONTENT.has(name) && !metadata.has(name)) return name;
  }
  for (const name of partProperties) {
    const header = headerProperty(name);
    if (header) partHeaders.push(header);
    else if (!PART.has(name)) return name;
  }
  const { properties, values, valueOctetsMax } = asked;
  const whole = [...WHOLE, 'bodyStructure'].some((name) => properties.includes(name));
  const head = properties.some((name) => !metadata.has(name));
  return {
    properties: new Set(properties),
    partProperties: new Set(partProperties),
    headers,
    partHeaders,
    values,
    valueOctetsMax,
    need: whole ? 'all' : head ? 'head' : 'nothing',
  };
}

/** A message that can be read. */
export interface Content {
  readonly head: HeadSummary;
  /** There where the plan needs it. */
  readonly whole: Summary | undefined;
  /** Octets in wire form of a range of the stored file. */
  read(range: { readonly offset: number; readonly end: number }): Promise<Buffer>;
  blobOf(part: MimePart): Promise<string>;
}

/** The properties asked for that the content says. @throws what `read` throws */
export async function contentProperties(
  plan: EmailPlan,
  content: Content,
): Promise<Record<string, unknown>> {
  const { head, whole } = content;
  const { properties } = plan;
  const shown: Record<string, unknown> = {};
  const exact = head.partial || plan.headers.length > 0 || properties.has('headers');
  const fields = exact ? fieldsOf(await content.read(head.header)) : undefined;
  for (const name of FIELD_NAMES) {
    if (!properties.has(name)) continue;
    shown[name] =
      head.partial && fields
        ? headerValue(fields, fieldOf(name) as HeaderProperty)
        : ENVELOPE[name](head.envelope, head);
  }
  if (fields && properties.has('headers')) shown['headers'] = fields;
  for (const one of plan.headers) shown[one.property] = headerValue(fields ?? [], one);
  if (whole === undefined) return shown;
  if (properties.has('preview')) shown['preview'] = whole.preview;
  if (properties.has('hasAttachment')) shown['hasAttachment'] = hasAttachment(whole.structure);
  return { ...shown, ...(await bodyProperties(plan, content, whole)) };
}

const people = (addresses: readonly MailAddress[]): unknown =>
  addresses.length === 0 ? null : addressesOf(addresses);

const ENVELOPE: Readonly<Record<FieldProperty, (e: Envelope, head: HeadSummary) => unknown>> = {
  messageId: (e) => messageIdsOf(e.messageId),
  inReplyTo: (e) => messageIdsOf(e.inReplyTo),
  references: (_, { references }) => (references.length === 0 ? null : references),
  sender: (e) => people(e.sender),
  from: (e) => people(e.from),
  to: (e) => people(e.to),
  cc: (e) => people(e.cc),
  bcc: (e) => people(e.bcc),
  replyTo: (e) => people(e.replyTo),
  subject: (e) => (e.subject === undefined ? null : textOf(e.subject)),
  sentAt: (e) => dateText(e.date),
};

async function bodyProperties(
  plan: EmailPlan,
  content: Content,
  { structure }: Summary,
): Promise<Record<string, unknown>> {
  const { properties, values } = plan;
  const shown: Record<string, unknown> = {};
  const root = bodyStructure(structure);
  const { text, html, attachments } = bodyLists(root);
  const list = (parts: readonly BodyPart[]): Promise<unknown[]> =>
    Promise.all(parts.map((part) => shownPart(plan, content, part)));
  if (properties.has('bodyStructure')) {
    shown['bodyStructure'] = await shownPart(plan, content, root);
  }
  if (properties.has('textBody')) shown['textBody'] = await list(text);
  if (properties.has('htmlBody')) shown['htmlBody'] = await list(html);
  if (properties.has('attachments')) shown['attachments'] = await list(attachments);
  if (properties.has('bodyValues')) {
    const wanted = new Set([
      ...(values.text ? text : []),
      ...(values.html ? html : []),
      ...(values.all ? leavesOf(root) : []),
    ]);
    const found: [string, unknown][] = [];
    for (const leaf of wanted) {
      if (leaf.part.type !== 'text' || leaf.partId === null) continue;
      found.push([leaf.partId, await bodyValue(content, leaf, plan.valueOctetsMax)]);
    }
    shown['bodyValues'] = Object.fromEntries(found);
  }
  return shown;
}

/** An EmailBodyPart (§4.1.4). */
async function shownPart(plan: EmailPlan, content: Content, one: BodyPart): Promise<unknown> {
  const { part, subParts } = one;
  const shown: Record<string, unknown> = {};
  const wanted = plan.partProperties;
  for (const [name, value] of Object.entries(PART_VALUES)) {
    if (wanted.has(name)) shown[name] = value(one);
  }
  if (wanted.has('blobId')) shown['blobId'] = subParts ? null : await content.blobOf(part);
  if (wanted.has('size')) shown['size'] = subParts ? 0 : await decodedOctets(content, part);
  if (plan.partHeaders.length > 0 || wanted.has('headers')) {
    const fields: readonly Field[] = fieldsOf(await content.read(part.header));
    if (wanted.has('headers')) shown['headers'] = fields;
    for (const header of plan.partHeaders) shown[header.property] = headerValue(fields, header);
  }
  if (subParts) {
    shown['subParts'] = await Promise.all(subParts.map((sub) => shownPart(plan, content, sub)));
  } else if (wanted.has('subParts')) shown['subParts'] = null;
  return shown;
}

const PART_VALUES: Readonly<Record<string, (part: BodyPart) => unknown>> = {
  partId: ({ partId }) => partId,
  name: ({ name }) => name,
  type: ({ type }) => type,
  charset: ({ part }) => (part.type === 'text' ? (charsetOf(part) ?? 'us-ascii') : null),
  disposition: ({ part }) => part.disposition?.value ?? null,
  cid: ({ part }) => part.id?.trim().replace(/^<|>$/g, '') ?? null,
  language: ({ part }) => (part.languages.length > 0 ? part.languages : null),
  location: ({ part }) => part.location ?? null,
};

const charsetOf = (part: MimePart): string | undefined =>
  part.parameters.find(([name]) => name === 'charset')?.[1];

/** Quoted-printable of so many octets is decoded to count what comes out. */
const COUNTED_MAX = 256 * 1024;
/** Behind the last characters of base64 there may be line ends. */
const TAIL_OCTETS = 80;

/** §4.1.4, `size`: octets without their encoding; near to it for large texts. */
async function decodedOctets(content: Content, part: MimePart): Promise<number> {
  const { body, encoding, lines } = part;
  const octets = body.end - body.offset;
  if (encoding === 'base64') {
    const start = Math.max(body.offset, body.end - TAIL_OCTETS);
    const tail = await content.read({ offset: start, end: body.end });
    const padding = /(=*)\s*$/.exec(tail.toString('latin1'))?.[1]?.length ?? 0;
    return Math.max(0, Math.floor(((body.wireOctets - 2 * lines - padding) * 3) / 4));
  }
  if (encoding === 'quoted-printable' && octets <= COUNTED_MAX) {
    return decodeTransfer(encoding, await content.read(body)).length;
  }
  return body.wireOctets;
}

/** Octets of a part that are looked at for its text, where no bound is given. */
const VALUE_READ_MAX = 8 * 1024 * 1024;
/** Encoded octets that one octet of UTF-8 may take: `=3D` in UTF-16. */
const SPREAD = 6;
const ENCODINGS = new Set(['7bit', '8bit', 'binary', 'base64', 'quoted-printable']);

export interface BodyValue {
  readonly value: string;
  readonly isEncodingProblem: boolean;
  readonly isTruncated: boolean;
}

/** An EmailBodyValue (§4.1.4). @param max octets of UTF-8; 0: all */
export async function bodyValue(
  content: Content,
  { part }: BodyPart,
  max: number,
): Promise<BodyValue> {
  const { offset, end } = part.body;
  const most = max > 0 ? Math.min(VALUE_READ_MAX, max * SPREAD + 1024) : VALUE_READ_MAX;
  const stop = Math.min(end, offset + most);
  const octets = decodeTransfer(part.encoding, await content.read({ offset, end: stop }));
  const charset = charsetOf(part) ?? '';
  const text = decodeCharset(charset, octets).replace(/\r\n/g, '\n');
  const unknown = charset !== '' && decoderOf(charset) === undefined;
  const kept = cut(text, max, part.subtype);
  return {
    value: kept,
    isEncodingProblem: unknown || !ENCODINGS.has(part.encoding) || text.includes('\ufffd'),
    isTruncated: stop < end || kept.length < text.length,
  };
}

/** At most so many octets of UTF-8, no character and no tag in two (§4.2). */
export function cut(text: string, max: number, subtype: string): string {
  if (max === 0 || Buffer.byteLength(text) <= max) return text;
  const octets = Buffer.from(text);
  let end = max;
  while (end > 0 && ((octets[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  const kept = octets.toString('utf8', 0, end);
  const open = kept.lastIndexOf('<');
  return subtype === 'html' && open > kept.lastIndexOf('>') ? kept.slice(0, open) : kept;
}
