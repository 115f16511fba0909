import type { Entry, Filter } from 'ldapts';
import { addressKey, addressSpellings, domainSpellings, keyText } from '../address.ts';
import type { AddressKey } from '../address.ts';
import type { Lookups, Selection } from '../lookups.ts';
import { mapAttributes, type AttributeMap } from '../map.ts';
import { inOrder } from '../rules.ts';
import type { Layout } from '../schema.ts';
import { DirectoryUnavailable } from '../types.ts';
import type { Account, DomainEntry, ListEntry, RuleEntry } from '../types.ts';
import { Answers, type AnswersLimits } from './cache.ts';
import {
  aliasToList,
  DOMAIN_ATTRIBUTES,
  hasClass,
  toAccount,
  toDomain,
  toList,
  toRule,
  valuesOf,
} from './entries.ts';
import { all, any, domainUsersFilter, equal, holderFilter, parseFilter } from './filters.ts';
import { userFilter } from './filters.ts';
import type { Ask } from './replicas.ts';

/** Where users stand, and how. */
export interface People {
  readonly base: string;
  readonly map: AttributeMap;
  /** Whether it is the farm's own tree: then users and lists are found by one search. */
  readonly own: boolean;
  readonly ask: <T>(ask: Ask<T>) => Promise<T>;
}

export interface LdapLookupsOptions {
  readonly layout: Layout;
  readonly people: People;
  /** Asks the farm's own tree. */
  readonly ask: <T>(ask: Ask<T>) => Promise<T>;
  readonly answers: AnswersLimits;
  readonly settings: () => Promise<ReadonlyMap<string, string>>;
}

/** What holds an address. An address that nothing holds has no such answer: it is never kept. */
interface Held {
  readonly account: Account | undefined;
  readonly list: ListEntry | undefined;
}

/** More holders than this of one address are not read; two are already one too many. */
const HOLDERS_MAX = 4;
/** Selections of so many users are remembered; `all@` of a large domain is asked each time. */
const SELECTION_KEPT_MAX = 500;
const SELECTIONS_KEPT = 100;

const LIST_ATTRIBUTES = [
  'cn',
  'mwMember',
  'mwMemberFilter',
  'mwPosting',
  'mwModerator',
  'mwOwner',
] as const;

/**
 * The look-ups of resolution over LDAP, cached. An address is looked up by one search for the
 * user and the list that hold it, where both stand on one server: an unknown address costs that
 * search and, where it is not cached, one for the domain.
 */
export class LdapLookups {
  readonly #options: LdapLookupsOptions;
  readonly #held: Answers<Held>;
  readonly #lists: Answers<ListEntry>;
  readonly #domains: Answers<DomainEntry>;
  readonly #selections: Answers<readonly Account[]>;
  readonly #rules: Answers<readonly RuleEntry[]>;

