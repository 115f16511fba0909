import { AndFilter, Attribute, Change, EqualityFilter, OrFilter, type Entry } from 'ldapts';
import { systemClock, type Clock } from '../../base/clock.ts';
import { defaults, type OptionValues } from '../../config/options.ts';
import { silentLogger, type Logger } from '../../log/types.ts';
import { addressKey, addressSpellings, domainSpellings, keyText } from '../address.ts';
import type { AddressKey } from '../address.ts';
import { plainDomain } from '../lookups.ts';
import { DIRECTORY_OPTIONS } from '../options.ts';
import { resolveAddress } from '../resolve.ts';
import { layout, nameIsSafe, USER_ATTRIBUTES, type Layout } from '../schema.ts';
import { DirectoryUnavailable } from '../types.ts';
import type {
  Account,
  Directory,
  NodeEntry,
  Resolution,
  ResolveContext,
  VolumeEntry,
} from '../types.ts';
import { Answers } from './cache.ts';
import { resultCode, type LdapConnection, type ServerAccess } from './connection.ts';
import { toAccount, toNode, toSettings, toVolume, valuesOf } from './entries.ts';
import { VerifiedPasswords } from './passwords.ts';
import { PasswordBinds } from './binds.ts';
import { Replicas, type Ask } from './replicas.ts';

export interface LdapDirectoryOptions {
  /** ldap:// and ldaps:// URLs in order of preference. */
  readonly urls: readonly string[];
  readonly suffix: string;
  /** The identity front ends search with; empty is nobody. */
  readonly bindDn: string;
  readonly bindPassword: string;
  /** What ldap:// URLs do after connecting; ldaps:// URLs are always TLS. */
  readonly tls?: {
    readonly mode?: 'none' | 'starttls';
    /** PEM of the authorities that vouch for the servers; the system's when left out. */
    readonly ca?: string;
    /** Name in the certificates, where it is not that of the URL. */
    readonly servername?: string;
  };
  readonly options?: Partial<OptionValues<typeof DIRECTORY_OPTIONS>>;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** More holders than this of one address are not read; two are already one too many. */
const HOLDERS_MAX = 4;
const VOLUMES_MAX = 10_000;

/** A directory that is asked over LDAP. Connects when it is first asked. */
export function ldapDirectory(options: LdapDirectoryOptions): Directory {
  return new LdapDirectory(options);
}

/** How the servers of a directory are reached, from its options. */
export function serverAccess(options: LdapDirectoryOptions): readonly ServerAccess[] {
  const values = { ...defaults(DIRECTORY_OPTIONS), ...options.options };
  return options.urls.map((url) => ({
    url,
    starttls: options.tls?.mode === 'starttls',
    ca: options.tls?.ca,
    servername: options.tls?.servername,
    bind:
      options.bindDn === '' ? undefined : { dn: options.bindDn, password: options.bindPassword },
    connectDeadlineMs: values['directory.connect.deadline'],
    operationDeadlineMs: values['directory.operation.deadline'],
  }));
}

class LdapDirectory implements Directory {
  readonly #layout: Layout;
  readonly #logger: Logger;
  readonly #replicas: Replicas;
  readonly #binds: PasswordBinds;
  readonly #passwords: VerifiedPasswords;
  readonly #accounts: Answers<Account>;
  readonly #domains: Answers<true>;
  readonly #tables: Answers<unknown>;

