/**
 * Who may do what in the directory, as one table. The embedded server enforces it; `mailfarm
 * schema` writes it as access rules for OpenLDAP; one test asks both servers the same questions.
 *
 * Rows are tried from above; the first whose entry and attributes fit decides, as in
 * slapd.access(5). Who stands in no column of that row has no right. A right includes those to its
 * left (but where passwords are concerned `add` reads nothing either):
 *
 *     disclose < auth < compare < read < add < write
 *
 * `auth` lets a bind compare a password with it. `add` gives values where there are none (or makes
 * entries below a branch): the loser of two adds hears that a value exists. `put` adds and removes
 * and reads nothing (slapd's `=w`): passwords are never read. `take` reads and removes values,
 * `drop` removes them unread: whoever helps a user who lost a telephone takes the second factor
 * away, and gives nobody one.
 *
 * `sender`: a node that is a member of cn=senders in ou=rights, where administrators put it; a node
 * that joins by itself is none. It alone reads secrets, but for those of the kinds `srs` and `web`,
 * which all nodes read: what they are good for is bounces to those who wrote through us, and
 * sessions of the webmail on any of them. Administrators may write them (`chief`) and read none:
 * what they print, export and look at has no key in it. Who administers nodes and cn=admin, slapd's
 * rootdn, could take one all the same.
 *
 * Why an entry with `mwLevel` has rows of its own: whoever may set passwords could otherwise set an
 * administrator's and become one.
 */
export const LEVELS = { auditor: 10, helpdesk: 20, operator: 30, administrator: 40 } as const;
/** Higher levels overrule lower ones (S0-44). Each is a group in ou=rights. */
export type Level = keyof typeof LEVELS;

/** What the groups in ou=rights are called. */
export const LEVEL_GROUPS: Readonly<Record<Level, string>> = {
  auditor: 'auditors',
  helpdesk: 'helpdesk',
  operator: 'operators',
  administrator: 'administrators',
};

/**
 * `frontend`: cn=frontend, or the entry of any node. `self`: the entry itself.
 * `anonymous`: nobody yet, which is also what a bind is before it succeeds.
 * cn=admin, and `administrator`, may do everything; they stand in no row but as `chief`.
 */
export const ACTORS = [
  'anonymous',
  'self',
  'frontend',
  'sender',
  'auditor',
  'helpdesk',
  'operator',
] as const;
export type Actor = (typeof ACTORS)[number];

export type Right = 'auth' | 'read' | 'add' | 'drop' | 'take' | 'put' | 'write';

/** Branches as `layout` names them; `farm` is the entry cn=farm, `root` the suffix itself. */
export type Place =
  | 'users'
  | 'removed'
  | 'domains'
  | 'lists'
  | 'volumes'
  | 'nodes'
  | 'sites'
  | 'rules'
  | 'rights'
  | 'administrators'
  | 'claims'
  | 'secrets'
  | 'farm'
  | 'everywhere';

export interface RightsRow {
  readonly place: Place;
  /** Only entries that carry mwLevel: accounts of administrators. */
  readonly levelled?: true;
  /** Only secrets of this kind, right below the place: the first part of their cn. */
  readonly kind?: 'srs' | 'web';
  /**
   * `entries`: adding, deleting and renaming entries right below the place (slapd: `children` of
   * the branch and `entry` of what stands in it). Else attributes; `all`: every other one.
   */
  readonly of: 'entries' | 'all' | readonly string[];
  readonly rights: Readonly<Partial<Record<Actor, Right>>>;
  /** What administrators have here, where it is less than everything. */
  readonly chief?: 'put';
  readonly doc: string;
}

const READERS = { frontend: 'read', auditor: 'read', helpdesk: 'read', operator: 'read' } as const;
const MANAGERS = { auditor: 'read', helpdesk: 'read', operator: 'write' } as const;

/** What a user says in absence: written by whoever writes the forwards. */
const OWN_AFFAIRS = [
  'mailForward',
  'mwForwardKeep',
  'mwVacation',
  'mwVacationSubject',
  'mwVacationFrom',
  'mwVacationUntil',
] as const;

