/**
 * Every reply we send has a name; no handler writes a number. Codes: RFC 5321 §4.2.3. Enhanced
 * codes: RFC 3463, RFC 5248. The type refuses an enhanced code of another class than the code,
 * since a wrong class loses mail (4xx is tried again, 5xx is returned).
 */
type Row =
  | { readonly code: 214 | 221 | 250 | 252; readonly enhanced: Enhanced<2>; readonly text: string }
  | {
      readonly code: 421 | 450 | 451 | 452 | 454;
      readonly enhanced: Enhanced<4>;
      readonly text: string;
    }
  | {
      readonly code: 500 | 501 | 502 | 503 | 504 | 530 | 550 | 552 | 553 | 554 | 555;
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

/** Text that carries its own enhanced code, as the session's `send` expects it. */
export const replyText = (name: ReplyName, id: string): string => {
  const { code, enhanced, text } = REPLIES[name];
  // The trace id joins a client's complaint with our log and the Received line.
  return code >= 400 || name === 'delivered'
    ? `${enhanced} ${text} (${id})`
    : `${enhanced} ${text}`;
};

/** The client is at fault or a resource is down. Thrown anywhere, caught at the boundary only. */
export class ReplyError extends Error {
  readonly reply: ReplyName;
  constructor(reply: ReplyName, options?: ErrorOptions) {
    super(REPLIES[reply].text, options);
    this.name = 'ReplyError';
    this.reply = reply;
  }
}
