import { EqualityFilter } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { dnKey, parseDn } from '../dn.ts';
import { LEVELS, RIGHTS, type Level, type Place, type Right } from '../rights.ts';
import { AdminError, isKind } from './error.ts';
import type { AdminSession, NewValues } from './session.ts';

/** Who a session is. The directory decides what that allows (S0-40); this says it early. */
export interface Identity {
  readonly dn: string;
  /** For people: the login, or the name of a service identity. */
  readonly name: string;
  /** Undefined for whoever has none: users, front ends, nodes. */
  readonly level: Level | undefined;
}

/** @throws AdminError unavailable */
export async function identify(session: AdminSession): Promise<Identity> {
  const { dn } = session;
  const name = parseDn(dn)[0]?.[0]?.[1] ?? dn;
  if (sameDn(dn, session.names.admin)) return { dn, name, level: 'administrator' };
  const groups = await groupsOf(session, dn);
  const numbers = groups.map((entry) => Number(valuesOf(entry, 'mwLevel')[0]));
  const highest = (Object.keys(LEVELS) as Level[]).findLast((level) =>
    numbers.includes(LEVELS[level]),
  );
  return { dn, name, level: highest };
}

/** Who may not read ou=rights has no level. */
async function groupsOf(session: AdminSession, dn: string) {
  try {
    const filter = new EqualityFilter({ attribute: 'member', value: dn });
    const base = session.names.rights;
    return await session.search({ base, objectClass: 'mwLevelGroup', filter });
  } catch (error) {
    if (isKind(error, 'denied')) return [];
    throw error;
  }
}

export const sameDn = (a: string, b: string): boolean => dnKey(parseDn(a)) === dnKey(parseDn(b));

/** What of an entry a right is about. */
interface About {
  readonly place: Place;
  /** The entry carries mwLevel: an administrator's own. */
  readonly levelled: boolean;
}

/** The right of a level, by the same table that the directory obeys. */
export function rightOf(level: Level, about: About, what: string): Right | undefined {
  if (level === 'administrator') return 'write';
  const lower = what.toLowerCase();
  const row = RIGHTS.find(
    ({ place, levelled, of }) =>
      (place === about.place || place === 'everywhere') &&
      (levelled !== true || about.levelled) &&
      (typeof of === 'string'
        ? of === what || (of === 'all' && (what !== 'entries' || place === 'everywhere'))
        : of.some((name) => name.toLowerCase() === lower)),
  );
  return row?.rights[level];
}

/**
 * Says at once what a level may not do. Who has no level is left to the directory's own answer.
 * @param what attributes to write, or 'entries' for adding, renaming and removing
 * @throws AdminError denied
 */
export function requireRight(who: Identity, about: About, what: NewValues | 'entries'): void {
  const { level } = who;
  if (level === undefined) return;
  const wanted =
    what === 'entries' ? ['entries'] : Object.keys(what).filter((name) => what[name] !== undefined);
  const refused = wanted.filter((name) => !suffices(rightOf(level, about, name)));
  if (refused.length === 0) return;
  const able = (Object.keys(LEVELS) as Level[]).find((other) =>
    refused.every((name) => suffices(rightOf(other, about, name))),
  );
  const whose = about.levelled ? `${about.place} who are administrators` : about.place;
  const doing =
    what === 'entries'
      ? `add, rename or remove ${whose}`
      : `change ${refused.join(', ')} of ${whose}`;
  throw new AdminError(
    'denied',
    `${who.name} has the level ${level} and may not ${doing}; ${able ?? 'administrator'} may`,
  );
}

const suffices = (right: Right | undefined): boolean => right === 'write' || right === 'put';
