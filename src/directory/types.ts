/** What a front end asks of the directory. One implementation talks LDAP, one is in memory. */

/** Services a customer can be refused one by one (billing says so). */
export const ACCOUNT_SERVICES = ['mail', 'pop3', 'imap', 'webmail', 'submission'] as const;
export type AccountService = (typeof ACCOUNT_SERVICES)[number];

/** A user as the front ends see one. Addresses and the login are in lower case. */
export interface Account {
  /** Immutable, never reused identity (entryUUID by default); matches /^[A-Za-z0-9-]{1,64}$/. */
  readonly id: string;
  readonly dn: string;
  /** cn: the login name, normally the official address. */
  readonly login: string;
  /** uid: unique integer. */
  readonly uid: number;
  /** cn and every mailAlias. */
  readonly addresses: readonly string[];
  /** Services that this user does not get at present. */
  readonly suspended: readonly AccountService[];
  /** Octets; 0 is no limit. */
  readonly quotaBytes: number;
  /** mwVolume: name of the volume that holds the mailbox; undefined until the first delivery. */
  readonly volume: string | undefined;
  /** mwPath: explicit absolute path of the Maildir, such as /mail1/12/34/tevie. */
  readonly path: string | undefined;
  /** mailForward: where mail for this user is sent on to. */
  readonly forwards: readonly string[];
  /** mwForwardKeep: with forwards, whether the mailbox gets a copy too. */
  readonly keepsForwarded: boolean;
  /** mwSite: name of the site the user belongs to. */
  readonly site: string | undefined;
  /** mwVacation and what goes with it; undefined: no answer is sent. */
  readonly vacation: Vacation | undefined;
  /** mwAppPassword: what programs log in with, beside the password or instead of it. */
  readonly appPasswords?: readonly AppPassword[];
  /** mwTotp is there: the password alone opens nothing but the way to the second factor. */
  readonly hasSecondFactor?: boolean;
}

/** A password of one program: 128 random bits, so that its hash tells nothing. */
export interface AppPassword {
  /** Letters and digits, of this user's only. */
  readonly id: string;
  /** SHA-256 of the password in base64url. */
  readonly hash: string;
  readonly services: readonly AccountService[];
  /** ms since 1970. */
  readonly createdAt: number | undefined;
  /** What the user calls it. */
  readonly label: string;
}

/** What a code is verified against; kept by nobody for longer than that takes. */
export interface SecondFactor {
  /** The secret of RFC 6238 in base32. */
  readonly totp: string;
  /** SHA-256 of codes that work once, in base64url. */
  readonly recoveryCodes: readonly string[];
}

/** What is answered in a user's absence (RFC 3834): written by the user, so of any content. */
export interface Vacation {
  /** Lines end with LF. */
  readonly text: string;
  /** Undefined: the subject is made from that of the letter. */
  readonly subject: string | undefined;
  /** ms since 1970, inclusive; undefined: from now on. */
  readonly from: number | undefined;
  /** ms since 1970, exclusive; undefined: without end. */
  readonly until: number | undefined;
}

/** Where one copy of a letter goes. */
export type Destination =
  | { readonly kind: 'mailbox'; readonly account: Account }
  /** Leaves the farm: a forward, or a member of a list elsewhere. */
  | { readonly kind: 'remote'; readonly address: string; readonly fallback: Fallback }
  /** A rule (S1-03) or the transport of a customer's domain hands it to another mail server. */
  | {
      readonly kind: 'host';
      readonly host: string;
      readonly port: number;
      readonly protocol: 'smtp' | 'lmtp';
      readonly address: string;
      readonly fallback: Fallback;
    };

/**
 * Whose mailboxes hold the letter where it cannot be sent on: the users whose forwards lead here.
 * Undefined when something else leads here too (a list, a rule, a catch-all): then only deferring
 * loses nothing.
 */
export type Fallback = readonly Account[] | undefined;

/** What an address means. One copy for each final mailbox, however many ways lead to it. */
export type Resolution =
  /** By far the most frequent: one mailbox, no forward. */
  | { readonly kind: 'account'; readonly account: Account }
  /** Forwards, lists, `all@`, rules. At least one destination. */
  | {
      readonly kind: 'expanded';
      readonly destinations: readonly Destination[];
      /** Set when a list led here; also when it sent the letter to its moderators. */
      readonly list: ListEntry | undefined;
      readonly moderated: boolean;
    }
  /** The address exists, this sender may not write to it. */
  | { readonly kind: 'refused'; readonly reason: 'members-only' | 'no-members' }
  | { readonly kind: 'unknown-user' }
  | { readonly kind: 'unknown-domain' };

/** Who has an address. Where its mail goes is another question. */
export type AddressOwner =
  | { readonly kind: 'user'; readonly account: Account }
  | { readonly kind: 'list'; readonly list: ListEntry };

/** Who writes: lists for members ask. */
export interface ResolveContext {
  /** Envelope sender; empty for the null sender. Undefined: nobody may be assumed. */
  readonly sender?: string | undefined;
  /** Nobody logged in or is trusted: whatever the sender says, it makes nobody a moderator. */
  readonly unproven?: boolean | undefined;
  /** Told of each address on the way, in the order of the way: for people who ask why. */
  readonly onStop?: (stop: TracedStop) => void;
}

