/**
 * What leaves the farm, as those see it who put it in (delivery/) and those who send it (relay/):
 * letters on the spool volumes, an envelope for each route, claims on them.
 */

/** Where a letter goes next. One envelope, one claim, one transaction for each (S3-05). */
export type Route =
  /** By the MX records of a domain; A-labels, lower case. An address literal is `[192.0.2.1]`. */
  | { readonly kind: 'mx'; readonly domain: string }
  /** A rule, or a customer's domain that we hold as backup, names the host. */
  | {
      readonly kind: 'host';
      readonly host: string;
      readonly port: number;
      readonly protocol: 'smtp' | 'lmtp';
    }
  /** To any MX of this farm: notices for our own users on a node that mounts no mail volume. */
  | { readonly kind: 'farm' };

/** NOTIFY (RFC 3461 §4.1). */
export type NotifyOn = 'success' | 'failure' | 'delay';

export interface OutboundRecipient {
  readonly address: string;
  /** ORCPT, decoded: `rfc822;bob@example.net`. */
  readonly original?: string | undefined;
  /** 'never', or what was asked; undefined: not said (failure, and delay as we please). */
  readonly notify?: readonly NotifyOn[] | 'never' | undefined;
}

/**
 * Why a recipient has no letter yet, or never gets it; stands in notices, logs and `queue show`.
 */
export interface Trouble {
  readonly address: string;
  /** RFC 3463, such as 4.4.1. */
  readonly status: string;
  /** What the peer said, or what happened, on one line. */
  readonly text: string;
  /** Host name of the peer and its address; undefined when none was reached. */
  readonly remote?: string | undefined;
  /** When, by the spool server's time, ms; undefined in envelopes of before. */
  readonly at?: number | undefined;
}

/** Whose letter it is: quota of the spool, limits, names in the queue. */
export type Origin = 'submission' | 'forward' | 'list' | 'notice' | 'relay' | 'vacation';

/** A small file of JSON, immutable; a change is a new file (see the essay in outbound-tree.ts). */
export interface OutboundEnvelope {
  readonly id: string;
  readonly route: Route;
  readonly origin: Origin;
  /** Immutable id of the account that sent or forwarded it; '' where none did. */
  readonly owner: string;
  /** Login at the time, for people. */
  readonly login: string;
  /** MAIL FROM; '' is the null sender. */
  readonly sender: string;
  /** Those who have no letter yet. */
  readonly recipients: readonly OutboundRecipient[];
  readonly ret?: 'full' | 'hdrs' | undefined;
  /** ENVID, decoded. */
  readonly envid?: string | undefined;
  readonly smtpUtf8: boolean;
  /** Sign it with the key of the author's domain (RFC 6376), which sender processes read. */
  readonly sign: boolean;
  readonly octets: number;
  readonly wireOctets: number;
  readonly trace: string;
  /** Node that took it. */
  readonly node: string;
  /** Acceptance, ms since 1970 by the spool server's time. */
  readonly acceptedAt: number;
  readonly tries: number;
  /** "It is delayed" was told. */
  readonly delayTold: boolean;
  readonly troubles: readonly Trouble[];
}

/** What those give who put a letter in; the spool fills in the rest. */
export type NewEnvelope = Omit<
  OutboundEnvelope,
  'id' | 'octets' | 'wireOctets' | 'node' | 'acceptedAt' | 'tries' | 'delayTold' | 'troubles'
>;

/** A letter on its way into one spool volume. Two phases, as in delivery/. */
export interface OutboundDraft {
  /** Name of the spool volume. */
  readonly spool: string;
  /** Stored form (LF). The last piece is followed by fsync. @throws StoreError */
  write(offset: number, bytes: Uint8Array, last: boolean): Promise<void>;
  /** Durable, not visible: the envelopes of this letter. @throws StoreError */
  seal(octets: number, wireOctets: number, envelopes: readonly NewEnvelope[]): Promise<void>;
  /** Visible to senders. @throws StoreError when it is not so, or unknown, for one of them */
  commit(): Promise<void>;
  /** Never rejects. */
  discard(): Promise<void>;
}

/** What became of an attempt. The rename of the claim is the commit (invariant 3 of tree.ts). */
export type Settlement =
  /** Nobody is left: sent, or told that it failed. */
  | { readonly kind: 'done' }
  /** Some are left; the new envelope has only those. */
  | {
      readonly kind: 'later';
      /** ms since 1970 by the spool server's time. */
      readonly dueAt: number;
      readonly recipients: readonly OutboundRecipient[];
      readonly troubles: readonly Trouble[];
      readonly delayTold: boolean;
      /** False where nothing was tried (no connection free): does not count. */
      readonly tried: boolean;
    }
  /** Until somebody releases it. */
  | { readonly kind: 'hold'; readonly reason: string };

/** A letter that this process has claimed. */
export interface OutboundClaim {
  readonly envelope: OutboundEnvelope;
  readonly spool: string;
  /** The spool server's time now, ms. */
  now(): Promise<number>;
  /** False when the claim is lost: whoever held it stops. @throws StoreError */
  renew(): Promise<boolean>;
  /** Stored form; undefined when the message is gone. @throws StoreError */
  read(offset: number, length: number): Promise<Buffer | undefined>;
  /** False when the claim was lost. @throws StoreError */
  settle(settlement: Settlement): Promise<boolean>;
  /** Gives it back as it was (drain). Never rejects. */
  release(): Promise<void>;
}

/** All spool volumes that this node can use. */
export interface OutboundSpools {
  /**
   * Where a letter of so many octets can go, the roomiest volume first.
   * @throws StoreError when there is none
   */
  open(octets: number): OutboundDraft;
  /** @throws StoreError when no spool volume takes a letter of so many octets now */
  requireRoom(octets: number): Promise<void>;
  /**
   * Due letters, claimed, fairly over routes: at most `limit`, at most `perRoute(lane)` of a lane.
   * Resolves [] when there are none. @throws StoreError
   */
  take(options: {
    readonly limit: number;
    /** Lanes (see `laneOf`) that take no more now get 0. */
    readonly perRoute: (lane: string) => number;
  }): Promise<readonly OutboundClaim[]>;
  /** Calls back when this process committed a letter, so that nobody waits for the next look. */
  onCommitted(listener: () => void): void;
  /** Everything of a lane is due now, on all spool volumes (ETRN, `queue wake`). @returns count */
  wake(lane: string): Promise<number>;
}
