import { PresenceFilter, type Entry } from 'ldapts';
import { parseValue } from '../../config/values.ts';
import { addressKey, addressSpellings } from '../address.ts';
import { toSettings, valuesOf } from '../client/entries.ts';
import { DnError, isWithin, nameDn } from '../dn.ts';
import { ADMIN_OPTIONS } from '../options.ts';
import { requireNoRights } from './administrators.ts';
import { Entries, type Farm, type Kind } from './collection.ts';
import { AdminError, isKind } from './error.ts';
import { requireRight } from './identity.ts';
import type { Loops } from './loops.ts';
import * as names from './names.ts';
import { anyOf } from './query.ts';
import { fieldOf } from './record.ts';
import { fromTime } from '../time.ts';
import { toUser, type UserRecord } from './user-record.ts';

export interface RestoreOptions {
  /** Another login, where the former one is somebody else's now. */
  readonly as?: string;
  /** Leaves out aliases that are somebody else's now; without it they are a refusal. */
  readonly withoutTakenAliases?: boolean;
  /** Services that the user does not get; by default those not given before the removal. */
  readonly suspended?: readonly string[];
}

export interface PurgeOptions {
  /** Also before the days of `users.removed.keep` are over. */
  readonly force?: boolean;
}

const KEEP = 'users.removed.keep';
/** mwRemoved of a user whose purge has begun: due from then on, and not to be restored. */
const PURGING = '19700101000000Z';
const ID = /^[0-9a-fA-F-]{36}$/;

/** Users taken out of service: cn=ENTRYUUID below ou=removed, until they are purged. */
export class RemovedUsers extends Entries<UserRecord, never> {
  constructor(farm: Farm) {
    super(farm, new RemovedKind());
  }

  /** By id or former login. @throws AdminError not-found; invalid when several had the login */
  override async get(name: string): Promise<UserRecord> {
    const byId = await this.lookUp(name);
    if (byId) return byId;
    const [found, ...others] = await this.byLogin(name);
    if (!found) {
      throw new AdminError('not-found', `There is no removed user ${names.printable(name)}`);
    }
    if (others.length === 0) return found;
    const all = [found, ...others].map((user) => `${user.id} (removed ${user.removed})`);
    const text = `Several removed users were ${found.login}; name one by its id: ${all.join(', ')}`;
    throw new AdminError('invalid', text);
  }

  /** Newest first. */
  async byLogin(login: string): Promise<readonly UserRecord[]> {
    const key = addressKey(login.trim());
    if (!key || this.farm.who.level === undefined) return [];
    const filter = anyOf(['mwFormerLogin'], addressSpellings(key));
    const base = this.farm.session.names.removed;
    const entries = await this.farm.session.search({ base, objectClass: 'mwUser', filter });
    return entries
      .map((entry) => this.toRecord(entry))
      .toSorted((a, b) => ((a.removed ?? '') < (b.removed ?? '') ? 1 : -1));
  }

