/** What the sender is given, and what it tells: the seam to relay/ and message/. */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Resolver } from '../../dns/types.ts';
import type { Logger } from '../../log/types.ts';
import type { SmtpClientOptions } from '../../smtp/client/options.ts';
import type { OutboundEnvelope, OutboundRecipient, OutboundSpools } from '../outbound.ts';
import type { SenderOptions } from './options.ts';

/** What became of a recipient, as a notice says it (Action of RFC 3464 §2.3.3). */
export interface NoticeRecipient {
  readonly recipient: OutboundRecipient;
  readonly action: 'failed' | 'delayed' | 'relayed' | 'delivered';
  /** RFC 3463: 5.1.1, 4.4.1, 2.0.0. */
  readonly status: string;
  /** What the peer said, code first, on one line; undefined when it said nothing. */
  readonly reply: string | undefined;
  /** What happened, for people, on one line. */
  readonly text: string;
  /** Name of the host that answered, with its address where one was reached. */
  readonly remote: { readonly host: string; readonly address: string | undefined } | undefined;
  /** When it was tried last, ms since 1970. */
  readonly triedAt: number;
}

/**
 * Something that a letter's sender may have to be told. Delay and success are reported where
 * somebody is told of it (message/notice-rules.ts), a failure always: whoever reports asks the same
 * rules, and writes down what nobody hears of.
 */
export interface Notice {
  /**
   * `failed`: those recipients never get it. `delayed`: they have not got it yet, told once.
   * `relayed`: given to a host that sends no notices of success. `delivered`: over LMTP.
   */
  readonly kind: 'failed' | 'delayed' | 'relayed' | 'delivered';
  readonly envelope: OutboundEnvelope;
  readonly recipients: readonly NoticeRecipient[];
  /** When the letter is given up, ms since 1970: stands in a notice of delay. */
  readonly expiresAt: number;
  /** Stored form of the message; undefined when it is gone. @throws StoreError */
  readonly read: (offset: number, length: number) => Promise<Buffer | undefined>;
}

/** A host to give letters to, where it is not found by MX. */
export interface NextHop {
  readonly host: string;
  readonly port: number;
}

/** A host that an administrator chose for letters to anywhere; it may be of this farm. */
export interface Smarthost extends NextHop {
  /** Empty: it asks for no login. Its password comes from `secrets`, and goes over TLS only. */
  readonly login: string;
  /** A certificate of its name, any certificate, or TLS where it is offered. */
  readonly tls: 'verify' | 'require' | 'may';
}

export interface SenderParts {
  readonly spools: OutboundSpools;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly options: SenderOptions & SmtpClientOptions;
  /** Where connections of this node come from, and its name in EHLO (S4-04, S4-11). */
  readonly source: {
    readonly helo: string;
    readonly v4?: string | undefined;
    readonly v6?: string | undefined;
  };
  /** Whether somebody of this farm listens there (N-12). */
  readonly isOwn: (address: string, port: number) => boolean;
  /** First 16 hex digits of the SHA-256 of the farm's cookie; undefined: none is set. */
  readonly cookie: () => string | undefined;
  /** MX listeners of this farm, for the route `farm`; rejects or [] when unknown now. */
  readonly farmHops: () => Promise<readonly NextHop[]>;
  /**
   * Resolves when the notice is durable or need not be sent. When it rejects, the letter stays and
   * the notice is tried again with it.
   */
  readonly report: (notice: Notice) => Promise<void>;
  /**
   * Header lines in stored form (LF), put in front of the message; [] for none. Asked once an
   * attempt, when a peer is ready for the letter and `envelope.sign` is set. When it rejects, the
   * letter is tried again later.
   */
  readonly sign?: (
    envelope: OutboundEnvelope,
    message: {
      /** Stored form; undefined when it is gone. */
      read(offset: number, length: number): Promise<Buffer | undefined>;
    },
  ) => Promise<Uint8Array>;
  /**
   * The host that takes letters of a domain in place of its MX; undefined: by MX. When it rejects,
   * they wait.
   */
  readonly smarthost?: (domain: string) => Promise<Smarthost | undefined>;
  /** Password of a smarthost by its host name; undefined when there is none. */
  readonly secrets?: (host: string) => Promise<string | undefined>;
  /** For tests and closed networks: other ports and other roots than the world's. */
  readonly network?: {
    /** 25. */
    readonly smtpPort?: number;
    /** 443, of MTA-STS policy hosts. */
    readonly httpsPort?: number;
    /** PEM, instead of the roots that come with Node. */
    readonly ca?: readonly string[];
  };
}

/** Gives letters of the spool to their next hosts, until it is drained. */
export interface Sender {
  /** Begins to take letters. */
  start(): void;
  /**
   * Takes no more, waits for what is under way at most `ms`, then cuts it off and gives it back.
   * Never rejects.
   */
  drain(ms: number): Promise<void>;
  /** A lane rests no more: somebody said that its host is there (ETRN, `queue wake`). */
  wake(lane: string): void;
  /** Letters that this process holds now. */
  readonly held: number;
}
