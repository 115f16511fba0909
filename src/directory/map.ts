import { ACCOUNT_SERVICES, type AccountService } from './types.ts';

/**
 * How users stand in a directory that is not ours: which attribute says what. Such a directory
 * is read, never written: there is no need to extend its schema or to give us rights in it.
 *
 * A preset is a beginning; a site that differs gives a map of its own (`{ ...MAPS.posix, login:
 * 'uid' }`).
 */
export interface AttributeMap {
  readonly name: string;
  /** Users are the entries that have one of these classes. */
  readonly classes: readonly string[];
  /** The login, an address; of several values the first is the name, all are addresses. */
  readonly login: string;
  /** Attribute with a login that has no domain, accepted at POP3 as well. */
  readonly shortLogin: string | undefined;
  /** Attributes with more addresses. */
  readonly aliases: readonly string[];
  /**
   * The identity that the mailbox hangs on: immutable, never given again, of letters, digits and
   * hyphens, 64 at most. uidNumber is one only where numbers are not given again.
   */
  readonly id: string;
  /** Unique number of the user; `absent` where the entry need not have one. */
  readonly uid: { readonly attribute: string; readonly absent?: number };
  readonly forwards: string | undefined;
  readonly delivery: DeliveryRow | undefined;
  /** Name of a volume. Undefined: the place is the path, or what a rule says. */
  readonly volume: string | undefined;
  /** The Maildir: the first row whose attribute the entry has. */
  readonly paths: readonly PathRow[];
  readonly quota: QuotaRow | undefined;
  readonly suspended: readonly SuspendedRow[];
  readonly site: string | undefined;
  /** What is answered in the user's absence. */
  readonly vacation: VacationRow | undefined;
  /** Passwords of programs, and the second factor. */
  readonly factors: FactorsRow | undefined;
  readonly customer: string | undefined;
  /** An entry with this attribute is none of a user. */
  readonly removed: string | undefined;
  /** Addresses that are entries of their own; they are read as lists. */
  readonly aliasEntries: AliasEntries | undefined;
}

/** Whether the mailbox gets a copy of what is forwarded, and whether anything is. */
export interface DeliveryRow {
  readonly attribute: string;
  /** Whether the mailbox gets a copy where no value says otherwise. */
  readonly keeps: boolean;
  /** Values in lower case. */
  readonly values: Readonly<Record<string, 'keep' | 'no-copy' | 'no-forward'>>;
}

export interface PathRow {
  readonly attribute: string;
  /** What stands before a path that is not absolute. */
  readonly below?: string;
  /** What is appended, such as `/Maildir`. */
  readonly append?: string;
}

/**
 * `octets`: a number. `maildir++`: `10000000S,1000C`, of which the octets count (S; a number alone
 * is octets too).
 */
export interface QuotaRow {
  readonly attribute: string;
  readonly unit: 'octets' | 'kibibytes' | 'maildir++';
}

export interface SuspendedRow {
  readonly attribute: string;
  /** Values in lower case, and what each takes away. */
  readonly values: Readonly<Record<string, readonly AccountService[]>>;
  /** What a value takes away that has no row. */
  readonly otherwise: readonly AccountService[];
}

export interface VacationRow {
  readonly text: string;
  readonly subject: string;
  readonly from: string;
  readonly until: string;
}

export interface FactorsRow {
  readonly appPasswords: string;
  readonly totp: string;
  readonly recoveryCodes: string;
}

export interface AliasEntries {
  readonly class: string;
  readonly address: string;
  /** Addresses; one without a domain is in the domain of the alias. */
  readonly target: string;
}

const NOTHING = {
  shortLogin: undefined,
  aliases: [],
  id: 'entryUUID',
  forwards: undefined,
  delivery: undefined,
  volume: undefined,
  paths: [],
  quota: undefined,
  suspended: [],
  site: undefined,
  vacation: undefined,
  factors: undefined,
  customer: undefined,
  removed: undefined,
  aliasEntries: undefined,
} as const;

const ACCESS: readonly AccountService[] = ['pop3', 'imap', 'webmail', 'submission'];

