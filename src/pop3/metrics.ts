import { counter, gauge } from '../metrics/metrics.ts';

/** Why a session ended. */
export const END_REASONS = [
  'quit', // With QUIT, as it should be.
  'lost', // The client closed or reset the connection without QUIT: nothing is deleted.
  'login-timeout',
  'idle-timeout',
  'write-timeout',
  'bad-commands',
  'failed-logins',
  'tls-failed',
  'retrieval-failed', // The store failed in the middle of RETR or TOP; see the log.
  'internal-error',
  'drained',
] as const;
export type EndReason = (typeof END_REASONS)[number];

export const LOGIN_RESULTS = [
  'accepted',
  'refused',
  'suspended',
  'throttled',
  'unavailable',
  'login-delay',
  'in-use',
  'plaintext', // Not tried: no TLS, and policy wants it.
  'mailbox-unavailable',
] as const;
export type LoginResult = (typeof LOGIN_RESULTS)[number];

/** The table of commands has exactly these, which its type checks. */
export const COMMAND_NAMES = [
  'USER',
  'PASS',
  'AUTH',
  'STLS',
  'UTF8',
  'CAPA',
  'QUIT',
  'STAT',
  'LIST',
  'UIDL',
  'RETR',
  'TOP',
  'DELE',
  'RSET',
  'NOOP',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

export const sessionsTotal = counter({
  name: 'mailfarm_pop3_sessions_total',
  help: 'POP3 sessions that ended, by reason.',
  label: 'reason',
  values: END_REASONS,
});

export const loginsTotal = counter({
  name: 'mailfarm_pop3_logins_total',
  help: 'POP3 logins tried, by result.',
  label: 'result',
  values: LOGIN_RESULTS,
});

export const commandsTotal = counter({
  name: 'mailfarm_pop3_commands_total',
  help: 'POP3 commands, by name; `bad` is every line that is no command.',
  label: 'command',
  values: [...COMMAND_NAMES, 'bad'],
});

export const messagesTotal = counter({
  name: 'mailfarm_pop3_messages_total',
  help: 'Messages retrieved whole, deleted at QUIT, and not deleted because storage failed.',
  label: 'event',
  values: ['retrieved', 'deleted', 'delete-failed'],
});

export const sentBytesTotal = counter({
  name: 'mailfarm_pop3_sent_bytes_total',
  help: 'Octets of messages sent, by command.',
  label: 'command',
  values: ['RETR', 'TOP'],
});

/** Open connections of all POP3 services of this process. */
export const openConnections = { count: 0 };
gauge({
  name: 'mailfarm_pop3_connections',
  help: 'POP3 connections open now.',
  read: () => openConnections.count,
});
