import type { Entry } from 'ldapts';
import { addressKey, addressSpellings, domainSpellings, keyText } from '../address.ts';
import { escapeDnValue, isWithin, nameDn, parentDn } from '../dn.ts';
import { ACCOUNT_SERVICES, type AccountService, type Vacation } from '../types.ts';
import type { Given } from './api.ts';
import { isA } from './addresses.ts';
import { Entries, type Farm, type Kind, type Proposed, type SetOptions } from './collection.ts';
import { AdminError, isKind } from './error.ts';
import { requireRight } from './identity.ts';
import type { Loops } from './loops.ts';
import * as names from './names.ts';
import { anyEnding, anyOf } from './query.ts';
import { fieldOf } from './record.ts';
import { References, type Reference } from './references.ts';
import { RemovedUsers, type PurgeOptions, type RestoreOptions } from './removed.ts';
import { followRights, hasRights, requireNoRights } from './administrators.ts';
import { toTime } from '../time.ts';
import { Uids } from './uids.ts';
import { toUser, type UserRecord } from './user-record.ts';
import * as values from './values.ts';
import { requireMailboxes } from './volumes.ts';

export type { UserRecord } from './user-record.ts';

/** After a rename: with where the former address still stands. */
export interface RenamedUser extends UserRecord {
  readonly references: readonly Reference[];
}

/** What may be given for a user; what is undefined stays, `null` takes a value away. */
export interface UserValues {
  readonly password?: string | undefined;
  readonly quotaBytes?: number | undefined;
  readonly suspended?: readonly string[] | undefined;
  readonly volume?: Given<string>;
  readonly path?: Given<string>;
  readonly customerId?: Given<string>;
  readonly site?: Given<string>;
  readonly aliases?: Given<readonly string[]>;
  readonly forwards?: Given<readonly string[]>;
  /** With forwards, whether the mailbox gets a copy too. */
  readonly keepsForwarded?: Given<boolean>;
  /** What is answered in the user's absence; all of it at once. */
  readonly vacation?: Given<Vacation>;
  readonly description?: Given<string>;
}

export interface NewUser extends UserValues {
  readonly login: string;
  readonly password: string;
  readonly uid?: number | undefined;
}

/** One user, or all of a customer's (S2-20, S2-21). */
export type Whose = { readonly login: string } | { readonly customerId: string };

const UID_TRIES = 20;

/** Users, with their aliases and forwards. */
export class Users extends Entries<UserRecord, UserValues> {
  readonly #loops: Loops;
  readonly #uids: Uids;
  readonly #removed: RemovedUsers;
  readonly #references: References;

  /** Takes the level from whoever has one (administrators.ts, which needs users itself). */
  readonly #revoke: (login: string) => Promise<void>;

  constructor(farm: Farm, loops: Loops, revoke: (login: string) => Promise<void>) {
    super(farm, new UserKind(farm, loops));
    this.#revoke = revoke;
    this.#loops = loops;
    this.#uids = new Uids(farm.session);
    this.#removed = new RemovedUsers(farm);
    this.#references = new References(farm.session);
  }

