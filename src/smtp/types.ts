import type { Peer } from '../net/types.ts';
import type { Mailbox } from './address.ts';
import type { Reply } from './replies.ts';

/** SMTP answers the end of data once, LMTP once for each recipient (RFC 2033 §4.2). */
export type SmtpMode = 'smtp' | 'lmtp';

/** What the session line says about its end. */
export const SESSION_ENDS = [
  'quit',
  'closed', // By the client, without QUIT.
  'timeout',
  'limit', // Too many errors, commands or messages.
  'refused', // At the greeting.
  'drain',
] as const;
export type SessionEnd = (typeof SESSION_ENDS)[number];

/** The session as policy sees it. */
export interface SessionView {
  readonly id: string;
  readonly peer: Peer;
  readonly mode: SmtpMode;
  /** HELO, EHLO or LHLO argument, lower case, HELO_BYTES_MAX at most, no control characters. */
  readonly helo: string;
  /** False after HELO. */
  readonly extended: boolean;
  readonly tls: { readonly protocol: string; readonly cipher: string } | undefined;
  /** Who logged in (RFC 4954); undefined before, and where nobody can. */
  readonly account: SessionAccount | undefined;
  /** It is no session of SMTP: a browser's request. */
  readonly over?: 'http';
}

/** Who a session belongs to. What else is known of an account is for policy to ask anew. */
export interface SessionAccount {
  /** Immutable identity. */
  readonly id: string;
  readonly login: string;
  /** Nobody showed a password here: known by an address alone (POP-before-SMTP). */
  readonly byAddress?: true;
}

/** What a client gave to show who it is. Neither password nor token reaches a log. */
export type Credentials =
  | { readonly kind: 'password'; readonly login: string; readonly password: string }
  /** XOAUTH2: a bearer token. */
  | { readonly kind: 'token'; readonly login: string; readonly token: string };

/** Every answer to credentials. `throttled` was not checked at all. */
export type AuthAnswer =
  | { readonly kind: 'accepted'; readonly account: SessionAccount }
  | { readonly kind: 'refused' | 'suspended' | 'unavailable' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number };

/** AUTH mechanisms that the engine speaks. */
export const MECHANISMS = ['PLAIN', 'LOGIN', 'XOAUTH2'] as const;
export type Mechanism = (typeof MECHANISMS)[number];

export interface Authentication {
  /** Those that are announced. */
  readonly mechanisms: readonly Mechanism[];
  /** Must not throw for what a client or the directory does. */
  verify(session: SessionView, credentials: Credentials): Promise<AuthAnswer>;
}

/** When a sender wants to be told (RFC 3461 §4.1). */
export type NotifyCondition = 'success' | 'failure' | 'delay';

/** What RCPT says about notices (RFC 3461 §4.1, §4.2); both undefined where nothing was said. */
export interface RecipientDsn {
  readonly notify?: readonly NotifyCondition[] | 'never' | undefined;
  /** ORCPT, decoded: `rfc822;bob@example.net`. */
  readonly original?: string | undefined;
}

/** ETRN's argument (RFC 1985 §5.3): `example.test`, `@example.test`, `#queue`. */
export interface EtrnRequest {
  readonly kind: 'node' | 'subdomains' | 'queue';
  /** Without the mark; a domain in lower case. */
  readonly name: string;
}

/** Answers to ETRN (RFC 1985 §5.3). */
export type EtrnAnswer =
  /** 250: whether there is mail for it is not known. */
  | { readonly kind: 'started' }
  /** 251 */
  | { readonly kind: 'none' }
  /** 252; 253 where the number of messages is known. */
  | { readonly kind: 'pending'; readonly count?: number | undefined }
  /** 458 */
  | { readonly kind: 'unable' }
  /** 459, with the reason. */
  | { readonly kind: 'not-allowed'; readonly reason: string };

/** MAIL FROM, parsed and checked. */
export interface Sender {
  /** undefined is the null sender `<>`. */
  readonly address: Mailbox | undefined;
  /** SIZE=, octets (RFC 1870 §6.1); 0 when it was not given. */
  readonly size: number;
  readonly smtpUtf8: boolean;
  /** RET (RFC 3461 §4.3): how much of the message a notice of failure has. */
  readonly ret?: 'full' | 'hdrs' | undefined;
  /** ENVID, decoded (RFC 3461 §4.4). */
  readonly envid?: string | undefined;
}

/** A message's envelope. `R` is whatever policy made of a recipient. */
export interface Envelope<R> {
  /** Trace id of this message: the session's and the number of the transaction. */
  readonly id: string;
  readonly sender: Sender;
  readonly recipients: readonly R[];
}

/** What was received when the end of data came. */
export interface ReceivedContent {
  /** Octets on the wire without dot-stuffing (RFC 1870 §4). */
  readonly octets: number;
  /** With its angle brackets, for the log; undefined: it has none, or a strange one. */
  readonly messageId?: string | undefined;
}

/** Where a message goes while it arrives. Every method may throw ReplyError. */
export interface MessageSink {
  /** Takes stored-form bytes (LF line ends). The engine waits for the promise: backpressure. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * The message is complete and within limits. Positive only when it is durable.
   * @returns one reply for SMTP; for LMTP one for each recipient, in order.
   */
  end(content: ReceivedContent): Promise<readonly Reply[]>;
  /** The message is refused or its client is gone. Never throws; called at most once. */
  abort(reason: 'refused' | 'gone'): void;
}

/**
 * Everything the engine does not decide. The engine has checked syntax, order and limits before
 * it asks. A method that throws anything but ReplyError is a bug: 451 with the trace id.
 */
export interface SmtpPolicy<R> {
  /** AUTH (RFC 4954), over TLS only. Without it AUTH is an unknown command. */
  readonly authenticate?: Authentication | undefined;
  /** True: DSN (RFC 3461) is announced, and its parameters are taken. */
  readonly dsn?: boolean | undefined;
  /** ETRN (RFC 1985), outside of a transaction. Without it ETRN is an unknown command. */
  readonly etrn?: ((session: SessionView, request: EtrnRequest) => Promise<EtrnAnswer>) | undefined;
  /** Before the greeting. @returns a text to turn the client away with 421. */
  connect(session: SessionView): string | undefined;
  /** @throws ReplyError to refuse the sender. */
  sender(session: SessionView, sender: Sender): void | Promise<void>;
  /** @throws ReplyError to refuse the recipient. */
  recipient(session: SessionView, sender: Sender, address: Mailbox, dsn: RecipientDsn): Promise<R>;
  /** DATA, before 354. @throws ReplyError */
  message(session: SessionView, envelope: Envelope<R>): MessageSink;
}
