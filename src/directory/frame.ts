import { parseDn } from './dn.ts';
import { LEVEL_GROUPS, LEVELS, type Level } from './rights.ts';
import type { Layout } from './schema.ts';

/** An entry to begin with: its DN and its attributes. */
export interface SeedEntry {
  readonly dn: string;
  readonly attributes: Readonly<Record<string, string | readonly string[]>>;
}

/** What a new tree is given. */
export interface FrameValues {
  /** Hashes, or in the clear where the server hashes. */
  readonly adminPassword: string;
  readonly frontendPassword: string;
  /** DNs of administrators beside cn=admin. */
  readonly administrators: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
}

/** The entries that every farm has, each after the one above it. */
export function frameEntries(names: Layout, given: FrameValues): readonly SeedEntry[] {
  const [suffixName = 'dc', suffixValue = 'mailfarm'] = parseDn(names.suffix)[0]?.[0] ?? [];
  const mwSetting = Object.entries(given.settings).map(([name, value]) => `${name}=${value}`);
  // A group has a member (RFC 4519 §3.5); cn=admin may do everything anyway.
  const members = (level: Level): readonly string[] =>
    level === 'administrator' ? [names.admin, ...given.administrators] : [names.admin];
  return [
    {
      dn: names.suffix,
      attributes: {
        // Structural for OpenLDAP, whatever names the suffix.
        objectClass: ['top', 'organizationalUnit', 'extensibleObject'],
        ou: 'mailfarm',
        [suffixName]: suffixName === 'ou' ? [suffixValue, 'mailfarm'] : suffixValue,
      },
    },
    {
      dn: names.farm,
      attributes: {
        objectClass: ['top', 'mwFarm'],
        cn: 'farm',
        ...(mwSetting.length > 0 && { mwSetting }),
      },
    },
    service(names.admin, 'admin', given.adminPassword),
    service(names.frontend, 'frontend', given.frontendPassword),
    ...BRANCHES.map((name) => ({
      dn: names[name],
      attributes: { objectClass: ['top', 'organizationalUnit'], ou: name },
    })),
    ...(Object.keys(LEVELS) as Level[]).map((level) => ({
      dn: `cn=${LEVEL_GROUPS[level]},${names.rights}`,
      attributes: {
        objectClass: ['top', 'groupOfNames', 'mwLevelGroup'],
        cn: LEVEL_GROUPS[level],
        mwLevel: String(LEVELS[level]),
        member: members(level),
      },
    })),
    {
      dn: names.senders,
      attributes: {
        objectClass: ['top', 'groupOfNames'],
        cn: 'senders',
        description: 'Nodes that may read ou=secrets',
        member: names.admin,
      },
    },
  ];
}

const BRANCHES = [
  'users',
  'removed',
  'domains',
  'lists',
  'volumes',
  'nodes',
  'sites',
  'rules',
  'rights',
  'claims',
  'secrets',
] as const satisfies readonly (keyof Layout)[];

const service = (dn: string, cn: string, userPassword: string): SeedEntry => ({
  dn,
  attributes: {
    objectClass: ['top', 'organizationalRole', 'simpleSecurityObject'],
    cn,
    userPassword,
  },
});
