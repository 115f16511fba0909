import type { Entry } from 'ldapts';
import { systemClock } from '../../base/clock.ts';
import { addressKey, keyText } from '../address.ts';
import { serverAccess, type LdapDirectoryOptions } from '../client/directory.ts';
import { DOMAIN_ATTRIBUTES, NODE_ATTRIBUTES, toAccount, valuesOf } from '../client/entries.ts';
import { equal, userFilter } from '../client/filters.ts';
import { MAPS, mapAttributes, type AttributeMap } from '../map.ts';
import { layout, type Layout } from '../schema.ts';
import { passwordsOf } from './passwords.ts';
import { readWhole, type Branch, type ReadResult, type Selecting } from './read.ts';
import type { Reading } from './records.ts';

const FARM_BRANCHES = {
  domains: ['mwDomain', ...DOMAIN_ATTRIBUTES.slice(1)],
  sites: ['mwSite', 'cn', 'mwSiteDomain', 'mwSiteLevel'],
  lists: ['mwList', 'cn', 'mwMember', 'mwMemberFilter', 'mwPosting', 'mwModerator', 'mwOwner'],
  rules: ['mwRule', 'cn', 'mwOrder', 'mwPattern', 'mwTarget'],
  volumes: ['mwVolume', 'cn', 'mwMountPath', 'mwIdentity', 'mwWeight', 'mwState', 'mwUse'],
  nodes: ['mwNode', ...NODE_ATTRIBUTES],
} as const;
type FarmBranch = keyof typeof FARM_BRANCHES;

function farmBranches(names: Layout): Record<FarmBranch, Branch> {
  const branches = Object.entries(FARM_BRANCHES).map(([name, [objectClass, ...attributes]]) => {
    const filter = equal('objectClass', objectClass);
    return [name, { base: names[name as FarmBranch], scope: 'sub', filter, attributes }];
  });
  return Object.fromEntries(branches) as Record<FarmBranch, Branch>;
}

/** Addresses of lists with a filter, as `toList` gives them, and the filters. */
export function listFilters(lists: Iterable<Entry>): ReadonlyMap<string, string> {
  const filters = new Map<string, string>();
  for (const entry of lists) {
    const key = addressKey(valuesOf(entry, 'cn')[0] ?? '');
    const filter = valuesOf(entry, 'mwMemberFilter')[0];
    if (key && filter !== undefined) filters.set(keyText(key), filter);
  }
  return filters;
}

/**
 * Everything front ends ask for, each directory from one replica that is whole and current.
 * @throws SnapshotError
 */
export async function readDirectory(
  directory: LdapDirectoryOptions,
  wanted: { readonly withPasswords: boolean; readonly notBefore?: readonly string[] },
): Promise<Reading> {
  const clock = directory.clock ?? systemClock;
  const createdAt = clock.now();
  const { users, suffix } = directory;
  const names = layout(suffix);
  const map = users?.map ?? MAPS.mailfarm;
  const people = peopleBranch(map, users?.base ?? names.users, wanted.withPasswords);
  const selecting: Selecting<string> = {
    filters: (read) => listFilters(read('lists')),
    base: people.base,
    users: (filter) => userFilter(map, filter),
    id: map.id,
  };
  const single = { [names.farm]: 'mwSetting', [names.administrators]: 'member' };
  const farm: ReadResult<string> = await readWhole<string>(
    {
      servers: serverAccess(directory),
      shows: names.farm,
      suffix,
      csn: 'required',
      notBefore: wanted.notBefore ?? [],
      branches: users ? farmBranches(names) : { ...farmBranches(names), users: people },
      single,
      removed: users
        ? undefined
        : { ...people, base: names.removed, filter: equal('objectClass', 'mwUser') },
      clock,
    },
    users ? undefined : selecting,
  );
  const own = (name: string): readonly Entry[] => farm.entries[name] ?? [];
  const foreign = users && (await readForeign(directory, map, people, listFilters(own('lists'))));
  return {
    source: [farm.url, foreign?.url].filter((url) => url !== undefined).join(' '),
    contextCsn: farm.contextCsn,
    suffix,
    createdAt,
    map,
    users: foreign?.entries.users ?? own('users'),
    aliases: foreign?.entries.aliases ?? [],
    toUser: (entry) => toAccount(entry, map),
    passwordsOf,
    domains: own('domains'),
    sites: own('sites'),
    lists: own('lists'),
    rules: own('rules'),
    volumes: own('volumes'),
    nodes: own('nodes'),
    farm: farm.single.get(names.farm),
    administrators: farm.single.get(names.administrators),
    selected: foreign?.selected ?? farm.selected,
  };
}

function peopleBranch(map: AttributeMap, base: string, withPasswords: boolean): Branch {
  const attributes = [...mapAttributes(map), ...(withPasswords ? ['userPassword'] : [])];
  return { base, scope: 'sub', filter: userFilter(map), attributes };
}

async function readForeign(
  directory: LdapDirectoryOptions,
  map: AttributeMap,
  people: Branch,
  filters: ReadonlyMap<string, string>,
): Promise<ReadResult<'users' | 'aliases'> | undefined> {
  const { users, options, clock } = directory;
  if (!users) return undefined;
  const { class: objectClass, address, target } = map.aliasEntries ?? NO_ALIASES;
  const aliases: Branch = {
    base: users.base,
    scope: 'sub',
    filter: equal('objectClass', objectClass),
    attributes: [address, target],
  };
  return await readWhole<'users' | 'aliases'>(
    {
      servers: serverAccess({ ...users, suffix: users.base, ...(options && { options }) }),
      shows: users.base,
      suffix: users.base,
      csn: 'optional',
      notBefore: [],
      branches: { users: people, aliases },
      single: {},
      removed: undefined,
      clock: clock ?? systemClock,
    },
    {
      filters: () => filters,
      base: users.base,
      users: (filter) => userFilter(map, filter),
      id: map.id,
    },
  );
}

/** A class that no entry has. */
const NO_ALIASES = { class: 'mwNoAliases', address: 'cn', target: 'cn' };