  /** @throws AdminError exists, invalid, not-found (of the domain) */
  override async add(given: NewUser | string, more: UserValues = {}): Promise<UserRecord> {
    const user: UserValues & { login: string; uid?: number | undefined } =
      typeof given === 'string' ? { ...more, login: given } : given;
    const { session, who } = this.farm;
    const name = this.kind.newName(user.login);
    requireRight(who, { place: 'users', levelled: false }, 'entries');
    const written = this.kind.toValues(user);
    if (user.password === undefined) {
      throw new AdminError('invalid', `The user ${name} needs a password`);
    }
    await this.kind.check?.({ name, values: user, before: undefined });
    const dn = nameDn('cn', name, session.names.users);
    for (let tries = 1; ; tries += 1) {
      const uid = await this.#uids.choose(user.uid);
      try {
        await this.addEntry(dn, { objectClass: ['top', 'mwUser'], cn: name, uid, ...written });
        break;
      } catch (error) {
        const lost =
          user.uid === undefined && tries < UID_TRIES && (await this.#uids.taken(uid, dn));
        if (!lost || !isKind(error, 'invalid')) throw error;
      }
    }
    const record = await this.readBack(dn);
    await this.requireAlone(record, () => session.remove(dn));
    return record;
  }

  override async get(login: string): Promise<UserRecord> {
    const found = (await this.lookUp(login)) ?? (await this.#self(login));
    if (found) return found;
    const text = `There is no user ${names.printable(login)}`;
    const [gone] = await this.#removed.byLogin(login);
    const hint = gone ? `; one was removed at ${gone.removed}, and can be restored` : '';
    throw new AdminError('not-found', `${text}${hint}`);
  }

  /** Users read their own entry, and not the branch in which it stands. */
  async #self(login: string): Promise<UserRecord | undefined> {
    const { session, who } = this.farm;
    if (who.level !== undefined) return undefined;
    const entry = await session.entry(who.dn);
    const own = entry && isA(entry, 'mwUser') ? this.toRecord(entry) : undefined;
    return own && this.kind.spellings(login).includes(own.login) ? own : undefined;
  }

  /** @throws AdminError not-found */
  async show(login: string): Promise<UserRecord> {
    return await this.get(login);
  }

  /** Users in the order of the directory. `domain` keeps those whose login is in it. */
  async list(
    options: { readonly domain?: string; readonly limit?: number } = {},
  ): Promise<readonly UserRecord[]> {
    const domain = options.domain === undefined ? undefined : names.checkedDomain(options.domain);
    const endings = domain === undefined ? [] : domainSpellings(domain).map((name) => `@${name}`);
    const entries = await this.farm.session.search({
      base: this.farm.session.names.users,
      objectClass: 'mwUser',
      filter: endings.length > 0 ? anyEnding(['cn'], endings) : undefined,
      limit: options.limit ?? 0,
    });
    return entries.map((entry) => this.toRecord(entry));
  }

  /**
   * Stores a volume where none is stored: a delivery may have been first.
   * @throws AdminError not-found; exists when the user is on another volume already
   */
  async place(login: string, volume: string): Promise<UserRecord> {
    const { dn } = await this.get(login);
    const name = names.checkedName(volume, 'volume');
    try {
      await this.farm.session.addValue(dn, 'mwVolume', name);
    } catch (error) {
      const now = await this.get(login);
      if (now.volume === undefined) throw error;
      if (now.volume === name) return now;
      const text = `A letter came first: the mailbox of ${now.login} is on ${now.volume}`;
      throw new AdminError('exists', text, { cause: error });
    }
    return await this.readBack(dn);
  }

  /**
   * Gives a user another login; mailbox, number and customer stay (S2-23).
   * @param options follow: lists, forwards, moderators, owners, catch-alls that name the former
   *   login name the new one afterwards; else they are returned as `references`
   * @throws AdminError
   */
  async rename(
    of: UserRecord | string,
    to: string,
    options: SetOptions & { readonly follow?: boolean } = {},
  ): Promise<RenamedUser> {
    const { session, who, addresses, claims } = this.farm;
    const next = names.checkedLogin(to).text;
    let dn = '';
    const before = await this.onState(of, async (user, only) => {
      dn = nameDn('cn', next, parentDn(user.dn)); // In the branch where the user stands.
      requireRight(who, { place: 'users', levelled: false }, 'entries');
      const levelled = fieldOf(user, 'mwLevel').length > 0;
      requireRight(who, { place: 'users', levelled }, { cn: next });
      if (options.force !== true) await claims.requireNoHigher(user.dn);
      await addresses.requireLocal(next);
      await addresses.requireFree(next, user.dn);
      await requireNoRights(session, dn);
      const target = { addresses: [...user.addresses, next] };
      await this.#loops.refuse(user.forwards, target, `A forward of ${next}`);
      await session.rename(user.dn, `cn=${escapeDnValue(next)}`, only);
      return user;
    });
    const record = await this.readBack(dn);
    await this.requireAlone(record, () => session.rename(dn, `cn=${escapeDnValue(before.login)}`));
    await followRights(session, before.dn, dn);
    if (options.follow === true) await this.#references.follow(before.login, next);
    return { ...record, references: await this.#references.to(before.login) };
  }

  /** Where an address stands beside its user: in lists, forwards of others, catch-alls. */
  async references(address: string): Promise<readonly Reference[]> {
    return await this.#references.to(names.checkedAddress(address).text);
  }

  /**
   * Takes a user out of service: login and aliases are free at once, the mail stays until a purge.
   * A level is revoked first, which only an administrator may do.
   * A removal that was interrupted is completed by doing it again. @throws AdminError
   */
  override async remove(of: UserRecord | string, options: SetOptions = {}): Promise<UserRecord> {
    const { session, who, clock } = this.farm;
    requireRight(who, { place: 'users', levelled: false }, 'entries');
    const mwRemoved = `${toTime(clock.now()).slice(0, 14)}Z`;
    const plain = await this.#withoutLevel(of);
    const marked = await this.change(plain, options, async (user) => {
      await requireNoRights(session, user.dn);
      const again = user.removed !== undefined;
      return {
        mwRemoved: user.removed ?? mwRemoved,
        mwFormerLogin: user.login,
        mwFormerAlias: again && user.aliases.length === 0 ? undefined : user.aliases,
        mwFormerSuspended: again || user.suspended.length === 0 ? undefined : user.suspended,
        mwFormerBranch: formerBranch(user, session.names.users),
        mwSuspended: ACCOUNT_SERVICES,
        mailAlias: [],
      };
    });
    return await this.#removed.take(marked);
  }

  /** The user as it is once the level is gone; what was given where there is none. */
  async #withoutLevel(of: UserRecord | string): Promise<UserRecord | string> {
    if (this.farm.who.level !== undefined && this.farm.who.level !== 'administrator') return of;
    const user = await this.get(typeof of === 'string' ? of : of.login);
    // Changed meanwhile: that is a conflict, and nothing is revoked.
    if (typeof of !== 'string' && user.revision !== of.revision) return of;
    const levelled = fieldOf(user, 'mwLevel').length > 0 || (await hasRights(this.farm, user));
    if (!levelled) return of;
    await this.#revoke(user.login);
    return await this.get(user.login);
  }

  /** Users taken out of service and not purged yet. */
  get removed(): RemovedUsers {
    return this.#removed;
  }

  /**
   * Puts a removed user back into service, by former login or id.
   * @throws AdminError not-found; exists when somebody has the address now; invalid when several
   *   users had the login
   */
  async restore(name: string, options: RestoreOptions = {}): Promise<UserRecord> {
    const half = await this.lookUp(name).catch(() => undefined);
    const dn =
      half?.removed === undefined
        ? await this.#removed.putBack(name, options, this.#loops)
        : await this.#removed.finishRestore(half, options);
    const record = await this.readBack(dn);
    await this.requireAlone(record, async () => {
      await this.remove(record.login, { force: true });
    });
    return record;
  }

  /** To be called before the files go: from then on nobody restores the user. @throws AdminError */
  async beginPurge(of: UserRecord, options: PurgeOptions = {}): Promise<UserRecord> {
    return await this.#removed.beginPurge(of, options);
  }

  /** Deletes the entry of a removed user; its files are the caller's. @throws AdminError invalid */
  async purge(of: UserRecord | string, options: PurgeOptions = {}): Promise<UserRecord> {
    return await this.#removed.purge(of, options);
  }

  /** @throws AdminError not-found, exists, invalid */
  async addAlias(login: string, alias: string): Promise<UserRecord> {
    const before = await this.get(login);
    const address = names.checkedAddress(alias).text;
    await this.farm.addresses.requireLocal(address);
    await this.farm.addresses.requireFree(address);
    const target = { addresses: [...before.addresses, address] };
    await this.#loops.refuse(before.forwards, target, `A forward of ${before.login}`);
    return await this.addAddress(before, 'mailAlias', address);
  }

  /** @throws AdminError not-found */
  async removeAlias(login: string, alias: string): Promise<UserRecord> {
    return await this.#removeAddress(login, 'mailAlias', alias);
  }

  /** @throws AdminError not-found, exists; invalid when mail would come back (S0-37) */
  async addForward(login: string, to: string): Promise<UserRecord> {
    const before = await this.get(login);
    const text = names.checkedAddress(to).text;
    const { addresses } = before;
    values.forwards([...before.forwards, text]);
    await this.#loops.refuse([text], { addresses }, `A forward of ${before.login} to ${text}`);
    try {
      return await this.changeValue(before, 'add', { attribute: 'mailForward', text });
    } catch (error) {
      if (!isKind(error, 'exists')) throw error;
      const said = `Mail of ${before.login} is forwarded to ${text} already`;
      throw new AdminError('exists', said, { cause: error });
    }
  }

  /** @throws AdminError not-found */
  async removeForward(login: string, to: string): Promise<UserRecord> {
    return await this.#removeAddress(login, 'mailForward', to);
  }

  /** Whether the mailbox gets a copy of what is forwarded. @throws AdminError not-found */
  async keepForwarded(login: string, keep: boolean): Promise<UserRecord> {
    return await this.set(login, { keepsForwarded: keep });
  }

  /** Takes services from a user or a customer, beside those taken already. @throws AdminError */
  async suspend(whose: Whose, services: readonly string[]): Promise<readonly UserRecord[]> {
    const taken = names.checkedServices(services);
    return await this.#services(whose, (now) => [...new Set([...now, ...taken])]);
  }

  /** Gives services back. @throws AdminError */
  async resume(whose: Whose, services: readonly string[]): Promise<readonly UserRecord[]> {
    const back = new Set(names.checkedServices(services));
    return await this.#services(whose, (now) => now.filter((service) => !back.has(service)));
  }

  async #services(
    whose: Whose,
    next: (now: readonly AccountService[]) => readonly AccountService[],
  ): Promise<readonly UserRecord[]> {
    const logins = 'login' in whose ? [whose.login] : await this.#loginsOf(whose.customerId);
    const done: UserRecord[] = [];
    for (const login of logins) {
      done.push(
        await this.change(login, {}, ({ suspended }) => ({ mwSuspended: next(suspended) })),
      );
    }
    return done;
  }

