/**
 * What stands where in the directory, and what an entry of ours must carry.
 *
 *     dc=mailfarm                         the suffix, configurable
 *       cn=farm                           mwFarm: the settings; a replica that shows it is whole
 *       cn=admin, cn=frontend             service identities (simpleSecurityObject)
 *       ou=users                          cn=LOGIN       mwUser
 *       ou=removed                        cn=ENTRYUUID   mwUser taken out of service, until purged
 *       ou=domains                        cn=DOMAIN      mwDomain
 *       ou=lists                          cn=ADDRESS     mwList
 *       ou=volumes                        cn=VOLUME      mwVolume
 *       ou=nodes                          cn=NODE        mwNode, also the identity of that node
 *       ou=sites                          cn=SITE        mwSite
 *       ou=rules                          cn=RULE        mwRule
 *       ou=rights                         cn=LEVEL       groupOfNames, mwLevelGroup (rights.ts)
 *       ou=claims                         cn=HASH        mwClaim: who is at work on an entry
 *       ou=secrets                        cn=KIND/NAME   mwSecret: for cn=senders,ou=rights
 *
 * The classes follow the mailwulf paper; `mwVolume` is the name of a class and of an attribute,
 * which LDAP allows: the two have name spaces of their own (RFC 4512 §2).
 */

/** Arc of our object identifiers (ITU-T X.667: 2.25 and a UUID as an integer). */
export const OID_ARC = '2.25.164919948184302917052778350794523656080';

export interface ClassRow {
  /** Number below `OID_ARC.2`; never given to another class, never changed. */
  readonly oid: number;
  /** Auxiliary classes add to entries of other people's classes. */
  readonly kind: 'structural' | 'auxiliary';
  /** Attributes an entry must have. */
  readonly must: readonly string[];
  /** Attributes we know. Others survive untouched: the directory is also other people's. */
  readonly may: readonly string[];
  readonly doc: string;
}

const MAIL_ATTRIBUTES = [
  'mailAlias',
  'mailForward',
  'mwForwardKeep',
  'mwVolume',
  'mwPath',
  'mwQuota',
  'mwSuspended',
  'mwRemoved',
  'mwFormerLogin',
  'mwFormerAlias',
  'mwFormerSuspended',
  'mwFormerBranch',
  'mwLevel',
  'customerID',
  'mwSite',
  'mwVacation',
  'mwVacationSubject',
  'mwVacationFrom',
  'mwVacationUntil',
  'mwAppPassword',
  'mwTotp',
  'mwRecoveryCode',
  'description',
] as const;

export const CLASSES = {
  mwUser: {
    oid: 1,
    kind: 'structural',
    must: ['cn', 'uid', 'userPassword'],
    may: MAIL_ATTRIBUTES,
    doc: 'A user: somebody who receives mail and logs in.',
  },
  mwMailUser: {
    oid: 2,
    kind: 'auxiliary',
    must: [],
    may: MAIL_ATTRIBUTES,
    doc: 'Mail attributes for an entry of a site’s own class (inetOrgPerson, posixAccount).',
  },
  mwDomain: {
    oid: 3,
    kind: 'structural',
    must: ['cn'],
    may: [
      'mwAliasOf',
      'mwCatchAll',
      'mwAll',
      'mwTransport',
      'mwEtrnFrom',
      'mwDkim',
      'customerID',
      'description',
    ],
    doc: 'A domain whose mail is ours.',
  },
  mwList: {
    oid: 4,
    kind: 'structural',
    must: ['cn'],
    may: ['mwMember', 'mwMemberFilter', 'mwPosting', 'mwModerator', 'mwOwner', 'description'],
    doc: 'A list: an address that stands for many.',
  },
  mwVolume: {
    oid: 5,
    kind: 'structural',
    must: ['cn', 'mwMountPath', 'mwIdentity'],
    may: ['mwWeight', 'mwState', 'mwUse', 'description'],
    doc: 'A volume: of mailboxes, or the spool.',
  },
  mwNode: {
    oid: 6,
    kind: 'structural',
    must: ['cn', 'nid', 'server', 'status'],
    may: ['mwListen', 'mwAddress', 'mwBeat', 'mwVersion', 'mwSite', 'userPassword', 'description'],
    doc: 'A host that runs services.',
  },
  mwSite: {
    oid: 7,
    kind: 'structural',
    must: ['cn'],
    may: ['mwSiteDomain', 'mwSiteLevel', 'description'],
    doc: 'A part of the network with users of its own.',
  },
  mwRule: {
    oid: 8,
    kind: 'structural',
    must: ['cn', 'mwOrder', 'mwPattern', 'mwTarget'],
    may: ['description'],
    doc: 'Where addresses of a pattern go that have no place of their own.',
  },
  mwFarm: {
    oid: 9,
    kind: 'structural',
    must: ['cn'],
    may: ['mwSetting', 'description'],
    doc: 'The farm and its settings.',
  },
  mwLevelGroup: {
    oid: 10,
    kind: 'auxiliary',
    must: ['mwLevel'],
    may: [],
    doc: 'A group of administrators of one level.',
  },
  mwClaim: {
    oid: 11,
    kind: 'structural',
    must: ['cn', 'mwClaimOf', 'mwClaimBy', 'mwLevel', 'mwClaimUntil'],
    may: ['description'],
    doc: 'Says who is at work on an entry; advice, no lock.',
  },
  mwSecret: {
    oid: 12,
    kind: 'structural',
    must: ['cn', 'mwSecretValue'],
    may: ['description'],
    doc: 'A key or password that only nodes which send may read.',
  },
} as const satisfies Record<string, ClassRow>;
export type ClassName = keyof typeof CLASSES;

