import { counter } from '../metrics/metrics.ts';
import { SESSION_ENDS } from './types.ts';
import { WORKAROUND_NAMES } from './workarounds.ts';

export const sessions = counter({
  name: 'mailfarm_smtp_sessions_total',
  help: 'SMTP and LMTP sessions that ended, by how',
  label: 'end',
  values: SESSION_ENDS,
});

export const replies = counter({
  name: 'mailfarm_smtp_replies_total',
  help: 'SMTP and LMTP replies by class',
  label: 'class',
  values: ['2xx', '3xx', '4xx', '5xx'],
});

export const refused = counter({
  name: 'mailfarm_smtp_messages_refused_total',
  help: 'Messages that the engine refused at the end of data, by why',
  label: 'reason',
  values: ['bare-lf', 'too-big', 'loop', 'gone'],
});

export const bugs = counter({
  name: 'mailfarm_smtp_bugs_total',
  help: 'Errors nobody expected, by where they surfaced; the log has the story',
  label: 'where',
  values: ['command', 'data', 'abort'],
});

export const workarounds = counter({
  name: 'mailfarm_smtp_workarounds_total',
  help: 'Times a deviation from an RFC was needed; a row that stays at zero can go',
  label: 'workaround',
  values: WORKAROUND_NAMES,
});
