import type { OptionTable, OptionValues } from '../../config/options.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** How letters leave: when, over how many connections, how safely. */
export const SENDER_OPTIONS = {
  'relay.retry.min': {
    kind: 'duration',
    default: 360_000,
    min: 1000,
    max: DAY,
    doc: 'Wait after the first failed try; each further one doubles. Greylists mostly ask for 5 minutes.',
  },
  'relay.retry.max': {
    kind: 'duration',
    default: 2 * HOUR,
    min: 1000,
    max: DAY,
    doc: 'Longest wait between two tries (RFC 5321 §4.5.4.1 asks for tries over 4 to 5 days).',
  },
  'relay.expire': {
    kind: 'duration',
    default: 5 * DAY,
    min: 60_000,
    max: 30 * DAY,
    doc: 'Age at which a letter that nobody took is given up and its sender told.',
  },
  'relay.delay-notice': {
    kind: 'duration',
    default: 4 * HOUR,
    min: 0,
    max: 30 * DAY,
    doc: 'Age at which the sender is told, once, that a letter is delayed; 0: never.',
  },
  'relay.connections.max': {
    kind: 'count',
    default: 100,
    min: 1,
    max: 10_000,
    doc: 'Connections that a process of a sending node has open to other hosts.',
  },
  'relay.connections.address': {
    kind: 'count',
    default: 20,
    min: 1,
    max: 10_000,
    doc: 'Most of them to one address, whatever domains; hosts that you chose are excepted.',
  },
  'relay.transaction.max': {
    kind: 'duration',
    default: 1_800_000,
    min: 1000,
    max: DAY,
    doc: 'Time for one try of a letter in all; a second more for each 8 kB of it.',
  },
  'relay.concurrency.initial': {
    kind: 'count',
    default: 3,
    min: 1,
    max: 100,
    doc: 'Connections to a destination that has not shown yet how many it takes.',
  },
  'relay.concurrency.max': {
    kind: 'count',
    default: 20,
    min: 1,
    max: 1000,
    doc: 'Most connections of a process to one destination.',
  },
  'relay.connection.messages': {
    kind: 'count',
    default: 100,
    min: 1,
    max: 100_000,
    doc: 'Letters over one connection; then a new one is made.',
  },
  'relay.connection.idle': {
    kind: 'duration',
    default: 2000,
    min: 0,
    max: 300_000,
    doc: 'How long a connection that is free stays open for the next letter.',
  },
  'relay.connect.timeout': {
    kind: 'duration',
    default: 30_000,
    min: 100,
    max: 300_000,
    doc: 'Time for a TCP connection to one address; then the next is tried.',
  },
  'relay.destinations.private': {
    kind: 'choice',
    default: 'refuse',
    values: ['refuse', 'allow'],
    doc: 'Whether DNS may send letters to loopback, link-local and private addresses.',
  },
  'relay.tls': {
    kind: 'choice',
    default: 'may',
    values: ['may', 'must', 'never'],
    doc: 'TLS to hosts without a policy of their own: where offered, always, or not at all.',
  },
  'relay.mta-sts': {
    kind: 'choice',
    default: 'on',
    values: ['on', 'off'],
    doc: 'Whether policies of RFC 8461 are looked up and kept.',
  },
  'relay.dane': {
    kind: 'choice',
    default: 'off',
    values: ['on', 'off'],
    doc: 'Whether TLSA records (RFC 7672) count. Needs a resolver in dns.servers that validates.',
  },
  'relay.ip': {
    kind: 'choice',
    default: 'both',
    values: ['both', 'v4', 'v6'],
    doc: 'Address families that letters leave by.',
  },
} as const satisfies OptionTable;

export type SenderOptions = OptionValues<typeof SENDER_OPTIONS>;
