import { counter, gauge, labelledGauge } from '../metrics/metrics.ts';
import { STORE_ERROR_KINDS } from '../volumes/error.ts';

/** Per recipient: durable in a mailbox, or why not. */
export const DELIVERY_RESULTS = ['delivered', 'parked', 'loop', ...STORE_ERROR_KINDS] as const;

export const deliveries = counter({
  name: 'mailfarm_delivery_recipients_total',
  help: 'Recipients of accepted messages, by result; those that failed were deferred',
  label: 'result',
  values: DELIVERY_RESULTS,
});

export const departed = counter({
  name: 'mailfarm_delivery_leaving_total',
  help: 'Places elsewhere of accepted messages: durable on the spool, not sent again, or why not',
  label: 'result',
  values: ['spooled', 'loop', ...STORE_ERROR_KINDS],
});

export const answers = counter({
  name: 'mailfarm_delivery_answers_total',
  help: 'Notices of success and of lists, answers in absence, questions to moderators, or why none',
  label: 'result',
  // nobody: the sender's address leads nowhere. busy: too many at once, or of a user in an hour.
  values: [
    'notice',
    'vacation',
    'moderators',
    'owner',
    'declined',
    'answered-before',
    'nobody',
    'busy',
    'failed',
  ],
});

export const moderated = counter({
  name: 'mailfarm_delivery_moderated_total',
  help: 'Letters to moderated lists: held, sent after approval, not sent yet, removed undecided',
  label: 'result',
  values: ['held', 'approved', 'failed', 'expired'],
});

export const messages = counter({
  name: 'mailfarm_delivery_messages_total',
  help: 'Messages by who got them: all recipients, some, none; or given up by the sender',
  label: 'result',
  values: ['delivered', 'partly', 'failed', 'aborted'],
});

export const checks = counter({
  name: 'mailfarm_delivery_checks_total',
  help: 'Recipients checked before their message came, by result',
  label: 'result',
  values: ['ok', 'parked', ...STORE_ERROR_KINDS],
});

export const parkedLetters = counter({
  name: 'mailfarm_delivery_parked_total',
  help: 'Letters parked, landed, found landed already, released to be tried again, set aside',
  label: 'result',
  values: ['parked', 'landed', 'found', 'released', 'failed', 'reclaimed', 'swept'],
});

/** What waits for one volume, as the lander of this process counted it last. */
export interface Waiting {
  readonly letters: number;
  readonly octets: number;
  /** When the oldest came, in ms since 1970. */
  readonly oldest: number;
}

/** By target volume: names of the directory, so that there are few. */
export const waiting = new Map<string, Waiting>();
let now: () => number = () => 0;
/** The clock that ages are told by. */
export const setParkingClock = (clock: { now(): number }): void => {
  now = () => clock.now();
};

const volumes = (): readonly string[] => [...waiting.keys()];
labelledGauge({
  name: 'mailfarm_delivery_parked_letters',
  help: 'Letters that wait on spool volumes, by the volume that they wait for',
  label: 'volume',
  values: volumes,
  aggregation: 'max',
  read: (volume) => waiting.get(volume)?.letters ?? 0,
});
labelledGauge({
  name: 'mailfarm_delivery_parked_bytes',
  help: 'Octets of letters that wait on spool volumes, by the volume that they wait for',
  label: 'volume',
  values: volumes,
  aggregation: 'max',
  read: (volume) => waiting.get(volume)?.octets ?? 0,
});
labelledGauge({
  name: 'mailfarm_delivery_parked_oldest_seconds',
  help: 'Age of the oldest letter that waits on a spool volume, by the volume that it waits for',
  label: 'volume',
  values: volumes,
  aggregation: 'max',
  read: (volume) => Math.max(0, (now() - (waiting.get(volume)?.oldest ?? now())) / 1000),
});
gauge({
  name: 'mailfarm_delivery_landers_busy',
  help: 'Processes that bring parked mail to its users now',
  read: () => landing.busy,
});
export const landing = { busy: 0 };
