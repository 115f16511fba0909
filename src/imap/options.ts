import assert from 'node:assert/strict';
import type { OptionTable, OptionValues } from '../config/options.ts';

/** Options of the IMAP service. Durations in milliseconds. */
export const IMAP_OPTIONS = {
  'imap.login.timeout': {
    kind: 'duration',
    default: 60_000,
    min: 1_000,
    max: 600_000,
    doc: 'From the greeting to a login, in total: a client that sends one byte a minute is ended.',
  },
  'imap.idle.timeout': {
    kind: 'duration',
    default: 1_860_000,
    min: 1_800_000,
    max: 86_400_000,
    doc: 'Autologout after this time without a command; RFC 9051 §5.4 asks for 30 minutes or more.',
  },
  'imap.input.timeout': {
    kind: 'duration',
    default: 300_000,
    min: 1_000,
    max: 3_600_000,
    doc: 'A client that sends nothing of a literal it announced for so long is ended.',
  },
  'imap.write.timeout': {
    kind: 'duration',
    default: 300_000,
    min: 10_000,
    max: 3_600_000,
    doc: 'A client that does not take one piece of an answer (64 KiB or so) in this time is ended.',
  },
  'imap.bad-commands.max': {
    kind: 'count',
    default: 20,
    min: 1,
    max: 10_000,
    doc: 'Unknown, malformed or oversized commands after which the connection is ended.',
  },
  'imap.failed-logins.max': {
    kind: 'count',
    default: 5,
    min: 1,
    max: 100,
    doc: 'Failed logins on one connection after which it is ended.',
  },
  'imap.plaintext-auth': {
    kind: 'choice',
    default: 'loopback-only',
    values: ['loopback-only', 'never', 'always'],
    doc: 'Who may send a password without TLS. `always` is for a network that is trusted whole.',
  },
  'imap.command.size': {
    kind: 'bytes',
    default: 1_048_576,
    min: 65_536,
    max: 16_777_216,
    doc:
      'A command with its literals, of a user who has logged in; what APPEND brings does not ' +
      'count. Longer ones are refused. A set of 100,000 scattered UIDs needs some 700 KiB.',
  },
  'imap.line.size': {
    kind: 'bytes',
    default: 1_048_576,
    min: 8_192,
    max: 16_777_216,
    doc: 'One line of a command, of a user who has logged in.',
  },
  'imap.separator': {
    kind: 'choice',
    default: '/',
    values: ['/', '.'],
    doc:
      'What stands between the parts of a folder name. `.` is what clients of a Courier server ' +
      'know; a dot within a part is then shown as a slash.',
  },
  'imap.prefix': {
    kind: 'choice',
    default: 'none',
    values: ['none', 'INBOX'],
    doc:
      'Whether names of folders begin with INBOX and the separator, as those of a Courier ' +
      'server do.',
  },
  'imap.notify.interval': {
    kind: 'duration',
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    doc:
      'How often folder names and subscriptions are looked at for a client that asked by NOTIFY ' +
      'for changes of them. What this process changes itself is told at once.',
  },
  'imap.compress': {
    kind: 'choice',
    default: 'yes',
    values: ['yes', 'no'],
    doc: 'Whether COMPRESS=DEFLATE is offered: less traffic for some 100 KiB a connection.',
  },
} as const satisfies OptionTable;

export type ImapOptionValues = OptionValues<typeof IMAP_OPTIONS>;

// Limits that no operator needs to turn. Each is tested at its edge.

/** A line, and a command with its literals, before somebody has logged in. */
export const EARLY_COMMAND_BYTES_MAX = 16_384;
/** Literals of one command that are kept in memory (APPEND's messages are not). */
export const LITERALS_MAX = 1_000;
/**
 * Messages of one APPEND, and their octets, unless it is only one: they lie in tmp/ till the end.
 */
export const APPEND_MESSAGES_MAX = 1_000;
export const APPEND_BYTES_MAX = 268_435_456;
/** `{n+}` that is taken (RFC 7888 §5, LITERAL-). */
export const LITERAL_MINUS_MAX = 4_096;
/** Octets of a refused `{n+}` that are skipped; more ends the connection. */
export const SKIPPED_LITERAL_MAX = 1_048_576;
/** A line of a SASL exchange. */
export const SASL_LINE_BYTES_MAX = 12_288;
/** How long a connection that we ended may linger until its client closes it too. */
export const LINGER_MS = 5_000;
/** Updates are told in pieces of about this many octets. */
export const UPDATE_BYTES_MAX = 65_536;
/** Clients' names and versions are logged up to this length (ID). */
export const ID_TEXT_MAX = 200;

// The limits must fit together. This runs at import, so a wrong pair never boots.
assert.ok(EARLY_COMMAND_BYTES_MAX >= SASL_LINE_BYTES_MAX);
assert.ok(EARLY_COMMAND_BYTES_MAX >= LITERAL_MINUS_MAX * 2);
assert.ok(
  IMAP_OPTIONS['imap.login.timeout'].max <= IMAP_OPTIONS['imap.idle.timeout'].min,
  'a login is over before a session is idle',
);
