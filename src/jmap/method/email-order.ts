/**
 * Emails in an order (RFC 8621 §4.4.2). By time of arrival, which nearly every list is, names of
 * files say all there is to know, and the order of a folder is kept up to date (`lists/`): the
 * first 50 of 100,000 cost no more than the 50. All else needs heads of messages.
 *
 * Each order is one on every node: what the criteria leave open is decided by arrival, then by
 * folder and UID.
 */
import type { HeadSummary } from '../../mailbox/summary.ts';
import { sortValue, type SortKey, type SortRow } from '../../mailbox/sort.ts';
import type { EmailPlace, FolderView } from '../../mailbox/view.ts';
import { hasKeyword, isKeyword, keywordName } from '../wire/keywords.ts';
import { MethodError, type Args } from '../types.ts';
import { checkCollation, invalid, Reader } from './arguments.ts';
import { arrivedIn, type Arrived } from '../lists/arrivals.ts';
import { orGone, summariesOf } from './email-read.ts';

/** RFC 8621 §4.4.2; `keyword` and the thread ones have a keyword. */
export interface Criterion {
  readonly by: SortKey | 'keyword' | 'all-in-thread' | 'some-in-thread';
  readonly keyword: string;
  readonly sign: 1 | -1;
}

const PROPERTIES: Readonly<Record<string, Criterion['by']>> = {
  receivedAt: 'arrival',
  sentAt: 'date',
  size: 'size',
  from: 'displayfrom',
  to: 'displayto',
  subject: 'subject',
  hasKeyword: 'keyword',
  allInThreadHaveKeyword: 'all-in-thread',
  someInThreadHaveKeyword: 'some-in-thread',
};
export const SORT_PROPERTIES: readonly string[] = Object.keys(PROPERTIES);
const CRITERIA_MAX = 10;
const NEWEST_FIRST: readonly Criterion[] = [{ by: 'arrival', keyword: '', sign: -1 }];

/** @throws MethodError invalidArguments, unsupportedSort */
export function readSort(comparators: readonly Args[] | undefined): readonly Criterion[] {
  if (comparators === undefined || comparators.length === 0) return NEWEST_FIRST;
  if (comparators.length > CRITERIA_MAX) {
    throw new MethodError('unsupportedSort', `At most ${CRITERIA_MAX} properties are sorted by`);
  }
  return comparators.map((one) => {
    const reader = new Reader(one);
    const property = reader.string('property') ?? invalid('A comparator has a property');
    const by = Object.hasOwn(PROPERTIES, property) ? PROPERTIES[property] : undefined;
    if (by === undefined) {
      throw new MethodError('unsupportedSort', `Nothing is sorted by ${property.slice(0, 60)}`);
    }
    const ascending = (reader.value('isAscending') ?? true) === true;
    checkCollation(reader); // Whichever: all is compared by i;unicode-casemap or near to it.
    const keyword = reader.string('keyword') ?? '';
    const wants = by === 'keyword' || by === 'all-in-thread' || by === 'some-in-thread';
    if (wants && !isKeyword(keyword)) invalid(`${property} needs a keyword`);
    reader.end();
    return { by, keyword: keywordName(keyword), sign: ascending ? 1 : -1 };
  });
}

/** Whether the order of two emails that stay as they are may change with others, or by keywords. */
export const dependsOnThreads = (criteria: readonly Criterion[]): boolean =>
  criteria.some(({ by }) => by === 'all-in-thread' || by === 'some-in-thread');

/** What a sort needs to know of threads. */
export interface ThreadKnowledge {
  has(place: EmailPlace, how: 'all' | 'some', keyword: string): boolean;
}

/** Emails in order; never changes. */
export interface Line {
  readonly length: number;
  slice(from: number, to: number): readonly EmailPlace[];
  /** -1: it is not there. */
  indexOf(place: EmailPlace): number;
  /** Where it is all of a folder, the newest first. */
  readonly newestOf: FolderView | undefined;
  /** The same object for the same line of one state, where that was kept. */
  readonly key: object;
}

/**
 * The places in order.
 *
 * @param keep Which messages of a folder are in it; undefined: all
 * @throws StoreError
 */
