/**
 * Filters of Email/query (RFC 8621 §4.4.1) as searches in folders (`mailbox/query.ts`). What a
 * search knows nothing of (threads, attachments) is found out first and becomes a set of UIDs.
 */
import type { Query } from '../../mailbox/query.ts';
import type { EmailPlace, FolderView } from '../../mailbox/view.ts';
import { flagsOf, isKeyword } from '../wire/keywords.ts';
import { headerProperty } from '../wire/header.ts';
import { MethodError, type Args } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { invalid, Reader } from './arguments.ts';

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  | { readonly kind: 'in'; readonly mailbox: string }
  | { readonly kind: 'outside'; readonly mailboxes: readonly string[] }
  | { readonly kind: 'thread'; readonly how: 'all' | 'some'; readonly keyword: string }
  | { readonly kind: 'attachment' }
  | { readonly kind: 'query'; readonly query: Query };

/** Operators in operators. */
const DEPTH_MAX = 20;
/** Conditions and operators, and words of texts: each is looked for in each message. */
const NODES_MAX = 500;
/** Each keyword of threads is counted over all messages. */
const THREAD_CONDITIONS_MAX = 10;
const NOTHING: Query = { kind: 'not', of: { kind: 'all' } };
const ALL: Query = { kind: 'all' };

/** @throws MethodError invalidArguments, unsupportedFilter */
export function readFilter(value: unknown): Filter {
  const budget: Budget = { nodes: NODES_MAX, threads: THREAD_CONDITIONS_MAX };
  return readNode(value ?? {}, 0, budget);
}

interface Budget {
  nodes: number;
  threads: number;
}

/** @throws MethodError unsupportedFilter */
function spend(budget: Budget, what: keyof Budget, count: number): void {
  budget[what] -= count;
  if (budget[what] >= 0) return;
  throw new MethodError('unsupportedFilter', 'The filter has too many conditions');
}

function readNode(value: unknown, depth: number, budget: Budget): Filter {
  if (!isRecord(value)) return invalid('filter is an object');
  spend(budget, 'nodes', depth > DEPTH_MAX ? Infinity : 1);
  if (!Object.hasOwn(value, 'operator')) return readCondition(value, budget);
  const reader = new Reader(value);
  const operator = reader.string('operator');
  const conditions = reader.objects('conditions') ?? invalid('An operator has conditions');
  reader.end();
  const of = conditions.map((one) => readNode(one, depth + 1, budget));
  if (operator === 'AND') return { kind: 'and', of };
  if (operator === 'OR') return { kind: 'or', of };
  if (operator === 'NOT') return { kind: 'not', of: { kind: 'or', of } };
  return invalid('operator is AND, OR or NOT');
}

const query = (one: Query): Filter => ({ kind: 'query', query: one });

function readCondition(condition: Args, budget: Budget): Filter {
  const reader = new Reader(condition);
  const of: Filter[] = [];
  for (const name of Object.keys(condition)) {
    const read = Object.hasOwn(CONDITIONS, name) ? CONDITIONS[name] : undefined;
    if (read === undefined) {
      throw new MethodError('unsupportedFilter', `There is no condition ${name.slice(0, 60)}`);
    }
    if (reader.value(name) === undefined) continue;
    const made = read(reader, name);
    if (made.kind === 'and') spend(budget, 'nodes', made.of.length);
    if (asks(made, 'thread')) spend(budget, 'threads', 1);
    of.push(made);
  }
  return of.length === 1 ? (of[0] as Filter) : { kind: 'and', of };
}

type Condition = (reader: Reader, name: string) => Filter;

const text = (reader: Reader, name: string): string => reader.string(name) as string;

function dateOf(reader: Reader, name: string): number {
  const given = text(reader, name);
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(given) ? Date.parse(given) : NaN;
  return Number.isNaN(ms) ? invalid(`${name} is a UTCDate`) : ms;
}

function keywordQuery(reader: Reader, name: string): Query {
  const keyword = text(reader, name);
  if (!isKeyword(keyword)) invalid(`${name} is a keyword`);
  const { letters, keywords } = flagsOf([keyword]);
  const [other] = keywords;
  return other === undefined
    ? { kind: 'letter', letter: letters }
    : { kind: 'keyword', keyword: other };
}

const inThread =
  (how: 'all' | 'some'): Condition =>
  (reader, name) => ({ kind: 'thread', how, keyword: text(reader, name) });

/** §4.4.1: words in any order; what stands in quotes is one. */
const inText =
  (of: (part: string) => Query): Condition =>
  (reader, name) => ({
    kind: 'and',
    of: wordsOf(text(reader, name)).map((part) => query(of(part))),
  });

/** Words and phrases of a text to look for. */
export const wordsOf = (given: string): readonly string[] =>
  Array.from(given.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, phrase, word]) =>
    phrase === undefined ? (word ?? '') : phrase.replace(/\\(.)/g, '$1').trim(),
  ).filter((word) => word !== '');

const field =
  (name: string) =>
  (part: string): Query => ({ kind: 'header', field: name, text: part });

