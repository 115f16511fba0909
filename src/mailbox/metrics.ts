import { counter } from '../metrics/metrics.ts';

export const mailboxEvents = counter({
  name: 'mailfarm_mailbox_events_total',
  help: 'Maildrops opened; files read to learn their size; files not as long as their names say',
  label: 'event',
  values: ['opened', 'empty', 'sized', 'short-file', 'long-file'],
});
