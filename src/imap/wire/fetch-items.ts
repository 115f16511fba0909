import type { Args } from './args.ts';
import {
  readPartial,
  readPartNumbers,
  readSection,
  type Partial,
  type Section,
} from './body-section.ts';

/** Items that have no argument and no part. */
export type PlainItem =
  | 'FLAGS'
  | 'UID'
  | 'INTERNALDATE'
  | 'RFC822.SIZE'
  | 'ENVELOPE'
  | 'BODY'
  | 'BODYSTRUCTURE'
  | 'MODSEQ'
  | 'PREVIEW';

export type FetchItem =
  | { readonly kind: 'plain'; readonly name: PlainItem }
  | {
      readonly kind: 'section';
      readonly section: Section;
      readonly partial: Partial | undefined;
      /** As the answer names it: `BODY[TEXT]<0>`, `RFC822.HEADER`. */
      readonly label: string;
      readonly seen: 'sets' | 'leaves';
    }
  | {
      readonly kind: 'binary';
      readonly part: readonly number[];
      readonly partial: Partial | undefined;
      readonly label: string;
      readonly seen: 'sets' | 'leaves';
    }
  | { readonly kind: 'binary-size'; readonly part: readonly number[]; readonly label: string };

export interface FetchRequest {
  readonly items: readonly FetchItem[];
  readonly changedSince: number | undefined;
  /** Expunged UIDs are told too (RFC 7162 §3.2.6). */
  readonly vanished: 'told' | 'not-told';
}

const PLAIN: ReadonlySet<string> = new Set<PlainItem>([
  'FLAGS',
  'UID',
  'INTERNALDATE',
  'RFC822.SIZE',
  'ENVELOPE',
  'BODY',
  'BODYSTRUCTURE',
  'MODSEQ',
  'PREVIEW',
]);

/** Items of one FETCH: each may cost a look into every message. */
const ITEMS_MAX = 1_000;

const FAST = ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'] as const;
const MACROS: ReadonlyMap<string, readonly PlainItem[]> = new Map<string, readonly PlainItem[]>([
  ['FAST', FAST],
  ['ALL', [...FAST, 'ENVELOPE']],
  ['FULL', [...FAST, 'ENVELOPE', 'BODY']],
]);

const plain = (name: PlainItem): FetchItem => ({ kind: 'plain', name });
const NO_FIELDS: ReadonlySet<string> = new Set();

/** RFC822 and its kin, of IMAP4rev1 (RFC 3501 §6.4.5). */
const OLD: ReadonlyMap<string, FetchItem> = new Map([
  ['RFC822', old('RFC822', 'all', 'sets')],
  ['RFC822.HEADER', old('RFC822.HEADER', 'header', 'leaves')],
  ['RFC822.TEXT', old('RFC822.TEXT', 'text', 'sets')],
]);

function old(label: string, text: Section['text'], seen: 'sets' | 'leaves'): FetchItem {
  const section = { part: [], text, fields: NO_FIELDS, label: '' };
  return { kind: 'section', section, partial: undefined, label, seen };
}

/** The arguments of FETCH after the set (RFC 9051 §6.4.5, RFC 7162 §3.1.4), to the end. */
export function readFetch(args: Args): FetchRequest {
  const items = args.peek() === '(' ? readItems(args) : readAlone(args);
  const modifiers = args.takes(' ') ? readModifiers(args) : NO_MODIFIERS;
  args.end();
  return { items, ...modifiers };
}

/** `(item …)`. */
export function readItems(args: Args): readonly FetchItem[] {
  const items = args.list(() => readItem(args, args.atom()));
  if (items.length === 0) args.fail('An item to fetch is missing');
  if (items.length > ITEMS_MAX) args.fail(`A FETCH names at most ${ITEMS_MAX} items`);
  return items.length === 1 ? items : distinct(items);
}

/** An item named twice is answered once; \Seen is set if one of the two sets it. */
function distinct(items: readonly FetchItem[]): readonly FetchItem[] {
  const known = new Map<string, FetchItem>();
  for (const item of items) {
    const name = item.kind === 'plain' ? item.name : `${item.label} ${countOf(item)}`;
    if (!known.has(name) || ('seen' in item && item.seen === 'sets')) known.set(name, item);
  }
  return [...known.values()];
}

const countOf = (item: FetchItem): number =>
  item.kind === 'section' || item.kind === 'binary' ? (item.partial?.count ?? 0) : 0;

function readAlone(args: Args): readonly FetchItem[] {
  const atom = args.atom();
  const macro = MACROS.get(atom.toUpperCase());
  return macro === undefined ? [readItem(args, atom)] : macro.map(plain);
}

function readItem(args: Args, atom: string): FetchItem {
  const bracket = atom.indexOf('[');
  if (bracket >= 0) return readPartItem(args, atom, bracket);
  const name = atom.toUpperCase();
  if (name === 'PREVIEW' && args.takes(' (')) {
    // We have a preview or make one; LAZY asks for no more than that (RFC 8970 §4.2).
    if (args.word() !== 'LAZY') args.fail('PREVIEW has one modifier, LAZY');
    args.expect(')');
  }
  if (PLAIN.has(name)) return plain(name as PlainItem);
  return OLD.get(name) ?? args.fail('An item to fetch is not known');
}

function readPartItem(args: Args, atom: string, bracket: number): FetchItem {
  const name = atom.slice(0, bracket).toUpperCase();
  const inside = atom.slice(bracket + 1);
  const seen = name.endsWith('.PEEK') ? 'leaves' : 'sets';
  if (name === 'BODY' || name === 'BODY.PEEK') {
    const section = readSection(args, inside);
    const partial = readPartial(args);
    return {
      kind: 'section',
      section,
      partial,
      label: `BODY[${section.label}]${at(partial)}`,
      seen,
    };
  }
  if (name === 'BINARY.SIZE') {
    const part = readPartNumbers(args, inside);
    return { kind: 'binary-size', part, label: `BINARY.SIZE[${part.join('.')}]` };
  }
  if (name !== 'BINARY' && name !== 'BINARY.PEEK') args.fail('An item to fetch is not known');
  const part = readPartNumbers(args, inside);
  const partial = readPartial(args);
  return { kind: 'binary', part, partial, label: `BINARY[${part.join('.')}]${at(partial)}`, seen };
}

const at = (partial: Partial | undefined): string =>
  partial === undefined ? '' : `<${partial.offset}>`;

const NO_MODIFIERS = { changedSince: undefined, vanished: 'not-told' } as const;

/** `(CHANGEDSINCE n [VANISHED])` (RFC 7162 §3.1.4.1, §3.2.6). */
function readModifiers(args: Args): Omit<FetchRequest, 'items'> {
  const given = args.list(() => {
    const word = args.word();
    if (word === 'VANISHED') return word;
    if (word !== 'CHANGEDSINCE') args.fail('A modifier of FETCH is not known');
    args.space();
    return args.number64();
  });
  const changedSince = given.find((modifier) => modifier !== 'VANISHED');
  const vanished = given.includes('VANISHED') ? 'told' : 'not-told';
  if (vanished === 'told' && changedSince === undefined) args.fail('VANISHED needs CHANGEDSINCE');
  return { changedSince, vanished };
}