const CONDITIONS: Readonly<Record<string, Condition>> = {
  inMailbox: (reader, name) => ({ kind: 'in', mailbox: text(reader, name) }),
  inMailboxOtherThan: (reader, name) => ({
    kind: 'outside',
    mailboxes: reader.strings(name) ?? [],
  }),
  before: (reader, name) =>
    query({ kind: 'date', which: 'internal', from: -Infinity, before: dateOf(reader, name) }),
  after: (reader, name) =>
    query({ kind: 'date', which: 'internal', from: dateOf(reader, name), before: Infinity }),
  minSize: (reader, name) => query({ kind: 'larger', octets: (reader.count(name) ?? 0) - 1 }),
  maxSize: (reader, name) => query({ kind: 'smaller', octets: reader.count(name) ?? 0 }),
  allInThreadHaveKeyword: inThread('all'),
  someInThreadHaveKeyword: inThread('some'),
  noneInThreadHaveKeyword: (reader, name) => ({
    kind: 'not',
    of: inThread('some')(reader, name),
  }),
  hasKeyword: (reader, name) => query(keywordQuery(reader, name)),
  notKeyword: (reader, name) => query({ kind: 'not', of: keywordQuery(reader, name) }),
  hasAttachment: (reader, name) =>
    reader.boolean(name) ? { kind: 'attachment' } : { kind: 'not', of: { kind: 'attachment' } },
  text: inText((part) => ({ kind: 'text', text: part })),
  from: inText(field('from')),
  to: inText(field('to')),
  cc: inText(field('cc')),
  bcc: inText(field('bcc')),
  subject: inText(field('subject')),
  body: inText((part) => ({ kind: 'body', text: part })),
  header: (reader, name) => {
    const [field_ = '', wanted = '', ...more] = reader.strings(name) ?? [];
    const known = headerProperty(`header:${field_}`);
    if (known === undefined || more.length > 0) invalid('header is the name of a field and a text');
    return query({ kind: 'header', field: known?.name ?? '', text: wanted });
  },
};

/** What of a filter a search does not know. */
export const asks = (filter: Filter, kind: 'thread' | 'attachment'): boolean =>
  filter.kind === kind ||
  (filter.kind === 'not' && asks(filter.of, kind)) ||
  ((filter.kind === 'and' || filter.kind === 'or') && filter.of.some((one) => asks(one, kind)));

/** Whether what it says of a message may change: by keywords, or by others of its thread. */
export const isMutable = (filter: Filter): boolean => {
  if (filter.kind === 'not') return isMutable(filter.of);
  if (filter.kind === 'and' || filter.kind === 'or') return filter.of.some(isMutable);
  return filter.kind === 'thread';
};

/** What was found out of the messages of a folder. */
export interface FoundOut {
  /** UIDs, ascending. */
  thread(how: 'all' | 'some', keyword: string): readonly number[];
  /** Undefined: not yet; then the query lets too many through, and none too few. */
  readonly attachments: readonly number[] | undefined;
}

/** The filter as a search in one folder. */
export function folderQuery(filter: Filter, { id }: FolderView, found: FoundOut): Query {
  const made = (one: Filter, sign: 'as-is' | 'not'): Query => {
    switch (one.kind) {
      case 'and':
      case 'or':
        return combined(
          one.kind,
          one.of.map((part) => made(part, sign)),
        );
      case 'not':
        return opposite(made(one.of, sign === 'not' ? 'as-is' : 'not'));
      case 'in':
        return one.mailbox === id ? ALL : NOTHING;
      case 'outside':
        return one.mailboxes.includes(id) ? NOTHING : ALL;
      case 'thread':
        return uidsQuery(found.thread(one.how, one.keyword));
      case 'attachment':
        if (found.attachments) return uidsQuery(found.attachments);
        return sign === 'not' ? NOTHING : ALL;
      case 'query':
        return one.query;
    }
  };
  return made(filter, 'as-is');
}

export const isNothing = (one: Query): boolean => one.kind === 'not' && one.of.kind === 'all';

const opposite = (one: Query): Query => (one.kind === 'not' ? one.of : { kind: 'not', of: one });

/** Without what is known: most folders fall out of most filters here. */
function combined(kind: 'and' | 'or', parts: readonly Query[]): Query {
  const [neutral, final] = kind === 'and' ? [isAll, isNothing] : [isNothing, isAll];
  const decided = parts.find(final);
  if (decided !== undefined) return decided;
  const of = parts.filter((one) => !neutral(one));
  const [only] = of;
  if (of.length === 0) return kind === 'and' ? ALL : NOTHING;
  return of.length === 1 && only !== undefined ? only : { kind, of };
}

const isAll = (one: Query): boolean => one.kind === 'all';

/** @param uids ascending */
export function uidsQuery(uids: readonly number[]): Query {
  const ranges: [number, number][] = [];
  for (const uid of uids) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === uid) last[1] = uid;
    else ranges.push([uid, uid]);
  }
  return ranges.length === 0 ? NOTHING : { kind: 'uids', ranges };
}

/** Where emails lie, by folder. */
export function byFolder(places: Iterable<EmailPlace>): ReadonlyMap<FolderView, EmailPlace[]> {
  const found = new Map<FolderView, EmailPlace[]>();
  for (const place of places) {
    const list = found.get(place.in);
    if (list) list.push(place);
    else found.set(place.in, [place]);
  }
  return found;
}
