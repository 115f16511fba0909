/**
 * Every reply we send has a name; no handler writes a number. Codes: RFC 5321 §4.2.3. Enhanced
 * codes: RFC 3463, RFC 5248. The type refuses an enhanced code of another class than the code,
 * since a wrong class loses mail (4xx is tried again, 5xx is returned).
 */
type Row =
  | {
      readonly code: 214 | 221 | 235 | 250 | 251 | 252 | 253;
      readonly enhanced: Enhanced<2>;
      readonly text: string;
    }
  | {
      readonly code: 421 | 450 | 451 | 452 | 454 | 458 | 459;
      readonly enhanced: Enhanced<4>;
      readonly text: string;
    }
  | {
      readonly code: 500 | 501 | 502 | 503 | 504 | 530 | 535 | 538 | 550 | 552 | 553 | 554 | 555;
      readonly enhanced: Enhanced<5>;
      readonly text: string;
    };
type Enhanced<Class extends 2 | 4 | 5> = `${Class}.${number}.${number}`;

export const REPLIES = {
  // Success.
  ok: { code: 250, enhanced: '2.0.0', text: 'OK' },
  help: {
    code: 214,
    enhanced: '2.0.0',
    text: 'EHLO MAIL RCPT DATA RSET NOOP VRFY QUIT, see RFC 5321',
  },
  bye: { code: 221, enhanced: '2.0.0', text: 'Bye' },
  cannotVerify: {
    code: 252,
    enhanced: '2.1.5',
    text: 'Cannot VRFY user, but will take mail and try',
  },
  senderOk: { code: 250, enhanced: '2.1.0', text: 'Sender OK' },
  recipientOk: { code: 250, enhanced: '2.1.5', text: 'Recipient OK' },
  delivered: { code: 250, enhanced: '2.6.0', text: 'Message accepted and stored' },
  // The session ends.
  shuttingDown: { code: 421, enhanced: '4.3.2', text: 'Shutting down, try again' },
  timeout: { code: 421, enhanced: '4.4.2', text: 'Timeout, closing connection' },
  dataTooSlow: { code: 421, enhanced: '4.4.2', text: 'Message arrives too slowly' },
  stuck: { code: 421, enhanced: '4.3.0', text: 'It took too long here, try again later' },
  sessionTooLong: { code: 421, enhanced: '4.4.2', text: 'Session too long, connect again' },
  tooManyErrors: { code: 421, enhanced: '4.7.0', text: 'Too many errors' },
  tooManyCommands: { code: 421, enhanced: '4.7.0', text: 'Too many commands, connect again' },
  tooManyMessages: { code: 421, enhanced: '4.7.0', text: 'Too many messages, connect again' },
  earlyTalker: { code: 421, enhanced: '4.7.0', text: 'You talk too soon' },
  notHttp: { code: 421, enhanced: '4.7.0', text: 'This is not an HTTP server' },
  // Syntax and order.
  unknownCommand: { code: 500, enhanced: '5.5.1', text: 'Command not recognized' },
  lineTooLong: { code: 500, enhanced: '5.5.2', text: 'Line too long' }, // RFC 5321 §4.5.3.1.9
  bareLfCommand: { code: 500, enhanced: '5.5.2', text: 'Lines end in CR LF' }, // RFC 5321 §2.3.8
  badOctets: { code: 500, enhanced: '5.5.2', text: 'Control characters or broken UTF-8' },
  badSyntax: { code: 501, enhanced: '5.5.4', text: 'Syntax error in parameters' },
  badHelo: { code: 501, enhanced: '5.5.4', text: 'Bad host name' },
  badSender: { code: 501, enhanced: '5.1.7', text: 'Bad sender address syntax' },
  badRecipient: { code: 501, enhanced: '5.1.3', text: 'Bad recipient address syntax' },
  badSequence: { code: 503, enhanced: '5.5.1', text: 'Bad sequence of commands' },
  heloFirst: { code: 503, enhanced: '5.5.1', text: 'Say hello first' },
  mailFirst: { code: 503, enhanced: '5.5.1', text: 'Need MAIL first' },
  recipientFirst: { code: 503, enhanced: '5.5.1', text: 'No valid recipients' },
  nestedMail: { code: 503, enhanced: '5.5.1', text: 'A mail transaction is open already' },
  tlsActive: { code: 503, enhanced: '5.5.1', text: 'TLS is active already' },
  wrongHelloLmtp: { code: 500, enhanced: '5.5.1', text: 'This is LMTP, say LHLO' }, // RFC 2033 §4.1
  wrongHelloSmtp: { code: 500, enhanced: '5.5.1', text: 'This is SMTP, say EHLO' },
  badParameter: { code: 555, enhanced: '5.5.4', text: 'Parameter not recognized' }, // RFC 5321 §4.1.1.11
  utf8Needed: { code: 553, enhanced: '5.6.7', text: 'Non-ASCII address without SMTPUTF8' }, // RFC 6531 §3.5
  // Recipients and senders.
  mailboxUnknown: { code: 550, enhanced: '5.1.1', text: 'No such user here' },
  relayDenied: { code: 550, enhanced: '5.7.1', text: 'Relaying denied' },
  mailboxSuspended: { code: 550, enhanced: '5.2.1', text: 'Mailbox is disabled' },
  membersOnly: { code: 550, enhanced: '5.7.1', text: 'Only members may write to this address' },
  noMembers: { code: 550, enhanced: '5.7.1', text: 'Nobody gets what is sent to this address' },
  overQuota: { code: 452, enhanced: '4.2.2', text: 'Mailbox is full, try again later' },
  overQuotaFinal: { code: 552, enhanced: '5.2.2', text: 'Mailbox is full' },
  tooManyRecipients: {
    code: 452,
    enhanced: '4.5.3',
    text: 'Too many recipients, send the rest later',
  },
  rateLimited: { code: 450, enhanced: '4.7.1', text: 'Too many messages from your address' },
  // The message.
  messageTooBig: { code: 552, enhanced: '5.3.4', text: 'Message too big' },
  tooManyHops: { code: 554, enhanced: '5.4.6', text: 'Too many hops, mail loop' },
  bareLf: { code: 550, enhanced: '5.5.2', text: 'Message contains a bare LF' }, // RFC 5321 §2.3.8
  // AUTH (RFC 4954 §4, §6).
  authenticated: { code: 235, enhanced: '2.7.0', text: 'Authentication succeeded' },
  authFirst: { code: 530, enhanced: '5.7.0', text: 'Authentication required' },
  authRefused: { code: 535, enhanced: '5.7.8', text: 'User name or password is wrong' },
  authSuspended: { code: 535, enhanced: '5.7.8', text: 'Sending is disabled for this account' },
  authTlsFirst: { code: 538, enhanced: '5.7.11', text: 'Authentication needs TLS, say STARTTLS' },
  authThrottled: { code: 454, enhanced: '4.7.0', text: 'Too many failed logins' },
  authUnavailable: {
    code: 454,
    enhanced: '4.7.0',
    text: 'Logins cannot be checked just now, try again later',
  },
  authAgain: { code: 503, enhanced: '5.5.1', text: 'You are logged in already' },
  authInMail: { code: 503, enhanced: '5.5.1', text: 'No login within a mail transaction' },
  authMechanism: { code: 504, enhanced: '5.5.4', text: 'Mechanism is not known here' },
  authCancelled: { code: 501, enhanced: '5.7.0', text: 'Authentication cancelled' },
  authSyntax: { code: 501, enhanced: '5.5.2', text: 'Cannot decode the authentication data' },
  authTooLong: { code: 500, enhanced: '5.5.6', text: 'Authentication data is too long' },
  // ETRN (RFC 1985 §5.3).
  etrnStarted: { code: 250, enhanced: '2.0.0', text: 'Queuing started' },
  etrnNone: { code: 251, enhanced: '2.0.0', text: 'No messages waiting' },
  etrnPending: { code: 252, enhanced: '2.0.0', text: 'Pending messages are being sent' },
  etrnCount: { code: 253, enhanced: '2.0.0', text: 'Pending messages started' },
  etrnUnable: { code: 458, enhanced: '4.3.0', text: 'Unable to queue messages, try again later' },
  etrnRefused: { code: 459, enhanced: '4.7.1', text: 'Node not allowed' },
  etrnInMail: { code: 503, enhanced: '5.5.1', text: 'No ETRN within a mail transaction' },
  // Submission (RFC 6409).
  senderNotYours: { code: 553, enhanced: '5.7.1', text: 'This sender address is not yours' },
  fromNotYours: { code: 550, enhanced: '5.7.1', text: 'From has an address that is not yours' },
  badHeader: { code: 550, enhanced: '5.6.0', text: 'The header is broken' },
  headerTooLong: { code: 552, enhanced: '5.3.4', text: 'The header is too long' },
  literalRefused: {
    code: 550,
    enhanced: '5.1.2',
    text: 'Address literals are not mailed to from here',
  },
  sendingSuspended: { code: 550, enhanced: '5.7.1', text: 'Sending is disabled for this account' },
  sendingLimit: { code: 450, enhanced: '4.7.1', text: 'You have sent too much' },
  recipientLimit: { code: 452, enhanced: '4.7.1', text: 'You have sent to too many recipients' },
  // Our own trouble: never 5xx.
  tlsUnavailable: { code: 454, enhanced: '4.7.0', text: 'TLS is not available just now' }, // RFC 3207 §4
  directoryDown: { code: 451, enhanced: '4.4.3', text: 'Directory is away, try again later' },
  storageDown: { code: 451, enhanced: '4.3.0', text: 'Storage is away, try again later' },
  storageFull: { code: 452, enhanced: '4.3.1', text: 'Storage is full, try again later' },
  storageBusy: { code: 451, enhanced: '4.3.2', text: 'Storage is busy, try again later' },
  noRelay: {
    code: 451,
    enhanced: '4.4.4',
    text: 'This address leads to another host, which is not reached from here yet',
  },
  partial: {
    code: 451,
    enhanced: '4.3.0',
    text: 'Not stored for every recipient, try again later',
  },
  commitTimeout: { code: 451, enhanced: '4.3.0', text: 'Storing took too long, try again later' },
  internal: { code: 451, enhanced: '4.3.0', text: 'Internal error, try again later' },
} as const satisfies Record<string, Row>;