/** Our own (schema.ts). */
const MAILFARM: AttributeMap = {
  ...NOTHING,
  name: 'mailfarm',
  classes: ['mwUser'],
  login: 'cn',
  aliases: ['mailAlias'],
  uid: { attribute: 'uid' },
  forwards: 'mailForward',
  delivery: {
    attribute: 'mwForwardKeep',
    keeps: false,
    values: { true: 'keep', false: 'no-copy' },
  },
  volume: 'mwVolume',
  paths: [{ attribute: 'mwPath' }],
  quota: { attribute: 'mwQuota', unit: 'octets' },
  suspended: [
    {
      attribute: 'mwSuspended',
      values: Object.fromEntries(ACCOUNT_SERVICES.map((service) => [service, [service]])),
      otherwise: [],
    },
  ],
  site: 'mwSite',
  vacation: {
    text: 'mwVacation',
    subject: 'mwVacationSubject',
    from: 'mwVacationFrom',
    until: 'mwVacationUntil',
  },
  factors: {
    appPasswords: 'mwAppPassword',
    totp: 'mwTotp',
    recoveryCodes: 'mwRecoveryCode',
  },
  customer: 'customerID',
  removed: 'mwRemoved',
};

/** inetOrgPerson with posixAccount (RFC 2307). The uid is a login as well. */
const POSIX: AttributeMap = {
  ...NOTHING,
  name: 'posix',
  classes: ['posixAccount'],
  login: 'mail',
  shortLogin: 'uid',
  uid: { attribute: 'uidNumber', absent: 0 },
  paths: [{ attribute: 'homeDirectory', append: '/Maildir' }],
};

/**
 * qmail-ldap (qmailUser). Without deliveryMode nolocal the mailbox gets a copy of what is
 * forwarded; `noaccess` leaves delivery alone, `disabled` and `deleted` do not. A status nobody
 * knows gives no access. mailMessageStore is taken as the Maildir; a site whose
 * ~control/aliasempty adds `./Maildir/` to it says so by `append`.
 */
const QMAIL_LDAP: AttributeMap = {
  ...NOTHING,
  name: 'qmail-ldap',
  classes: ['qmailUser'],
  login: 'mail',
  shortLogin: 'uid',
  aliases: ['mailAlternateAddress'],
  uid: { attribute: 'qmailUID', absent: 0 },
  forwards: 'mailForwardingAddress',
  delivery: {
    attribute: 'deliveryMode',
    keeps: true,
    values: { nolocal: 'no-copy', noforward: 'no-forward' },
  },
  paths: [{ attribute: 'mailMessageStore' }, { attribute: 'homeDirectory', append: '/Maildir' }],
  quota: { attribute: 'mailQuotaSize', unit: 'octets' },
  suspended: [
    {
      attribute: 'accountStatus',
      values: {
        active: [],
        noaccess: ACCESS,
        disabled: ACCOUNT_SERVICES,
        deleted: ACCOUNT_SERVICES,
      },
      otherwise: ACCESS,
    },
  ],
};

const off = (attribute: string, service: AccountService): SuspendedRow => ({
  attribute,
  values: { 0: [], '': [] },
  otherwise: [service],
});

/** Courier (authldap.schema): CourierMailAccount, and CourierMailAlias with maildrop. */
const COURIER: AttributeMap = {
  ...NOTHING,
  name: 'courier',
  classes: ['CourierMailAccount'],
  login: 'mail',
  shortLogin: 'uid',
  uid: { attribute: 'uidNumber', absent: 0 },
  paths: [{ attribute: 'mailbox' }, { attribute: 'homeDirectory', append: '/Maildir' }],
  quota: { attribute: 'quota', unit: 'maildir++' },
  suspended: [
    off('disablepop3', 'pop3'),
    off('disableimap', 'imap'),
    off('disablewebmail', 'webmail'),
  ],
  aliasEntries: { class: 'CourierMailAlias', address: 'mail', target: 'maildrop' },
};

export const MAPS = {
  mailfarm: MAILFARM,
  posix: POSIX,
  'qmail-ldap': QMAIL_LDAP,
  courier: COURIER,
} as const satisfies Record<string, AttributeMap>;
export type MapName = keyof typeof MAPS;

/** Attributes that a front end reads of a user: never a password. */
export function mapAttributes(map: AttributeMap): readonly string[] {
  const names = [
    'objectClass',
    map.login,
    map.shortLogin,
    ...map.aliases,
    map.id,
    map.uid.attribute,
    map.forwards,
    map.delivery?.attribute,
    map.volume,
    ...map.paths.map(({ attribute }) => attribute),
    map.quota?.attribute,
    ...map.suspended.map(({ attribute }) => attribute),
    map.site,
    map.vacation?.text,
    map.vacation?.subject,
    map.vacation?.from,
    map.vacation?.until,
    map.factors?.appPasswords,
    map.factors?.totp,
    map.aliasEntries?.address,
    map.aliasEntries?.target,
  ];
  return [...new Set(names.filter((name) => name !== undefined))];
}
