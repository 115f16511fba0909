import { counter, histogram } from '../metrics/metrics.ts';

export const RECIPIENT_RESULTS = [
  'accepted',
  'unknown-user',
  'unknown-domain',
  'not-permitted',
  'no-relay',
  'too-many',
  'suspended',
  'over-quota',
  'directory-down',
  'volume-down',
  'volume-full',
  'volume-busy',
  'mailbox-missing',
] as const;
export type RecipientResult = (typeof RECIPIENT_RESULTS)[number];

export const recipients = counter({
  name: 'mailfarm_mx_recipients_total',
  help: 'RCPT commands of MX and LMTP that were judged, by result',
  label: 'result',
  values: RECIPIENT_RESULTS,
});

export const expanded = counter({
  name: 'mailfarm_mx_expanded_total',
  help: 'Mailboxes that an address stood for, where more than its own check decided, by what',
  label: 'result',
  // Left out; loop: the letter had come from that list.
  values: ['suspended', 'over-quota', 'loop'],
});

export const messages = counter({
  name: 'mailfarm_mx_messages_total',
  help: 'Messages of MX and LMTP that were received in full, by result',
  label: 'result',
  // partial: some mailboxes have it and some have not, so the sender tries again and doubles it.
  values: ['delivered', 'partial', 'deferred', 'refused'],
});

export const copies = counter({
  name: 'mailfarm_mx_copies_total',
  help: 'Mailboxes a message was to be stored in, and places that it leaves for, by result',
  label: 'result',
  values: ['stored', 'spooled', 'failed'],
});

export const limited = counter({
  name: 'mailfarm_mx_limited_total',
  help: 'Clients turned away by a rate, by which',
  label: 'rate',
  values: ['connections', 'messages'],
});

export const commitSeconds = histogram({
  name: 'mailfarm_mx_commit_seconds',
  help: 'Time from the end of data until the message is durable',
  buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
});
