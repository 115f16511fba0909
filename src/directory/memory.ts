import { addressKey, domainKey, keyText } from './address.ts';
import { ETRN_DOMAINS_MAX, etrnNames, parseEtrn } from './etrn.ts';
import { plainDomain, type Lookups, type Selection } from './lookups.ts';
import { ownerOf, resolveAddress } from './resolve.ts';
import { inOrder, volumeByRule } from './rules.ts';
import { DirectoryUnavailable } from './types.ts';
import type {
  Account,
  AddressOwner,
  Directory,
  DomainEntry,
  ListEntry,
  NodeEntry,
  Resolution,
  ResolveContext,
  RuleEntry,
  SecondFactor,
  SecretKind,
  VolumeEntry,
} from './types.ts';
import { userFilter } from './user-filter.ts';

/** A plain domain by its name, or one with more to it. */
export type MemoryDomain = string | (Partial<DomainEntry> & Pick<DomainEntry, 'name'>);

/** What a memory directory starts with. Everything may be left out. */
export interface MemoryContents {
  /** Accounts; `memoryAccount` fills in what a test does not care about. */
  readonly accounts?: readonly Account[];
  /** Local domains; by default those of the accounts' addresses. */
  readonly domains?: readonly MemoryDomain[];
  /** Lists; `memoryList` fills in what a test does not care about. */
  readonly lists?: readonly ListEntry[];
  readonly rules?: readonly RuleEntry[];
  readonly volumes?: readonly VolumeEntry[];
  readonly nodes?: readonly NodeEntry[];
  readonly settings?: Readonly<Record<string, string>>;
  /** By `KIND/NAME`, such as `dkim/s1._domainkey.example.test`. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Login to password. An account without one accepts none. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** Logins of administrators; the first receives mail for postmaster. */
  readonly administrators?: readonly string[];
}

/** A directory in this process, with levers for tests. Real code behind the same interface. */
export interface MemoryDirectory extends Directory {
  /** While true every question throws DirectoryUnavailable. */
  down: boolean;
  /** Questions asked so far; a test that counts look-ups reads it. */
  readonly questions: number;
  /** What resolution asks here; these count as no questions and never fail. */
  readonly lookups: Lookups;
  /** Adds an account or replaces the one with its id. */
  putAccount(account: Account, password?: string): void;
  removeAccount(id: string): void;
  putDomain(domain: MemoryDomain): void;
  putList(list: ListEntry): void;
  putRule(rule: RuleEntry): void;
  putVolume(volume: VolumeEntry): void;
  putSetting(name: string, value: string): void;
  putNode(node: NodeEntry): void;
  putSecret(kind: SecretKind, name: string, value: string): void;
  /** Gives a user a second factor, or takes it away. */
  putSecondFactor(id: string, factor: SecondFactor | undefined): void;
}

let nextUid = 2001;

/** A complete account from what matters to the caller. Its id is made from the login. */
export function memoryAccount(partial: Partial<Account> & { readonly login: string }): Account {
  const login = partial.login.toLowerCase();
  return {
    id: `id-${login.replace(/[^a-z0-9]/g, '-')}`,
    dn: `cn=${login},ou=users,dc=mailfarm`,
    uid: nextUid++,
    suspended: [],
    quotaBytes: 0,
    volume: undefined,
    path: undefined,
    forwards: [],
    keepsForwarded: false,
    site: undefined,
    vacation: undefined,
    ...partial,
    login,
    addresses: [...new Set([login, ...(partial.addresses ?? [])])],
  };
}

/** A complete list from what matters to the caller. */
export const memoryList = (
  partial: Partial<ListEntry> & Pick<ListEntry, 'address'>,
): ListEntry => ({
  members: [],
  filter: undefined,
  posting: 'anyone',
  moderators: [],
  owner: undefined,
  ...partial,
});

/** A directory that lives in memory: for tests and for a front end without an LDAP server. */
export function memoryDirectory(contents: MemoryContents = {}): MemoryDirectory {
  return new MemoryDirectoryState(contents);
}

