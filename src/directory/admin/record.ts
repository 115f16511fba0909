import type { Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { attributeName } from '../schema.ts';
import type { Field, Listing, Query, Recorded } from './api.ts';

/** Not among the fields: secrets, and what `dn` and `revision` say already. */
const NO_FIELDS: ReadonlySet<string> = new Set([
  'dn',
  'userpassword',
  'mwsecretvalue',
  'mwapppassword',
  'mwtotp',
  'mwrecoverycode',
  'entrycsn',
  'controls',
]);

/** What every record says of its entry: all of it, also what only others know (S2-22). */
export function recorded(entry: Entry): Recorded {
  return { dn: entry.dn, revision: valuesOf(entry, 'entryCSN')[0] ?? '', fields: fields(entry) };
}

function fields(entry: Entry): readonly Field[] {
  return Object.keys(entry)
    .filter((name) => !NO_FIELDS.has(name.toLowerCase()))
    .map((name) => ({ name: attributeName(name), values: valuesOf(entry, name) }))
    .filter(({ values }) => values.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Values of a field of a record, by its name in any case. */
export function fieldOf(record: Recorded, name: string): readonly string[] {
  const lower = name.toLowerCase();
  return record.fields.find((field) => field.name.toLowerCase() === lower)?.values ?? [];
}

/** Records that a query found; its cursor stands before the first (S0-43). */
export class Found<R> implements Listing<R> {
  readonly query: Query;
  readonly items: readonly R[];
  readonly damaged: readonly string[];
  #at = -1;

  constructor(query: Query, items: readonly R[], damaged: readonly string[]) {
    this.query = query;
    this.items = items;
    this.damaged = damaged;
  }

  get count(): number {
    return this.items.length;
  }

  head(): R | undefined {
    this.#at = 0;
    return this.items[0];
  }

  next(): R | undefined {
    if (this.#at < this.items.length) this.#at += 1;
    return this.items[this.#at];
  }

  previous(): R | undefined {
    if (this.#at >= 0) this.#at -= 1;
    return this.items[this.#at];
  }

  [Symbol.iterator](): Iterator<R> {
    return this.items[Symbol.iterator]();
  }
}
