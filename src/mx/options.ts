import type { OptionTable, OptionValues } from '../config/options.ts';

/** What the MX decides by; limits of the protocol are in smtp/options.ts. */
export const MX_OPTIONS = {
  'mx.over-quota': {
    kind: 'choice',
    default: 'temporary',
    values: ['temporary', 'permanent'],
    doc: 'Answer for a full mailbox: 452 4.2.2, tried again for days, or 552 5.2.2, returned at once.',
  },
  'mx.mailboxes.max': {
    kind: 'count',
    default: 5_000,
    min: 1,
    max: 1_000_000,
    doc:
      'Mailboxes that one message goes to, when its recipients are lists. Of several recipients ' +
      'those beyond it are asked for in another message (452 4.5.3).',
  },
  'mx.rate.window': {
    kind: 'duration',
    default: 60_000,
    min: 1000,
    max: 3_600_000,
    doc: 'Sliding window of the two rates below.',
  },
  'mx.rate.connections': {
    kind: 'count',
    default: 600,
    min: 0,
    max: 10_000_000,
    doc: 'Connections from one address (IPv6: one /64) per window and worker process; 0 is no limit.',
  },
  'mx.rate.messages': {
    kind: 'count',
    default: 6000,
    min: 0,
    max: 10_000_000,
    doc: 'Messages from one address (IPv6: one /64) per window and worker process; 0 is no limit.',
  },
  'mx.rate.exempt': {
    kind: 'list',
    of: 'address-range',
    default: ['127.0.0.0/8', '::1/128'],
    doc: 'Addresses without rate limits: relays of our own, filters, this machine.',
  },
} as const satisfies OptionTable;

export type MxOptions = OptionValues<typeof MX_OPTIONS>;

/** Addresses counted in one window; more are let through uncounted, so that memory has a bound. */
export const RATE_ADDRESSES_MAX = 100_000;
