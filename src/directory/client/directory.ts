import { Attribute, Change, ResultCodeError, type Entry } from 'ldapts';
import { systemClock, type Clock } from '../../base/clock.ts';
import { defaults, type OptionValues } from '../../config/options.ts';
import { silentLogger, type Logger } from '../../log/types.ts';
import { addressKey, domainKey, keyText } from '../address.ts';
import { MAPS, mapAttributes, type AttributeMap } from '../map.ts';
import { DIRECTORY_OPTIONS } from '../options.ts';
import { ownerOf, resolveAddress } from '../resolve.ts';
import { volumeByRule } from '../rules.ts';
import { layout, nameIsSafe, type Layout } from '../schema.ts';
import { DirectoryUnavailable } from '../types.ts';
import type {
  Account,
  AddressOwner,
  Directory,
  DirectoryNews,
  DomainEntry,
  NewsExchange,
  NodeEntry,
  Resolution,
  ResolveContext,
  SecondFactor,
  SecretKind,
  VolumeEntry,
} from '../types.ts';
import { Answers, type AnswersLimits } from './cache.ts';
import { Elsewhere, resultCode } from './connection.ts';
import type { BindPassword, LdapConnection, ServerAccess } from './connection.ts';
import {
  NODE_ATTRIBUTES,
  toAccount,
  toNode,
  toSettings,
  toVolume,
  valuesOf as textsOf,
} from './entries.ts';
import { all, equal } from './filters.ts';
import { LdapLookups } from './lookups.ts';
import { AnotherUser, VerifiedPasswords } from './passwords.ts';
import { newsExchange } from './news.ts';
import { OutboundEntries } from './outbound.ts';
import { PasswordBinds } from './binds.ts';
import { Replicas, type Ask } from './replicas.ts';
import { secondFactorOf, type SecondFactorAsk } from './second-factor.ts';
import { SecretEntries, type Asking, type OwnIdentity } from './secrets.ts';
import type { ServerState } from './state.ts';

/** Servers and the identity to search them with. */
export interface LdapAccess {
  /** ldap:// and ldaps:// URLs in order of preference. */
  readonly urls: readonly string[];
  /** The identity front ends search with; empty is nobody. */
  readonly bindDn: string;
  readonly bindPassword: BindPassword;
  /** What ldap:// URLs do after connecting; ldaps:// URLs are always TLS. */
  readonly tls?: {
    readonly mode?: 'none' | 'starttls';
    /** PEM of the authorities that vouch for the servers; the system's when left out. */
    readonly ca?: string;
    /** Name in the certificates, where it is not that of the URL. */
    readonly servername?: string;
  };
}

/** Users of a site's own directory; the farm's own entries stay where they are. */
export interface UsersOptions extends LdapAccess {
  /** All users stand below it. */
  readonly base: string;
  readonly map: AttributeMap;
}

export interface LdapDirectoryOptions extends LdapAccess {
  readonly suffix: string;
  readonly users?: UsersOptions | undefined;
  /** Whose right to secrets counts; see secrets.ts. Left out: that of `bindDn`. */
  readonly identity?: (() => Promise<OwnIdentity | undefined>) | undefined;
  readonly options?: Partial<OptionValues<typeof DIRECTORY_OPTIONS>>;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** More entries than this of one name are not read. */
const NAMED_MAX = 4;
/** How long replicas may take to agree where a new mailbox lies. */
const SETTLE_WAIT_MS = 50;
const SETTLE_WAITS = 20;

/** A directory that is asked over LDAP. Connects when it is first asked. */
export function ldapDirectory(options: LdapDirectoryOptions): Directory {
  return new LdapDirectory(options);
}

type Values = OptionValues<typeof DIRECTORY_OPTIONS>;
const valuesOf = (options: LdapDirectoryOptions): Values => ({
  ...defaults(DIRECTORY_OPTIONS),
  ...options.options,
});

/** How the servers of a directory are reached, from its options. */
export function serverAccess(options: LdapDirectoryOptions): readonly ServerAccess[] {
  return accessOf(options, valuesOf(options));
}

function accessOf(access: LdapAccess, values: Values): readonly ServerAccess[] {
  return access.urls.map((url) => ({
    url,
    starttls: access.tls?.mode === 'starttls',
    ca: access.tls?.ca,
    servername: access.tls?.servername,
    bind: access.bindDn === '' ? undefined : { dn: access.bindDn, password: access.bindPassword },
    connectDeadlineMs: values['directory.connect.deadline'],
    operationDeadlineMs: values['directory.operation.deadline'],
  }));
}

class LdapDirectory implements Directory {
  readonly news: NewsExchange;
  readonly #layout: Layout;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** The farm's own tree. */
  readonly #replicas: Replicas;
  /** Where the users stand: the same, or a site's own servers. */
  readonly #people: Replicas;
  readonly #map: AttributeMap;
  readonly #binds: PasswordBinds;
  readonly #passwords: VerifiedPasswords;
  readonly #lookups: LdapLookups;
  readonly #outbound: OutboundEntries;
  readonly #secrets: SecretEntries;
  readonly #tables: Answers<unknown>;
  readonly #expansionMax: number;

