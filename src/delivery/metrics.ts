import { counter } from '../metrics/metrics.ts';
import { STORE_ERROR_KINDS } from '../volumes/error.ts';

/** Per recipient: durable in a mailbox, or why not. */
export const DELIVERY_RESULTS = ['delivered', ...STORE_ERROR_KINDS] as const;

export const deliveries = counter({
  name: 'mailfarm_delivery_recipients_total',
  help: 'Recipients of accepted messages, by result; those that failed were deferred',
  label: 'result',
  values: DELIVERY_RESULTS,
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
  values: ['ok', ...STORE_ERROR_KINDS],
});