  /** Those whose days are over: what `purge` takes without force. */
  async due(): Promise<readonly UserRecord[]> {
    const keepMs = await this.#keepMs();
    return (await this.find()).items.filter((user) => this.#ageMs(user) >= keepMs);
  }

  /** Moves a user who is marked as removed here. */
  async take(marked: UserRecord): Promise<UserRecord> {
    const { session } = this.farm;
    const to = nameDn('cn', marked.id, session.names.removed);
    const only = new PresenceFilter({ attribute: 'mwRemoved' });
    try {
      await session.rename(marked.dn, to, only);
    } catch (error) {
      if (!isKind(error, 'uncertain') || !(await session.entry(to))) throw error;
    }
    return await this.readBack(to);
  }

  /** Moves a removed user back to the others. @returns the new DN */
  async putBack(name: string, options: RestoreOptions, loops: Loops): Promise<string> {
    const { session, who, addresses } = this.farm;
    const user = await this.get(name);
    requireRight(who, { place: 'removed', levelled: false }, 'entries');
    if (user.removed === PURGING) {
      const text = `The purge of ${user.login} has begun: the mail is going, or gone`;
      throw new AdminError('invalid', `${text}; finish it with mailfarm user purge ${user.id}`);
    }
    const login = names.checkedLogin(options.as ?? user.login).text;
    await addresses.requireLocal(login);
    await addresses.requireFree(login);
    const dn = nameDn('cn', login, await this.#branch(user));
    await requireNoRights(session, dn);
    const aliases = await this.#aliases(user, options);
    const target = { addresses: [login, ...aliases] };
    await loops.refuse(user.forwards, target, `A forward of ${login}`);
    await this.onState(user, async (_, only) => await session.rename(user.dn, dn, only));
    await this.#unmark(user, { dn, aliases }, options);
    return dn;
  }

  /** Completes a restore, or undoes a removal, that was interrupted. @returns the DN */
  async finishRestore(half: UserRecord, options: RestoreOptions): Promise<string> {
    const { dn } = half;
    const aliases = await this.#aliases(half, options);
    await this.#unmark(half, { dn, aliases }, options);
    return dn;
  }

  /**
   * Before any file goes: from here on the user cannot be restored, and who restored meanwhile was
   * first (conflict). An interrupted purge is due again.
   */
  async beginPurge(of: UserRecord, options: PurgeOptions): Promise<UserRecord> {
    const { session } = this.farm;
    const dn = await this.onState(of, async (user, only) => {
      await this.#requireDue(user, options);
      await session.replace(user.dn, { mwRemoved: PURGING }, only);
      return user.dn;
    });
    return await this.readBack(dn);
  }

  async purge(of: UserRecord | string, options: PurgeOptions): Promise<UserRecord> {
    return await this.onState(of, async (user, only) => {
      await this.#requireDue(user, options);
      await this.farm.session.remove(user.dn, only);
      return user;
    });
  }

  async #requireDue(user: UserRecord, { force }: PurgeOptions): Promise<void> {
    requireRight(this.farm.who, { place: 'removed', levelled: false }, 'entries');
    if (fieldOf(user, 'mwRemoved').length === 0) {
      throw new AdminError('invalid', `${user.login} is not removed; remove the user first`);
    }
    const keepMs = force === true ? 0 : await this.#keepMs();
    if (this.#ageMs(user) >= keepMs) return;
    const text =
      `${user.login} was removed at ${user.removed}; ` +
      `removed users are kept ${Math.round(keepMs / 86_400_000)} days (${KEEP})`;
    throw new AdminError('invalid', text);
  }

  async #aliases(user: UserRecord, options: RestoreOptions): Promise<readonly string[]> {
    const former = [...new Set([...fieldOf(user, 'mwFormerAlias'), ...user.aliases])];
    const free: string[] = [];
    for (const alias of former) {
      try {
        await this.farm.addresses.requireLocal(alias);
        await this.farm.addresses.requireFree(alias, user.dn);
        free.push(alias);
      } catch (error) {
        const taken = isKind(error, 'exists') || isKind(error, 'not-found');
        if (!taken || options.withoutTakenAliases !== true) throw error;
      }
    }
    return free;
  }

  async #unmark(
    user: UserRecord,
    now: { readonly dn: string; readonly aliases: readonly string[] },
    options: RestoreOptions,
  ): Promise<void> {
    const before = fieldOf(user, 'mwFormerSuspended');
    await this.farm.session.replace(now.dn, {
      mailAlias: now.aliases,
      mwSuspended: names.checkedServices(options.suspended ?? before),
      mwRemoved: [],
      mwFormerLogin: [],
      mwFormerAlias: [],
      ...(before.length > 0 && { mwFormerSuspended: [] }),
      ...(fieldOf(user, 'mwFormerBranch').length > 0 && { mwFormerBranch: [] }),
    });
  }

  /** The branch where the user stood, if it is there still; else that of all users. */
  async #branch(user: UserRecord): Promise<string> {
    const { session } = this.farm;
    const { users } = session.names;
    const [former] = fieldOf(user, 'mwFormerBranch');
    if (former === undefined || !isBranchOf(former, users)) return users;
    return (await session.entry(former, ['ou'])) ? former : users;
  }

  /** A time that nobody can read is not an old one. */
  #ageMs(user: UserRecord): number {
    const at = fromTime(user.removed);
    return at === undefined ? 0 : this.farm.clock.now() - at;
  }

  async #keepMs(): Promise<number> {
    const row = ADMIN_OPTIONS[KEEP];
    const entry = await this.farm.session.entry(this.farm.session.names.farm);
    const text = entry && toSettings(entry).get(KEEP);
    if (text === undefined) return row.default;
    const parsed = parseValue(row, text);
    if (parsed.ok) return parsed.value as number;
    throw new AdminError('invalid', `The setting ${KEEP} is "${text}", not ${parsed.expected}`);
  }
}

function isBranchOf(dn: string, users: string): boolean {
  try {
    return isWithin(dn, users);
  } catch (error) {
    if (error instanceof DnError) return false;
    throw error;
  }
}

class RemovedKind implements Kind<UserRecord, never> {
  readonly what = 'removed user';
  readonly objectClass = 'mwUser';
  readonly place = 'removed';
  readonly fields = {
    name: ['mwFormerLogin'],
    login: ['mwFormerLogin'],
    alias: ['mwFormerAlias'],
    id: ['cn'],
    customerId: ['customerID'],
    volume: ['mwVolume'],
    removed: ['mwRemoved'],
  };

  newName(): string {
    throw new AdminError('invalid', 'Nobody is added as a removed user; remove one');
  }

  spellings(given: string): readonly string[] {
    return ID.test(given.trim()) ? [given.trim().toLowerCase()] : [];
  }

  /** Its login is the former one; it has no addresses. */
  toRecord(entry: Entry): UserRecord {
    const user = toUser(entry);
    return { ...user, login: valuesOf(entry, 'mwFormerLogin')[0] ?? user.login, addresses: [] };
  }

  toValues(): Record<string, undefined> {
    return {};
  }
}
