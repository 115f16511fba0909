import type { OptionTable, OptionValues } from '../config/options.ts';

/** Limits and choices of every SMTP and LMTP listener. Policy has its own tables. */
export const SMTP_OPTIONS = {
  'smtp.greeting.delay': {
    kind: 'duration',
    default: 0,
    min: 0,
    max: 30_000,
    doc: 'How long the greeting waits. Above 0, a client that talks first is turned away with 421.',
  },
  'smtp.message.max': {
    kind: 'bytes',
    default: 52_428_800,
    min: 65_536,
    max: 2_147_483_648,
    doc: 'Largest message in octets, announced as SIZE (RFC 1870).',
  },
  'smtp.recipients.max': {
    kind: 'count',
    default: 1000,
    min: 100,
    max: 50_000,
    doc: 'Recipients of one message; more get 452 4.5.3 (RFC 5321 §4.5.3.1.8 asks for 100).',
  },
  'smtp.hops.max': {
    kind: 'count',
    default: 50,
    min: 10,
    max: 500,
    doc: 'Received lines after which a message counts as looping and gets 554 5.4.6.',
  },
  'smtp.commands.max': {
    kind: 'count',
    default: 50_000,
    min: 100,
    max: 10_000_000,
    doc: 'Commands in one session; then 421.',
  },
  'smtp.errors.max': {
    kind: 'count',
    default: 100,
    min: 5,
    max: 100_000,
    doc: 'Error replies in one session since its last accepted message; then 421.',
  },
  'smtp.transactions.max': {
    kind: 'count',
    default: 5000,
    min: 1,
    max: 1_000_000,
    doc: 'Messages in one session; then 421, and the client connects again.',
  },
  'smtp.command.timeout': {
    kind: 'duration',
    default: 300_000,
    min: 100,
    max: 3_600_000,
    doc: 'Time for one whole command line, however slowly it trickles (RFC 5321 §4.5.3.2.7).',
  },
  'smtp.data.timeout': {
    kind: 'duration',
    default: 180_000,
    min: 100,
    max: 3_600_000,
    doc: 'Longest silence within a message (RFC 5321 §4.5.3.2.5).',
  },
  'smtp.data.rate-min': {
    kind: 'bytes',
    default: 256,
    min: 1,
    max: 1_048_576,
    doc: 'Octets per second a message must bring on average, after one data timeout of grace.',
  },
  'smtp.session.timeout': {
    kind: 'duration',
    default: 3_600_000,
    min: 100,
    max: 86_400_000,
    doc: 'Longest session; it ends at the next moment when no message is on its way.',
  },
  'smtp.commit.timeout': {
    kind: 'duration',
    default: 300_000,
    min: 100,
    max: 540_000,
    doc: 'Time to make a message durable; then 451. A client waits ten minutes (RFC 5321 §4.5.3.2.6).',
  },
  'smtp.workarounds': {
    kind: 'list',
    of: 'text',
    default: ['address-space'],
    doc: 'Deviations from the RFCs that are allowed; src/smtp/workarounds.ts says for whom each is.',
  },
} as const satisfies OptionTable;

export type SmtpOptions = OptionValues<typeof SMTP_OPTIONS>;

/**
 * Longest command line with CRLF. RFC 5321 §4.5.3.1.4 allows 512; the extensions we announce add to
 * MAIL: SIZE 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC 6531 §3.4), AUTH 500 (RFC 4954),
 * RET and ENVID 116 (RFC 3461 §4); to RCPT NOTIFY and ORCPT 543. The rest is slack.
 */
export const COMMAND_LINE_BYTES_MAX = 1536;
/** AUTH and responses to it, with CRLF (RFC 4954 §4): tickets and tokens are long. */
export const AUTH_LINE_BYTES_MAX = 12_288;
/** HELO argument: a domain is at most 255 octets (RFC 5321 §4.5.3.1.2). */
export const HELO_BYTES_MAX = 255;
/** Forward and reverse path with brackets (RFC 5321 §4.5.3.1.3). */
export const PATH_BYTES_MAX = 256;
/** RFC 5321 §4.5.3.1.5: reply line with CRLF. */
export const REPLY_LINE_BYTES_MAX = 512;
/** A TLS handshake after STARTTLS takes no longer, whatever the command timeout. */
export const HANDSHAKE_MS_MAX = 60_000;
