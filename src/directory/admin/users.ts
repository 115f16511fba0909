import { EqualityFilter, OrFilter, SubstringFilter, type Entry } from 'ldapts';
import type { Clock } from '../../base/clock.ts';
import { addressKey, addressSpellings, domainSpellings } from '../address.ts';
import { toAccount, valuesOf } from '../client/entries.ts';
import { escapeDnValue, nameDn } from '../dn.ts';
import { ACCOUNT_SERVICES, type Account } from '../types.ts';
import * as names from './names.ts';
import { AdminError, type AdminSession } from './session.ts';

/** A user as an administrator sees one. */
export interface UserRecord extends Account {
  readonly aliases: readonly string[];
  readonly customerId: string | undefined;
  /** generalizedTime of the removal; undefined for a user in service. */
  readonly removed: string | undefined;
}

/** What may be given for a user; what is undefined stays, `null` takes a value away. */
export interface UserValues {
  readonly password?: string | undefined;
  readonly quotaBytes?: number | undefined;
  readonly suspended?: readonly string[] | undefined;
  readonly volume?: string | null | undefined;
  readonly path?: string | null | undefined;
  readonly customerId?: string | null | undefined;
  readonly site?: string | null | undefined;
}

export interface NewUser extends UserValues {
  readonly login: string;
  readonly password: string;
  readonly uid?: number | undefined;
  readonly aliases?: readonly string[] | undefined;
}

/** Numbers up to this are left to the machine's own users; the first of ours is 2001 (S2-29). */
const UID_BELOW = 2_000;
const UID_MAX = 2_147_483_647;
const UID_TRIES = 20;

export class Users {
  readonly #session: AdminSession;
  readonly #clock: Clock;

  constructor(session: AdminSession, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  /** @throws AdminError exists, invalid, not-found (of the domain) */
  async add(user: NewUser): Promise<UserRecord> {
    const login = names.checkedLogin(user.login);
    const aliases = (user.aliases ?? []).map((alias) => names.checkedAddress(alias).text);
    const values = checked(user);
    names.checkedPassword(user.password);
    for (const address of [login.text, ...aliases]) {
      await this.#requireLocal(address);
      await this.#requireFree(address);
    }
    const dn = nameDn('cn', login.text, this.#session.names.users);
    for (let tries = 1; ; tries += 1) {
      const uid = user.uid === undefined ? await this.#freeUid() : this.#checkedUid(user.uid);
      try {
        const fixed = { objectClass: ['top', 'mwUser'], cn: login.text, uid, mailAlias: aliases };
        await this.#session.add(dn, { ...fixed, ...values });
        break;
      } catch (error) {
        const lost = user.uid === undefined && tries < UID_TRIES && (await this.#uidTaken(uid));
        if (!lost || !(error instanceof AdminError) || error.kind !== 'invalid') throw error;
      }
    }
    return await this.show(login.text);
  }

  /** @throws AdminError not-found */
  async show(login: string): Promise<UserRecord> {
    return toRecord(await this.#entry(login));
  }

  /** Users in the order of the directory. `domain` keeps those whose login is in it. */
  async list(
    options: { readonly domain?: string; readonly limit?: number } = {},
  ): Promise<readonly UserRecord[]> {
    const domain = options.domain === undefined ? undefined : names.checkedDomain(options.domain);
    const endings = domain === undefined ? [] : domainSpellings(domain);
    const filters = endings.map(
      (end) => new SubstringFilter({ attribute: 'cn', final: `@${end}` }),
    );
    const entries = await this.#session.search({
      base: this.#session.names.users,
      objectClass: 'mwUser',
      filter: filters.length > 0 ? new OrFilter({ filters }) : undefined,
      limit: options.limit ?? 0,
    });
    return entries.map(toRecord);
  }

  /** @throws AdminError not-found, invalid */
  async set(login: string, values: UserValues): Promise<UserRecord> {
    const entry = await this.#entry(login);
    await this.#session.replace(entry.dn, checked(values));
    return await this.show(login);
  }

  /**
   * Stores a volume where none is stored: a delivery may have been first.
   * @throws AdminError not-found; exists when the user is on another volume already
   */
  async place(login: string, volume: string): Promise<UserRecord> {
    const entry = await this.#entry(login);
    const name = names.checkedName(volume, 'volume');
    try {
      await this.#session.addValue(entry.dn, 'mwVolume', name);
    } catch (error) {
      const now = await this.show(login);
      if (now.volume === undefined) throw error;
      if (now.volume === name) return now;
      const text = `A letter came first: the mailbox of ${now.login} is on ${now.volume}`;
      throw new AdminError('exists', text, { cause: error });
    }
    return await this.show(login);
  }

  /** Gives a user another login; mailbox, number and customer stay. @throws AdminError */
  async rename(login: string, to: string): Promise<UserRecord> {
    const entry = await this.#entry(login);
    const next = names.checkedLogin(to);
    await this.#requireLocal(next.text);
    await this.#requireFree(next.text, entry.dn);
    await this.#session.rename(entry.dn, `cn=${escapeDnValue(next.text)}`);
    return await this.show(next.text);
  }

  /** Takes a user out of service. The mail stays until a purge. @throws AdminError not-found */
  async remove(login: string): Promise<UserRecord> {
    const entry = await this.#entry(login);
    const iso = new Date(this.#clock.now()).toISOString();
    const mwRemoved = `${iso.replace(/[-:T]/g, '').slice(0, 14)}Z`;
    await this.#session.replace(entry.dn, { mwSuspended: ACCOUNT_SERVICES, mwRemoved });
    return await this.show(login);
  }

  /** Puts a removed user back into service. @throws AdminError not-found */
  async restore(login: string): Promise<UserRecord> {
    const entry = await this.#entry(login);
    await this.#session.replace(entry.dn, { mwSuspended: [], mwRemoved: [] });
    return await this.show(login);
  }

  /** @throws AdminError not-found, exists, invalid */
  async addAlias(login: string, alias: string): Promise<UserRecord> {
    const entry = await this.#entry(login);
    const address = names.checkedAddress(alias).text;
    await this.#requireLocal(address);
    await this.#requireFree(address);
    await this.#session.addValue(entry.dn, 'mailAlias', address);
    return await this.show(login);
  }

  /** @throws AdminError not-found */
  async removeAlias(login: string, alias: string): Promise<UserRecord> {
    const entry = await this.#entry(login);
    await this.#session.removeValue(entry.dn, 'mailAlias', names.checkedAddress(alias).text);
    return await this.show(login);
  }

  async #entry(login: string): Promise<Entry> {
    const key = addressKey(login.trim());
    const spellings = key ? addressSpellings(key) : [];
    const filters = spellings.map((value) => new EqualityFilter({ attribute: 'cn', value }));
    const [entry] = filters.length > 0 ? await this.#search(new OrFilter({ filters })) : [];
    if (entry) return entry;
    throw new AdminError('not-found', `There is no user ${names.printable(login)}`);
  }

  async #search(filter: EqualityFilter | OrFilter): Promise<readonly Entry[]> {
    const base = this.#session.names.users;
    return await this.#session.search({ base, objectClass: 'mwUser', filter, limit: 4 });
  }

  /** @throws AdminError not-found when the domain of an address is not ours */
  async #requireLocal(address: string): Promise<void> {
    const domain = addressKey(address)?.domain ?? '';
    const filters = domainSpellings(domain).map(
      (value) => new EqualityFilter({ attribute: 'cn', value }),
    );
    const base = this.#session.names.domains;
    const filter = new OrFilter({ filters });
    const found = await this.#session.search({ base, objectClass: 'mwDomain', filter, limit: 2 });
    if (found.length > 0) return;
    throw new AdminError('not-found', `${domain} is not a domain of this farm; add it first`);
  }

