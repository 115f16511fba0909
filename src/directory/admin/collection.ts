import type { Entry } from 'ldapts';
import type { Clock } from '../../base/clock.ts';
import { valuesOf } from '../client/entries.ts';
import { nameDn } from '../dn.ts';
import type { Place } from '../rights.ts';
import { attributeName, type Layout } from '../schema.ts';
import { DirectoryUnavailable } from '../types.ts';
import type { Addresses } from './addresses.ts';
import type { Claim, Collection, Listing, Put, Query, Recorded } from './api.ts';
import { unchangedSince } from './assertion.ts';
import type { Claims } from './claims.ts';
import { conflictWith, sameValues } from './conflict.ts';
import { AdminError, isKind } from './error.ts';
import type { Events } from './events.ts';
import { requireRight, type Identity } from './identity.ts';
import { printable } from './names.ts';
import type { Puts } from './puts.ts';
import { anyOf, compileQuery } from './query.ts';
import { fieldOf, Found, recorded } from './record.ts';
import type { AdminSession, NewValues } from './session.ts';

/** What every collection of one session shares. */
export interface Farm {
  readonly session: AdminSession;
  readonly who: Identity;
  readonly clock: Clock;
  readonly events: Events;
  readonly puts: Puts;
  readonly claims: Claims;
  readonly addresses: Addresses;
  /** Revisions that this session made itself, so that it is not told of them. */
  readonly own: Set<string>;
}

/** A change before it is made: of an entry as it was read, or of none yet. */
export interface Proposed<R, V> {
  readonly name: string;
  readonly values: Partial<V>;
  readonly before: R | undefined;
}

/** What tells one kind of entries from another; all else is the same for all (S0-53). */
export interface Kind<R extends Recorded, V> {
  /** For people: `list`. */
  readonly what: string;
  readonly objectClass: string;
  readonly place: Place & keyof Layout;
  /** Our names of fields and the attributes they stand for; `name` is one. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  /** The name a new entry gets. @throws AdminError invalid */
  newName(given: string): string;
  /** The ways in which the entry of a name may be written. @throws AdminError invalid */
  spellings(given: string): readonly string[];
  /** @throws DirectoryUnavailable for a damaged entry */
  toRecord(entry: Entry): R;
  /** Checks the form. @throws AdminError invalid */
  toValues(values: Partial<V>): NewValues;
  /** Checks it against the rest of the farm. @throws AdminError */
  check?(change: Proposed<R, V>): Promise<void>;
  /** Addresses that must be nobody else's after the change, for a second look at them. */
  addressesOf?(record: R): readonly string[];
  /** Who needs the entry, so that it cannot go. */
  usedBy?(record: R): Promise<string | undefined>;
}

export interface SetOptions {
  /** Also where a higher level claims the entry. */
  readonly force?: boolean;
}

/** A put is in nobody's way, and nobody is in a put's: what was read is what guards the entry. */
const FORCED: SetOptions = { force: true };
/** How often a change by name is based on a newer state before it is given up. */
const TRIES = 32;
const OWN_MAX = 10_000;

/** Entries of one kind. */
export class Entries<R extends Recorded, V> implements Collection<R, V> {
  protected readonly farm: Farm;
  protected readonly kind: Kind<R, V>;

  constructor(farm: Farm, kind: Kind<R, V>) {
    this.farm = farm;
    this.kind = kind;
  }

  /** @throws AdminError not-found, invalid */
  async get(name: string): Promise<R> {
    const found = await this.lookUp(name);
    if (found) return found;
    throw new AdminError('not-found', `There is no ${this.kind.what} ${printable(name)}`);
  }

  async find(query: Query = {}): Promise<Listing<R>> {
    const { filter, matches, limit } = compileQuery(query, this.kind.fields);
    const entries = await this.farm.session.search({
      ...this.#where(),
      filter,
      limit: query.regex === undefined ? limit : 0,
    });
    const items: R[] = [];
    const damaged: string[] = [];
    for (const entry of entries) {
      if (!matches(entry)) continue;
      if (limit > 0 && items.length >= limit) break;
      const record = this.#usable(entry, damaged);
      if (record) items.push(record);
    }
    return new Found(query, items, damaged);
  }

