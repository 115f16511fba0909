/**
 * What a query says of one message, as far as it is known: yes, no, or not yet. Cheap things are
 * looked at first, so that most messages are decided before anything of them is read.
 */
import { decodeWords } from '../message/encoded-word.ts';
import { parseDate } from '../message/mime/date.ts';
import type { Envelope, MailAddress } from '../message/mime/types.ts';
import type { Numbered } from '#maildir';
import type { Query } from './query.ts';
import { foldText } from './search-fold.ts';
import type { HeadSummary } from './summary.ts';

/** What is known of a message so far. */
export interface Knowledge {
  readonly message: Numbered;
  octets: number | undefined;
  /** INTERNALDATE. */
  date: number | undefined;
  head: HeadSummary | undefined;
  /** All fields, decoded and folded, by name in lower case. */
  fields: ReadonlyMap<string, readonly string[]> | undefined;
  /** Whether a text, folded, is in the body; undefined: nobody knows. */
  inBody: ((text: string) => boolean | undefined) | undefined;
  /** The same for all fields. */
  inHeader: ((text: string) => boolean | undefined) | undefined;
  /** What was found out of texts, by anybody. */
  readonly answers: ReadonlyMap<Query, Remembered> | undefined;
}

/** Answers of one text, by UID. */
export interface Remembered {
  get(uid: number): Answer;
  set(uid: number, answer: boolean): void;
}

export type Answer = boolean | undefined;

/** Text of queries, folded once. */
const folded = new WeakMap<Query, string>();
export function foldedText(query: Extract<Query, { readonly text: string }>): string {
  const known = folded.get(query);
  if (known !== undefined) return known;
  const text = foldText(query.text);
  folded.set(query, text);
  return text;
}

export function evaluate(query: Query, known: Knowledge): Answer {
  const { message } = known;
  switch (query.kind) {
    case 'all':
      return true;
    case 'and':
      return every(query.of, known, true);
    case 'or':
      return every(query.of, known, false);
    case 'not':
      return opposite(evaluate(query.of, known));
    case 'uids':
      return inRanges(query.ranges, message.uid);
    case 'letter':
      return message.flags.includes(query.letter);
    case 'keyword':
      return hasKeyword(message.keywords, query.keyword);
    case 'modseq':
      return message.modseq >= query.min;
    case 'larger':
      return known.octets === undefined ? undefined : known.octets > query.octets;
    case 'smaller':
      return known.octets === undefined ? undefined : known.octets < query.octets;
    case 'date':
      return dated(query, known);
    case 'header':
    case 'body':
    case 'text':
      return remembered(query, known);
  }
}

type TextQuery = Extract<Query, { readonly text: string }>;

function remembered(query: TextQuery, known: Knowledge): Answer {
  const { uid } = known.message;
  const answers = known.answers?.get(query);
  const before = answers?.get(uid);
  if (before !== undefined) return before;
  const answer = inText(query, known);
  if (answer !== undefined) answers?.set(uid, answer);
  return answer;
}

function inText(query: TextQuery, known: Knowledge): Answer {
  if (query.kind === 'header') return inField(query, known);
  const text = foldedText(query);
  const inBody = known.inBody?.(text);
  return query.kind === 'body' ? inBody : either(known.inHeader?.(text), inBody);
}

const opposite = (answer: Answer): Answer => (answer === undefined ? undefined : !answer);

const either = (one: Answer, other: Answer): Answer =>
  one === true || other === true ? true : one === false && other === false ? false : undefined;

/** `neutral` true: all of them; false: any of them. */
function every(queries: readonly Query[], known: Knowledge, neutral: boolean): Answer {
  let open = false;
  for (const query of queries) {
    const answer = evaluate(query, known);
    if (answer === !neutral) return answer;
    if (answer === undefined) open = true;
  }
  return open ? undefined : neutral;
}

function inRanges(ranges: readonly (readonly [number, number])[], uid: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as readonly [number, number])[1] < uid) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low];
  return range !== undefined && range[0] <= uid;
}

function hasKeyword(keywords: readonly string[], keyword: string): boolean {
  if (keywords.length === 0) return false;
  const wanted = keyword.toLowerCase();
  return keywords.some((one) => one.toLowerCase() === wanted);
}

function dated(query: Extract<Query, { readonly kind: 'date' }>, known: Knowledge): Answer {
  let at = known.date;
  if (query.which === 'sent') {
    if (known.head === undefined) return undefined;
    // Without a Date that can be read a message was sent on no day.
    at = parseDate(known.head.envelope.date)?.written ?? Number.NaN;
  }
  return at === undefined ? undefined : query.from <= at && at < query.before;
}

type HeaderQuery = Extract<Query, { readonly kind: 'header' }>;

const ADDRESS_FIELDS: Readonly<Record<string, keyof Envelope>> = {
  from: 'from',
  sender: 'sender',
  'reply-to': 'replyTo',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
};
const TEXT_FIELDS: Readonly<Record<string, keyof Envelope>> = {
  subject: 'subject',
  'message-id': 'messageId',
  'in-reply-to': 'inReplyTo',
};

/** Whether a summary says what is in the field, or only the header itself does. */
export const isSummaryField = (field: string): boolean =>
  Object.hasOwn(ADDRESS_FIELDS, field) || Object.hasOwn(TEXT_FIELDS, field);

function inField(query: HeaderQuery, known: Knowledge): Answer {
  const field = query.field.toLowerCase();
  const text = foldedText(query);
  if (known.fields) return known.fields.get(field)?.some((one) => one.includes(text)) ?? false;
  if (known.head === undefined) return undefined;
  const answer = inSummary(field, text, known.head.envelope);
  return answer === false && known.head.partial ? undefined : answer;
}

/**
 * Addresses are searched as `Name <local@domain>`, whatever quotes and comments they had. Only the
 * first field of a name is in a summary; where there are more, which is no message (RFC 5322 §3.6)
 * and comes all the same, a no of the summary is none: the header decides.
 */
function inSummary(field: string, text: string, envelope: Envelope): Answer {
  if (Object.hasOwn(TEXT_FIELDS, field)) {
    const value = envelope[TEXT_FIELDS[field] as 'subject'];
    return value !== undefined && foldText(decodeWords(value)).includes(text);
  }
  if (!Object.hasOwn(ADDRESS_FIELDS, field)) return undefined;
  const addresses = envelope[ADDRESS_FIELDS[field] as 'from'];
  if (addresses.length === 0) return text === '' ? undefined : false;
  return text === '' || foldText(shownAddresses(addresses)).includes(text);
}

function shownAddresses(addresses: readonly MailAddress[]): string {
  let out = '';
  for (const { name, local, domain } of addresses) {
    if (local === undefined) continue;
    const address = domain ? `${local}@${domain}` : local;
    const shown = name === undefined ? address : `${decodeWords(name)} <${address}>`;
    out += out === '' ? shown : `, ${shown}`;
  }
  return out;
}
