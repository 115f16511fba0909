import { counter, gauge } from '../metrics/metrics.ts';

/** Why a session ended. */
export const END_REASONS = [
  'logout', // With LOGOUT, as it should be.
  'lost', // The client closed or reset the connection.
  'login-timeout',
  'idle-timeout',
  'input-timeout', // In the middle of a literal.
  'write-timeout',
  'bad-commands',
  'failed-logins',
  'tls-failed',
  'message-failed', // The store failed in the middle of a message; see the log.
  'folder-replaced', // Another UIDVALIDITY, or the folder is gone: nothing it knows counts.
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
  'plaintext', // Not tried: no TLS, and policy wants it.
  'mailbox-unavailable',
] as const;
export type LoginResult = (typeof LOGIN_RESULTS)[number];

/** The table of commands has exactly these, which its type checks. */
export const COMMAND_NAMES = [
  'CAPABILITY',
  'NOOP',
  'LOGOUT',
  'ID',
  'STARTTLS',
  'AUTHENTICATE',
  'LOGIN',
  'ENABLE',
  'NAMESPACE',
  'SELECT',
  'EXAMINE',
  'CREATE',
  'DELETE',
  'RENAME',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'LIST',
  'LSUB',
  'STATUS',
  'APPEND',
  'IDLE',
  'NOTIFY',
  'GETQUOTA',
  'GETQUOTAROOT',
  'COMPRESS',
  'CHECK',
  'CLOSE',
  'UNSELECT',
  'EXPUNGE',
  'SEARCH',
  'SORT',
  'THREAD',
  'FETCH',
  'STORE',
  'COPY',
  'MOVE',
  'UID EXPUNGE',
  'UID SEARCH',
  'UID SORT',
  'UID THREAD',
  'UID FETCH',
  'UID STORE',
  'UID COPY',
  'UID MOVE',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

export const sessionsTotal = counter({
  name: 'mailfarm_imap_sessions_total',
  help: 'IMAP sessions that ended, by reason.',
  label: 'reason',
  values: END_REASONS,
});

export const loginsTotal = counter({
  name: 'mailfarm_imap_logins_total',
  help: 'IMAP logins tried, by result.',
  label: 'result',
  values: LOGIN_RESULTS,
});

export const commandsTotal = counter({
  name: 'mailfarm_imap_commands_total',
  help: 'IMAP commands, by name; `bad` is every line that is no command.',
  label: 'command',
  values: [...COMMAND_NAMES, 'bad'],
});

/** Open connections of all IMAP services of this process, and those that wait in IDLE. */
export const openConnections = { count: 0, idling: 0 };
gauge({
  name: 'mailfarm_imap_connections',
  help: 'IMAP connections open now.',
  read: () => openConnections.count,
});
gauge({
  name: 'mailfarm_imap_idling',
  help: 'IMAP connections in IDLE now.',
  read: () => openConnections.idling,
});
