/** What a peer said to a command: code, enhanced code (RFC 2034) if any, text of all lines. */
export interface ClientReply {
  readonly code: number;
  readonly enhanced: string | undefined;
  readonly text: string;
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
  readonly eightBit: boolean;
  readonly ret?: 'full' | 'hdrs' | undefined;
  readonly envid?: string | undefined;
  /** The message as it goes over the wire (CRLF), without dot-stuffing; asked for after 354. */
  content(): AsyncIterable<Uint8Array>;
}

/** Result for each recipient, in order: the reply that decided (RCPT's, or that of the data). */
export interface ClientResult {
  readonly replies: readonly ClientReply[];
  /** The peer announced DSN and was given NOTIFY: it sends the success notices from here on. */
  readonly dsnPassedOn: boolean;
}