  constructor(options: LdapDirectoryOptions) {
    const values = valuesOf(options);
    const clock = options.clock ?? systemClock;
    const logger = options.logger ?? silentLogger;
    const { users } = options;
    this.#layout = layout(options.suffix);
    this.#clock = clock;
    this.#logger = logger;
    this.#map = users?.map ?? MAPS.mailfarm;
    this.#expansionMax = values['directory.expansion.max'];
    const listeners = new Set<(news: DirectoryNews) => void>();
    const told = (tree: DirectoryNews['tree'], state: ServerState): void => {
      for (const listener of listeners) listener({ tree, csns: [...state.values()] });
    };
    const replicas = (
      access: LdapAccess,
      shows: string,
      suffix: string | undefined,
      tree: DirectoryNews['tree'],
    ): Replicas =>
      new Replicas({
        onNewest: (state) => told(tree, state),
        servers: accessOf(access, values),
        shows,
        suffix,
        retryMs: values['directory.retry'],
        connections: values['directory.search.connections'],
        clock,
        logger,
      });
    this.#replicas = replicas(options, this.#layout.farm, options.suffix, 'farm');
    this.#people = users ? replicas(users, users.base, undefined, 'users') : this.#replicas;
    const trees = new Map([['farm', this.#replicas] as const, ['users', this.#people] as const]);
    this.news = newsExchange(trees, { listeners, withUsers: users !== undefined });
    const connections = values['directory.bind.connections'];
    this.#binds = new PasswordBinds(this.#people, { connections });
    const answers = answersLimits(values, clock);
    this.#lookups = new LdapLookups({
      layout: this.#layout,
      people: {
        base: users?.base ?? this.#layout.users,
        map: this.#map,
        own: users === undefined,
        ask: (ask) => this.#askPeople(ask),
      },
      ask: (ask) => this.#ask(ask),
      answers,
      settings: () => this.settings(),
    });
    this.#secrets = new SecretEntries({
      layout: this.#layout,
      ask: (ask) => this.#ask(ask),
      identity: options.identity ?? (async () => undefined),
      open: ({ dn, password }) => {
        const access = { ...options, bindDn: dn, bindPassword: password };
        return this.#asSelf(replicas(access, this.#layout.farm, options.suffix, 'farm'));
      },
    });
    const ask = <T>(one: Ask<T>): Promise<T> => this.#ask(one);
    this.#outbound = new OutboundEntries({ layout: this.#layout, ask, logger });
    this.#tables = new Answers(answers);
    this.#passwords = new VerifiedPasswords({
      freshMs: values['directory.password.fresh'],
      outageMs: values['directory.password.outage'],
      entriesMax: answers.entriesMax,
      clock,
      bind: (account, password) => this.#verify(account, password),
    });
  }

  get available(): boolean {
    return this.#replicas.available && this.#people.available;
  }

  async resolve(address: string, context?: ResolveContext): Promise<Resolution> {
    return await resolveAddress(address, this.#lookups.forOne(), {
      context,
      limits: { destinations: this.#expansionMax },
      onLeftOut: (what) => this.#logger.info({ ...what }, 'address leads nowhere and is left out'),
    });
  }

  async ownerOf(address: string): Promise<AddressOwner | undefined> {
    return await ownerOf(address, this.#lookups.forOne());
  }

  async account(login: string): Promise<Account | undefined> {
    const key = addressKey(login);
    const account = key && (await this.#lookups.holder(key));
    if (!account) return undefined;
    // Only a login, and a short one where the map has them, is found by a bare name.
    if (key.domain === undefined && this.#map.shortLogin !== undefined) return account;
    const own = addressKey(account.login);
    return own && keyText(own) === keyText(key) ? account : undefined;
  }

  async accountById(id: string): Promise<Account | undefined> {
    return await this.#lookups.byId(id);
  }

  async secondFactor(account: Account): Promise<SecondFactor | undefined> {
    const ask: SecondFactorAsk['ask'] = (one) => this.#askPeople(one);
    return await secondFactorOf(account, { map: this.#map, ask });
  }

  async verifyPassword(account: Account, password: string): Promise<'accepted' | 'refused'> {
    return await this.#passwords.verify(account, password);
  }

  async volumes(): Promise<readonly VolumeEntry[]> {
    const attributes = ['cn', 'mwMountPath', 'mwIdentity', 'mwWeight', 'mwState', 'mwUse'];
    const ask = async (): Promise<readonly VolumeEntry[]> =>
      await this.#ask(async (connection, whole) => {
        const found = await connection.search(this.#layout.volumes, {
          scope: 'one',
          filter: equal('objectClass', 'mwVolume'),
          attributes,
          sizeLimit: 0, // A limit of ours would make one of the server's own look like the end.
        });
        if (found.length === 0) await whole();
        return found.flatMap((entry) => this.#usableVolume(entry));
      });
    return ((await this.#tables.get('volumes', ask)) ?? []) as readonly VolumeEntry[];
  }

  async assignVolume(account: Account, volume: string): Promise<string> {
    const attribute = this.#map.volume;
    if (attribute === undefined) return await this.#unwritten(account, volume);
    const stored = await this.#askPeople(async (connection, whole) => {
      const seen = await this.#people.everywhere((one) => this.#reread(one, account));
      const before = seen.find((one) => one.volume !== undefined);
      if (before !== undefined) return before;
      await whole(); // One that lags behind may not show the volume yet, and takes another.
      await addVolume(connection, account.dn, new Attribute({ type: attribute, values: [volume] }));
      return await this.#reread(connection, account);
    });
    const settled = stored.volume === volume ? await this.#settle(stored) : stored;
    if (settled.volume === undefined) {
      throw new DirectoryUnavailable(`The directory does not let us place ${account.dn}`);
    }
    this.#lookups.put(settled);
    return settled.volume;
  }

  /** A directory that is not written to: the place is what its path or a rule says. */
  async #unwritten(account: Account, volume: string): Promise<string> {
    if (account.path !== undefined) return volume;
    if ((await this.volumeByRule(account)) === volume) return volume;
    throw new DirectoryUnavailable(
      `${account.dn} has no path, and no rule gives it a volume (MF-DIR-009)`,
    );
  }

  /**
   * Two replicas in mirror mode may take two different adds at the same moment; the later wins
   * everywhere. So who added hears from all replicas which one it was before mail goes there. One
   * that does not show it yet may be taking another add just now: the letter waits for it.
   */
  async #settle(stored: Account): Promise<Account> {
    for (let waits = 0; ; waits += 1) {
      const seen = await this.#people.everywhere((one) => this.#reread(one, stored));
      const volumes = new Set(seen.map(({ volume }) => volume));
      if (volumes.size <= 1) return seen[0] ?? stored;
      if (waits === SETTLE_WAITS) {
        const how = volumes.has(undefined) ? 'do not all show yet' : 'disagree';
        throw new DirectoryUnavailable(`The servers ${how} where ${stored.dn} has its mailbox`);
      }
      await this.#clock.sleep(SETTLE_WAIT_MS);
    }
  }

  async volumeByRule(account: Account): Promise<string | undefined> {
    return volumeByRule(await this.#lookups.rules(), account);
  }

  async storedVolume(account: Account): Promise<string | undefined> {
    if (this.#map.volume === undefined) {
      // Where nothing is stored the rule is the placement; a path needs none.
      return account.path === undefined ? await this.volumeByRule(account) : undefined;
    }
    return await this.#askPeople(async (connection, whole) => {
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
    const ask = async (): Promise<NodeEntry | undefined> => {
      const entry = await this.#ask(async (connection, whole) => {
        const [found] = await connection.search(this.#layout.nodes, {
          scope: 'one',
          filter: all(equal('objectClass', 'mwNode'), equal('cn', name)),
          attributes: NODE_ATTRIBUTES,
          sizeLimit: NAMED_MAX,
        });
        if (!found) await whole();
        return found;
      });
      return entry && toNode(entry);
    };
    return (await this.#tables.get(`node ${name}`, ask)) as NodeEntry | undefined;
  }

  async nodes(): Promise<readonly NodeEntry[]> {
    return ((await this.#tables.get('nodes', () => this.#outbound.nodes())) ??
      []) as readonly NodeEntry[];
  }

  async domain(name: string): Promise<DomainEntry | undefined> {
    const key = domainKey(name);
    return key === undefined ? undefined : await this.#lookups.domain(key);
  }

  async etrnDomains(argument: string): Promise<readonly DomainEntry[]> {
    return await this.#outbound.etrnDomains(argument);
  }

  async secret(kind: SecretKind, name: string): Promise<string | undefined> {
    const find = (): Promise<string | undefined> => this.#secrets.get(kind, name);
    return (await this.#tables.get(`secret ${kind} ${name}`, find)) as string | undefined;
  }

  invalidate(): void {
    this.#lookups.invalidate();
    this.#tables.invalidate();
    this.#passwords.invalidate();
  }

  async close(): Promise<void> {
    const own = [this.#replicas.close(), this.#people.close(), this.#secrets.close()];
    await Promise.all([...own, this.#binds.close()]);
  }

  /** Connections of the node's own, which believe no server that is behind what is known here. */
  #asSelf(own: Replicas): Asking {
    return {
      ask: (ask) => {
        own.learn(this.#replicas.newest);
        return askOf(own, ask);
      },
      close: () => own.close(),
    };
  }

  async #ask<T>(ask: Ask<T>): Promise<T> {
    return await askOf(this.#replicas, ask);
  }

  async #askPeople<T>(ask: Ask<T>): Promise<T> {
    return await askOf(this.#people, ask);
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

  /** The entry as it is now. Another entry under the same name is not this user. */
  async #reread(connection: LdapConnection, account: Account): Promise<Account> {
    const attributes = mapAttributes(this.#map);
    const options = { scope: 'base', attributes, sizeLimit: 1 } as const;
    const [entry] = await connection.search(account.dn, options);
    const now = entry && toAccount(entry, this.#map);
    if (now?.id === account.id) return now;
    throw new DirectoryUnavailable(`The entry ${account.dn} was renamed or removed`);
  }

  /**
   * The password of this user, and of nobody else: a bind knows a name only, which may have been
   * given to somebody else since the account was looked up.
   */
  async #verify(account: Account, password: string): Promise<'accepted' | 'refused'> {
    try {
      const first = await this.#bindAs(account, password);
      if (first.holds) return first.answer;
      const key = addressKey(account.login);
      if (key) this.#lookups.forget(key);
      const now = key && (await this.account(account.login));
      if (!now) return 'refused';
      if (now.id === account.id) {
        const second = await this.#bindAs(now, password);
        if (second.holds) return second.answer;
      }
      throw new AnotherUser(`The entry ${account.dn} is another user's now`);
    } catch (error) {
      if (error instanceof DirectoryUnavailable) throw error;
      throw new DirectoryUnavailable('The directory cannot verify a password', { cause: error });
    }
  }

  async #bindAs(
    { dn, id }: Account,
    password: string,
  ): Promise<{ readonly answer: 'accepted' | 'refused'; readonly holds: boolean }> {
    const attributes = [this.#map.id];
    return await this.#binds.verify(dn, password, async (connection) => {
      const options = { scope: 'base', attributes, sizeLimit: 1 } as const;
      const [entry] = await connection.search(dn, options).catch((error: unknown) => {
        // No name of this server's: nobody is verified as cn=nobody.
        if (error instanceof Elsewhere || error instanceof ResultCodeError) return [];
        throw error;
      });
      return entry !== undefined && textsOf(entry, this.#map.id)[0] === id;
    });
  }
}

const answersLimits = (values: Values, clock: Clock): AnswersLimits => ({
  freshMs: values['directory.cache.fresh'],
  staleMs: values['directory.cache.stale'],
  entriesMax: values['directory.cache.entries'],
  clock,
});

/** As `Replicas.ask`; a result that we do not expect is trouble too, never an answer. */
async function askOf<T>(replicas: Replicas, ask: Ask<T>): Promise<T> {
  try {
    return await replicas.ask(ask);
  } catch (error) {
    if (error instanceof DirectoryUnavailable) throw error;
    throw new DirectoryUnavailable('The directory gave an unexpected result', { cause: error });
  }
}

/** What a server says when somebody else was first, or when the right is only "where absent". */
const PLACED_ALREADY: ReadonlySet<number | undefined> = new Set([19, 20, 50]);

async function addVolume(
  connection: LdapConnection,
  dn: string,
  modification: Attribute,
): Promise<void> {
  try {
    await connection.modify(dn, [new Change({ operation: 'add', modification })]);
  } catch (error) {
    if (!PLACED_ALREADY.has(resultCode(error))) throw error;
  }
}