class MemoryDirectoryState implements MemoryDirectory {
  down = false;
  questions = 0;
  readonly lookups: Lookups = {
    holder: async (key) => this.#holder(keyText(key)),
    list: async (key) => this.#lists.get(keyText(key)),
    domain: async (name) => this.#domains.get(name),
    select: async (selection, limit) => this.#select(selection, limit),
    rules: async () => inOrder([...this.#rules.values()]),
    postmaster: async () => this.#postmaster(),
  };
  readonly #accounts = new Map<string, Account>();
  readonly #byAddress = new Map<string, string>();
  readonly #passwords = new Map<string, string>();
  readonly #domains = new Map<string, DomainEntry>();
  readonly #lists = new Map<string, ListEntry>();
  readonly #rules = new Map<string, RuleEntry>();
  readonly #volumes = new Map<string, VolumeEntry>();
  readonly #nodes = new Map<string, NodeEntry>();
  readonly #secrets: Map<string, string>;
  readonly #factors = new Map<string, SecondFactor>();
  readonly #settings: Map<string, string>;
  readonly #administrators: readonly string[];

  constructor(contents: MemoryContents) {
    const domainsGiven = contents.domains !== undefined;
    for (const account of contents.accounts ?? []) {
      this.putAccount(account, contents.passwords?.[account.login]);
      for (const address of domainsGiven ? [] : account.addresses) {
        this.putDomain(address.slice(address.lastIndexOf('@') + 1));
      }
    }
    for (const domain of contents.domains ?? []) this.putDomain(domain);
    for (const list of contents.lists ?? []) this.putList(list);
    for (const rule of contents.rules ?? []) this.putRule(rule);
    for (const volume of contents.volumes ?? []) this.#volumes.set(volume.name, volume);
    for (const node of contents.nodes ?? []) this.#nodes.set(node.name, node);
    this.#secrets = new Map(Object.entries(contents.secrets ?? {}));
    this.#settings = new Map(Object.entries(contents.settings ?? {}));
    this.#administrators = contents.administrators ?? [];
  }

  get available(): boolean {
    return !this.down;
  }

  async resolve(address: string, context?: ResolveContext): Promise<Resolution> {
    this.#ask();
    return await resolveAddress(address, this.lookups, { context });
  }

  async ownerOf(address: string): Promise<AddressOwner | undefined> {
    this.#ask();
    return await ownerOf(address, this.lookups);
  }

  async account(login: string): Promise<Account | undefined> {
    this.#ask();
    const key = addressKey(login);
    const account = key && this.#holder(keyText(key));
    return account && key && sameKey(account.login, keyText(key)) ? account : undefined;
  }

  async accountById(id: string): Promise<Account | undefined> {
    this.#ask();
    return this.#accounts.get(id);
  }

  async secondFactor({ id }: Account): Promise<SecondFactor | undefined> {
    this.#ask();
    return this.#accounts.get(id)?.hasSecondFactor === true ? this.#factors.get(id) : undefined;
  }

  async verifyPassword(account: Account, password: string): Promise<'accepted' | 'refused'> {
    this.#ask();
    const stored = this.#passwords.get(account.id);
    return password !== '' && stored === password ? 'accepted' : 'refused';
  }

  async volumes(): Promise<readonly VolumeEntry[]> {
    this.#ask();
    return [...this.#volumes.values()];
  }

  async assignVolume(account: Account, volume: string): Promise<string> {
    this.#ask();
    const stored = this.#accounts.get(account.id);
    if (!stored) throw new DirectoryUnavailable(`The entry ${account.dn} is gone`);
    if (stored.volume === undefined) this.#accounts.set(account.id, { ...stored, volume });
    return stored.volume ?? volume;
  }

  async volumeByRule(account: Account): Promise<string | undefined> {
    this.#ask();
    return volumeByRule(inOrder([...this.#rules.values()]), account);
  }

  async storedVolume(account: Account): Promise<string | undefined> {
    this.#ask();
    const stored = this.#accounts.get(account.id);
    if (!stored) throw new DirectoryUnavailable(`The entry ${account.dn} is gone`);
    return stored.volume;
  }

  async settings(): Promise<ReadonlyMap<string, string>> {
    this.#ask();
    return new Map(this.#settings);
  }

  async node(name: string): Promise<NodeEntry | undefined> {
    this.#ask();
    return this.#nodes.get(name);
  }

  async nodes(): Promise<readonly NodeEntry[]> {
    this.#ask();
    return [...this.#nodes.values()].toSorted(byName);
  }

  async domain(name: string): Promise<DomainEntry | undefined> {
    this.#ask();
    return this.#domains.get(domainKey(name) ?? '');
  }

  async etrnDomains(argument: string): Promise<readonly DomainEntry[]> {
    this.#ask();
    const named = parseEtrn(argument);
    if (!named) return [];
    return [...this.#domains.values()]
      .filter(({ name, transport }) => transport !== undefined && etrnNames(named, name))
      .toSorted(byName)
      .slice(0, ETRN_DOMAINS_MAX);
  }

  async secret(kind: SecretKind, name: string): Promise<string | undefined> {
    this.#ask();
    return this.#secrets.get(`${kind}/${name}`);
  }

  invalidate(): void {}

  async close(): Promise<void> {}

  putAccount(account: Account, password?: string): void {
    this.removeAccount(account.id);
    this.#accounts.set(account.id, account);
    for (const address of [account.login, ...account.addresses]) {
      const key = addressKey(address);
      if (key) this.#byAddress.set(keyText(key), account.id);
    }
    if (password !== undefined) this.#passwords.set(account.id, password);
  }

  removeAccount(id: string): void {
    this.#accounts.delete(id);
    for (const [address, holder] of this.#byAddress) {
      if (holder === id) this.#byAddress.delete(address);
    }
  }

  putDomain(domain: MemoryDomain): void {
    const given = typeof domain === 'string' ? { name: domain } : domain;
    const name = domainKey(given.name);
    if (name === undefined) return;
    const aliasOf = given.aliasOf === undefined ? undefined : domainKey(given.aliasOf);
    this.#domains.set(name, { ...plainDomain(name), ...given, name, aliasOf });
  }

  putList(list: ListEntry): void {
    const key = addressKey(list.address);
    if (key) this.#lists.set(keyText(key), { ...list, address: keyText(key) });
  }

  putRule(rule: RuleEntry): void {
    this.#rules.set(rule.name, rule);
  }

  putVolume(volume: VolumeEntry): void {
    this.#volumes.set(volume.name, volume);
  }

  putSetting(name: string, value: string): void {
    this.#settings.set(name, value);
  }

  putNode(node: NodeEntry): void {
    this.#nodes.set(node.name, node);
  }

  putSecret(kind: SecretKind, name: string, value: string): void {
    this.#secrets.set(`${kind}/${name}`, value);
  }

  putSecondFactor(id: string, factor: SecondFactor | undefined): void {
    const account = this.#accounts.get(id);
    if (account) this.#accounts.set(id, { ...account, hasSecondFactor: factor !== undefined });
    if (factor) this.#factors.set(id, factor);
    else this.#factors.delete(id);
  }

  #ask(): void {
    this.questions += 1;
    if (this.down) throw new DirectoryUnavailable('The memory directory is down');
  }

  #select(selection: Selection, limit: number): readonly Account[] {
    const selected = [...this.#accounts.values()].filter(selects(selection));
    if (selected.length <= limit) return selected;
    const name = selection.kind === 'list' ? selection.list.address : selection.domain;
    throw new DirectoryUnavailable(`${name} stands for more than ${limit} users (MF-DIR-020)`);
  }

  #holder(key: string): Account | undefined {
    return this.#accounts.get(this.#byAddress.get(key) ?? '');
  }

  #postmaster(): Account | undefined {
    const names = [this.#settings.get('postmaster') ?? '', ...this.#administrators];
    const keys = names.map((name) => addressKey(name)).filter((key) => key !== undefined);
    return keys.map((key) => this.#holder(keyText(key))).find((account) => account !== undefined);
  }
}

/** @throws DirectoryUnavailable when the filter of a list is none */
function selects(selection: Selection): (account: Account) => boolean {
  switch (selection.kind) {
    case 'domain':
      return ({ login }) => addressKey(login)?.domain === selection.domain;
    case 'site':
      return ({ login, site }) => site === selection.site && login.endsWith(`@${selection.domain}`);
    case 'list':
      break;
  }
  const { filter, address } = selection.list;
  if (filter === undefined) return () => false;
  try {
    return userFilter(filter);
  } catch (error) {
    const what = `The filter of the list ${address} is bad (MF-DIR-004)`;
    throw new DirectoryUnavailable(what, { cause: error });
  }
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : 1;

const sameKey = (login: string, text: string): boolean => {
  const key = addressKey(login);
  return key !== undefined && keyText(key) === text;
};
