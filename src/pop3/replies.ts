/**
 * Every status line we send has a name here; no command writes one of its own. Response codes:
 * RFC 2449 §8 (IN-USE, LOGIN-DELAY), RFC 3206 §4 (AUTH, SYS/TEMP, SYS/PERM). Lines end in CRLF
 * and have at most 512 octets (RFC 2449 §4).
 */
const ok = (text: string): string => `+OK ${text}\r\n`;
const err = (text: string): string => `-ERR ${text}\r\n`;
const temporary = (text: string): string => err(`[SYS/TEMP] ${text}`);
// RFC 3206 §4: wrong credentials, an expired account, a login against policy.
const credentials = (text: string): string => err(`[AUTH] ${text}`);

export const REPLY = {
  ok: ok('Done'),
  user: ok('Send your password'), // The same for every name: USER tells nothing.
  saslContinue: '+ \r\n', // RFC 5034 §4.
  utf8: ok('UTF-8 it is'), // RFC 6856 §2.1.
  startTls: ok('Begin TLS negotiation'),
  reset: ok('No message is marked as deleted'),
  capabilities: ok('Capabilities follow'),
  mechanisms: ok('Mechanisms follow'),
  listing: ok('Listing follows'),
  top: ok('Beginning of the message follows'),
  deleted: ok('Marked as deleted'),
  goodbye: ok('Goodbye'),
  updated: ok('Marked messages are deleted, goodbye'),
  end: '.\r\n',

  unknownCommand: err('Unknown command'),
  wrongState: err('This command is not valid now'),
  lineTooLong: err('Line is too long'),
  noArguments: err('This command takes no argument'),
  needsArgument: err('An argument is missing'),
  badNumber: err('Bad message number'),
  badTop: err('Usage: TOP message lines'),
  noSuchMessage: err('No such message'),
  alreadyDeleted: err('Message is marked as deleted'),
  tooManyBadCommands: err('Too many bad commands, closing'),

  badText: err('Argument must be UTF-8 without control characters'), // RFC 6856 §2.2.
  userFirst: err('Send USER first'),
  tlsFirst: credentials('No login without TLS here, send STLS first'),
  plaintextNever: credentials('No login without TLS here'),
  tlsIsUp: err('TLS is up already'),
  tlsUnavailable: err('TLS is not available'),
  mechanismUnknown: err('Unknown mechanism'),
  saslCancelled: err('Authentication cancelled'),
  saslBadBase64: err('Response is not base64'),
  saslBadPlain: err('Response is not a PLAIN message'),
  loginRefused: credentials('Wrong user name or password'),
  loginSuspended: credentials('POP3 is suspended for this account'),
  loginUnavailable: temporary('Login is not possible at the moment, try again later'),
  tooManyLogins: credentials('Too many failed logins, closing'),
  loginTimeout: err('No login in time, closing'),
  inUse: err('[IN-USE] Another session has this mailbox open'),

  notRemoved: temporary('Some deleted messages not removed'), // RFC 1939 §6.
  drained: temporary('This server is going down, connect again'),
} as const;

/** The greeting; without `<…>`, which would announce APOP (RFC 1939 §7). */
export const greeting = (hostName: string): string => ok(`Mailfarm POP3 at ${hostName}`);
export const opened = (count: number): string => ok(`Mailbox has ${count} messages`);
export const scan = (a: number, b: number | string): string => `+OK ${a} ${b}\r\n`;
export const retrieving = (octets: number): string => `+OK ${octets} octets\r\n`;
export const throttled = (retryAfterMs: number): string =>
  temporary(`Too many failed logins, try again in ${Math.ceil(retryAfterMs / 1000)} seconds`);
export const loginDelay = (seconds: number): string =>
  err(`[LOGIN-DELAY] Least time between logins is ${seconds} seconds`);
export const internalError = (id: string): string => temporary(`Internal error, trace id ${id}`);