/** What verifies a second factor: read by nobody but who verifies. */
const SECOND_FACTOR = ['mwTotp', 'mwRecoveryCode'] as const;

export const RIGHTS: readonly RightsRow[] = [
  {
    place: 'secrets',
    kind: 'srs',
    of: ['mwSecretValue'],
    rights: { frontend: 'read' },
    chief: 'put',
    doc: 'Who takes mail in rewrites senders of forwards: every node, and no other key for it.',
  },
  {
    place: 'secrets',
    kind: 'srs',
    of: 'all',
    rights: { frontend: 'read' },
    doc: 'Names of such secrets.',
  },
  {
    place: 'secrets',
    kind: 'web',
    of: ['mwSecretValue'],
    rights: { frontend: 'read' },
    chief: 'put',
    doc: 'Any node opens the sessions of browsers that another one sealed.',
  },
  {
    place: 'secrets',
    kind: 'web',
    of: 'all',
    rights: { frontend: 'read' },
    doc: 'Names of such secrets.',
  },
  {
    place: 'everywhere',
    of: ['mwSecretValue'],
    rights: { sender: 'read' },
    chief: 'put',
    doc: 'Keys and passwords for mail that leaves, wherever an entry with one stands.',
  },
  {
    place: 'users',
    levelled: true,
    of: ['userPassword'],
    rights: { anonymous: 'auth', self: 'put' },
    doc: 'The password of an administrator: the own one, or by administrators.',
  },
  {
    place: 'users',
    levelled: true,
    of: ['mwVolume'],
    rights: { frontend: 'add', self: 'read', auditor: 'read', helpdesk: 'read', operator: 'read' },
    doc: 'An administrator has a mailbox too.',
  },
  {
    place: 'users',
    levelled: true,
    of: OWN_AFFAIRS,
    rights: { ...READERS, self: 'write', operator: 'read' },
    doc: 'Forwards and absence of an administrator: the own ones, or by administrators.',
  },
  {
    place: 'users',
    levelled: true,
    of: SECOND_FACTOR,
    rights: { frontend: 'read', self: 'put' },
    doc: 'The second factor of an administrator: the own one, or by administrators.',
  },
  {
    place: 'users',
    levelled: true,
    of: ['mwAppPassword'],
    rights: { frontend: 'read', self: 'write' },
    doc: 'App passwords of an administrator: the own ones, or by administrators.',
  },
  {
    place: 'users',
    levelled: true,
    of: 'all',
    rights: { ...READERS, self: 'read' },
    doc: 'What else an administrator has is changed by administrators.',
  },
  {
    place: 'users',
    of: ['userPassword'],
    rights: { anonymous: 'auth', self: 'put', helpdesk: 'put', operator: 'put' },
    doc: 'A user changes the own password; nobody reads one.',
  },
  {
    place: 'users',
    of: ['mwVolume'],
    rights: { frontend: 'add', self: 'read', auditor: 'read', helpdesk: 'read', operator: 'write' },
    doc: 'Front ends store where a mailbox was made, once.',
  },
  {
    place: 'users',
    of: OWN_AFFAIRS,
    rights: { ...READERS, self: 'write', helpdesk: 'write', operator: 'write' },
    doc: 'Users manage their forwards and what is answered in their absence.',
  },
  {
    place: 'users',
    of: SECOND_FACTOR,
    rights: { frontend: 'read', self: 'put', helpdesk: 'drop', operator: 'drop' },
    doc: 'Helpdesk lets in who lost a telephone; nobody else can say what the next one shows.',
  },
  {
    place: 'users',
    of: ['mwAppPassword'],
    rights: { frontend: 'read', self: 'write', helpdesk: 'take', operator: 'take' },
    doc: 'Hashes of 128 random bits. Who could add one would read mail unseen by the user.',
  },
  {
    place: 'users',
    of: ['mwSuspended'],
    rights: { ...READERS, self: 'read', helpdesk: 'write', operator: 'write' },
    doc: 'Services of a customer who did not pay.',
  },
  {
    place: 'users',
    of: ['mwLevel'],
    rights: { ...READERS, self: 'read', operator: 'read' },
    doc: 'The mark of an administrator: set by administrators.',
  },
  {
    place: 'users',
    of: ['mwPath'],
    rights: { ...READERS, self: 'read', operator: 'read' },
    doc: 'Whoever chose it for a user could choose the mailbox of an administrator.',
  },
  {
    place: 'users',
    of: 'entries',
    rights: { ...READERS, self: 'read', operator: 'write' },
    doc: 'Users are added, renamed and removed by operators.',
  },
  {
    place: 'users',
    of: 'all',
    rights: { ...READERS, self: 'read', operator: 'write' },
    doc: 'Everything else about a user.',
  },
  {
    place: 'removed',
    of: ['userPassword', ...SECOND_FACTOR, 'mwAppPassword'],
    rights: {},
    doc: 'Kept for a restore; unusable.',
  },
  {
    place: 'removed',
    levelled: true,
    of: 'all',
    rights: { auditor: 'read', helpdesk: 'read', operator: 'read' },
    doc: 'Who unmarked and restored an administrator could then set the password and become one.',
  },
  {
    place: 'removed',
    of: ['mwPath'],
    rights: { auditor: 'read', helpdesk: 'read', operator: 'read' },
    doc: 'Or it would be chosen on the way through here.',
  },
  { place: 'removed', of: 'entries', rights: MANAGERS, doc: 'Removal and restore move entries.' },
  { place: 'removed', of: 'all', rights: MANAGERS, doc: 'Users taken out of service.' },
  { place: 'lists', of: 'entries', rights: { ...READERS, operator: 'write' }, doc: 'Lists.' },
  { place: 'lists', of: 'all', rights: { ...READERS, operator: 'write' }, doc: 'Lists.' },
  {
    place: 'nodes',
    of: ['userPassword'],
    rights: { anonymous: 'auth', self: 'put', frontend: 'add' },
    doc: 'A node gives itself a key where it has none (one value only); then it is that node.',
  },
  {
    place: 'nodes',
    of: ['status', 'mwBeat', 'mwVersion', 'mwAddress', 'server'],
    rights: { ...READERS, self: 'write' },
    doc: 'A node tells how it is.',
  },
  {
    place: 'nodes',
    of: 'entries',
    rights: { ...READERS, frontend: 'add' },
    doc: 'A new node adds its own entry.',
  },
  { place: 'nodes', of: 'all', rights: READERS, doc: 'What a node runs is for administrators.' },
  {
    place: 'claims',
    of: 'entries',
    rights: { auditor: 'read', helpdesk: 'write', operator: 'write' },
    doc: 'Advice about who is at work.',
  },
  {
    place: 'claims',
    of: 'all',
    rights: { auditor: 'read', helpdesk: 'write', operator: 'write' },
    doc: 'Advice about who is at work.',
  },
  {
    place: 'secrets',
    of: 'entries',
    rights: { sender: 'read' },
    doc: 'A private subtree: administrators see what there is.',
  },
  { place: 'secrets', of: 'all', rights: { sender: 'read' }, doc: 'Names of secrets.' },
  {
    place: 'administrators',
    of: 'all',
    rights: READERS,
    doc: 'Front ends find here who takes the mail for postmaster.',
  },
  {
    place: 'rights',
    of: 'all',
    rights: { auditor: 'read', helpdesk: 'read', operator: 'read' },
    doc: 'Who has which level: a private subtree.',
  },
  {
    place: 'everywhere',
    of: ['userPassword'],
    rights: { anonymous: 'auth' },
    doc: 'Service identities: who steals the one of all front ends must not lock them out.',
  },
  {
    place: 'everywhere',
    of: 'all',
    rights: READERS,
    doc: 'Domains, volumes, sites, rules, settings: read by all who serve, changed by administrators.',
  },
];
