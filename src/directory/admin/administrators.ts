import { EqualityFilter, type Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { DnError, parseDn } from '../dn.ts';
import { LEVEL_GROUPS, LEVELS, type Level } from '../rights.ts';
import type { Administrator, Administrators } from './api.ts';
import { unchangedSince } from './assertion.ts';
import type { Farm } from './collection.ts';
import { AdminError, isKind } from './error.ts';
import { sameDn } from './identity.ts';
import { recorded } from './record.ts';
import type { AdminSession } from './session.ts';
import type { UserRecord } from './user-record.ts';
import type { Users } from './users.ts';

const ALL = Object.keys(LEVELS) as Level[];
const TRIES = 6;

/**
 * Who has which level: a member of one group in ou=rights, whose own entry carries mwLevel (so that
 * a lower level cannot give it a password). The order of steps is such that after a crash between
 * two of them there is less right than was wanted, never more, and no unmarked member of a group:
 * the mark comes before the membership and goes after it; a group is left before another is joined.
 */
export class LevelGroups implements Administrators {
  readonly #farm: Farm;
  readonly #users: Users;

  constructor(farm: Farm, users: Users) {
    this.#farm = farm;
    this.#users = users;
  }

  /** Members of the groups; service identities and leftovers of users that are gone too. */
  async list(): Promise<readonly Administrator[]> {
    const found: Administrator[] = [];
    for (const level of ALL) {
      const group = await this.#group(level);
      for (const dn of valuesOf(group, 'member')) {
        if (this.#isService(dn)) continue;
        const entry = await this.#farm.session.entry(dn);
        const shown = entry ? recorded(entry) : { dn, revision: '', fields: [] };
        found.push({ ...shown, login: loginOf(dn), level });
      }
    }
    return found;
  }

  async grant(login: string, level: Level): Promise<Administrator> {
    this.#requireAdministrator();
    const user = await this.#users.get(login);
    const { session } = this.#farm;
    if (user.removed !== undefined) {
      throw new AdminError('invalid', `${user.login} is removed; restore the user first`);
    }
    if (valuesOf((await session.entry(user.dn)) ?? { dn: user.dn }, 'mwLevel').length === 0) {
      await session.replace(user.dn, { mwLevel: LEVELS[level] });
    }
    // A demotion leaves first; a promotion is only complete with the last step.
    for (const other of ALL.filter((name) => name !== level)) await this.#leave(user.dn, other);
    await session.addValue(this.#dnOf(level), 'member', user.dn).catch(unlessKind('exists'));
    await session.replace(user.dn, { mwLevel: LEVELS[level] });
    const entry = await session.entry(user.dn);
    if (!entry) throw new AdminError('not-found', `${user.dn} was removed by somebody else`);
    return { ...recorded(entry), login: user.login, level };
  }

  async revoke(login: string): Promise<void> {
    this.#requireAdministrator();
    const user = await this.#find(login);
    const dn = user?.dn ?? (await this.#leftover(login));
    let left = false;
    for (const level of ALL) left = (await this.#leave(dn, level)) || left;
    const marked = user && user.fields.some(({ name }) => name === 'mwLevel');
    if (marked) await this.#farm.session.replace(dn, { mwLevel: [] });
    if (!left && marked !== true) {
      throw new AdminError('not-found', `${login} has no level of an administrator`);
    }
  }

  async #find(login: string): Promise<UserRecord | undefined> {
    try {
      return await this.#users.get(login);
    } catch (error) {
      if (isKind(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** Of a user that is gone, a membership may be left. */
  async #leftover(login: string): Promise<string> {
    const lower = login.trim().toLowerCase();
    const member = (await this.list()).find((one) => one.login.toLowerCase() === lower);
    if (member) return member.dn;
    throw new AdminError('not-found', `There is no administrator ${login}`);
  }

  /** @returns whether it was a member. @throws AdminError invalid for the last administrator */
  async #leave(dn: string, level: Level): Promise<boolean> {
    const { session } = this.#farm;
    for (let tries = 1; ; tries += 1) {
      const group = await this.#group(level);
      const members = valuesOf(group, 'member');
      const stored = members.find((member) => isSame(member, dn));
      if (stored === undefined) return false;
      if (level === 'administrator') await this.#requireAnother(members, dn);
      try {
        // Two who revoke each other: the second finds the group changed, and looks again.
        const { revision } = recorded(group);
        const only = revision === '' ? undefined : unchangedSince(revision);
        await session.removeValue(group.dn, 'member', stored, only);
        return true;
      } catch (error) {
        const again = isKind(error, 'conflict') || isKind(error, 'not-found');
        if (!again || tries >= TRIES) throw error;
      }
    }
  }

  async #requireAnother(members: readonly string[], dn: string): Promise<void> {
    for (const member of members) {
      if (this.#isService(member) || isSame(member, dn)) continue;
      if (await this.#farm.session.entry(member)) return;
    }
    const text = `${loginOf(dn)} is the last administrator; grant the level to somebody else first`;
    throw new AdminError('invalid', text);
  }

  async #group(level: Level): Promise<Entry> {
    const group = await this.#farm.session.entry(this.#dnOf(level));
    if (group) return group;
    throw new AdminError('not-found', `The directory shows no ${this.#dnOf(level)}`);
  }

  #dnOf(level: Level): string {
    return `cn=${LEVEL_GROUPS[level]},${this.#farm.session.names.rights}`;
  }

  #isService(dn: string): boolean {
    const { admin, frontend } = this.#farm.session.names;
    return isSame(dn, admin) || isSame(dn, frontend);
  }

  #requireAdministrator(): void {
    const { level, name } = this.#farm.who;
    if (level === undefined || level === 'administrator') return;
    const text = `${name} has the level ${level}; only an administrator changes levels`;
    throw new AdminError('denied', text);
  }
}

/**
 * A DN that a group of ou=rights names must not become that of somebody else: whoever took the
 * login of a former administrator would be one. @throws AdminError invalid
 */
export async function requireNoRights(session: AdminSession, dn: string): Promise<void> {
  for (const group of await groupsWith(session, dn)) {
    const name = valuesOf(group, 'cn')[0] ?? group.dn;
    const text = `${loginOf(dn)} is in the group ${name}; revoke that level first`;
    throw new AdminError('invalid', text);
  }
}

/** Whether a group of ou=rights names the entry. */
export const hasRights = async (
  { session }: Pick<Farm, 'session'>,
  { dn }: { readonly dn: string },
): Promise<boolean> => (await groupsWith(session, dn)).length > 0;

/** Memberships go along with a renamed user: added under the new name, then taken from the old. */
export async function followRights(session: AdminSession, from: string, to: string): Promise<void> {
  for (const group of await groupsWith(session, from)) {
    await session.addValue(group.dn, 'member', to).catch(unlessKind('exists'));
    await session.removeValue(group.dn, 'member', from).catch(unlessKind('not-found'));
  }
}

/** None for whoever may not read ou=rights: the directory decides anyway. */
async function groupsWith(session: AdminSession, dn: string): Promise<readonly Entry[]> {
  const filter = new EqualityFilter({ attribute: 'member', value: dn });
  const base = session.names.rights;
  try {
    return await session.search({ base, objectClass: 'mwLevelGroup', filter });
  } catch (error) {
    if (isKind(error, 'denied')) return [];
    throw error;
  }
}

const unlessKind =
  (kind: 'exists' | 'not-found') =>
  (error: unknown): void => {
    if (!isKind(error, kind)) throw error;
  };

const loginOf = (dn: string): string => parseDn(dn)[0]?.[0]?.[1] ?? dn;

/** What is no DN is nobody's. */
function isSame(a: string, b: string): boolean {
  try {
    return sameDn(a, b);
  } catch (error) {
    if (error instanceof DnError) return false;
    throw error;
  }
}
