/**
 * Everything that a database of slapd is told beside its schema and its rules: modules, overlays,
 * limits. As data, so that slapd.conf(5) and slapd-config(5) are two ways of writing one thing.
 */
import { APP_PASSWORD_BYTES_MAX, APP_PASSWORDS_MAX, RECOVERY_CODES_MAX } from '../factors.ts';
import { layout, type Layout } from '../schema.ts';
import { SECRET_BYTES_MAX } from '../secret-name.ts';
import { VACATION_BYTES_MAX, VACATION_SUBJECT_BYTES_MAX } from '../transport.ts';

export const MODULES = [
  'syncprov',
  'unique',
  'constraint',
  'refint',
  'ppolicy',
  'argon2',
  'pw-sha2',
] as const;

export interface Setting {
  /** Its name in slapd.conf(5) and in slapd-config(5). */
  readonly conf: string;
  readonly attribute: string;
  readonly value: string;
}

export interface Overlay {
  readonly name: string;
  readonly objectClass: string;
  readonly settings: readonly Setting[];
  readonly doc: string;
}

/** A suffix that cannot stand between the quotes of slapd's configuration. */
export class SuffixError extends Error {}

/** The names below a suffix, for text of a configuration. @throws SuffixError */
export function configurable(suffix: string): Layout {
  if (!/^[^"\\\p{Cc}]+=[^"\\\p{Cc}]+$/u.test(suffix)) {
    throw new SuffixError(
      `${JSON.stringify(suffix)} cannot stand in a configuration of slapd: ` +
        'give a suffix without quotes and backslashes, such as dc=example,dc=test',
    );
  }
  return layout(suffix);
}

/** A DN as it stands in an LDAP URL. */
const inUrl = (dn: string): string => encodeURIComponent(dn).replaceAll('%3D', '=');

/**
 * What a stored password may cost: users store theirs, also as a hash that they made. One that
 * wants a GiB, or {CRYPT} with 999,999,999 rounds, would hold up the logins of all: each wrong
 * password costs the same. slapo-ppolicy has hashed what came in the clear before this is asked.
 */
const HASHES = [
  '^[{]([Ss]?[Ss][Hh][Aa](256|384|512)?|[Ss]?[Mm][Dd]5|[Ss][Aa][Ss][Ll])[}]',
  '^[{][Aa][Rr][Gg][Oo][Nn]2[}][$]argon2id?[$]v=19[$]m=[0-9]{1,5},t=[1-4],p=[1-4][$]',
  '^[{][Cc][Rr][Yy][Pp][Tt][}][$][156][$](rounds=[0-9]{1,5}[$])?[^$=]*[$][^$]*$',
].join('|');

const isUser = (users = ''): string => `restrict="ldap:///${users}??sub?(objectClass=mwUser)"`;

/** A set of slapd.access(5) that is empty for everybody else. */
const administrates = (names: Layout): string =>
  `"user & ([${names.admin}] | [${names.administrators}]/member)"`;

const constraint = (value: string): Setting => ({
  conf: 'constraint_attribute',
  attribute: 'olcConstraintAttribute',
  value,
});

function constraints(names: Layout): readonly Setting[] {
  const [users, nodes] = [names.users, names.nodes].map(inUrl);
  return [
    constraint(`userPassword count 1 restrict="ldap:///${nodes}??sub?(objectClass=mwNode)"`),
    constraint(`objectClass regex ^(top|mwNode)$ restrict="ldap:///${nodes}??one?(objectClass=*)"`),
    constraint(`nid regex ^[0-9]{1,15}$ restrict="ldap:///${nodes}??sub?(objectClass=mwNode)"`),
    constraint(`userPassword regex ${HASHES}`),
    // Rules of access are not asked about the attributes of a new entry.
    constraint(`mwPath set ${administrates(names)}`),
    constraint(`mwVacation size ${VACATION_BYTES_MAX}`),
    constraint(`mwVacationSubject size ${VACATION_SUBJECT_BYTES_MAX}`),
    constraint(`mwSecretValue size ${SECRET_BYTES_MAX}`),
    constraint(`mwAppPassword size ${APP_PASSWORD_BYTES_MAX}`),
    constraint(`mwAppPassword count ${APP_PASSWORDS_MAX}`),
    constraint('mwTotp regex ^[A-Z2-7]{26,104}$'),
    constraint('mwRecoveryCode regex ^[A-Za-z0-9_-]{43}$'),
    constraint(`mwRecoveryCode count ${RECOVERY_CODES_MAX}`),
    constraint(`cn count 1 ${isUser(users)}`),
    constraint(`uid count 1 ${isUser(users)}`),
    constraint(`uid regex ^[0-9]{1,19}$ ${isUser(users)}`),
  ];
}

/** In their order; `syncprov` is the last to be told, thus the first to see an operation. */
export function overlays(names: Layout): readonly Overlay[] {
  const unique = (value: string): Setting => ({
    conf: 'unique_uri',
    attribute: 'olcUniqueURI',
    value,
  });
  const [all, users] = [names.suffix, names.users].map(inUrl);
  return [
    {
      name: 'unique',
      objectClass: 'olcUniqueConfig',
      settings: [
        unique(`serialize ldap:///${all}?uid?sub?(objectClass=mwUser)`),
        unique(`serialize ldap:///${all}?nid?sub`),
        unique(`serialize ldap:///${users}?mailAlias?sub`),
        unique(`serialize ldap:///${users}?cn?sub`),
      ],
      doc: 'Numbers, aliases and logins that nobody else has. An alias that is a login: our tools.',
    },
    {
      name: 'constraint',
      objectClass: 'olcConstraintConfig',
      settings: constraints(names),
      doc: 'One key for a node, one login and one number for a user; texts that have an end.',
    },
    {
      name: 'refint',
      objectClass: 'olcRefintConfig',
      settings: [
        { conf: 'refint_attributes', attribute: 'olcRefintAttribute', value: 'member' },
        { conf: 'refint_nothing', attribute: 'olcRefintNothing', value: names.admin },
      ],
      doc: 'Who is renamed keeps the level; who is removed leaves none behind for the next.',
    },
    {
      name: 'ppolicy',
      objectClass: 'olcPPolicyConfig',
      settings: [
        { conf: 'ppolicy_hash_cleartext', attribute: 'olcPPolicyHashCleartext', value: 'TRUE' },
      ],
      doc: 'A password that comes in the clear is hashed before it is stored.',
    },
    {
      name: 'syncprov',
      objectClass: 'olcSyncProvConfig',
      settings: [
        { conf: 'syncprov-checkpoint', attribute: 'olcSpCheckpoint', value: '1 1' },
        { conf: 'syncprov-sessionlog', attribute: 'olcSpSessionlog', value: '10000' },
      ],
      doc: 'Keeps contextCSN, by which front ends know a server that is behind; replication.',
    },
  ];
}

/** Who serves the farm or administers it may read all of it; others get few entries. */
export function limits(names: Layout): readonly string[] {
  return [
    `dn.exact="${names.frontend}"`,
    `dn.onelevel="${names.nodes}"`,
    ...['administrators', 'operators', 'helpdesk', 'auditors'].map(
      (group) => `group/groupOfNames/member="cn=${group},${names.rights}"`,
    ),
  ].map((who) => `${who} size=unlimited time=unlimited`);
}

/** How `ppolicy_hash_cleartext` and the Password Modify operation (RFC 3062) hash. */
export const PASSWORD_HASH = '{ARGON2}';
