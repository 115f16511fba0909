/**
 * What this module needs of the directory. The directory's own types have all of it; they are
 * not imported, because both modules stand on one level.
 */
export interface MailboxOwner {
  /** Immutable, never reused; matches /^[A-Za-z0-9-]{1,64}$/. */
  readonly id: string;
  /** Explicit absolute path of the Maildir. */
  readonly path: string | undefined;
  /** Name of the volume that holds the mailbox; undefined until the first delivery. */
  readonly volume: string | undefined;
}

export interface VolumeEntry {
  readonly name: string;
  /** Absolute mount point. */
  readonly path: string;
  /** Identity that the sentinel file on the volume must carry. */
  readonly identity: string;
  readonly weight: number;
  /** `closed` takes no new users; `offline` is not to be touched. */
  readonly state: 'active' | 'closed' | 'offline';
  /** Mailboxes, or mail that waits: no mailbox is ever put on a spool volume. */
  readonly use: 'mail' | 'spool';
}

/** `A`: what the directory calls an account. All methods throw when no answer counts. */
export interface VolumeDirectory<A extends MailboxOwner> {
  volumes(): Promise<readonly VolumeEntry[]>;
  /** Stores the volume where none is stored. @returns what is stored afterwards */
  assignVolume(account: A, volume: string): Promise<string>;
  /** The volume that a rule chooses for an account without one; undefined where none does. */
  volumeByRule(account: A): Promise<string | undefined>;
  /** The volume that is stored now, asked afresh; undefined when no mail ever came. */
  storedVolume(account: A): Promise<string | undefined>;
}
