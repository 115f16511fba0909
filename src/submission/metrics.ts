import { counter, histogram } from '../metrics/metrics.ts';

export const RECIPIENT_RESULTS = [
  'local',
  'elsewhere',
  'unknown-user',
  'not-permitted',
  'not-an-address',
  'no-relay',
  'too-many',
  'limit',
  'suspended',
  'over-quota',
  'directory-down',
  'storage',
] as const;
export type RecipientResult = (typeof RECIPIENT_RESULTS)[number];

export const recipients = counter({
  name: 'mailfarm_submission_recipients_total',
  help: 'RCPT commands of users that were judged, by result',
  label: 'result',
  values: RECIPIENT_RESULTS,
});

export const senders = counter({
  name: 'mailfarm_submission_senders_total',
  help: 'MAIL commands of users that were judged, by result',
  label: 'result',
  values: ['accepted', 'no-login', 'not-yours', 'suspended', 'limit', 'directory-down'],
});

export const messages = counter({
  name: 'mailfarm_submission_messages_total',
  help: 'Messages of users that were received in full, by result',
  label: 'result',
  // partial: some have it and some have not; the user sends again and doubles it.
  values: ['accepted', 'partial', 'deferred', 'refused'],
});

export const repaired = counter({
  name: 'mailfarm_submission_repaired_total',
  help: 'Header fields that were mended, by which',
  label: 'field',
  values: ['date', 'message-id', 'from', 'sender', 'removed'],
});

export const commitSeconds = histogram({
  name: 'mailfarm_submission_commit_seconds',
  help: 'Time from the end of data until the message is durable',
  buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
});
