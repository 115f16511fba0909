import { counter, gauge, histogram } from '../../metrics/metrics.ts';

export const RESULTS = ['sent', 'deferred', 'failed', 'expired'] as const;
export type Result = (typeof RESULTS)[number];

/** One for each recipient of each try. */
export const recipients = counter({
  name: 'mailfarm_sender_recipients_total',
  help: 'Recipients of letters that leave, by what became of a try',
  label: 'result',
  values: RESULTS,
});

export const letters = counter({
  name: 'mailfarm_sender_letters_total',
  help: 'Letters taken from the spool: done, put off, held, given back, lost to another process',
  label: 'result',
  values: ['done', 'later', 'hold', 'released', 'lost'],
});

export const connections = counter({
  name: 'mailfarm_sender_connections_total',
  help: 'Connections to other hosts: made, used again for a further letter, failed',
  label: 'result',
  values: ['made', 'reused', 'failed'],
});

export const ways = counter({
  name: 'mailfarm_sender_tls_total',
  help: 'Letters given to other hosts by TLS: none, encrypted, a verified name, or DANE',
  label: 'tls',
  values: ['none', 'encrypted', 'verified', 'dane'],
});

export const seconds = histogram({
  name: 'mailfarm_sender_try_seconds',
  help: 'Time of one try of one letter, connection included',
  buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300],
});

/** What a sender has now. */
export interface Having {
  /** Of the letters that it holds, in ms since they were accepted. */
  readonly ages: readonly number[];
  readonly open: number;
  /** Destinations that rest. */
  readonly resting: number;
}

/** Senders of this process. */
export const senders = new Set<() => Having>();

const agesOfAll = (): readonly number[] => [...senders].flatMap((having) => having().ages);

const sum = (what: 'open' | 'resting'): number => {
  let total = 0;
  for (const having of senders) total += having()[what];
  return total;
};

gauge({
  name: 'mailfarm_sender_letters_held',
  help: 'Letters that senders hold now',
  read: () => agesOfAll().length,
});
gauge({
  name: 'mailfarm_sender_connections_open',
  help: 'Connections to other hosts that are open now',
  read: () => sum('open'),
});
gauge({
  name: 'mailfarm_sender_destinations_resting',
  help: 'Destinations that could not be reached and are left alone for now',
  read: () => sum('resting'),
});
gauge({
  name: 'mailfarm_sender_oldest_seconds',
  help: 'Age of the oldest letter that a sender holds now; one that was put off is held at its tries',
  read: () => agesOfAll().reduce((oldest, age) => Math.max(oldest, age), 0) / 1000,
  aggregation: 'max',
});
