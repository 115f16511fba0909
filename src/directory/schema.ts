/**
 * What stands where in the directory, and what an entry of ours must carry.
 *
 *     dc=mailfarm                         the suffix, configurable
 *       cn=farm                           mwFarm: the settings; a replica that shows it is whole
 *       cn=administrators                 groupOfNames: who may change everything
 *       cn=admin, cn=frontend             service identities (simpleSecurityObject)
 *       ou=users                          cn=LOGIN       mwUser
 *       ou=domains                        cn=DOMAIN      mwDomain
 *       ou=volumes                        cn=VOLUME      mwVolume
 *       ou=nodes                          cn=NODE        mwNode
 *
 * The classes follow the mailwulf paper; `mwVolume` is the name of a class and of an attribute,
 * which LDAP allows: the two have name spaces of their own (RFC 4512 §2).
 */
export interface ClassRow {
  /** Attributes an entry must have. */
  readonly must: readonly string[];
  /** Attributes we know. Others survive untouched: the directory is also other people's. */
  readonly may: readonly string[];
  readonly doc: string;
}

export const CLASSES = {
  mwUser: {
    must: ['cn', 'uid', 'userPassword'],
    may: [
      'mailAlias',
      'mailForward',
      'mwVolume',
      'mwPath',
      'mwQuota',
      'mwSuspended',
      'mwRemoved',
      'customerID',
      'mwSite',
    ],
    doc: 'A user: somebody who receives mail and logs in.',
  },
  mwDomain: { must: ['cn'], may: ['description'], doc: 'A domain whose mail is ours.' },
  mwVolume: {
    must: ['cn', 'mwMountPath', 'mwIdentity'],
    may: ['mwWeight', 'mwState'],
    doc: 'A volume that holds mailboxes.',
  },
  mwNode: {
    must: ['cn', 'nid', 'server', 'status'],
    may: ['mwListen'],
    doc: 'A host that runs services.',
  },
  mwFarm: { must: ['cn'], may: ['mwSetting'], doc: 'The farm and its settings.' },
} as const satisfies Record<string, ClassRow>;
export type ClassName = keyof typeof CLASSES;

/** How values of an attribute are compared and bounded. What has no row is text of any number. */
export interface AttributeRow {
  readonly values: 'one' | 'several';
  readonly match: 'case-ignore' | 'case-exact' | 'integer' | 'octets';
  readonly doc: string;
}

const one = (match: AttributeRow['match'], doc: string): AttributeRow => ({
  values: 'one',
  match,
  doc,
});
const several = (match: AttributeRow['match'], doc: string): AttributeRow => ({
  values: 'several',
  match,
  doc,
});

export const ATTRIBUTES = {
  objectClass: several('case-ignore', 'Classes of the entry.'),
  cn: one('case-ignore', 'Name: of a user the login, of a domain the domain.'),
  uid: one('integer', 'Unique number of a user; directory data, no Unix account.'),
  userPassword: several('octets', 'Hash with its scheme in front: {ARGON2}, {SSHA512}, {SSHA}.'),
  mailAlias: several('case-ignore', 'Address at which the user also receives mail.'),
  mailForward: several('case-ignore', 'Address to which the mail is sent on.'),
  mwVolume: one('case-exact', 'Name of the volume that holds the mailbox.'),
  mwPath: one('case-exact', 'Absolute path of the Maildir, where it is an explicit one.'),
  mwQuota: one('integer', 'Octets of mail the user may keep; 0 is no limit.'),
  mwSuspended: several('case-ignore', 'Service the user does not get at present.'),
  mwRemoved: one('case-exact', 'When the user was removed (generalizedTime).'),
  customerID: one('case-exact', 'The customer at the billing.'),
  mwSite: one('case-ignore', 'The site of the user.'),
  mwMountPath: one('case-exact', 'Where every node mounts the volume.'),
  mwIdentity: one('case-exact', 'What the sentinel file on the volume says.'),
  mwWeight: one('integer', 'Share of new users this volume takes, beside others.'),
  mwState: one('case-ignore', 'active, closed (no new users) or offline (not touched).'),
  nid: one('integer', 'Unique number of a node.'),
  server: one('case-ignore', 'Host name of a node.'),
  status: one('case-exact', 'One letter for each service, upper case up, lower case down.'),
  mwListen: several('case-ignore', 'SERVICE HOST:PORT'),
  mwSetting: several('case-exact', 'NAME=VALUE, an option of the farm.'),
  member: several('case-ignore', 'DN of a member.'),
  ou: several('case-ignore', 'Name of a branch.'),
  dc: one('case-ignore', 'Name of the suffix.'),
  entryUUID: one('case-ignore', 'Immutable identity of an entry (RFC 4530).'),
  createTimestamp: one('case-exact', 'When the entry was made.'),
  modifyTimestamp: one('case-exact', 'When the entry was last changed.'),
} as const satisfies Record<string, AttributeRow>;
export type AttributeName = keyof typeof ATTRIBUTES;

/** Kept by the server, sent only when asked for by name or by `+` (RFC 3673). */
export const OPERATIONAL: ReadonlySet<string> = new Set([
  'entryuuid',
  'createtimestamp',
  'modifytimestamp',
]);

const ROWS: ReadonlyMap<string, AttributeRow> = new Map(
  Object.entries(ATTRIBUTES).map(([name, row]) => [name.toLowerCase(), row]),
);
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.keys(ATTRIBUTES).map((name) => [name.toLowerCase(), name]),
);

/** The row of an attribute, by its name in any case. */
export const attributeRow = (name: string): AttributeRow | undefined =>
  ROWS.get(name.toLowerCase());

/** The spelling of an attribute's name that we print. */
export const attributeName = (name: string): string => NAMES.get(name.toLowerCase()) ?? name;

/** A value as it is compared (RFC 4518 in spirit: case, composition, spaces). */
export function comparable(attribute: string, value: string): string {
  const match = attributeRow(attribute)?.match ?? 'case-ignore';
  if (match === 'case-exact' || match === 'octets') return value;
  const text = value.trim();
  if (match === 'integer') return /^-?\d+$/.test(text) ? String(BigInt(text)) : text;
  return text.normalize('NFC').toLowerCase().replace(/ {2,}/g, ' ');
}

/** Attributes of a user that front ends read: never userPassword. */
export const USER_ATTRIBUTES: readonly string[] = [
  'cn',
  'uid',
  'mailAlias',
  'mwVolume',
  'mwPath',
  'mwQuota',
  'mwSuspended',
  'entryUUID',
];

/** Distinguished names below a suffix. */
export interface Layout {
  readonly suffix: string;
  readonly farm: string;
  readonly administrators: string;
  readonly admin: string;
  readonly frontend: string;
  readonly users: string;
  readonly domains: string;
  readonly volumes: string;
  readonly nodes: string;
}

export const DEFAULT_SUFFIX = 'dc=mailfarm';

export function layout(suffix: string): Layout {
  return {
    suffix,
    farm: `cn=farm,${suffix}`,
    administrators: `cn=administrators,${suffix}`,
    admin: `cn=admin,${suffix}`,
    frontend: `cn=frontend,${suffix}`,
    users: `ou=users,${suffix}`,
    domains: `ou=domains,${suffix}`,
    volumes: `ou=volumes,${suffix}`,
    nodes: `ou=nodes,${suffix}`,
  };
}

/** Whether a name of a volume, node or the like can stand in a DN, a path and a log as it is. */
export const nameIsSafe = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