  /** @throws AdminError exists when somebody but `except` holds the address */
  async #requireFree(address: string, except?: string): Promise<void> {
    const key = addressKey(address);
    const filters = (key ? addressSpellings(key) : []).flatMap((value) => [
      new EqualityFilter({ attribute: 'cn', value }),
      new EqualityFilter({ attribute: 'mailAlias', value }),
    ]);
    const holders = await this.#search(new OrFilter({ filters }));
    const holder = holders.find((entry) => entry.dn !== except);
    if (!holder) return;
    const since = valuesOf(holder, 'mwRemoved')[0];
    const login = valuesOf(holder, 'cn')[0] ?? holder.dn;
    const removed = since === undefined ? '' : `, removed ${since}`;
    throw new AdminError('exists', `${address} already belongs to ${login}${removed}`);
  }

  #checkedUid(uid: number): number {
    if (Number.isSafeInteger(uid) && uid > 0 && uid <= UID_MAX) return uid;
    throw new AdminError('invalid', `A uid is a whole number from 1 to ${UID_MAX}`);
  }

  async #uidTaken(uid: number): Promise<boolean> {
    const filter = new EqualityFilter({ attribute: 'uid', value: String(uid) });
    return (await this.#search(filter)).length > 0;
  }

  /**
   * A number that nobody has, right after one that somebody has: found by doubling and halving,
   * in some 2·log2(users) indexed look-ups, where reading all users would take seconds.
   */
  async #freeUid(): Promise<number> {
    let step = 1;
    while (await this.#uidTaken(UID_BELOW + step)) step *= 2;
    let [taken, free] = [Math.floor(step / 2), step];
    while (free - taken > 1) {
      const middle = taken + Math.floor((free - taken) / 2);
      if (await this.#uidTaken(UID_BELOW + middle)) taken = middle;
      else free = middle;
    }
    return UID_BELOW + free;
  }
}

/** Values checked and named as in the entry. @throws AdminError invalid */
function checked(
  values: UserValues,
): Record<string, string | number | readonly string[] | undefined> {
  const text = (value: string | null | undefined, check: (given: string) => string) =>
    value === null ? [] : value === undefined ? undefined : check(value);
  const { password, quotaBytes, suspended } = values;
  return {
    userPassword: password === undefined ? undefined : names.checkedPassword(password),
    mwQuota: quotaBytes === undefined ? undefined : names.checkedCount(quotaBytes, 'A quota'),
    mwSuspended: suspended === undefined ? undefined : names.checkedServices(suspended),
    mwVolume: text(values.volume, (given) => names.checkedName(given, 'volume')),
    mwPath: text(values.path, names.checkedPath),
    customerID: text(values.customerId, (given) => names.checkedText(given, 'A customer id')),
    mwSite: text(values.site, (given) => names.checkedText(given, 'A site')),
  };
}

function toRecord(entry: Entry): UserRecord {
  return {
    ...toAccount(entry),
    aliases: valuesOf(entry, 'mailAlias'),
    customerId: valuesOf(entry, 'customerID')[0],
    removed: valuesOf(entry, 'mwRemoved')[0],
  };
}
