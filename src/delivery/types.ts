import type { Account, Destination } from '../directory/types.ts';
import type { StoreError } from '../volumes/error.ts';

/** One accepted recipient: the address as the client gave it and the account it resolved to. */
export interface Recipient {
  readonly address: string;
  readonly account: Account;
}

/** A destination that is no mailbox of this farm. */
export type Leaving = Exclude<Destination, { kind: 'mailbox' }>;

/** The way out of the farm. */
export interface Outbound {
  /** May a letter go there now? @throws StoreError when what holds it until then has trouble */
  accept(destination: Leaving, letter: { readonly size: number }): Promise<void>;
}

export interface IncomingOptions {
  /** Trace id, for logs. */
  readonly id: string;
  readonly recipients: readonly Recipient[];
  /**
   * Where else the letter goes. `begin` throws where there is no way out; `commit` rejects when
   * it is not durable for all of these.
   */
  readonly leaving?: readonly Leaving[];
  /**
   * Trace header for one volume's share (LF line ends): recipients are given so that `for` and
   * Delivered-To stand there only when the share has one recipient, or Bcc would leak.
   */
  readonly header: (share: readonly Recipient[]) => Uint8Array;
  /**
   * What happens when a volume or a mailbox fails before anything is visible. 'all', the default:
   * nobody gets the message, because one reply stands for all recipients (SMTP). 'each': the
   * others get it, because each recipient has a reply of his own (LMTP, RFC 2033 §4.2).
   */
  readonly failure?: 'all' | 'each';
}

/** Result for each recipient in the order given; `error` undefined means durable. */
export interface Delivered {
  readonly recipient: Recipient;
  readonly error: StoreError | undefined;
  /** Base name in the Maildir, for the log. */
  readonly name: string | undefined;
  /** Volume it is, or would have been, on; undefined where no mailbox could be found. */
  readonly volume: string | undefined;
  /** The spool volume that keeps it while that one is down. */
  readonly parkedOn: string | undefined;
}

/**
 * A message on its way in. Two phases (see delivery/README.md): everything is written and
 * fsynced into tmp on every volume concerned, only then published. Memory is bounded: beyond
 * a buffer the bytes go to the volumes as they come.
 */
export interface Incoming {
  /**
   * Appends stored-form bytes (LF line ends). Resolves when more may come; the chunk is free again.
   * Throws StoreError when no recipient can get the message any more.
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Makes it durable and visible. Never rejects for storage trouble: each recipient has its
   * result.
   */
  commit(): Promise<readonly Delivered[]>;
  /** Forgets the message; what lies in tmp is removed. Never rejects. */
  abort(): Promise<void>;
}

export interface Delivery {
  /**
   * May this account get mail now? Checks volume, mailbox and quota, from caches; makes the
   * mailbox on a first delivery. While the volume is down: may it be parked?
   * @throws StoreError (over-quota, volume-down, volume-full, …)
   */
  check(account: Account, bytes: number): Promise<void>;
  begin(options: IncomingOptions): Incoming;
}
