import assert from 'node:assert/strict';
import type { OptionTable, OptionValues } from '../config/options.ts';
import { SKIPPED_BYTES_MAX } from '../net/options.ts';

/** Options of the POP3 service. Durations in milliseconds. */
export const POP3_OPTIONS = {
  'pop3.login.timeout': {
    kind: 'duration',
    default: 60_000,
    min: 1_000,
    max: 600_000,
    doc: 'From the greeting to a login, in total: a client that sends one byte a minute is ended.',
  },
  'pop3.idle.timeout': {
    kind: 'duration',
    default: 600_000,
    min: 600_000,
    max: 86_400_000,
    doc: 'Autologout after this time without a command; RFC 1939 §3 asks for 10 minutes or more.',
  },
  'pop3.write.timeout': {
    kind: 'duration',
    default: 300_000,
    min: 10_000,
    max: 3_600_000,
    doc: 'A client that does not take one piece of an answer (64 KiB or so) in this time is ended.',
  },
  'pop3.bad-commands.max': {
    kind: 'count',
    default: 20,
    min: 1,
    max: 10_000,
    doc: 'Unknown, malformed or oversized commands after which the connection is ended.',
  },
  'pop3.failed-logins.max': {
    kind: 'count',
    default: 5,
    min: 1,
    max: 100,
    doc: 'Failed logins on one connection after which it is ended.',
  },
  'pop3.plaintext-auth': {
    kind: 'choice',
    default: 'loopback-only',
    values: ['loopback-only', 'never', 'always'],
    doc: 'Who may send a password without TLS. `always` is for a network that is trusted whole.',
  },
  'pop3.login-delay': {
    kind: 'duration',
    default: 0,
    min: 0,
    max: 3_600_000,
    doc:
      'Least time between two logins of one user; 0 is none (LOGIN-DELAY, RFC 2449 §6.5). ' +
      'Each worker process counts its own logins.',
  },
  'pop3.sessions': {
    kind: 'choice',
    default: 'shared',
    values: ['shared', 'exclusive'],
    doc:
      'Sessions on one mailbox at once: `shared` is harmless; `exclusive` answers [IN-USE] to ' +
      'the second one on this node (RFC 2449 §8.1.2). It is advice, not protection.',
  },
} as const satisfies OptionTable;

export type Pop3OptionValues = OptionValues<typeof POP3_OPTIONS>;

// Limits that no operator needs to turn. Each is tested at its edge.

/** A command line, CRLF included (RFC 2449 §4). */
export const LINE_BYTES_MAX = 255;
/** An AUTH line or a SASL response, CRLF included; as long as RFC 4954 §4 has it for SMTP. */
export const AUTH_LINE_BYTES_MAX = 12_288;
/** Rows of LIST and UIDL are made in pieces of about this many octets. */
export const LISTING_BYTES_MAX = 65_536;
/** How long a connection that we ended may linger until its client closes it too. */
export const LINGER_MS = 5_000;
/** While draining: how long a session in TRANSACTION may be silent. */
export const DRAIN_IDLE_MS = 2_000;
/** Users whose last login is remembered for LOGIN-DELAY. */
export const LOGIN_DELAY_USERS_MAX = 100_000;

// The limits must fit together. This runs at import, so a wrong pair never boots.
assert.ok(AUTH_LINE_BYTES_MAX >= LINE_BYTES_MAX);
assert.ok(SKIPPED_BYTES_MAX > AUTH_LINE_BYTES_MAX);
assert.ok(
  POP3_OPTIONS['pop3.login.timeout'].max <= POP3_OPTIONS['pop3.idle.timeout'].min,
  'a login is over before a session is idle',
);