  async #loginsOf(customerId: string): Promise<readonly string[]> {
    const filter = anyOf(['customerID'], [names.checkedText(customerId, 'A customer id')]);
    const base = this.farm.session.names.users;
    const entries = await this.farm.session.search({ base, objectClass: 'mwUser', filter });
    if (entries.length === 0) {
      throw new AdminError(
        'not-found',
        `No user has the customer id ${names.printable(customerId)}`,
      );
    }
    return entries.map((entry) => this.toRecord(entry).login);
  }

  /** A value as its entry has it: it may have been written in another spelling. */
  async #removeAddress(
    login: string,
    attribute: 'mailAlias' | 'mailForward',
    given: string,
  ): Promise<UserRecord> {
    const before = await this.get(login);
    const { text: wanted, key } = names.checkedAddress(given);
    const same = (value: string): boolean => {
      const other = addressKey(value);
      return other !== undefined && keyText(other) === keyText(key);
    };
    const text = (attribute === 'mailAlias' ? before.aliases : before.forwards).find(same);
    if (text !== undefined) return await this.changeValue(before, 'remove', { attribute, text });
    const what = attribute === 'mailAlias' ? 'an alias' : 'a forward';
    throw new AdminError('not-found', `${wanted} is not ${what} of ${before.login}`);
  }
}

