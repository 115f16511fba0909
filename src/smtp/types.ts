import type { Peer } from '../net/types.ts';
import type { Mailbox } from './address.ts';
import type { ReplyName } from './replies.ts';

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
}

/** MAIL FROM, parsed and checked. */
export interface Sender {
  /** undefined is the null sender `<>`. */
  readonly address: Mailbox | undefined;
  /** SIZE=, octets (RFC 1870 §6.1); 0 when it was not given. */
  readonly size: number;
  readonly smtpUtf8: boolean;
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
}

/** Where a message goes while it arrives. Every method may throw ReplyError. */
export interface MessageSink {
  /** Takes stored-form bytes (LF line ends). The engine waits for the promise: backpressure. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * The message is complete and within limits. Positive only when it is durable.
   * @returns one reply for SMTP; for LMTP one for each recipient, in order.
   */
  end(content: ReceivedContent): Promise<readonly ReplyName[]>;
  /** The message is refused or its client is gone. Never throws; called at most once. */
  abort(reason: 'refused' | 'gone'): void;
}

/**
 * Everything the engine does not decide. The engine has checked syntax, order and limits before
 * it asks. A method that throws anything but ReplyError is a bug: 451 with the trace id.
 */
export interface SmtpPolicy<R> {
  /** Before the greeting. @returns a text to turn the client away with 421. */
  connect(session: SessionView): string | undefined;
  /** @throws ReplyError to refuse the sender. */
  sender(session: SessionView, sender: Sender): void | Promise<void>;
  /** @throws ReplyError to refuse the recipient. */
  recipient(session: SessionView, sender: Sender, address: Mailbox): Promise<R>;
  /** DATA, before 354. @throws ReplyError */
  message(session: SessionView, envelope: Envelope<R>): MessageSink;
}
