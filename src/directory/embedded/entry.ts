import { attributeName, comparable, OPERATIONAL } from '../schema.ts';

/**
 * Stands for the entry itself where rights are asked: that it is there (slapd.access(5)). No
 * attribute that somebody can send has such a name.
 */
export const ATTRIBUTE_ENTRY = '@entry';

/** Attribute names in lower case to values, which are UTF-8 text. */
export type Attributes = Readonly<Record<string, readonly string[]>>;

/**
 * One entry. Immutable: a change makes a new one, so that a search that is being sent, the
 * journal and the index can all hold the entry they were given.
 */
export class Entry {
  readonly dn: string;
  readonly key: string;
  /** Key of the parent; empty above the suffix. */
  readonly parent: string;
  readonly attributes: Attributes;

  constructor(init: { dn: string; key: string; parent: string; attributes: Attributes }) {
    this.dn = init.dn;
    this.key = init.key;
    this.parent = init.parent;
    this.attributes = init.attributes;
  }

  /** Values of an attribute, by its name in lower case. */
  get(attribute: string): readonly string[] {
    return Object.hasOwn(this.attributes, attribute) ? (this.attributes[attribute] ?? []) : [];
  }

  has(attribute: string, value: string): boolean {
    const wanted = comparable(attribute, value);
    return this.get(attribute).some((stored) => comparable(attribute, stored) === wanted);
  }

  isA(objectClass: string): boolean {
    return this.has('objectclass', objectClass);
  }

  /** The same entry with other attributes. */
  with(attributes: Attributes): Entry {
    return new Entry({ dn: this.dn, key: this.key, parent: this.parent, attributes });
  }
}

/** Spelling of names that have no row in our schema, as they were first written. */
const spellings = new Map<string, string>();
const SPELLINGS_MAX = 10_000;

/** Remembers how somebody wrote a name, so that it is printed so. */
export function rememberSpelling(name: string): string {
  const lower = name.toLowerCase();
  if (name !== lower && !spellings.has(lower) && spellings.size < SPELLINGS_MAX) {
    spellings.set(lower, name);
  }
  return lower;
}

/** A name as it is printed. */
export function printedName(lower: string): string {
  const known = attributeName(lower);
  return known === lower ? (spellings.get(lower) ?? lower) : known;
}

/** Which attributes a search asked for (RFC 4511 §4.5.1.8, RFC 3673). */
export interface Selection {
  readonly user: 'all' | 'named';
  readonly operational: 'all' | 'named';
  readonly names: ReadonlySet<string>;
}

export function selection(requested: readonly string[]): Selection {
  const names = new Set(requested.map((name) => name.toLowerCase()));
  if (names.delete('1.1') && names.size === 0) {
    return { user: 'named', operational: 'named', names };
  }
  return {
    user: names.size === 0 || names.has('*') ? 'all' : 'named',
    operational: names.has('+') ? 'all' : 'named',
    names,
  };
}

export const selects = (wanted: Selection, lower: string): boolean =>
  wanted.names.has(lower) || (OPERATIONAL.has(lower) ? wanted.operational : wanted.user) === 'all';
