import type { Query } from '../../mailbox/query.ts';
import type { Args } from './args.ts';
import { letterOf } from './flags.ts';

/** What search keys mean depends on. */
export interface SearchContext {
  /** UIDs that a set names, as ranges; `$` is what a SEARCH saved. @throws SyntaxFault */
  readonly uidsOf: (set: string, by: 'sequence' | 'uid') => readonly UidRange[];
  /** \Recent in this session, as ranges. */
  readonly recent: () => readonly UidRange[];
  /** Octets of a string, one per character, as Unicode. @throws SyntaxFault */
  readonly decode: (octets: string) => string;
  /** Milliseconds since 1970. */
  readonly now: number;
}
export type UidRange = readonly [from: number, to: number];

export interface SearchKeys {
  readonly query: Query;
  /** MODSEQ was asked for: the answer says the highest (RFC 7162 §3.1.5). */
  readonly modseq: 'asked' | 'not-asked';
}

/** Levels of brackets, NOT and OR: programs write long chains of OR. */
const DEPTH_MAX = 250;
/** Keys of one search: each is looked at for every message. */
const KEYS_MAX = 1_000;
const DAY_MS = 86_400_000;

/** Search keys to the end of the command (RFC 9051 §6.4.4, RFC 5032 §3, RFC 7162 §3.1.5). */
export function readSearchKeys(args: Args, context: SearchContext): SearchKeys {
  const reader = new KeyReader(args, context);
  const query = reader.keys();
  args.end();
  return { query, modseq: reader.modseq };
}

const letter = (name: string): Query => ({ kind: 'letter', letter: name });
const not = (of: Query): Query => ({ kind: 'not', of });
const all = (of: readonly Query[]): Query =>
  of.length === 1 ? (of[0] as Query) : { kind: 'and', of };

/** Keys without an argument. */
const SIMPLE: ReadonlyMap<string, Query> = new Map([
  ['ALL', { kind: 'all' } as const],
  ...(
    [
      ['ANSWERED', 'R'],
      ['DELETED', 'T'],
      ['DRAFT', 'D'],
      ['FLAGGED', 'F'],
      ['SEEN', 'S'],
    ] as const
  ).flatMap(([name, is]): [string, Query][] => [
    [name, letter(is)],
    [`UN${name}`, not(letter(is))],
  ]),
]);

const FIELDS: ReadonlySet<string> = new Set(['BCC', 'CC', 'FROM', 'SUBJECT', 'TO']);
const SET = /^[\d*$]/;

class KeyReader {
  readonly #args: Args;
  readonly #context: SearchContext;
  #depth = 0;
  #keys = 0;
  modseq: SearchKeys['modseq'] = 'not-asked';

  constructor(args: Args, context: SearchContext) {
    this.#args = args;
    this.#context = context;
  }

  /** One or more, all of which are to match. */
  keys(): Query {
    const keys = [this.#key()];
    while (this.#args.takes(' ')) keys.push(this.#key());
    return all(keys);
  }

  #key(): Query {
    const args = this.#args;
    this.#depth += 1;
    this.#keys += 1;
    if (this.#keys > KEYS_MAX) args.fail(`A search has at most ${KEYS_MAX} keys`);
    if (this.#depth > DEPTH_MAX) args.fail('Search keys are nested too deep');
    const query = this.#one();
    this.#depth -= 1;
    return query;
  }

  #one(): Query {
    const args = this.#args;
    const next = args.peek();
    if (next === '(') {
      args.expect('(');
      const query = this.keys();
      args.expect(')');
      return query;
    }
    if (SET.test(next)) return this.#uids(args.sequenceText(), 'sequence');
    const name = args.word();
    return SIMPLE.get(name) ?? this.#recent(name) ?? this.#withArgument(name);
  }

  #uids(set: string, by: 'sequence' | 'uid'): Query {
    return { kind: 'uids', ranges: this.#context.uidsOf(set, by) };
  }

  /** RFC 3501 §6.4.4; IMAP4rev2 has none of these. */
  #recent(name: string): Query | undefined {
    if (name !== 'RECENT' && name !== 'NEW' && name !== 'OLD') return undefined;
    const recent: Query = { kind: 'uids', ranges: this.#context.recent() };
    if (name === 'OLD') return not(recent);
    return name === 'NEW' ? all([recent, not(letter('S'))]) : recent;
  }

  #withArgument(name: string): Query {
    const args = this.#args;
    args.space();
    if (FIELDS.has(name)) return { kind: 'header', field: name.toLowerCase(), text: this.#text() };
    switch (name) {
      case 'NOT':
        return not(this.#key());
      case 'OR':
        return this.#or();
      case 'UID':
        return this.#uids(args.sequenceText(), 'uid');
      case 'BODY':
        return { kind: 'body', text: this.#text() };
      case 'TEXT':
        return { kind: 'text', text: this.#text() };
      case 'HEADER':
        return this.#header();
      case 'KEYWORD':
        return keyword(args.flag());
      case 'UNKEYWORD':
        return not(keyword(args.flag()));
      case 'LARGER':
        return { kind: 'larger', octets: args.number64() };
      case 'SMALLER':
        return { kind: 'smaller', octets: args.number64() };
      case 'MODSEQ':
        return this.#modseq();
      default:
        return this.#time(name);
    }
  }

  #text(): string {
    return this.#context.decode(this.#args.astring());
  }

  /** A chain of OR is one, so that it costs no depth where the query is looked at. */
  #or(): Query {
    const first = this.#key();
    this.#args.space();
    const second = this.#key();
    const rest = second.kind === 'or' ? second.of : [second];
    return { kind: 'or', of: [first, ...rest] };
  }

  #header(): Query {
    const field = this.#args.astring().toLowerCase();
    if (field === '') this.#args.fail('A field name is missing');
    this.#args.space();
    return { kind: 'header', field, text: this.#text() };
  }

  /** An entry's name and type may stand before the number; all of ours share one (RFC 7162 §7). */
  #modseq(): Query {
    const args = this.#args;
    this.modseq = 'asked';
    if (args.peek() === '"') {
      args.string();
      args.space();
      if (!['ALL', 'PRIV', 'SHARED'].includes(args.word())) args.fail('A type of entry is missing');
      args.space();
    }
    return { kind: 'modseq', min: args.number64() };
  }

  #time(name: string): Query {
    const args = this.#args;
    if (name === 'OLDER' || name === 'YOUNGER') {
      const edge = this.#context.now - args.nzNumber() * 1000;
      // Both have their edge in (RFC 5032 §2).
      return name === 'OLDER' ? span('internal', -Infinity, edge + 1) : span('internal', edge);
    }
    const which = name.startsWith('SENT') ? 'sent' : 'internal';
    switch (which === 'sent' ? name.slice('SENT'.length) : name) {
      case 'BEFORE':
        return span(which, -Infinity, args.date());
      case 'ON': {
        const day = args.date();
        return span(which, day, day + DAY_MS);
      }
      case 'SINCE':
        return span(which, args.date());
      default:
        return args.fail('A search key is not known');
    }
  }
}

const span = (which: 'internal' | 'sent', from: number, before = Infinity): Query => ({
  kind: 'date',
  which,
  from,
  before,
});

/** `$Forwarded` is a letter too, whoever set it. */
function keyword(flag: string): Query {
  const is = letterOf(flag);
  const named: Query = { kind: 'keyword', keyword: flag };
  return is === undefined ? named : { kind: 'or', of: [letter(is), named] };
}