/** How values of an attribute are compared and bounded. What has no row is text of any number. */
export interface AttributeRow {
  /** Number below `OID_ARC.1`; undefined for attributes that are not ours (RFC 4519 and others). */
  readonly oid?: number;
  readonly values: 'one' | 'several';
  readonly match: 'case-ignore' | 'case-exact' | 'integer' | 'octets';
  /** How the directory finds entries by it; the look-ups of front ends are all indexed. */
  readonly index?: 'eq' | 'eq,sub' | 'eq,pres';
  readonly doc: string;
}

type Extra = Pick<AttributeRow, 'oid' | 'index'>;
const one = (match: AttributeRow['match'], doc: string, extra: Extra = {}): AttributeRow => ({
  ...extra,
  values: 'one',
  match,
  doc,
});
const several = (match: AttributeRow['match'], doc: string, extra: Extra = {}): AttributeRow => ({
  ...extra,
  values: 'several',
  match,
  doc,
});
const eq = (oid?: number): Extra => ({ ...(oid !== undefined && { oid }), index: 'eq' });

export const ATTRIBUTES = {
  objectClass: several('case-ignore', 'Classes of the entry.', eq()),
  cn: one('case-ignore', 'Name: of a user the login, of a domain the domain.', { index: 'eq,sub' }),
  uid: one('integer', 'Unique number of a user; directory data, no Unix account.', eq()),
  userPassword: several('octets', 'Hash with its scheme in front: {ARGON2}, {SSHA512}, {SSHA}.'),
  mailAlias: several('case-ignore', 'Address at which the user also receives mail.', {
    oid: 1,
    index: 'eq,sub',
  }),
  mailForward: several('case-ignore', 'Address to which the mail is sent on.', eq(2)),
  mwForwardKeep: one('case-ignore', 'TRUE: with forwards, the mailbox gets a copy too.', {
    oid: 3,
  }),
  mwVolume: one('case-exact', 'Name of the volume that holds the mailbox.', eq(4)),
  mwPath: one('case-exact', 'Absolute path of the Maildir, where it is an explicit one.', {
    oid: 5,
    index: 'eq,sub',
  }),
  mwQuota: one('integer', 'Octets of mail the user may keep; 0 is no limit.', { oid: 6 }),
  mwSuspended: several('case-ignore', 'Service the user does not get at present.', eq(7)),
  mwRemoved: one('case-exact', 'When the user was removed (generalizedTime).', {
    oid: 8,
    index: 'eq,pres',
  }),
  mwFormerLogin: one('case-ignore', 'Login of a removed user.', eq(9)),
  mwFormerAlias: several('case-ignore', 'Alias of a removed user.', { oid: 10 }),
  mwFormerSuspended: several('case-ignore', 'Service a removed user did not get before.', {
    oid: 41,
  }),
  mwFormerBranch: one('case-ignore', 'DN of the branch of users where a removed user stood.', {
    oid: 42,
  }),
  customerID: one('case-exact', 'The customer at the billing.', eq(11)),
  mwSite: one('case-ignore', 'The site of the user or node.', eq(12)),
  mwAliasOf: one('case-ignore', 'Domain in which every address means the same.', eq(13)),
  mwCatchAll: one('case-ignore', 'Address that gets what nobody else gets.', { oid: 14 }),
  mwAll: one('case-ignore', 'Who may write to all@: off, members, anyone.', { oid: 15 }),
  mwMember: several('case-ignore', 'Address of a member of the list.', eq(16)),
  mwMemberFilter: one('case-exact', 'Filter whose users are members too (RFC 4515).', { oid: 17 }),
  mwPosting: one('case-ignore', 'Who may write to the list: anyone, members, moderated.', {
    oid: 18,
  }),
  mwModerator: several('case-ignore', 'Address of a moderator of the list.', { oid: 19 }),
  mwOwner: one('case-ignore', 'Address that answers for the list.', { oid: 20 }),
  mwMountPath: one('case-exact', 'Where every node mounts the volume.', { oid: 21 }),
  mwIdentity: one('case-exact', 'What the sentinel file on the volume says.', { oid: 22 }),
  mwWeight: one('integer', 'Share of new users this volume takes, beside others.', { oid: 23 }),
  mwState: one('case-ignore', 'active, closed (no new users) or offline (not touched).', {
    oid: 24,
  }),
  mwUse: one('case-ignore', 'mail (mailboxes) or spool (mail that waits); mail when absent.', {
    oid: 43,
  }),
  nid: one('integer', 'Unique number of a node.', eq(25)),
  server: one('case-ignore', 'Host name of a node.', { oid: 26 }),
  status: one('case-exact', 'One letter for each service, upper case up, lower case down.', {
    oid: 27,
  }),
  mwListen: several('case-ignore', 'SERVICE HOST:PORT', { oid: 28 }),
  mwBeat: one('case-exact', 'When the node last said that it lives (generalizedTime).', {
    oid: 29,
  }),
  mwVersion: one('case-exact', 'Release that the node runs.', { oid: 30 }),
  mwSiteDomain: several(
    'case-ignore',
    'Domain in which users of the site have an address.',
    eq(31),
  ),
  mwSiteLevel: one('integer', '0 relays only, 1 takes mail for all, 2 its own users only.', {
    oid: 32,
  }),
  mwOrder: one('integer', 'Rules are tried in this order.', { oid: 33 }),
  mwPattern: one('case-exact', 'RE2 expression for the whole address.', { oid: 34 }),
  mwTarget: one('case-exact', 'volume:NAME or host:NAME:PORT', { oid: 35 }),
  mwSetting: several('case-exact', 'NAME=VALUE, an option of the farm.', { oid: 36 }),
  mwLevel: one('integer', 'Level of an administrator (rights.ts).', { oid: 37, index: 'eq,pres' }),
  mwClaimOf: one('case-ignore', 'DN of the entry that is worked on.', eq(38)),
  mwClaimBy: one('case-ignore', 'Who works on it.', { oid: 39 }),
  mwClaimUntil: one('case-exact', 'When the claim ends (generalizedTime).', { oid: 40 }),
  mwTransport: one('case-ignore', 'Mail is passed on: mx, HOST:PORT or lmtp:HOST:PORT.', {
    oid: 44,
    index: 'eq,pres',
  }),
  mwEtrnFrom: several('case-ignore', 'Who may send ETRN: address, network or login.', {
    oid: 45,
  }),
  mwDkim: several('case-ignore', 'Selector whose key signs mail of the domain.', { oid: 46 }),
  mwVacation: one('case-exact', 'Answer to mail in the absence of the user (RFC 3834).', {
    oid: 47,
  }),
  mwVacationSubject: one('case-exact', 'Subject of that answer.', { oid: 48 }),
  mwVacationFrom: one('case-exact', 'When the absence begins (generalizedTime).', { oid: 49 }),
  mwVacationUntil: one('case-exact', 'When the absence ends (generalizedTime).', { oid: 50 }),
  mwSecretValue: one('case-exact', 'The secret itself.', { oid: 51 }),
  mwAddress: several('case-ignore', 'Address of an interface of the node.', { oid: 52 }),
  mwAppPassword: several('case-exact', 'ID HASH SERVICES TIME LABEL: a password of one program.', {
    oid: 53,
  }),
  mwTotp: one('case-exact', 'Secret of the second factor in base32 (RFC 6238).', { oid: 54 }),
  mwRecoveryCode: several('case-exact', 'SHA-256 of a code that works once instead of it.', {
    oid: 55,
  }),
  description: several('case-ignore', 'Text for people.'),
  member: several('case-ignore', 'DN of a member.', eq()),
  ou: several('case-ignore', 'Name of a branch.'),
  dc: one('case-ignore', 'Name of the suffix.'),
  entryUUID: one('case-ignore', 'Immutable identity of an entry (RFC 4530).', eq()),
  entryCSN: one('case-exact', 'State of an entry: differs after every change.', eq()),
  contextCSN: several('case-exact', 'State of the whole tree, on the suffix: the newest change.'),
  createTimestamp: one('case-exact', 'When the entry was made.'),
  modifyTimestamp: one('case-exact', 'When the entry was last changed.'),
} as const satisfies Record<string, AttributeRow>;
export type AttributeName = keyof typeof ATTRIBUTES;

