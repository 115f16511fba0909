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
}

export type Resolution =
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'unknown-user' }
  | { readonly kind: 'unknown-domain' };

export const VOLUME_STATES = ['active', 'closed', 'offline'] as const;
export type VolumeState = (typeof VOLUME_STATES)[number];

/** mwVolume entry. `closed` takes no new users; `offline` is not to be touched. */
export interface VolumeEntry {
  readonly name: string;
  /** Absolute mount point. */
  readonly path: string;
  /** Identity that the sentinel file on the volume must carry. */
  readonly identity: string;
  readonly weight: number;
  readonly state: VolumeState;
}

/** mwNode entry (S0-33) with what a node runs and where it listens. */
export interface NodeEntry {
  readonly name: string;
  readonly nid: number;
  readonly server: string;
  readonly status: string;
  /** `SERVICE HOST:PORT`, such as `mx 127.0.0.1:10025`, `pop3s [::1]:10995`. */
  readonly listen: readonly string[];
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
   * Who receives mail for an address: cn, mailAlias, plus-addressing (`user+detail`), in local
   * domains. `postmaster` without a domain and postmaster@ of any local domain always resolve.
   */
  resolve(address: string): Promise<Resolution>;
  /** The user with this login name, or undefined. A name that cannot be one is undefined. */
  account(login: string): Promise<Account | undefined>;
  /** Verifies by bind (cached for seconds). */
  verifyPassword(account: Account, password: string): Promise<'accepted' | 'refused'>;
  volumes(): Promise<readonly VolumeEntry[]>;
  /**
   * Stores the placement where the entry has none yet.
   * @returns the volume that is stored afterwards: ours, or that of whoever was first.
   */
  assignVolume(account: Account, volume: string): Promise<string>;
  /** The placement that is stored now, from no cache; undefined when there is none. */
  storedVolume(account: Account): Promise<string | undefined>;
  /** mwSetting values of cn=farm: `name=value` as option name to text. */
  settings(): Promise<ReadonlyMap<string, string>>;
  node(name: string): Promise<NodeEntry | undefined>;
  /** Forgets what is cached, so that the next question is asked afresh (a hint from the CLI). */
  invalidate(): void;
  /** Whether some replica answered within the last seconds; for readiness, asks nothing. */
  readonly available: boolean;
  close(): Promise<void>;
}
