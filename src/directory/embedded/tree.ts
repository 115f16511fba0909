import { ChangeOrder } from './changes.ts';
import type { Entry } from './entry.ts';
import type { Filter } from './filter.ts';
import { ATTRIBUTES, comparable, type AttributeRow } from '../schema.ts';
import type { Scope } from './request.ts';

/** Attributes with an index; every look-up that a front end makes uses one. */
const INDEXED: readonly (readonly [name: string, kinds: string])[] = Object.entries(ATTRIBUTES)
  .map(([name, row]: [string, AttributeRow]) => [name.toLowerCase(), row.index ?? ''] as const)
  .filter(([name, kinds]) => kinds !== '' && name !== 'entrycsn');
const PRESENCE: ReadonlySet<string> = new Set(
  INDEXED.filter(([, kinds]) => kinds.includes('pres')).map(([name]) => name),
);

type Holders = Set<Entry>;

/**
 * All entries in memory, found by DN, by parent and by the indexed attributes, so that one of
 * 200,000 users is found in microseconds. Knows no schema, no rights and no disk.
 */
export class Tree {
  readonly #byKey = new Map<string, Entry>();
  readonly #children = new Map<string, Set<Entry>>();
  readonly #index = new Map<string, Map<string, Entry | Holders>>(
    INDEXED.map(([name]) => [name, new Map()]),
  );

  readonly #changes = new ChangeOrder((entry) => this.#byKey.get(entry.key) === entry);

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  /** All entries, each after the one above it. */
  *topDown(): Generator<Entry> {
    const open = [...this.#children.keys()]
      .filter((parent) => !this.#byKey.has(parent))
      .flatMap((parent) => [...(this.#children.get(parent) ?? [])]);
    for (const root of open) yield* this.#below(root);
  }

  hasChildren(key: string): boolean {
    return (this.#children.get(key)?.size ?? 0) > 0;
  }

  /** Adds an entry, or replaces the one with its DN. */
  put(entry: Entry): void {
    this.delete(entry.key);
    this.#byKey.set(entry.key, entry);
    this.#changes.add(entry, this.#byKey.size);
    const siblings = this.#children.get(entry.parent) ?? new Set();
    this.#children.set(entry.parent, siblings.add(entry));
    for (const [name, index] of this.#index) {
      for (const value of entry.get(name)) addTo(index, comparable(name, value), entry);
    }
  }

  delete(key: string): void {
    const entry = this.#byKey.get(key);
    if (!entry) return;
    this.#byKey.delete(key);
    const siblings = this.#children.get(entry.parent);
    siblings?.delete(entry);
    if (siblings?.size === 0) this.#children.delete(entry.parent);
    for (const [name, index] of this.#index) {
      for (const value of entry.get(name)) removeFrom(index, comparable(name, value), entry);
    }
  }

  /** Entries with this value of an indexed attribute. */
  with(attribute: string, value: string): readonly Entry[] {
    const found = this.#index.get(attribute)?.get(comparable(attribute, value));
    return found === undefined ? [] : found instanceof Set ? [...found] : [found];
  }

  /**
   * Entries that may match: by an index where the filter allows it, else the whole scope.
   * The caller still applies scope and filter. What is changed while a search is being sent
   * does not come twice: sets are copied before they are walked.
   */
  *candidates(filter: Filter, base: Entry, scope: Scope): Generator<Entry> {
    // Most people see nothing but their own entry: no filter of theirs costs more than that.
    const alone = scope === 'base' || !this.hasChildren(base.key);
    const indexed = alone ? undefined : this.#indexed(filter, { left: this.size });
    if (alone) yield base;
    else if (indexed) yield* Array.from(indexed.entries);
    else if (scope === 'one') yield* Array.from(this.#children.get(base.key) ?? []);
    else yield* this.#below(base);
  }

  *#below(base: Entry): Generator<Entry> {
    const open = [base];
    for (let entry = open.pop(); entry; entry = open.pop()) {
      yield entry;
      for (const child of this.#children.get(entry.key) ?? []) open.push(child);
    }
  }

  /**
   * Candidates by index with their number, or undefined where no index helps.
   * @param budget entries that may be looked at meanwhile: then the whole scope costs less
   */
  #indexed(
    filter: Filter,
    budget: { left: number },
  ): { size: number; entries: Iterable<Entry> } | undefined {
    if (filter.kind === 'equal') {
      const index = this.#index.get(filter.attribute);
      if (!index) return undefined;
      const found = index.get(filter.value);
      if (found instanceof Set) return { size: found.size, entries: found };
      return found ? { size: 1, entries: [found] } : { size: 0, entries: [] };
    }
    if (budget.left <= 0) return undefined;
    if (filter.kind === 'at-least' && filter.attribute === 'entrycsn') {
      const entries = this.#changes.since(filter.value);
      budget.left -= entries.length;
      return { size: entries.length, entries };
    }
    if (filter.kind === 'present' && PRESENCE.has(filter.attribute)) {
      const held = [...(this.#index.get(filter.attribute)?.values() ?? [])];
      const entries = new Set(held.flatMap((one) => (one instanceof Set ? [...one] : [one])));
      budget.left -= entries.size;
      return { size: entries.size, entries };
    }
    if (filter.kind === 'and') {
      const parts = filter.filters.map((part) => this.#indexed(part, budget));
      return parts.filter((part) => !!part).toSorted((a, b) => a.size - b.size)[0];
    }
    return filter.kind === 'or' ? this.#union(filter.filters, budget) : undefined;
  }

  #union(
    filters: readonly Filter[],
    budget: { left: number },
  ): { size: number; entries: Iterable<Entry> } | undefined {
    const union = new Set<Entry>();
    for (const filter of filters) {
      const part = this.#indexed(filter, budget);
      if (!part) return undefined;
      budget.left -= part.size;
      if (budget.left < 0) return undefined;
      for (const entry of part.entries) union.add(entry);
    }
    return { size: union.size, entries: union };
  }
}

/** Most values have one holder; a Set for each would double the memory of the index. */
function addTo(index: Map<string, Entry | Holders>, value: string, entry: Entry): void {
  const held = index.get(value);
  if (held === undefined) index.set(value, entry);
  else if (held instanceof Set) held.add(entry);
  else if (held !== entry) index.set(value, new Set([held, entry]));
}

function removeFrom(index: Map<string, Entry | Holders>, value: string, entry: Entry): void {
  const held = index.get(value);
  if (held === entry) index.delete(value);
  if (!(held instanceof Set)) return;
  held.delete(entry);
  const [last] = held;
  if (held.size === 1 && last) index.set(value, last);
  else if (held.size === 0) index.delete(value);
}

/** Whether an entry lies in the scope of a search. */
export function inScope(entry: Entry, base: Entry, scope: Scope): boolean {
  switch (scope) {
    case 'base':
      return entry.key === base.key;
    case 'one':
      return entry.parent === base.key;
    case 'children':
      return entry.key.endsWith(`,${base.key}`);
    case 'sub':
      return entry.key === base.key || entry.key.endsWith(`,${base.key}`);
  }
}