  constructor(options: LdapDirectoryOptions) {
    const values = { ...defaults(DIRECTORY_OPTIONS), ...options.options };
    const clock = options.clock ?? systemClock;
    const logger = options.logger ?? silentLogger;
    this.#layout = layout(options.suffix);
    this.#logger = logger;
    this.#replicas = new Replicas({
      servers: serverAccess(options),
      farm: this.#layout.farm,
      retryMs: values['directory.retry'],
      connections: values['directory.search.connections'],
      clock,
      logger,
    });
    const connections = values['directory.bind.connections'];
    this.#binds = new PasswordBinds(this.#replicas, { connections });
    const answers = {
      freshMs: values['directory.cache.fresh'],
      staleMs: values['directory.cache.stale'],
      entriesMax: values['directory.cache.entries'],
      clock,
    };
    this.#accounts = new Answers(answers);
    this.#domains = new Answers(answers);
    this.#tables = new Answers(answers);
    this.#passwords = new VerifiedPasswords({
      freshMs: values['directory.password.fresh'],
      outageMs: values['directory.password.outage'],
      entriesMax: answers.entriesMax,
      clock,
      bind: (account, password) => this.#bind(account, password),
    });
  }

  get available(): boolean {
    return this.#replicas.available;
  }

  async resolve(address: string, context?: ResolveContext): Promise<Resolution> {
    return await resolveAddress(
      address,
      {
        holder: (key) => this.#holder(key),
        domain: async (domain) => ((await this.#isLocal(domain)) ? plainDomain(domain) : undefined),
        list: async () => undefined,
        select: async () => [],
        rules: async () => [],
        postmaster: () => this.#postmaster(),
      },
      { context },
    );
  }

  async account(login: string): Promise<Account | undefined> {
    const key = addressKey(login);
    const account = key && (await this.#holder(key));
    const own = account && addressKey(account.login);
    return own && key && keyText(own) === keyText(key) ? account : undefined;
  }

  async verifyPassword(account: Account, password: string): Promise<'accepted' | 'refused'> {
    return await this.#passwords.verify(account, password);
  }

  async volumes(): Promise<readonly VolumeEntry[]> {
    const attributes = ['cn', 'mwMountPath', 'mwIdentity', 'mwWeight', 'mwState'];
    const ask = async (): Promise<readonly VolumeEntry[]> =>
      await this.#ask(async (connection, whole) => {
        const filter = new EqualityFilter({ attribute: 'objectClass', value: 'mwVolume' });
        const found = await connection.search(this.#layout.volumes, {
          scope: 'one',
          filter,
          attributes,
          sizeLimit: VOLUMES_MAX,
        });
        if (found.length === 0) await whole();
        return found.flatMap((entry) => this.#usableVolume(entry));
      });
    return ((await this.#tables.get('volumes', ask)) ?? []) as readonly VolumeEntry[];
  }

  async assignVolume(account: Account, volume: string): Promise<string> {
    const stored = await this.#ask(async (connection) => {
      const before = await this.#reread(connection, account);
      if (before.volume !== undefined) return before;
      await addVolume(connection, account.dn, volume);
      return await this.#reread(connection, account);
    });
    if (stored.volume === undefined) {
      throw new DirectoryUnavailable(`The directory does not let us place ${account.dn}`);
    }
    for (const address of stored.addresses) {
      const key = addressKey(address);
      if (key) this.#accounts.put(keyText(key), stored);
    }
    return stored.volume;
  }

  async volumeByRule(): Promise<string | undefined> {
    return undefined;
  }

  async storedVolume(account: Account): Promise<string | undefined> {
    return await this.#ask(async (connection, whole) => {
      const { volume } = await this.#reread(connection, account);
      if (volume === undefined) await whole(); // A server that lags behind does not show it yet.
      return volume;
    });
  }

  async settings(): Promise<ReadonlyMap<string, string>> {
    const ask = async (): Promise<ReadonlyMap<string, string>> =>
      await this.#ask(async (connection, whole) => {
        const found = await connection.search(this.#layout.farm, {
          scope: 'base',
          attributes: ['mwSetting'],
          sizeLimit: 1,
        });
        if (!found[0]) await whole();
        return found[0] ? toSettings(found[0]) : new Map();
      });
    return (await this.#tables.get('settings', ask)) as ReadonlyMap<string, string>;
  }

  async node(name: string): Promise<NodeEntry | undefined> {
    if (!nameIsSafe(name)) return undefined;
    const attributes = ['cn', 'nid', 'server', 'status', 'mwListen'];
    const ask = async (): Promise<NodeEntry | undefined> => {
      const entry = await this.#named('mwNode', {
        names: [name],
        base: this.#layout.nodes,
        attributes,
      });
      return entry && toNode(entry);
    };
    return (await this.#tables.get(`node ${name}`, ask)) as NodeEntry | undefined;
  }

  invalidate(): void {
    for (const answers of [this.#accounts, this.#domains, this.#tables]) answers.invalidate();
    this.#passwords.invalidate();
  }

  async close(): Promise<void> {
    await Promise.all([this.#replicas.close(), this.#binds.close()]);
  }

  /** As `Replicas.ask`; a result that we do not expect is trouble too, never an answer. */
  async #ask<T>(ask: Ask<T>): Promise<T> {
    try {
      return await this.#replicas.ask(ask);
    } catch (error) {
      if (error instanceof DirectoryUnavailable) throw error;
      throw new DirectoryUnavailable('The directory gave an unexpected result', { cause: error });
    }
  }

  /** One damaged entry must not take the other volumes away. */
  #usableVolume(entry: Entry): readonly VolumeEntry[] {
    try {
      return [toVolume(entry)];
    } catch (error) {
      this.#logger.error({ dn: entry.dn, err: error }, 'MF-DIR-004 volume entry is left out');
      return [];
    }
  }

  async #holder(key: AddressKey): Promise<Account | undefined> {
    return await this.#accounts.get(keyText(key), async () => {
      const spellings = addressSpellings(key);
      const found = await this.#ask(async (connection, whole) => {
        const entries = await connection.search(this.#layout.users, {
          scope: 'sub',
          filter: userFilter(spellings),
          attributes: USER_ATTRIBUTES,
          sizeLimit: HOLDERS_MAX,
        });
        if (entries.length === 0) await whole();
        return entries;
      });
      return oneHolder(found, spellings);
    });
  }

  async #isLocal(domain: string): Promise<boolean> {
    const names = domainSpellings(domain);
    const ask = async (): Promise<true | undefined> => {
      const base = this.#layout.domains;
      return (await this.#named('mwDomain', { names, base, attributes: ['cn'] })) && true;
    };
    return (await this.#domains.get(domain, ask)) === true;
  }

  /** The entry of a class with one of these names, one level below a base. */
  async #named(
    objectClass: string,
    where: {
      readonly names: readonly string[];
      readonly base: string;
      readonly attributes: readonly string[];
    },
  ): Promise<Entry | undefined> {
    const names = where.names.map((value) => new EqualityFilter({ attribute: 'cn', value }));
    const filter = new AndFilter({
      filters: [
        new EqualityFilter({ attribute: 'objectClass', value: objectClass }),
        new OrFilter({ filters: names }),
      ],
    });
    return await this.#ask(async (connection, whole) => {
      const { attributes } = where;
      const options = { scope: 'one', filter, attributes, sizeLimit: HOLDERS_MAX } as const;
      const [entry] = await connection.search(where.base, options);
      if (!entry) await whole();
      return entry;
    });
  }

  /** Kept as one answer, so that it also has a last known good one. */
  async #postmaster(): Promise<Account | undefined> {
    return await this.#accounts.get('postmaster', () => this.#findPostmaster());
  }

  async #findPostmaster(): Promise<Account | undefined> {
    const setting = addressKey((await this.settings()).get('postmaster') ?? '');
    const chosen = setting && (await this.#holder(setting));
    if (chosen) return chosen;
    const members = await this.#ask(async (connection, whole) => {
      const options = { scope: 'base', attributes: ['member'], sizeLimit: 1 } as const;
      const [group] = await connection.search(this.#layout.administrators, options);
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
    return await this.#ask(async (connection) => {
      const [entry] = await connection.search(dn, {
        scope: 'base',
        filter: new EqualityFilter({ attribute: 'objectClass', value: 'mwUser' }),
        attributes: USER_ATTRIBUTES,
        sizeLimit: 1,
      });
      return entry && toAccount(entry);
    });
  }

  /** The entry as it is now. Another entry under the same name is not this user. */
  async #reread(connection: LdapConnection, account: Account): Promise<Account> {
    const options = { scope: 'base', attributes: USER_ATTRIBUTES, sizeLimit: 1 } as const;
    const [entry] = await connection.search(account.dn, options);
    const now = entry && toAccount(entry);
    if (now?.id === account.id) return now;
    throw new DirectoryUnavailable(`The entry ${account.dn} was renamed or removed`);
  }

  /** A refusal counts only from a server that shows the farm: an empty one refuses everybody. */
  async #bind(account: Account, password: string): Promise<'accepted' | 'refused'> {
    const answer = await this.#verify(account.dn, password);
    if (answer === 'refused') await this.#ask(async (_, whole) => await whole());
    return answer;
  }

  async #verify(dn: string, password: string): Promise<'accepted' | 'refused'> {
    try {
      return await this.#binds.verify(dn, password);
    } catch (error) {
      if (error instanceof DirectoryUnavailable) throw error;
      throw new DirectoryUnavailable('The directory cannot verify a password', { cause: error });
    }
  }
}