  /** As `find`, one after the other, without holding all of them. Damaged entries are left out. */
  async *each(query: Query = {}): AsyncGenerator<R> {
    const { filter, matches, limit } = compileQuery(query, this.kind.fields);
    let count = 0;
    for await (const entry of this.farm.session.each({ ...this.#where(), filter })) {
      if (!matches(entry)) continue;
      const record = this.#usable(entry, []);
      if (!record) continue;
      yield record;
      count += 1;
      if (limit > 0 && count >= limit) return;
    }
  }

  async add(given: string, values: V): Promise<R> {
    const { session, who } = this.farm;
    const name = this.kind.newName(given);
    requireRight(who, { place: this.kind.place, levelled: false }, 'entries');
    const written = this.kind.toValues(values);
    await this.kind.check?.({ name, values, before: undefined });
    const dn = nameDn('cn', name, session.names[this.kind.place]);
    const objectClass = ['top', this.kind.objectClass];
    await this.addEntry(dn, { objectClass, cn: name, ...written });
    const record = await this.readBack(dn);
    await this.requireAlone(record, async () => await session.remove(dn));
    return record;
  }

  async set(of: R | string, values: Partial<V>, options: SetOptions = {}): Promise<R> {
    const written = this.kind.toValues(values);
    return await this.change(of, options, async (before) => {
      await this.kind.check?.({ name: nameOf(before), values, before });
      return written;
    });
  }

  put(of: R | string, values: V): Put<R> {
    const record = typeof of === 'string' ? undefined : of;
    const name = typeof of === 'string' ? of : nameOf(of);
    const key = `${this.kind.what} ${name.trim().normalize('NFC').toLowerCase()}`;
    return this.farm.puts.begin(key, record, async (base) =>
      base ? await this.set(base, values, FORCED) : await this.#addOrSet(name, values),
    );
  }

  async remove(of: R | string, options: SetOptions = {}): Promise<unknown> {
    const { session, who } = this.farm;
    return await this.onState(of, async (before, only) => {
      requireRight(who, about(this.kind.place, before), 'entries');
      if (options.force !== true) await this.farm.claims.requireNoHigher(before.dn);
      const user = await this.kind.usedBy?.(before);
      if (user !== undefined) {
        throw new AdminError('invalid', `${nameOf(before)} is in use by ${user}`);
      }
      try {
        await session.remove(before.dn, only);
      } catch (error) {
        if (!isKind(error, 'uncertain') || (await session.entry(before.dn))) throw error;
      }
    });
  }

  async claim(name: string): Promise<Claim> {
    return await this.farm.claims.claim((await this.get(name)).dn);
  }

  /** A change whose values may depend on the state that it is based on. */
  protected async change(
    of: R | string,
    options: SetOptions,
    decide: (before: R) => NewValues | Promise<NewValues>,
  ): Promise<R> {
    const { session, who, claims } = this.farm;
    let written: NewValues = {};
    const decideAll = async (before: R): Promise<NewValues> => {
      written = await decide(before);
      requireRight(who, about(this.kind.place, before), written);
      if (options.force !== true) await claims.requireNoHigher(before.dn);
      return onlyDifferent(before, written);
    };
    const dn = await this.onState(
      of,
      async (before, only) => {
        const different = await decideAll(before);
        if (Object.keys(different).length === 0) return before.dn;
        try {
          await session.replace(before.dn, different, only);
        } catch (error) {
          if (!isKind(error, 'uncertain') || !(await this.#shows(before.dn, different)))
            throw error;
        }
        return before.dn;
      },
      () => written,
    );
    return await this.readBack(dn);
  }

  /** Adds or takes away one value: safe beside others who do the same with other values. */
  protected async changeValue(
    of: R | string,
    operation: 'add' | 'remove',
    value: { readonly attribute: string; readonly text: string },
  ): Promise<R> {
    const { session, who, claims } = this.farm;
    const before = typeof of === 'string' ? await this.get(of) : of;
    const { attribute, text } = value;
    requireRight(who, about(this.kind.place, before), { [attribute]: text });
    await claims.requireNoHigher(before.dn);
    if (operation === 'add') await session.addValue(before.dn, attribute, text);
    else await session.removeValue(before.dn, attribute, text);
    return await this.readBack(before.dn);
  }

  /** As `changeValue` for an address that must be nobody else's afterwards. */
  protected async addAddress(of: R | string, attribute: string, text: string): Promise<R> {
    const record = await this.changeValue(of, 'add', { attribute, text });
    await this.requireAlone(record, () =>
      this.farm.session.removeValue(record.dn, attribute, text),
    );
    return record;
  }

  /** @throws AdminError invalid */
  protected async lookUp(name: string): Promise<R | undefined> {
    const spellings = this.kind.spellings(name);
    if (spellings.length === 0) return undefined;
    const filter = anyOf(['cn'], spellings);
    const [entry] = await this.farm.session.search({ ...this.#where(), filter, limit: 2 });
    return entry && this.toRecord(entry);
  }

  protected toRecord(entry: Entry): R {
    try {
      return this.kind.toRecord(entry);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      throw new AdminError('invalid', error.message, { cause: error });
    }
  }

  protected async addEntry(dn: string, values: NewValues): Promise<void> {
    try {
      await this.farm.session.add(dn, values);
    } catch (error) {
      if (isKind(error, 'uncertain') && (await this.#shows(dn, values))) return;
      if (!isKind(error, 'exists')) throw error;
      const name = valueText(values['cn']);
      throw new AdminError('exists', `The ${this.kind.what} ${name} exists already`, {
        cause: error,
      });
    }
  }

  async #addOrSet(name: string, values: V): Promise<R> {
    if (await this.lookUp(name)) return await this.set(name, values, FORCED);
    try {
      return await this.add(name, values);
    } catch (error) {
      // Somebody made it between the two.
      if (!isKind(error, 'exists') || !(await this.lookUp(name))) throw error;
      return await this.set(name, values, FORCED);
    }
  }

  /**
   * Works on a state of the entry, on condition that it is still that state. By name the newest
   * state is taken, again when it changed meanwhile; with a record, that is a conflict.
   */
  protected async onState<T>(
    of: R | string,
    work: (before: R, only: ReturnType<typeof unchangedSince> | undefined) => Promise<T>,
    wanted: () => NewValues = () => ({}),
  ): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const before = typeof of === 'string' ? await this.get(of) : of;
      if (typeof of !== 'string' && before.revision === '') {
        const text = `The directory shows no entryCSN of ${before.dn}: changes cannot be compared`;
        throw new AdminError('invalid', text);
      }
      try {
        return await work(
          before,
          before.revision === '' ? undefined : unchangedSince(before.revision),
        );
      } catch (error) {
        const moved = isKind(error, 'conflict') || isNoEntry(error);
        if (!moved) throw error;
        if (typeof of === 'string' && tries < TRIES) continue;
        throw await conflictWith(this.farm.session, before, wanted());
      }
    }
  }

  /** Two may give away one address at the same time; who sees the other steps back. */
  protected async requireAlone(record: R, stepBack: () => Promise<void>): Promise<void> {
    try {
      for (const address of this.kind.addressesOf?.(record) ?? []) {
        await this.farm.addresses.requireFree(address, record.dn);
      }
    } catch (error) {
      await stepBack();
      throw error;
    }
  }

  /** The record of an entry that this session has just written. */
  protected async readBack(dn: string): Promise<R> {
    const entry = await this.farm.session.entry(dn);
    if (!entry) throw new AdminError('not-found', `${dn} was removed by somebody else meanwhile`);
    const record = this.toRecord(entry);
    const { own } = this.farm;
    if (own.size >= OWN_MAX) own.clear();
    own.add(record.revision);
    return record;
  }

  /** Whether the entry has the values that were to be written: a password never shows. */
  async #shows(dn: string, wanted: NewValues): Promise<boolean> {
    const entry = await this.farm.session.entry(dn).catch(() => undefined);
    if (!entry) return false;
    return Object.keys(onlyDifferent(recorded(entry), wanted)).length === 0;
  }

  #where() {
    const { place, objectClass } = this.kind;
    return { base: this.farm.session.names[place], objectClass };
  }

  /** One damaged entry does not hide the others: it is named beside them. */
  #usable(entry: Entry, damaged: string[]): R | undefined {
    try {
      return this.kind.toRecord(entry);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      damaged.push(error.message);
      return undefined;
    }
  }
}

export const nameOf = (record: Recorded): string => fieldOf(record, 'cn')[0] ?? record.dn;

const about = (place: Place, record: Recorded) => ({
  place,
  levelled: fieldOf(record, 'mwLevel').length > 0,
});

/** The server said that there is no such entry, not that a value is missing. */
const isNoEntry = (error: unknown): boolean =>
  isKind(error, 'not-found') &&
  error.cause instanceof Error &&
  'code' in error.cause &&
  error.cause.code === 32;

/** What would change; a password is never compared. */
function onlyDifferent(before: Recorded, values: NewValues): NewValues {
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => {
      if (value === undefined) return false;
      if (name === 'userPassword') return true;
      const wanted = typeof value === 'object' ? value : [String(value)];
      return !sameValues(name, fieldOf(before, attributeName(name)), wanted);
    }),
  );
}

const valueText = (value: NewValues[string]): string =>
  typeof value === 'object' ? (value[0] ?? '') : String(value ?? '');

/** The first value of an attribute. */
export const firstOf = (entry: Entry, name: string): string | undefined => valuesOf(entry, name)[0];
