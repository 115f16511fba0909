import { counter } from '../metrics/metrics.ts';

/** Attempts to log in, by their verdict. */
export const attempts = counter({
  name: 'mailfarm_auth_attempts_total',
  help: 'Attempts to log in, by verdict.',
  label: 'verdict',
  values: ['accepted', 'refused', 'suspended', 'throttled', 'unavailable'],
});

/** Sign-ins of browsers, by how they ended. */
export const webSignIns = counter({
  name: 'mailfarm_auth_web_sign_ins_total',
  help: 'Sign-ins at the webmail, by verdict.',
  label: 'verdict',
  values: [
    'signed-in',
    'code-needed',
    'code-refused',
    'refused',
    'suspended',
    'throttled',
    'unavailable',
  ],
});

/** Looks whether a session still counts, by what came of it. */
export const webRechecks = counter({
  name: 'mailfarm_auth_web_rechecks_total',
  help: 'Checks of sessions against directory and mailbox, by result.',
  label: 'result',
  values: ['known', 'password', 'ended', 'second-factor', 'gone', 'suspended', 'unavailable'],
});