/** An address on the way of a letter, and what it is. A user without forwards has no way. */
export interface TracedStop {
  readonly address: string;
  /** Who names it: a list, a user's login, a domain with a catch-all; of the first it is itself. */
  readonly by: string;
  readonly is:
    | { readonly kind: 'user'; readonly account: Account }
    | { readonly kind: 'list'; readonly list: ListEntry; readonly moderated: boolean }
    | { readonly kind: 'all'; readonly address: string }
    | { readonly kind: 'host'; readonly host: string; readonly port: number }
    | { readonly kind: 'transport'; readonly domain: string; readonly transport: Transport }
    | { readonly kind: 'catch-all'; readonly domain: string; readonly address: string }
    | { readonly kind: 'elsewhere' }
    | { readonly kind: 'left-out'; readonly why: string };
}

export const ALL_POLICIES = ['off', 'members', 'anyone'] as const;
/** Who may write to `all@domain`: nobody, users of this farm, everybody. */
export type AllPolicy = (typeof ALL_POLICIES)[number];

/**
 * Where mail of a customer's domain goes that we hold as backup MX: by the MX records better than
 * ours, or to a host.
 */
export type Transport =
  | { readonly kind: 'mx' }
  | {
      readonly kind: 'host';
      readonly host: string;
      readonly port: number;
      readonly protocol: 'smtp' | 'lmtp';
    };

/** A domain whose mail is ours: mwDomain, or a domain of an mwSite. */
export interface DomainEntry {
  /** A-labels, lower case. */
  readonly name: string;
  /** mwAliasOf: every address in it is the same address in that domain. */
  readonly aliasOf: string | undefined;
  /** mwCatchAll: address that gets what nobody else gets. */
  readonly catchAll: string | undefined;
  readonly all: AllPolicy;
  /**
   * Name of the site whose domain this is (S3-13): `user@north.example.test` is the user of that
   * site whose official address is `user@` the nearest domain above that is ours.
   */
  readonly site: string | undefined;
  /**
   * mwTransport: set where we only pass the mail on. Such a domain has no users and no lists here;
   * every address in it leaves, whatever stands in other entries.
   */
  readonly transport: Transport | undefined;
  /**
   * mwEtrnFrom: who may ask for its mail by ETRN: addresses, networks (`192.0.2.0/24`), and logins
   * of users. See `mayEtrn` (etrn.ts).
   */
  readonly etrnFrom: readonly string[];
  /**
   * mwDkim: selectors, sorted; mail of authors in this domain is signed with the key of each
   * (`secret('dkim', dkimSecretName(domain, selector))`). Two while keys are changed.
   */
  readonly dkim: readonly string[];
}

export const SECRET_KINDS = ['dkim', 'smarthost', 'srs', 'cookie', 'web'] as const;
/**
 * Entries of ou=secrets, which only nodes in the group of senders read. `dkim`: a private key
 * (PEM, PKCS #8) under `dkimSecretName`; `smarthost`: a password, under a name the configuration
 * gives; `srs`: the key of forwards, and `web`: the keys of sessions, which every node reads;
 * `cookie`: keys of signed things.
 */
export type SecretKind = (typeof SECRET_KINDS)[number];

/** The name of a selector's key: where its record stands in the DNS (RFC 6376 §3.6.2.1). */
export const dkimSecretName = (domain: string, selector: string): string =>
  `${selector}._domainkey.${domain}`;

export const POSTING_POLICIES = ['anyone', 'members', 'moderated'] as const;
export type PostingPolicy = (typeof POSTING_POLICIES)[number];

/** mwList entry. Its members are `members` and the users that `filter` selects, together. */
export interface ListEntry {
  /** cn: its address, in lower case. */
  readonly address: string;
  /** mwMember: addresses; users, aliases, other lists, or elsewhere. */
  readonly members: readonly string[];
  /** mwMemberFilter: LDAP filter on users (RFC 4515). */
  readonly filter: string | undefined;
  readonly posting: PostingPolicy;
  /** mwModerator: addresses; they get what awaits moderation, and what they send goes through. */
  readonly moderators: readonly string[];
  /** mwOwner: address that answers for the list. */
  readonly owner: string | undefined;
}

export type RuleTarget =
  | { readonly kind: 'volume'; readonly volume: string }
  | { readonly kind: 'host'; readonly host: string; readonly port: number };

/** mwRule entry: for addresses without an entry of their own (host), or without a volume yet. */
export interface RuleEntry {
  readonly name: string;
  /** Rules are tried in this order; the first that matches decides. */
  readonly order: number;
  /** RE2 expression that the whole address, in lower case, has to match. */
  readonly pattern: string;
  readonly target: RuleTarget;
}

export const VOLUME_STATES = ['active', 'closed', 'offline'] as const;
export type VolumeState = (typeof VOLUME_STATES)[number];

/** What a volume holds: mailboxes, or mail that waits (a spool). */
export const VOLUME_USES = ['mail', 'spool'] as const;
export type VolumeUse = (typeof VOLUME_USES)[number];