  constructor(options: LdapLookupsOptions) {
    this.#options = options;
    const { answers } = options;
    this.#held = new Answers(answers);
    this.#lists = new Answers(answers);
    this.#domains = new Answers(answers);
    this.#selections = new Answers({
      ...answers,
      entriesMax: SELECTIONS_KEPT,
      keeps: (users) => users.length <= SELECTION_KEPT_MAX,
    });
    this.#rules = new Answers(answers);
  }

  /**
   * The look-ups for one resolution, which asks for the list of an address right after nobody was
   * found to hold it: that is known then, and is not asked again.
   */
  forOne(): Lookups {
    let unheld: Set<string> | undefined;
    return {
      holder: async (key) => {
        const held = this.#fresh(key) ?? (await this.#holdersOf(key));
        if (!held) (unheld ??= new Set()).add(keyText(key));
        return held?.account;
      },
      list: async (key) => {
        if (!this.#options.people.own) return await this.#foreignList(key);
        return unheld?.has(keyText(key)) ? undefined : (await this.#holdersOf(key))?.list;
      },
      domain: (name) => this.domain(name),
      select: (selection, limit) => this.select(selection, limit),
      rules: () => this.rules(),
      postmaster: () => this.postmaster(),
    };
  }

  /** @throws DirectoryUnavailable */
  async holder(key: AddressKey): Promise<Account | undefined> {
    return (this.#fresh(key) ?? (await this.#holdersOf(key)))?.account;
  }

  /** From no cache. @throws DirectoryUnavailable */
  async byId(id: string): Promise<Account | undefined> {
    const { people } = this.#options;
    const filter = userFilter(people.map, equal(people.map.id, id));
    const attributes = mapAttributes(people.map);
    const found = await people.ask(async (connection, whole) => {
      const search = { scope: 'sub', filter, attributes, sizeLimit: HOLDERS_MAX } as const;
      const entries = await connection.search(people.base, search);
      if (entries.length === 0) await whole();
      return entries;
    });
    const [entry, other] = found;
    if (other) throw new DirectoryUnavailable(`Several entries have the id ${id} (MF-DIR-004)`);
    const account = entry && toAccount(entry, people.map);
    return account?.id === id ? account : undefined;
  }

  /** As `#holdersOf`, of what needs no asking. */
  #fresh(key: AddressKey): Held | undefined {
    return this.#held.fresh(keyText(key));
  }

  /** Both that may hold an address. @throws DirectoryUnavailable */
  async #holdersOf(key: AddressKey): Promise<Held | undefined> {
    return await this.#held.get(keyText(key), () => this.#findHolders(key));
  }

  /**
   * Replaces what is known about a user. Only that: an address of theirs may be the login of
   * somebody else, who outranks them, and who holds it is for the directory to say.
   */
  put(account: Account): void {
    for (const address of account.addresses) {
      const key = addressKey(address);
      if (key === undefined) continue;
      const known = this.#held.peek(keyText(key));
      if (known?.account?.id === account.id) this.#held.put(keyText(key), { ...known, account });
    }
  }

  /** Asks afresh who holds an address, and has no last known good answer. */
  forget(key: AddressKey): void {
    this.#held.forget(keyText(key));
  }

  invalidate(): void {
    const caches = [this.#held, this.#lists, this.#domains, this.#selections, this.#rules];
    for (const answers of caches) answers.invalidate();
  }

  /** @throws DirectoryUnavailable */
  async domain(name: string): Promise<DomainEntry | undefined> {
    return (
      this.#domains.fresh(name) ?? (await this.#domains.get(name, () => this.#findDomain(name)))
    );
  }

  /** @throws DirectoryUnavailable: MF-DIR-008, or more than `limit` */
  async select(selection: Selection, limit: number): Promise<readonly Account[]> {
    const key = JSON.stringify([selectionKey(selection), limit]);
    return (await this.#selections.get(key, () => this.#findAll(selection, limit))) ?? [];
  }

  /** @throws DirectoryUnavailable */
  async rules(): Promise<readonly RuleEntry[]> {
    const { layout, ask } = this.#options;
    const find = async (): Promise<readonly RuleEntry[]> =>
      await ask(async (connection, whole) => {
        const found = await connection.search(layout.rules, {
          scope: 'one',
          filter: equal('objectClass', 'mwRule'),
          attributes: ['cn', 'mwOrder', 'mwPattern', 'mwTarget'],
          sizeLimit: 0, // A limit of ours would make one of the server's own look like the end.
        });
        await whole(); // A rule that is missing changes the answer of those behind it.
        return inOrder(found.map(toRule));
      });
    return (await this.#rules.get('', find)) ?? [];
  }

  /** Kept as one answer, so that it also has a last known good one. @throws DirectoryUnavailable */
  async postmaster(): Promise<Account | undefined> {
    const find = async (): Promise<Held | undefined> => {
      const account = await this.#findPostmaster();
      return account && { account, list: undefined };
    };
    return (await this.#held.get('\0postmaster', find))?.account;
  }

  async #findHolders(key: AddressKey): Promise<Held | undefined> {
    const { people, layout } = this.#options;
    const spellings = addressSpellings(key);
    const users = holderFilter(people.map, spellings, key.domain === undefined);
    const filter = people.own ? any([users, listFilter(spellings)]) : users;
    const attributes = [...mapAttributes(people.map), ...(people.own ? LIST_ATTRIBUTES : [])];
    const found = await people.ask(async (connection, whole) => {
      const entries = await connection.search(people.own ? layout.suffix : people.base, {
        scope: 'sub',
        filter,
        attributes: [...new Set(attributes)],
        sizeLimit: 2 * HOLDERS_MAX,
      });
      const held = entries.filter((entry) => holds(entry, people.map, key));
      if (held.length === 0) await whole();
      return held;
    });
    const lists = people.own ? found.filter((entry) => hasClass(entry, ['mwList'])) : [];
    const account = oneHolder(
      found.filter((entry) => !lists.includes(entry)).map((entry) => toAccount(entry, people.map)),
      spellings,
    );
    // A user outranks a list, which is then not even read.
    const [list] = account ? [] : lists;
    return account || list ? { account, list: list && toList(list) } : undefined;
  }

  /**
   * A list of the farm, or an alias entry of the site's own directory.
   * @throws DirectoryUnavailable
   */
  async #foreignList(key: AddressKey): Promise<ListEntry | undefined> {
    const { people, layout, ask } = this.#options;
    const { map } = people;
    const spellings = addressSpellings(key);
    const find = async (): Promise<ListEntry | undefined> => {
      const options = { sizeLimit: HOLDERS_MAX, scope: 'sub' } as const;
      const own = await ask(async (connection, whole) => {
        const filter = listFilter(spellings);
        const attributes = LIST_ATTRIBUTES;
        const [entry] = await connection.search(layout.lists, { ...options, filter, attributes });
        if (!entry) await whole();
        return entry && toList(entry);
      });
      const aliases = map.aliasEntries;
      if (own || !aliases) return own;
      return await people.ask(async (connection, whole) => {
        const filter = all(
          equal('objectClass', aliases.class),
          any(spellings.map((value) => equal(aliases.address, value))),
        );
        const attributes = [aliases.address, aliases.target];
        const [entry] = await connection.search(people.base, { ...options, filter, attributes });
        if (!entry) await whole();
        return entry && aliasToList(entry, map, keyText(key));
      });
    };
    return await this.#lists.get(keyText(key), find);
  }

  async #findDomain(name: string): Promise<DomainEntry | undefined> {
    const { layout, ask } = this.#options;
    const names = domainSpellings(name);
    const filter = any([
      all(equal('objectClass', 'mwDomain'), any(names.map((value) => equal('cn', value)))),
      all(equal('objectClass', 'mwSite'), any(names.map((value) => equal('mwSiteDomain', value)))),
    ]);
    return await ask(async (connection, whole) => {
      const found = await connection.search(layout.suffix, {
        scope: 'sub',
        filter,
        attributes: DOMAIN_ATTRIBUTES,
        sizeLimit: 2 * HOLDERS_MAX,
      });
      if (found.length === 0) await whole();
      return toDomain(name, found);
    });
  }

  /** Every one of them, from a replica that is current: a part would be a wrong answer. */
  async #findAll(selection: Selection, limit: number): Promise<readonly Account[]> {
    const { base, map, ask } = this.#options.people;
    if (selection.kind === 'site' && map.site === undefined) return [];
    const filter = selectionFilter(map, selection);
    if (!filter) return [];
    return await ask(async (connection, whole) => {
      const options = { scope: 'sub', filter, attributes: mapAttributes(map) } as const;
      const found = await connection.all(base, { ...options, max: limit });
      if (!found) {
        const text = `${selectionKey(selection)} selects more than ${limit} users`;
        throw new DirectoryUnavailable(text);
      }
      await whole();
      return found.map((entry) => toAccount(entry, map));
    });
  }

  async #findPostmaster(): Promise<Account | undefined> {
    const { ask, layout, settings } = this.#options;
    const setting = addressKey((await settings()).get('postmaster') ?? '');
    const chosen = setting && (await this.holder(setting));
    if (chosen) return chosen;
    const members = await ask(async (connection, whole) => {
      const options = { scope: 'base', attributes: ['member'], sizeLimit: 1 } as const;
      const [group] = await connection.search(layout.administrators, options);
      if (!group) await whole();
      return group ? valuesOf(group, 'member') : [];
    });
    for (const dn of members) {
      const account = await this.#byDn(dn);
      if (account) return account;
    }
    return undefined;
  }

  async #byDn(dn: string): Promise<Account | undefined> {
    const { ask, map } = this.#options.people;
    return await ask(async (connection) => {
      const [entry] = await connection.search(dn, {
        scope: 'base',
        filter: userFilter(map),
        attributes: mapAttributes(map),
        sizeLimit: 1,
      });
      return entry && toAccount(entry, map);
    });
  }
}