/** Where a restore puts the user back; nothing for those who stand right below ou=users. */
function formerBranch({ dn }: UserRecord, users: string): string | undefined {
  const branch = parentDn(dn);
  return isWithin(users, branch) ? undefined : branch;
}

class UserKind implements Kind<UserRecord, UserValues> {
  readonly what = 'user';
  readonly objectClass = 'mwUser';
  readonly place = 'users';
  readonly fields = {
    name: ['cn'],
    login: ['cn'],
    alias: ['mailAlias'],
    aliases: ['mailAlias'],
    /** Every address at which a user accepts mail (S0-48). */
    mailAcceptingId: ['cn', 'mailAlias'],
    address: ['cn', 'mailAlias'],
    forward: ['mailForward'],
    forwards: ['mailForward'],
    volume: ['mwVolume'],
    path: ['mwPath'],
    quota: ['mwQuota'],
    suspended: ['mwSuspended'],
    customerId: ['customerID'],
    site: ['mwSite'],
    id: ['entryUUID'],
    level: ['mwLevel'],
  };
  readonly #farm: Farm;
  readonly #loops: Loops;

  constructor(farm: Farm, loops: Loops) {
    this.#farm = farm;
    this.#loops = loops;
  }

  newName(given: string): string {
    return names.checkedLogin(given).text;
  }