/** mwVolume entry. `closed` takes no new users; `offline` is not to be touched. */
export interface VolumeEntry {
  readonly name: string;
  /** Absolute mount point. */
  readonly path: string;
  /** Identity that the sentinel file on the volume must carry. */
  readonly identity: string;
  readonly weight: number;
  readonly state: VolumeState;
  /** A spool volume never gets a mailbox. */
  readonly use: VolumeUse;
}

/** mwNode entry (S0-33) with what a node runs and where it listens. */
export interface NodeEntry {
  readonly name: string;
  readonly nid: number;
  readonly server: string;
  readonly status: string;
  /** `SERVICE HOST:PORT`, such as `mx 127.0.0.1:10025`, `pop3s [::1]:10995`. */
  readonly listen: readonly string[];
  /** mwAddress: addresses of its interfaces, as the node tells them; no loopback. */
  readonly addresses: readonly string[];
  /** mwBeat: when the node last said that it lives, in ms since 1970; undefined: never. */
  readonly beatAt: number | undefined;
  /** mwVersion: the release it runs. */
  readonly version: string | undefined;
}

/** What one process saw of the newest state of the servers: their contextCSN. */
export interface DirectoryNews {
  /** Servers of the farm's own tree, or those of a site's own users. */
  readonly tree: 'farm' | 'users';
  readonly csns: readonly string[];
}

/** Processes of a node tell each other, or one that was asked nothing would know of nothing. */
export interface NewsExchange {
  /** Calls back when a server was seen with a state that was not known here. */
  onNews(listener: (news: DirectoryNews) => void): void;
  /** Takes what another process saw: "there is none" of a server that lacks it does not count. */
  note(news: DirectoryNews): void;
  /** All that is known here, for a process that starts. */
  all(): readonly DirectoryNews[];
}

/** No replica gave an answer that counts. Always a temporary failure to the client. */
export class DirectoryUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DirectoryUnavailable';
  }
}

/** All methods throw DirectoryUnavailable; none ever turns our own trouble into "unknown". */
export interface Directory {
  /**
   * Who receives mail for an address (see resolve.ts for the order). `postmaster` without a
   * domain and postmaster@ of any local domain always resolve.
   */
  resolve(address: string, context?: ResolveContext): Promise<Resolution>;
  /**
   * Whose address it is, found as mail for it is, and no step further: who may send as it.
   * Undefined: nobody's, a rule's, a catch-all's, not ours.
   */
  ownerOf(address: string): Promise<AddressOwner | undefined>;
  /** The user with this login name, or undefined. A name that cannot be one is undefined. */
  account(login: string): Promise<Account | undefined>;
  /** The user in service with this immutable id, whatever the login is now; from no cache. */
  accountById(id: string): Promise<Account | undefined>;
  /** The second factor as it is now, from no cache. Undefined: the user has none. */
  secondFactor(account: Account): Promise<SecondFactor | undefined>;
  /** Verifies by bind (cached for seconds). */
  verifyPassword(account: Account, password: string): Promise<'accepted' | 'refused'>;
  volumes(): Promise<readonly VolumeEntry[]>;
  /**
   * Stores the placement where the entry has none yet.
   * @returns the volume that is stored afterwards: ours, or that of whoever was first.
   */
  assignVolume(account: Account, volume: string): Promise<string>;
  /**
   * The volume that the first matching rule chooses for a user who has none; undefined when no
   * rule matches. An error in a rule throws: it never falls through to another (S1-03).
   */
  volumeByRule(account: Account): Promise<string | undefined>;
  /** The placement that is stored now, from no cache; undefined when there is none. */
  storedVolume(account: Account): Promise<string | undefined>;
  /** mwSetting values of cn=farm: `name=value` as option name to text. */
  settings(): Promise<ReadonlyMap<string, string>>;
  node(name: string): Promise<NodeEntry | undefined>;
  /** Every node, sorted by name, also those that are down. */
  nodes(): Promise<readonly NodeEntry[]>;
  /** The domain of this name, in any spelling, or undefined: it is not ours. */
  domain(name: string): Promise<DomainEntry | undefined>;
  /**
   * Customers' domains (those with a transport) that an ETRN names (RFC 1985): `example.test` is
   * that one, `@example.test` also those below it. At most 1000, sorted.
   */
  etrnDomains(argument: string): Promise<readonly DomainEntry[]>;
  /**
   * A secret of ou=secrets, in memory only. Undefined: there is none, or this node is not in the
   * group of senders (`mailfarm node set NAME --sends yes`), which it need not be for those of the
   * kind `srs`. A snapshot file has none: throws.
   */
  secret(kind: SecretKind, name: string): Promise<string | undefined>;
  /** Forgets what is cached, so that the next question is asked afresh (a hint from the CLI). */
  invalidate(): void;
  /** Whether some replica answered within the last seconds; for readiness, asks nothing. */
  readonly available: boolean;
  /** Undefined where no servers are asked. */
  readonly news?: NewsExchange | undefined;
  close(): Promise<void>;
}
