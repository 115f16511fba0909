import { counter, gauge } from '../metrics/metrics.ts';
import { METHOD_ERRORS } from './types.ts';

export const callsTotal = counter({
  name: 'mailfarm_jmap_calls_total',
  help: 'Calls of JMAP methods, by result. Alert on serverFail',
  label: 'result',
  values: ['ok', ...METHOD_ERRORS],
});

export const uploadsTotal = counter({
  name: 'mailfarm_jmap_uploads_total',
  help: 'Files uploaded, by result',
  label: 'result',
  values: ['kept', 'refused', 'failed'],
});

/** Streams of events that are open in this process. */
export const openStreams = { count: 0 };
gauge({
  name: 'mailfarm_jmap_event_streams',
  help: 'Streams of JMAP events open now',
  read: () => openStreams.count,
});
