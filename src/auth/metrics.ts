import { counter } from '../metrics/metrics.ts';

/** Attempts to log in, by their verdict. */
export const attempts = counter({
  name: 'mailfarm_auth_attempts_total',
  help: 'Attempts to log in, by verdict.',
  label: 'verdict',
  values: ['accepted', 'refused', 'suspended', 'throttled', 'unavailable'],
});
