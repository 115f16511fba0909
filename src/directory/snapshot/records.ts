import type { Entry } from 'ldapts';
import { addressKey, domainKey, keyText } from '../address.ts';
import {
  aliasToList,
  toDomain,
  toList,
  toNode,
  toRule,
  toSettings,
  toVolume,
  valuesOf,
} from '../client/entries.ts';
import { inOrder } from '../rules.ts';
import type { AttributeMap } from '../map.ts';
import { DnError, dnKey, parseDn } from '../dn.ts';
import type { Account, ListEntry, NodeEntry } from '../types.ts';
import type { SnapshotWriter } from './build.ts';

type Table =
  | 'volumes'
  | 'rules'
  | 'settings'
  | 'postmaster'
  | 'placed'
  | 'about'
  | 'nodes'
  /** Names of domains with a transport. */
  | 'customers';

/** Keys of records. What follows the letter is in the form look-ups compare. */
export const KEYS = {
  /** Account that holds an address, by `keyText`. */
  holder: (key: string) => `h:${key}`,
  account: (id: string) => `i:${id}`,
  /** Stored hashes of a user. */
  passwords: (id: string) => `p:${id}`,
  domain: (name: string) => `d:${name}`,
  list: (key: string) => `l:${key}`,
  /** Places of the accounts that a selection stands for. */
  ofDomain: (domain: string) => `sd:${domain}`,
  ofSite: (site: string, domain: string) => `ss:${site} ${domain}`,
  ofList: (key: string) => `sl:${key}`,
  node: (name: string) => `n:${name}`,
  table: (name: Table) => `t:${name}`,
} as const;

/** Everything that front ends ask for, as entries; from a server or from a text. */
export interface Reading {
  /** Server or file it comes from. */
  readonly source: string;
  /** State of the server that is shown; empty where it tells none. */
  readonly contextCsn: readonly string[];
  readonly suffix: string;
  /** When reading began, in ms since 1970. */
  readonly createdAt: number;
  /** How users stand. */
  readonly map: AttributeMap;
  readonly users: readonly Entry[];
  /** Addresses that are entries of their own in a site's directory (map.aliasEntries). */
  readonly aliases: readonly Entry[];
  /** @throws DirectoryUnavailable for a damaged entry */
  readonly toUser: (entry: Entry) => Account;
  /** Stored hashes of a user; asked only when they are wanted. */
  readonly passwordsOf: (entry: Entry) => readonly string[];
  readonly domains: readonly Entry[];
  readonly sites: readonly Entry[];
  readonly lists: readonly Entry[];
  readonly rules: readonly Entry[];
  readonly volumes: readonly Entry[];
  readonly nodes: readonly Entry[];
  readonly farm: Entry | undefined;
  readonly administrators: Entry | undefined;
  /** By address of the list: ids of users its filter selects, or why that is not known. */
  readonly selected: ReadonlyMap<string, readonly string[] | Error>;
}

/** What `inspect` shows and what the next export compares with. */
export interface About {
  readonly source: string;
  readonly contextCsn: readonly string[];
  readonly suffix: string;
  readonly counts: Readonly<Record<Counted, number>>;
  /** Entries that are damaged or contradict each other: questions for them are deferred. */
  readonly faults: readonly string[];
  readonly faultsMore: number;
}
export const COUNTED = [
  'users',
  'addresses',
  'domains',
  'lists',
  'rules',
  'volumes',
  'nodes',
  'passwords',
] as const;
export type Counted = (typeof COUNTED)[number];

/** Places of accounts. Apart from its count, so that "too many" costs no reading of them. */
export interface Places {
  readonly count: number;
  readonly at: number;
}

const FAULTS_KEPT = 100;

/** A user of the reading, or why it cannot be used. */
interface User {
  readonly entry: Entry;
  readonly account: Account | undefined;
  readonly fault: string;
  /** Keys of its addresses; the first one is the login's. */
  readonly keys: readonly string[];
}

/** Writes a reading as records. Holds the users in memory; a node does not. */
export class Records {
  readonly #writer: SnapshotWriter;
  readonly #reading: Reading;
  readonly #faults: string[] = [];
  readonly #counts: Record<Counted, number>;
  #faultCount = 0;
  /** By id, where the account stands in the file. */
  readonly #places = new Map<string, number>();
  readonly #byHolder = new Map<string, Account>();

  constructor(writer: SnapshotWriter, reading: Reading) {
    this.#writer = writer;
    this.#reading = reading;
    this.#counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<Counted, number>;
  }

  async write(withPasswords: boolean): Promise<About> {
    await this.#users(withPasswords);
    await this.#domains();
    await this.#lists();
    await this.#tables();
    const { source, contextCsn, suffix } = this.#reading;
    const about: About = {
      source,
      contextCsn,
      suffix,
      counts: this.#counts,
      faults: this.#faults,
      faultsMore: this.#faultCount - this.#faults.length,
    };
    await this.#writer.add({ keys: [KEYS.table('about')], value: about });
    return about;
  }