/**
 * Servers compare more loosely than addresses do: slapd takes a full-width letter for the plain
 * one, and all ignore spaces at the ends (RFC 4518 §2.6.1). Such another address is nobody's.
 */
function holds(entry: Entry, map: AttributeMap, key: AddressKey): boolean {
  if (key.domain === undefined) return true;
  const wanted = keyText(key);
  return [map.login, ...map.aliases].some((name) =>
    valuesOf(entry, name).some((value) => {
      const own = addressKey(value.trim());
      return own !== undefined && keyText(own) === wanted;
    }),
  );
}

const listFilter = (spellings: readonly string[]): Filter =>
  all(equal('objectClass', 'mwList'), any(spellings.map((value) => equal('cn', value))));

function selectionKey(selection: Selection): string {
  if (selection.kind === 'domain') return `all@${selection.domain}`;
  if (selection.kind === 'site') return `all@${selection.domain} of site ${selection.site}`;
  return `The filter ${selection.list.filter ?? ''} of ${selection.list.address}`;
}

/** @throws DirectoryUnavailable (MF-DIR-008) */
function selectionFilter(map: AttributeMap, selection: Selection): Filter | undefined {
  if (selection.kind === 'domain') return domainUsersFilter(map, selection.domain);
  if (selection.kind === 'site') return domainUsersFilter(map, selection.domain, selection.site);
  const { filter, address } = selection.list;
  if (filter === undefined) return undefined;
  try {
    return userFilter(map, parseFilter(filter));
  } catch (cause) {
    throw new DirectoryUnavailable(`The filter of the list ${address} is bad (MF-DIR-008)`, {
      cause,
    });
  }
}

/** A login outranks an alias; two of the same kind are nobody's until somebody decides. */
function oneHolder(
  accounts: readonly Account[],
  spellings: readonly string[],
): Account | undefined {
  const owner = accounts.filter((account) => spellings.includes(account.login));
  const [account, other] = owner.length > 0 ? owner : accounts;
  if (!account || !other) return account;
  throw new DirectoryUnavailable(
    `${account.dn} and ${other.dn} both hold ${spellings[0] ?? ''} (MF-DIR-006)`,
  );
}
