import { dnKey, parseDn } from '../dn.ts';
import { systemRandom } from '../../base/random.ts';
import { FARM_COOKIE, newFarmCookie } from '../farm-cookie.ts';
import { frameEntries } from '../frame.ts';
import { LEVELS } from '../rights.ts';
import type { Layout } from '../schema.ts';
import type { Operation } from './request.ts';
import type { SeedEntry } from '../frame.ts';
import type { Tree } from './tree.ts';

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

const dnOf = (text: string): Of<'delete'>['dn'] => ({ text, rdns: parseDn(text) });

export function toAdd(entry: SeedEntry): Of<'add'> {
  return {
    kind: 'add',
    dn: dnOf(entry.dn),
    attributes: Object.entries(entry.attributes).map(([name, value]) => ({
      name,
      values: typeof value === 'string' ? [value] : value,
    })),
  };
}

/**
 * What data of an earlier release lacks: branches, and the groups in ou=rights, where
 * administrators now are. Nothing for data that is as it should be, so it is asked at each start.
 * The service identities and cn=farm are not made anew: where they are missing, somebody meant it.
 */
export function upgradeOperations(
  tree: Tree,
  names: Layout,
): readonly (Of<'add'> | Of<'modify'> | Of<'delete'>)[] {
  if (!tree.get(keyOf(names.suffix))) return [];
  const former = tree.get(keyOf(`cn=administrators,${names.suffix}`));
  const members = (former?.get('member') ?? []).filter((dn) => keyOf(dn) !== keyOf(names.admin));
  const given = {
    adminPassword: '-',
    frontendPassword: '-',
    administrators: members,
    settings: {},
  };
  const kept = new Set([names.suffix, names.farm, names.admin, names.frontend]);
  const missing = frameEntries(names, given).filter(
    ({ dn }) => !kept.has(dn) && !tree.get(keyOf(dn)),
  );
  const cookie = cookieOperations(tree, names);
  if (!former) return [...missing.map(toAdd), ...cookie];
  const group = tree.get(keyOf(names.administrators));
  const others = members.filter((dn) => group && !group.has('member', dn));
  return [
    ...missing.map(toAdd),
    ...(others.length > 0 ? [adding(names.administrators, 'member', others)] : []),
    ...members
      .filter((dn) => tree.get(keyOf(dn))?.get('mwlevel').length === 0)
      .map((dn) => adding(dn, 'mwLevel', [String(LEVELS.administrator)])),
    { kind: 'delete', dn: dnOf(former.dn) },
    ...cookie,
  ];
}

/** Made once, then it stays: nodes know their farm by it. */
function cookieOperations(tree: Tree, { farm }: Layout): readonly Of<'modify'>[] {
  const settings = tree.get(keyOf(farm))?.get('mwsetting');
  if (!settings || settings.some((text) => text.startsWith(`${FARM_COOKIE}=`))) return [];
  return [adding(farm, 'mwSetting', [`${FARM_COOKIE}=${newFarmCookie(systemRandom)}`])];
}

const adding = (dn: string, name: string, values: readonly string[]): Of<'modify'> => ({
  kind: 'modify',
  dn: dnOf(dn),
  changes: [{ operation: 'add', name, values }],
});

/** The key of a DN that is stored, or of nothing. */
function keyOf(dn: string): string {
  try {
    return dnKey(parseDn(dn));
  } catch {
    return '';
  }
}