/** Kept by the server, sent only when asked for by name or by `+` (RFC 3673). */
export const OPERATIONAL: ReadonlySet<string> = new Set([
  'entryuuid',
  'entrycsn',
  'contextcsn',
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
  const composed = MARKS_WITHOUT_END.test(text) ? text : text.normalize('NFC');
  return composed.toLowerCase().replace(/ {2,}/g, ' ');
}

/**
 * More marks on one letter than any language has (UAX #15, stream-safe text: 30). To put a run of
 * them in order takes time that grows with its square: 60 KB of them hold the process for seconds.
 */
const MARKS_WITHOUT_END = /\p{M}{31}/u;

/** Attributes of a user that front ends read: never userPassword. */
export const USER_ATTRIBUTES: readonly string[] = [
  'cn',
  'uid',
  'mailAlias',
  'mailForward',
  'mwForwardKeep',
  'mwVolume',
  'mwPath',
  'mwQuota',
  'mwSuspended',
  'mwSite',
  'mwVacation',
  'mwVacationSubject',
  'mwVacationFrom',
  'mwVacationUntil',
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
  readonly removed: string;
  readonly domains: string;
  readonly lists: string;
  readonly volumes: string;
  readonly nodes: string;
  readonly sites: string;
  readonly rules: string;
  readonly rights: string;
  /** The group of nodes that read secrets. */
  readonly senders: string;
  readonly claims: string;
  readonly secrets: string;
}

export const DEFAULT_SUFFIX = 'dc=mailfarm';

export function layout(suffix: string): Layout {
  return {
    suffix,
    farm: `cn=farm,${suffix}`,
    administrators: `cn=administrators,ou=rights,${suffix}`,
    admin: `cn=admin,${suffix}`,
    frontend: `cn=frontend,${suffix}`,
    users: `ou=users,${suffix}`,
    removed: `ou=removed,${suffix}`,
    domains: `ou=domains,${suffix}`,
    lists: `ou=lists,${suffix}`,
    volumes: `ou=volumes,${suffix}`,
    nodes: `ou=nodes,${suffix}`,
    sites: `ou=sites,${suffix}`,
    rules: `ou=rules,${suffix}`,
    rights: `ou=rights,${suffix}`,
    senders: `cn=senders,ou=rights,${suffix}`,
    claims: `ou=claims,${suffix}`,
    secrets: `ou=secrets,${suffix}`,
  };
}

/** Whether a name of a volume, node or the like can stand in a DN, a path and a log as it is. */
export const nameIsSafe = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
