import type { OptionTable } from '../config/options.ts';

export const AUTH_OPTIONS = {
  'auth.domain.default': {
    kind: 'text',
    default: '',
    doc: 'Domain of a login that comes without one; empty: such a login stays as it is.',
  },
  'auth.throttle.pair.free': {
    kind: 'count',
    default: 5,
    min: 1,
    max: 1_000,
    doc: 'Wrong passwords for one account from one address before each further one costs time.',
  },
  'auth.throttle.address.free': {
    kind: 'count',
    default: 30,
    min: 1,
    max: 100_000,
    doc: 'Wrong passwords from one address (IPv6: one /64), for whatever account.',
  },
  'auth.throttle.account.free': {
    kind: 'count',
    default: 60,
    min: 1,
    max: 100_000,
    doc: 'Wrong passwords for one account from anywhere. Addresses that knew it are not held up.',
  },
  'auth.throttle.delay.first': {
    kind: 'duration',
    default: 1_000,
    min: 10,
    max: 600_000,
    doc: 'What the first wrong password beyond that costs; each further one costs double.',
  },
  'auth.throttle.delay.max': {
    kind: 'duration',
    default: 300_000,
    min: 1_000,
    max: 86_400_000,
    doc: 'The most that a wrong password costs.',
  },
  'auth.throttle.decay': {
    kind: 'duration',
    default: 600_000,
    min: 1_000,
    max: 86_400_000,
    doc: 'After this time without a wrong password half of them are forgiven.',
  },
  'auth.throttle.entries': {
    kind: 'count',
    default: 100_000,
    min: 1_000,
    max: 10_000_000,
    doc: 'Accounts, addresses and pairs remembered by one process; the oldest go first.',
  },
  'auth.throttle.exempt': {
    kind: 'list',
    default: [],
    of: 'address-range',
    doc: 'Addresses never counted: proxies of ours that speak for many clients.',
  },
  'auth.web.idle': {
    kind: 'duration',
    default: 1_209_600_000,
    min: 300_000,
    max: 31_536_000_000,
    doc: 'A sign-in at the webmail ends when it was not used for so long.',
  },
  'auth.web.absolute': {
    kind: 'duration',
    default: 7_776_000_000,
    min: 600_000,
    max: 31_536_000_000,
    doc: 'A sign-in at the webmail ends after so long, however much it is used.',
  },
  'auth.web.recheck': {
    kind: 'duration',
    default: 50_000,
    min: 1_000,
    max: 3_600_000,
    doc:
      'Each worker asks again after so long whether the password of a sign-in still counts and ' +
      'nobody ended it; with directory.password.fresh, what a changed password takes to end all.',
  },
} as const satisfies OptionTable;