  async #users(withPasswords: boolean): Promise<void> {
    const users = this.#reading.users.map((entry) => this.#user(entry));
    const holders = new Map<string, User[]>();
    for (const user of users) {
      for (const key of user.keys) {
        const held = holders.get(key);
        if (held) held.push(user);
        else holders.set(key, [user]);
      }
    }
    const won = new Map<User, string[]>();
    for (const [key, held] of holders) {
      const winner = oneHolder(key, held);
      if (typeof winner === 'string') await this.#fault([KEYS.holder(key)], winner);
      else if (winner.account) {
        this.#byHolder.set(key, winner.account);
        this.#counts.addresses += 1;
        const keys = won.get(winner);
        if (keys) keys.push(KEYS.holder(key));
        else won.set(winner, [KEYS.holder(key)]);
      }
    }
    for (const user of users) {
      if (!user.account) continue;
      const keys = [KEYS.account(user.account.id), ...(won.get(user) ?? [])];
      const at = await this.#writer.add({ keys, value: user.account });
      this.#places.set(user.account.id, at);
      this.#counts.users += 1;
      if (withPasswords) await this.#passwords(user.account, user.entry);
    }
    await this.#selections(users);
  }

  #user(entry: Entry): User {
    try {
      const account = this.#reading.toUser(entry);
      // A bare name is a login, or a short one; an alias without a domain is nobody's address.
      const addresses = account.addresses.filter((address) => address.includes('@'));
      const keys = keysOf([account.login, ...addresses, ...this.#short(entry)]);
      return { entry, account, fault: '', keys };
    } catch (error) {
      const { login, aliases } = this.#reading.map;
      const addresses = [login, ...aliases].flatMap((name) => valuesOf(entry, name));
      const names = [...addresses, ...this.#short(entry)];
      return { entry, account: undefined, fault: (error as Error).message, keys: keysOf(names) };
    }
  }

  /** Logins without a domain, where the map has them. */
  #short(entry: Entry): readonly string[] {
    const { shortLogin } = this.#reading.map;
    const names = shortLogin === undefined ? [] : valuesOf(entry, shortLogin);
    return names.filter((name) => !name.includes('@'));
  }

  async #passwords(account: Account, entry: Entry): Promise<void> {
    const value = this.#reading.passwordsOf(entry);
    if (value.length === 0) return;
    await this.#writer.add({ keys: [KEYS.passwords(account.id)], value });
    this.#counts.passwords += 1;
  }

  /** Users by the domain of their login, and by their site in it. */
  async #selections(users: readonly User[]): Promise<void> {
    const selections = new Map<string, string[]>();
    const put = (key: string, id: string): void => {
      const ids = selections.get(key);
      if (ids) ids.push(id);
      else selections.set(key, [id]);
    };
    for (const { account } of users) {
      const domain = account && addressKey(account.login)?.domain;
      if (!account || domain === undefined) continue;
      put(KEYS.ofDomain(domain), account.id);
      if (account.site !== undefined) put(KEYS.ofSite(account.site, domain), account.id);
    }
    for (const [key, ids] of selections) await this.#select(key, ids);
  }

  async #select(key: string, ids: readonly string[]): Promise<void> {
    const places = ids.map((id) => this.#places.get(id)).filter((at) => at !== undefined);
    const at = await this.#writer.add({ keys: [], value: places });
    const value: Places = { count: places.length, at };
    await this.#writer.add({ keys: [key], value });
  }

  async #domains(): Promise<void> {
    const entries = new Map<string, Entry[]>();
    const put = (text: string, entry: Entry): void => {
      const name = domainKey(text);
      if (name === undefined) this.#note(`The entry ${entry.dn} names no domain (MF-DIR-004)`);
      else entries.set(name, [...(entries.get(name) ?? []), entry]);
    };
    for (const entry of this.#reading.domains) put(valuesOf(entry, 'cn')[0] ?? '', entry);
    for (const entry of this.#reading.sites) {
      for (const name of valuesOf(entry, 'mwSiteDomain')) put(name, entry);
    }
    const customers: string[] = [];
    for (const [name, found] of entries) {
      const domain = attempt(() => toDomain(name, found) ?? `nobody has the domain ${name}`);
      await this.#put(KEYS.domain(name), domain, 'domains');
      if (typeof domain !== 'string' && domain.transport) customers.push(name);
    }
    await this.#writer.add({ keys: [KEYS.table('customers')], value: customers.toSorted() });
  }

  async #lists(): Promise<void> {
    const lists = new Map<string, ListEntry | string>();
    for (const entry of this.#reading.lists) {
      const key = keysOf(valuesOf(entry, 'cn'))[0];
      if (key === undefined) this.#note(`The entry ${entry.dn} has no usable cn (MF-DIR-004)`);
      else if (lists.has(key)) lists.set(key, `Two lists are called ${key}`);
      else
        lists.set(
          key,
          attempt(() => toList(entry)),
        );
    }
    this.#aliasLists(lists);
    for (const [key, list] of lists) {
      await this.#put(KEYS.list(key), list, 'lists');
      if (typeof list === 'string' || list.filter === undefined) continue;
      const ids = this.#reading.selected.get(key) ?? new Error('it was not evaluated');
      if (!(ids instanceof Error)) await this.#select(KEYS.ofList(list.address), ids);
      else await this.#fault([KEYS.ofList(list.address)], `The filter of ${key}: ${ids.message}`);
    }
  }

  /** A list of the farm outranks an alias entry. */
  #aliasLists(lists: Map<string, ListEntry | string>): void {
    const { map, aliases } = this.#reading;
    if (!map.aliasEntries) return;
    for (const entry of aliases) {
      for (const key of keysOf(valuesOf(entry, map.aliasEntries.address))) {
        const list = lists.has(key) ? undefined : aliasToList(entry, map, key);
        if (list) lists.set(key, list);
      }
    }
  }

  async #tables(): Promise<void> {
    const { rules, volumes, nodes, farm } = this.#reading;
    const table = async (name: Parameters<typeof KEYS.table>[0], value: unknown): Promise<void> => {
      await this.#writer.add({ keys: [KEYS.table(name)], value });
    };
    const usable = volumes.flatMap((entry) => this.#usable(entry, toVolume));
    this.#counts.volumes = usable.length;
    await table('volumes', usable);
    // Whether users carry a volume; in a site's own directory the path or a rule says it.
    await table('placed', this.#reading.map.volume !== undefined);
    await this.#rules(rules);
    const known: NodeEntry[] = [];
    for (const entry of nodes) {
      const name = valuesOf(entry, 'cn')[0] ?? '';
      const node = attempt(() => toNode(entry));
      if (typeof node !== 'string') known.push(node);
      await this.#put(KEYS.node(name), node, 'nodes');
    }
    await table('nodes', known.toSorted((a, b) => (a.name < b.name ? -1 : 1))); // prettier-ignore
    const settings = farm ? toSettings(farm) : new Map<string, string>();
    await table('settings', [...settings]);
    await table('postmaster', this.#postmaster(settings)?.id);
  }

  /** A damaged rule is a fault of all: skipping it would let another one decide (S1-03). */
  async #rules(entries: readonly Entry[]): Promise<void> {
    try {
      const rules = inOrder(entries.map(toRule));
      this.#counts.rules = rules.length;
      await this.#writer.add({ keys: [KEYS.table('rules')], value: rules });
    } catch (error) {
      await this.#fault([KEYS.table('rules')], (error as Error).message);
    }
  }

  #postmaster(settings: ReadonlyMap<string, string>): Account | undefined {
    const chosen = addressKey(settings.get('postmaster') ?? '');
    const holder = chosen && this.#byHolder.get(keyText(chosen));
    if (holder) return holder;
    const { administrators } = this.#reading;
    const members = administrators ? valuesOf(administrators, 'member').map(keyOfDn) : [];
    const found = new Map<string, Account>();
    for (const account of this.#byHolder.values()) {
      const key = keyOfDn(account.dn);
      if (members.includes(key)) found.set(key, account);
    }
    return members.map((key) => found.get(key)).find((account) => account !== undefined);
  }

  #usable<T extends object>(entry: Entry, read: (entry: Entry) => T): T[] {
    const value = attempt(() => read(entry));
    if (typeof value !== 'string') return [value];
    this.#note(value);
    return [];
  }

  async #put(key: string, value: object | string, counted: Counted): Promise<void> {
    if (typeof value === 'string') return await this.#fault([key], value);
    await this.#writer.add({ keys: [key], value });
    this.#counts[counted] += 1;
  }

  async #fault(keys: readonly string[], fault: string): Promise<void> {
    this.#note(fault);
    await this.#writer.add({ keys, fault });
  }

  #note(fault: string): void {
    this.#faultCount += 1;
    if (this.#faults.length < FAULTS_KEPT) this.#faults.push(fault);
  }
}

/** Keys of what can be an address, each once. */
function keysOf(addresses: readonly string[]): readonly string[] {
  const keys = addresses.map((address) => addressKey(address)).filter((key) => key !== undefined);
  return [...new Set(keys.map(keyText))];
}

/** A login outranks an alias; two of the same kind are nobody's. A text says why there is none. */
function oneHolder(key: string, held: readonly User[]): User | string {
  const damaged = held.find((user) => user.account === undefined);
  if (damaged) return damaged.fault;
  const owners = held.filter((user) => user.keys[0] === key);
  const [winner, other] = owners.length > 0 ? owners : held;
  if (!winner) return 'nobody';
  if (!other) return winner;
  return `${winner.entry.dn} and ${other.entry.dn} both hold ${key} (MF-DIR-006)`;
}

/** A value, or the text of the error. */
function attempt<T extends object>(read: () => T | string): T | string {
  try {
    return read();
  } catch (error) {
    return (error as Error).message;
  }
}

function keyOfDn(dn: string): string {
  try {
    return dnKey(parseDn(dn));
  } catch (error) {
    if (error instanceof DnError) return `not a DN: ${dn}`;
    throw error;
  }
}