function userFilter(spellings: readonly string[]): AndFilter {
  const either = spellings.flatMap((value) => [
    new EqualityFilter({ attribute: 'cn', value }),
    new EqualityFilter({ attribute: 'mailAlias', value }),
  ]);
  return new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'mwUser' }),
      new OrFilter({ filters: either }),
    ],
  });
}

/** A login outranks an alias; two of the same kind are nobody's until somebody decides. */
function oneHolder(entries: readonly Entry[], spellings: readonly string[]): Account | undefined {
  const accounts = entries.map(toAccount);
  const owner = accounts.filter((account) => spellings.includes(account.login));
  const [account, other] = owner.length > 0 ? owner : accounts;
  if (!account || !other) return account;
  throw new DirectoryUnavailable(
    `${account.dn} and ${other.dn} both hold ${spellings[0] ?? ''} (MF-DIR-006)`,
  );
}

/** What a server says when somebody else was first, or when the right is only "where absent". */
const PLACED_ALREADY: ReadonlySet<number | undefined> = new Set([19, 20, 50]);

async function addVolume(connection: LdapConnection, dn: string, volume: string): Promise<void> {
  const modification = new Attribute({ type: 'mwVolume', values: [volume] });
  try {
    await connection.modify(dn, [new Change({ operation: 'add', modification })]);
  } catch (error) {
    if (!PLACED_ALREADY.has(resultCode(error))) throw error;
  }
}