export async function ordered(
  folders: readonly (readonly [FolderView, ReadonlySet<number> | undefined])[],
  criteria: readonly Criterion[],
  threads: ThreadKnowledge | undefined,
): Promise<Line> {
  const [first] = criteria;
  const [only, ...others] = folders;
  if (first?.by === 'arrival' && criteria.length === 1 && only && others.length === 0) {
    return await byArrival(only, first.sign);
  }
  const rows: Row[] = [];
  for (const [view, keep] of folders) {
    const arrived = await arrivedIn(view);
    for (const message of view.state.messages) {
      if (keep?.has(message.uid) ?? true) {
        rows.push({ place: { in: view, message }, date: arrived.date(message) });
      }
    }
  }
  return lineOf((await sorted(rows, criteria, threads)).map(({ place }) => place));
}

async function byArrival(
  [view, keep]: readonly [FolderView, ReadonlySet<number> | undefined],
  sign: 1 | -1,
): Promise<Line> {
  const arrived = await arrivedIn(view);
  if (keep === undefined && sign < 0) return wholeFolder(view, arrived);
  const messages =
    keep === undefined
      ? arrived.newestFirst
      : arrived.newestFirst.filter(({ uid }) => keep.has(uid));
  const places = messages.map((message) => ({ in: view, message }));
  return lineOf(sign < 0 ? places : places.reverse());
}

const wholeFolder = (view: FolderView, { newestFirst, indexOf }: Arrived): Line => ({
  length: newestFirst.length,
  slice: (from, to) => newestFirst.slice(from, to).map((message) => ({ in: view, message })),
  indexOf: (place) => (place.in.id === view.id ? indexOf(place.message) : -1),
  newestOf: view,
  key: newestFirst,
});

export function lineOf(places: readonly EmailPlace[]): Line {
  let found: ReadonlyMap<EmailPlace['message'], number> | undefined;
  return {
    length: places.length,
    slice: (from, to) => places.slice(from, to),
    indexOf: ({ message }) => {
      found ??= new Map(places.map((place, at) => [place.message, at]));
      return found.get(message) ?? -1;
    },
    newestOf: undefined,
    key: places,
  };
}

interface Row {
  readonly place: EmailPlace;
  readonly date: number;
}

async function sorted(
  rows: readonly Row[],
  criteria: readonly Criterion[],
  threads: ThreadKnowledge | undefined,
): Promise<readonly Row[]> {
  const needsHead = criteria.some(({ by }) => HEAD_KEYS.has(by));
  const heads = await summariesOf(
    rows.map(({ place }) => place),
    needsHead ? 'head' : 'nothing',
  );
  const octets = criteria.some(({ by }) => by === 'size') ? await sizesOf(rows) : undefined;
  const columns = criteria.map(({ by, keyword, sign }) => ({
    sign,
    values: rows.map(({ place, date }): number | string => {
      if (by === 'keyword') return Number(hasKeyword(place.message, keyword));
      if (by === 'all-in-thread') return Number(threads?.has(place, 'all', keyword));
      if (by === 'some-in-thread') return Number(threads?.has(place, 'some', keyword));
      return sortValue(by, rowOf({ place, date }, heads, octets));
    }),
  }));
  // What is open is decided by arrival in the direction of the first criterion by time.
  const newest = criteria.find(({ by }) => by === 'arrival' || by === 'date')?.sign ?? -1;
  const order = rows.map((_, at) => at);
  order.sort((a, b) => {
    for (const { values, sign } of columns) {
      const [one, other] = [values[a] as number | string, values[b] as number | string];
      if (one !== other) return one < other ? -sign : sign;
    }
    const [one, other] = [rows[a] as Row, rows[b] as Row];
    return newest * (one.date - other.date || compared(one.place, other.place));
  });
  return order.map((at) => rows[at] as Row);
}

const compared = (one: EmailPlace, other: EmailPlace): number => {
  if (one.in === other.in) return one.message.uid - other.message.uid;
  return one.in.id < other.in.id ? -1 : 1;
};

const HEAD_KEYS: ReadonlySet<Criterion['by']> = new Set([
  'date',
  'displayfrom',
  'displayto',
  'subject',
]);

const rowOf = (
  { place, date }: Row,
  heads: ReadonlyMap<EmailPlace, HeadSummary>,
  octets: ReadonlyMap<EmailPlace, number> | undefined,
): SortRow => ({
  uid: place.message.uid,
  date,
  octets: octets?.get(place) ?? 0,
  head: heads.get(place),
});

async function sizesOf(rows: readonly Row[]): Promise<ReadonlyMap<EmailPlace, number>> {
  const found = new Map<EmailPlace, number>();
  for (const { place } of rows) {
    const octets = place.in.folder.octets(place.message);
    const known = typeof octets === 'number' ? octets : await orGone(async () => octets);
    found.set(place, known ?? 0);
  }
  return found;
}
