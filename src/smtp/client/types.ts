/** What a peer said to a command: code, enhanced code (RFC 2034) if any, text of all lines. */
export interface ClientReply {
  readonly code: number;
  readonly enhanced: string | undefined;
  /** On one line, without codes and without control characters. */
  readonly text: string;
  /** The peer never said it: we knew that it would (SIZE, SMTPUTF8). */
  readonly ours?: boolean | undefined;
}

/** One recipient of a transaction on a connection that is open. */
export interface ClientRecipient {
  readonly address: string;
  /** ORCPT and NOTIFY, sent where the peer announced DSN. */
  readonly original?: string | undefined;
  readonly notify?: readonly ('success' | 'failure' | 'delay')[] | 'never' | undefined;
}

export interface ClientTransaction {
  readonly sender: string;
  readonly recipients: readonly ClientRecipient[];
  readonly wireOctets: number;
  readonly smtpUtf8: boolean;
  /** It may have octets above 127. Announced where the peer takes that, sent as it is elsewhere. */
  readonly eightBit: boolean;
  readonly ret?: 'full' | 'hdrs' | undefined;
  readonly envid?: string | undefined;
  /** The message in stored form (LF); asked for after 354. What it throws ends the connection. */
  content(): AsyncIterable<Uint8Array>;
}

/** How a conversation ended before its time. */
export type FaultKind =
  /** The peer closed, reset, or was cut off by us. */
  | 'closed'
  | 'timeout'
  /** What it said is no SMTP. */
  | 'protocol'
  | 'tls'
  /** It said no where the conversation cannot go on without a yes; `reply` has what. */
  | 'refused';

/** Where in the conversation. Only after `end` has begun may the letter have arrived. */
export type Phase = 'connect' | 'greeting' | 'hello' | 'tls' | 'auth' | 'mail' | 'data' | 'end';

/** The conversation is over, and why. The connection is closed or about to be. */
export class ClientFault extends Error {
  readonly kind: FaultKind;
  readonly phase: Phase;
  readonly reply: ClientReply | undefined;
  constructor(kind: FaultKind, phase: Phase, text: string, reply?: ClientReply) {
    super(text);
    this.name = 'ClientFault';
    this.kind = kind;
    this.phase = phase;
    this.reply = reply;
  }
}

/** Result for each recipient, in order. */
export interface ClientResult {
  /** The reply that decided (RCPT's, or that of the data); undefined: none came, see `fault`. */
  readonly replies: readonly (ClientReply | undefined)[];
  /** The peer announced DSN and was given NOTIFY: it sends the success notices from here on. */
  readonly dsnPassedOn: boolean;
  /** The connection ended in it. */
  readonly fault?: ClientFault | undefined;
}
