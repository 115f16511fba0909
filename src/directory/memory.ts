import { addressKey, domainKey, keyText } from './address.ts';
import { plainDomain } from './lookups.ts';
import { resolveAddress } from './resolve.ts';
import { DirectoryUnavailable } from './types.ts';
import type {
  Account,
  Directory,
  NodeEntry,
  Resolution,
  ResolveContext,
  VolumeEntry,
} from './types.ts';

/** What a memory directory starts with. Everything may be left out. */
export interface MemoryContents {
  /** Accounts; `memoryAccount` fills in what a test does not care about. */
  readonly accounts?: readonly Account[];
  /** Local domains; by default those of the accounts' addresses. */
  readonly domains?: readonly string[];
  readonly volumes?: readonly VolumeEntry[];
  readonly nodes?: readonly NodeEntry[];
  readonly settings?: Readonly<Record<string, string>>;
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
  /** Adds an account or replaces the one with its id. */
  putAccount(account: Account, password?: string): void;
  removeAccount(id: string): void;
  putDomain(domain: string): void;
  putVolume(volume: VolumeEntry): void;
  putSetting(name: string, value: string): void;
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
    ...partial,
    login,
    addresses: [...new Set([login, ...(partial.addresses ?? [])])],
  };
}

/** A directory that lives in memory: for tests and for a front end without an LDAP server. */
export function memoryDirectory(contents: MemoryContents = {}): MemoryDirectory {
  return new MemoryDirectoryState(contents);
}

class MemoryDirectoryState implements MemoryDirectory {
  down = false;
  questions = 0;
  readonly #accounts = new Map<string, Account>();
  readonly #byAddress = new Map<string, string>();
  readonly #passwords = new Map<string, string>();
  readonly #domains = new Set<string>();
  readonly #volumes = new Map<string, VolumeEntry>();
  readonly #nodes = new Map<string, NodeEntry>();
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
    for (const volume of contents.volumes ?? []) this.#volumes.set(volume.name, volume);
    for (const node of contents.nodes ?? []) this.#nodes.set(node.name, node);
    this.#settings = new Map(Object.entries(contents.settings ?? {}));
    this.#administrators = contents.administrators ?? [];
  }

  get available(): boolean {
    return !this.down;
  }

  async resolve(address: string, context?: ResolveContext): Promise<Resolution> {
    this.#ask();
    return await resolveAddress(
      address,
      {
        holder: async (key) => this.#holder(keyText(key)),
        domain: async (domain) => (this.#domains.has(domain) ? plainDomain(domain) : undefined),
        list: async () => undefined,
        select: async () => [],
        rules: async () => [],
        postmaster: async () => this.#postmaster(),
      },
      { context },
    );
  }

  async account(login: string): Promise<Account | undefined> {
    this.#ask();
    const key = addressKey(login);
    const account = key && this.#holder(keyText(key));
    return account && key && sameKey(account.login, keyText(key)) ? account : undefined;
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

  async volumeByRule(): Promise<string | undefined> {
    this.#ask();
    return undefined;
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

  putDomain(domain: string): void {
    const key = domainKey(domain);
    if (key !== undefined) this.#domains.add(key);
  }

  putVolume(volume: VolumeEntry): void {
    this.#volumes.set(volume.name, volume);
  }

  putSetting(name: string, value: string): void {
    this.#settings.set(name, value);
  }

  #ask(): void {
    this.questions += 1;
    if (this.down) throw new DirectoryUnavailable('The memory directory is down');
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

const sameKey = (login: string, text: string): boolean => {
  const key = addressKey(login);
  return key !== undefined && keyText(key) === text;
};
