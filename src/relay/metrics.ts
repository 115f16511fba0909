import { counter } from '../metrics/metrics.ts';

export const recipients = counter({
  name: 'mailfarm_relay_recipients_total',
  help: 'RCPT commands of the relay service, by result',
  label: 'result',
  values: ['accepted', 'unknown-user', 'not-permitted', 'directory-down', 'spool-down'],
});

export const notices = counter({
  name: 'mailfarm_relay_notices_total',
  help: 'Notices to senders (RFC 3464), by where they went',
  label: 'result',
  // dropped: to nobody (null sender). left-out: the sender is no user any more.
  values: ['mailbox', 'spool', 'dropped', 'left-out', 'failed'],
});

export const wakes = counter({
  name: 'mailfarm_relay_wakes_total',
  help: 'Requests for the mail of a domain (ETRN, queue wake), by result',
  label: 'result',
  values: ['done', 'refused', 'failed'],
});

export const messages = counter({
  name: 'mailfarm_relay_messages_total',
  help: 'Messages that came to the relay service, by result',
  label: 'result',
  values: ['accepted', 'deferred', 'refused'],
});