  spellings(given: string): readonly string[] {
    const key = addressKey(given.trim());
    return key ? addressSpellings(key) : [];
  }

  toRecord(entry: Entry): UserRecord {
    return toUser(entry);
  }

  toValues(user: Partial<UserValues>) {
    const { password, quotaBytes, suspended } = user;
    return {
      userPassword: password === undefined ? undefined : names.checkedPassword(password),
      mwQuota: values.given(quotaBytes, (value) => names.checkedCount(value, 'A quota')),
      mwSuspended: values.given(suspended, names.checkedServices),
      mwVolume: values.given(user.volume, (name) => names.checkedName(name, 'volume')),
      mwPath: values.given(user.path, names.checkedPath),
      customerID: values.given(user.customerId, values.text('A customer id')),
      mwSite: values.given(user.site, (name) => names.checkedName(name, 'site').toLowerCase()),
      mailAlias: values.given(user.aliases, values.addresses),
      mailForward: values.given(user.forwards, values.forwards),
      mwForwardKeep: values.given(user.keepsForwarded, (keep) => (keep ? 'TRUE' : [])),
      ...values.vacation(user.vacation),
      description: values.given(user.description, values.text('A description')),
    };
  }

  async check({ name, values: user, before }: Proposed<UserRecord, UserValues>): Promise<void> {
    const { addresses, session } = this.#farm;
    const aliases = values.addresses(user.aliases ?? []);
    const login = before?.login ?? name;
    const fresh = [...(before ? [] : [name]), ...aliases].filter(
      (address) => !(before?.addresses ?? []).includes(address),
    );
    for (const address of fresh) {
      await addresses.requireLocal(address);
      await addresses.requireFree(address, before?.dn);
    }
    if (!before) await requireNoRights(session, nameDn('cn', name, session.names.users));
    const forwards = user.forwards === undefined ? (before?.forwards ?? []) : (user.forwards ?? []);
    if (forwards.length > 0 && (fresh.length > 0 || user.forwards !== undefined)) {
      const own = user.aliases === undefined ? (before?.aliases ?? []) : aliases;
      const target = { addresses: [login, ...own] };
      await this.#loops.refuse(forwards, target, `A forward of ${login}`);
    }
    if (typeof user.volume === 'string') await this.#requireEntry('volume', user.volume);
    if (typeof user.site === 'string') await this.#requireEntry('site', user.site);
  }

  addressesOf({ addresses }: UserRecord): readonly string[] {
    return addresses;
  }

  async #requireEntry(what: 'volume' | 'site', name: string): Promise<void> {
    const { session } = this.#farm;
    const [base, objectClass] =
      what === 'volume' ? [session.names.volumes, 'mwVolume'] : [session.names.sites, 'mwSite'];
    const filter = anyOf(['cn'], [name]);
    const [entry] = await session.search({ base, objectClass, filter, limit: 1 });
    const exact = what === 'site' || (entry && values.exact(entry, 'cn') === name);
    if (what === 'volume') requireMailboxes(entry);
    if (entry && exact) return;
    throw new AdminError('not-found', `There is no ${what} ${names.printable(name)}; add it first`);
  }
}