export type ReplyName = keyof typeof REPLIES;

/** A reply, or one that says more than its name does: which field, until when. */
export type Reply = ReplyName | DetailedReply;
export interface DetailedReply {
  readonly name: ReplyName;
  readonly detail: string;
}

export const nameOf = (reply: Reply): ReplyName => (typeof reply === 'string' ? reply : reply.name);

/** What is said beyond the fixed text; a peer's octets may be in it. */
const DETAIL_LENGTH_MAX = 300;

/** Text that carries its own enhanced code, as the session's `send` expects it. */
export const replyText = (reply: Reply, id: string): string => {
  const name = nameOf(reply);
  const { code, enhanced, text: fixed } = REPLIES[name];
  const detail = typeof reply === 'string' ? '' : `: ${plain(reply.detail)}`;
  const text = fixed + detail;
  // The trace id joins a client's complaint with our log and the Received line.
  return code >= 400 || name === 'delivered'
    ? `${enhanced} ${text} (${id})`
    : `${enhanced} ${text}`;
};

/** Printable ASCII on one line (RFC 5321 §4.2). */
const plain = (detail: string): string =>
  detail.replace(/[^\x20-\x7e]/gu, '?').slice(0, DETAIL_LENGTH_MAX);

/** The client is at fault or a resource is down. Thrown anywhere, caught at the boundary only. */
export class ReplyError extends Error {
  readonly reply: ReplyName;
  /** What the client is told beyond the fixed text. */
  readonly detail: string | undefined;

  constructor(reply: ReplyName, options?: ErrorOptions & { readonly detail?: string }) {
    super(REPLIES[reply].text, options);
    this.name = 'ReplyError';
    this.reply = reply;
    this.detail = options?.detail;
  }

  /** The whole of it. */
  get full(): Reply {
    return this.detail === undefined ? this.reply : { name: this.reply, detail: this.detail };
  }
}
