import type { OptionTable, OptionValues } from '../config/options.ts';

/** Who is asked for names, and how long. */
export const DNS_OPTIONS = {
  'dns.servers': {
    kind: 'list',
    of: 'address-port',
    default: [],
    doc: 'ADDRESS or ADDRESS:PORT of resolvers ([ADDRESS]:PORT for IPv6). Empty: the system’s.',
  },
  'dns.timeout': {
    kind: 'duration',
    default: 5000,
    min: 50,
    max: 60_000,
    doc: 'Time for one answer of one resolver.',
  },
  'dns.tries': {
    kind: 'count',
    default: 3,
    min: 1,
    max: 10,
    doc: 'How often each resolver is asked before a name counts as not answered.',
  },
  'dns.cache.max': {
    kind: 'count',
    default: 20_000,
    min: 0,
    max: 1_000_000,
    doc: 'Answers that a process remembers.',
  },
  'dns.cache.time': {
    kind: 'duration',
    default: 300_000,
    min: 0,
    max: 3_600_000,
    doc: 'How long it remembers one at most; records that say less count less.',
  },
} as const satisfies OptionTable;

export type DnsOptions = OptionValues<typeof DNS_OPTIONS>;
