import type { Account } from '../directory/types.ts';
import type { Origin, OutboundRecipient, Route } from '../spool/outbound.ts';
import type { StoreError } from '../volumes/error.ts';

/** The list of which this is a copy: its header lines stand before the letter's own. */
export interface ListCopy {
  /** Address of the list, or `all@domain`. */
  readonly address: string;
  /** Envelope sender of copies that leave, and List-Owner, where there is one. */
  readonly owner: string | undefined;
  /** List-Post says NO where not everybody may write. */
  readonly posting?: 'anyone' | 'members' | 'moderated';
}

/** One accepted recipient: the address as the client gave it and the account it resolved to. */
export interface Recipient {
  readonly address: string;
  readonly account: Account;
  readonly list?: ListCopy | undefined;
}

/** One RCPT whose sender asked for NOTIFY=SUCCESS and is told by us (RFC 3461 §5.2.7). */
export interface SuccessWish {
  /** As the client gave it. */
  readonly address: string;
  readonly original: string | undefined;
  /** 'expanded': goes to several from here on, whose success is not told. */
  readonly action: 'delivered' | 'expanded';
  /** The mailboxes that have to have it; none for a list, which delivers by taking it. */
  readonly accounts: readonly string[];
}

/** A destination that is no mailbox of this farm: one recipient of one envelope of the spool. */
export interface Leaving {
  readonly route: Route;
  readonly recipient: OutboundRecipient;
  /** MAIL FROM of its envelope; '' is the null sender. */
  readonly sender: string;
  readonly origin: Origin;
  /** Immutable id of the account that sent or forwarded it; '' where none did. */
  readonly owner: string;
  /** Login at the time, for people. */
  readonly login: string;
  readonly list?: ListCopy | undefined;
  /** It does not leave, it waits for a moderator of this list (moderation.ts). */
  readonly held?: HeldFor | undefined;
}

export interface HeldFor {
  readonly list: ListCopy;
  /** Addresses that are asked. */
  readonly moderators: readonly string[];
}

/** The way out of the farm. */
export interface Outbound {
  /**
   * May a letter of so many octets leave now?
   * @throws StoreError when no spool volume takes it
   */
  accept(letter: { readonly size: number }): Promise<void>;
}

/** What all envelopes of a letter have in common. */
export interface LetterEnvelope {
  /** MAIL FROM; '' is the null sender. */
  readonly sender: string;
  /** RET and ENVID (decoded) of MAIL. */
  readonly ret?: 'full' | 'hdrs' | undefined;
  readonly envid?: string | undefined;
  readonly smtpUtf8?: boolean | undefined;
  /** Signed with the key of the author's domain when it is sent. */
  readonly sign?: boolean | undefined;
}

export interface IncomingOptions {
  /** Trace id, for logs. */
  readonly id: string;
  readonly recipients: readonly Recipient[];
  /**
   * Where else the letter goes. `begin` throws where there is no way out. One envelope for each
   * route and sender (S3-05).
   */
  readonly leaving?: readonly Leaving[];
  /** Needed for what leaves, for notices and for vacations. */
  readonly envelope?: LetterEnvelope;
  readonly success?: readonly SuccessWish[];
  /**
   * Trace header for one volume's share (LF line ends): recipients are given so that `for` and
   * Delivered-To stand there only when the share has one recipient, or Bcc would leak.
   */
  readonly header: (share: readonly Recipient[]) => Uint8Array;
  /** The same for what leaves: no Return-Path (RFC 5321 §4.4), no Delivered-To. */
  readonly leavingHeader?: (leaving: readonly Leaving[]) => Uint8Array;
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
  /** It is nowhere, and shall not be: the letter came from this list already. */
  readonly dropped?: 'loop' | undefined;
}

/** Result for each of `leaving`, in order; `error` undefined means durable on a spool volume. */
export interface Left {
  readonly leaving: Leaving;
  readonly error: StoreError | undefined;
  readonly spool: string | undefined;
  /** Of what is held: by which people decide over it. */
  readonly id?: string | undefined;
  /** It is not sent: the letter came from this list already. */
  readonly dropped?: 'loop' | undefined;
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
  /** What became of what leaves; to be asked after commit. */
  readonly left: readonly Left[];
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
