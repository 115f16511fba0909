/** SORT (RFC 5256 §2.2, RFC 5957): a function of what is known of messages, made in turns. */
import { decodeWords } from '../message/encoded-word.ts';
import { parseDate } from '../message/mime/date.ts';
import type { MailAddress } from '../message/mime/types.ts';
import { fold } from './search-fold.ts';
import { baseSubject } from './sort-subject.ts';
import type { HeadSummary } from './summary.ts';
import { inTurns, sortInTurns, type Turns } from './turns.ts';

export const SORT_KEYS = [
  'arrival',
  'cc',
  'date',
  'from',
  'size',
  'subject',
  'to',
  'displayfrom',
  'displayto',
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface SortCriterion {
  readonly key: SortKey;
  readonly order: 'forward' | 'reverse';
}

export interface SortRow {
  readonly uid: number;
  /** INTERNALDATE in milliseconds since 1970. */
  readonly date: number;
  /** In wire form; asked for by `size` alone. */
  readonly octets: number;
  /** Undefined: the message is gone, or no criterion needs it. */
  readonly head: Pick<HeadSummary, 'envelope' | 'references'> | undefined;
}

/** Whether `octets` or `head` of rows are looked at. */
export const sortNeeds = (
  criteria: readonly SortCriterion[],
): { readonly head: boolean; readonly octets: boolean } => ({
  head: criteria.some(({ key }) => key !== 'arrival' && key !== 'size'),
  octets: criteria.some(({ key }) => key === 'size'),
});

/** Rows whose values are made in one turn: decoding a subject takes some microseconds. */
const ROWS_AT_ONCE = 512;

/** UIDs by the criteria, the first first; what they leave open is in order of UIDs. */
export const sortedUids = (
  rows: readonly SortRow[],
  criteria: readonly SortCriterion[],
): Promise<readonly number[]> => inTurns(sorting(rows, criteria));

function* sorting(
  rows: readonly SortRow[],
  criteria: readonly SortCriterion[],
): Turns<readonly number[]> {
  const columns: { values: (number | string)[]; sign: number }[] = [];
  for (const { key, order } of criteria) {
    const values: (number | string)[] = [];
    for (const row of rows) {
      values.push(VALUES[key](row));
      if (values.length % ROWS_AT_ONCE === 0) yield;
    }
    columns.push({ values, sign: order === 'reverse' ? -1 : 1 });
  }
  const order = yield* sortInTurns(
    rows.map((_, index) => index),
    (a, b) => {
      for (const { values, sign } of columns) {
        const [one, other] = [values[a] as number | string, values[b] as number | string];
        if (one !== other) return one < other ? -sign : sign;
      }
      return (rows[a] as SortRow).uid - (rows[b] as SortRow).uid;
    },
  );
  return order.map((index) => (rows[index] as SortRow).uid);
}

/** When it was sent; where nobody says, when it came (RFC 5256 §2.2). */
export const sentDate = (row: SortRow): number =>
  parseDate(row.head?.envelope.date)?.time ?? row.date;

/** What a message is sorted by: numbers and texts that are compared as they are. */
export const sortValue = (key: SortKey, row: SortRow): number | string => VALUES[key](row);

const VALUES: Readonly<Record<SortKey, (row: SortRow) => number | string>> = {
  arrival: (row) => row.date,
  cc: (row) => mailboxOf(row.head?.envelope.cc),
  date: sentDate,
  from: (row) => mailboxOf(row.head?.envelope.from),
  size: (row) => row.octets,
  subject: (row) => fold(baseSubject(row.head?.envelope.subject).text),
  to: (row) => mailboxOf(row.head?.envelope.to),
  displayfrom: (row) => shownOf(row.head?.envelope.from),
  displayto: (row) => shownOf(row.head?.envelope.to),
};

/** The local part of the first. */
const mailboxOf = (addresses: readonly MailAddress[] | undefined): string =>
  fold(addresses?.[0]?.local ?? '');

/** RFC 5957 §3: the name of the first, else its address. */
function shownOf(addresses: readonly MailAddress[] | undefined): string {
  const first = addresses?.[0];
  if (first === undefined) return '';
  const name = first.name === undefined ? '' : decodeWords(first.name).trim();
  if (name !== '') return fold(name);
  return fold(first.domain ? `${first.local ?? ''}@${first.domain}` : (first.local ?? ''));
}
