import {
  AndFilter,
  EqualityFilter,
  FilterParser,
  OrFilter,
  SubstringFilter,
  type Entry,
  type Filter,
} from 'ldapts';
import { RE2JS } from 're2js';
import { valuesOf } from '../client/entries.ts';
import type { Query } from './api.ts';
import { AdminError } from './error.ts';
import { printable } from './names.ts';

const PATTERN_MAX = 1_000;
const FILTER_MAX = 4_000;
const FILTER_DEPTH_MAX = 20;

export interface CompiledQuery {
  /** Asked of the directory. */
  readonly filter: Filter | undefined;
  /** Asked of what it gave. */
  readonly matches: (entry: Entry) => boolean;
  readonly limit: number;
}

/**
 * A query as a filter for the directory and a test for this process.
 * @param fields our names of fields, each with the attributes it stands for
 * @throws AdminError invalid
 */
export function compileQuery(
  query: Query,
  fields: Readonly<Record<string, readonly string[]>>,
): CompiledQuery {
  const filter = query.filter === undefined ? undefined : checkedFilter(query.filter);
  const limit = query.limit ?? 0;
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new AdminError('invalid', 'A limit is a whole number');
  }
  const attributes = attributesOf(query.field ?? 'name', fields);
  if (query.regex === undefined) return { filter, matches: () => true, limit };
  const expression = checkedExpression(query.regex);
  const matches = (entry: Entry): boolean =>
    attributes.some((name) =>
      valuesOf(entry, name).some((value) => expression.matcher(value).find()),
    );
  return { filter, matches, limit };
}

function attributesOf(
  field: string,
  fields: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const lower = field.toLowerCase();
  const known = Object.keys(fields).find((name) => name.toLowerCase() === lower);
  if (known !== undefined) return fields[known] ?? [];
  if (lower === 'userpassword') {
    throw new AdminError('invalid', 'Passwords are not searched');
  }
  if (/^[A-Za-z][A-Za-z0-9;-]{0,63}$/.test(field)) return [field];
  throw new AdminError('invalid', `"${printable(field)}" is not the name of a field`);
}

/** An RE2 expression, whose time is linear whatever it says. @throws AdminError invalid */
export function checkedExpression(text: string, what = 'expression'): RE2JS {
  const bad = (why: string): AdminError =>
    new AdminError('invalid', `The ${what} "${printable(text)}" cannot be used: ${why}`);
  if (text.length > PATTERN_MAX) throw bad(`it is longer than ${PATTERN_MAX} characters`);
  try {
    return RE2JS.compile(text, RE2JS.CASE_INSENSITIVE);
  } catch (error) {
    throw bad(error instanceof Error ? error.message.replace(/\.$/, '') : String(error));
  }
}

/** A filter of RFC 4515; what is wrong is told with its position. @throws AdminError invalid */
export function checkedFilter(text: string): Filter {
  const problem = filterProblem(text);
  const bad = (why: string): AdminError =>
    new AdminError('invalid', `The filter "${printable(text)}" cannot be used: ${why}`);
  if (problem) throw bad(`${problem.why} at character ${problem.at + 1}`);
  try {
    return FilterParser.parseString(text);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
}

interface Problem {
  readonly at: number;
  readonly why: string;
}

/** RFC 4515 §3, read once for what is wrong and where: the library does not say where. */
export function filterProblem(text: string): Problem | undefined {
  if (text.length > FILTER_MAX) return { at: FILTER_MAX, why: 'it is too long' };
  try {
    const end = readFilter(text, 0, 0);
    return end < text.length ? { at: end, why: 'something follows its end' } : undefined;
  } catch (error) {
    if (error instanceof FilterFault) return { at: error.at, why: error.message };
    throw error;
  }
}

class FilterFault extends Error {
  readonly at: number;
  constructor(at: number, why: string) {
    super(why);
    this.at = at;
  }
}

/** @returns the place behind the filter that begins at `at` */
function readFilter(text: string, at: number, depth: number): number {
  if (text[at] !== '(') throw new FilterFault(at, '"(" is missing');
  if (depth > FILTER_DEPTH_MAX) throw new FilterFault(at, 'it is nested too deep');
  const kind = text[at + 1] ?? '';
  if (!'&|!'.includes(kind) || kind === '') return readItem(text, at + 1);
  let next = at + 2;
  let parts = 0;
  while (text[next] === '(') {
    next = readFilter(text, next, depth + 1);
    parts += 1;
  }
  if (parts === 0) throw new FilterFault(next, `nothing stands behind "${kind}"`);
  if (kind === '!' && parts > 1) throw new FilterFault(next, '"!" takes one filter');
  return closed(text, next);
}

const ITEM = /[A-Za-z0-9.;-]+(?::dn)?(?::[A-Za-z0-9.-]+)?(?:=|>=|<=|~=|:=)/y;
const VALUE = /(?:[^()\\\0]|\\[0-9A-Fa-f]{2})*/y;

function readItem(text: string, at: number): number {
  ITEM.lastIndex = at;
  if (!ITEM.test(text)) throw new FilterFault(at, 'ATTRIBUTE=VALUE is missing');
  VALUE.lastIndex = ITEM.lastIndex;
  VALUE.test(text);
  const end = VALUE.lastIndex;
  if (text[end] === '\\') throw new FilterFault(end, 'a backslash has no two hex digits');
  return closed(text, end);
}

function closed(text: string, at: number): number {
  if (text[at] === ')') return at + 1;
  throw new FilterFault(at, at >= text.length ? '")" is missing' : 'a "(" or NUL is not escaped');
}

/** Entries where one of the attributes has one of the values. Values are never read as a filter. */
export function anyOf(attributes: readonly string[], values: readonly string[]): Filter {
  return new OrFilter({
    filters: attributes.flatMap((attribute) =>
      values.map((value) => new EqualityFilter({ attribute, value })),
    ),
  });
}

/** Entries where one of the attributes ends with one of the texts. */
export function anyEnding(attributes: readonly string[], endings: readonly string[]): Filter {
  return new OrFilter({
    filters: attributes.flatMap((attribute) =>
      endings.map((final) => new SubstringFilter({ attribute, final })),
    ),
  });
}

export const allOf = (...filters: readonly Filter[]): Filter =>
  new AndFilter({ filters: [...filters] });
