import type { OptionTable, OptionValues } from '../config/options.ts';

export const DELIVERY_OPTIONS = {
  'delivery.buffer.max': {
    kind: 'bytes',
    default: 262_144,
    min: 4096,
    max: 67_108_864,
    doc:
      'A message up to this size is kept in memory and written at once; a larger one goes to ' +
      'the volumes as it comes.',
  },
  'delivery.piece.bytes': {
    kind: 'bytes',
    default: 1_048_576,
    min: 4096,
    max: 67_108_864,
    doc:
      'Pieces in which a large message is written. A message holds at most two of them in ' +
      'memory.',
  },
  'delivery.degraded': {
    kind: 'choice',
    default: 'park',
    values: ['park', 'defer'],
    doc:
      'Mail for users whose volume is down: kept on a spool volume and brought to them later, or ' +
      'deferred at the recipient (451). Where there is no spool volume it is deferred.',
  },
  'delivery.park.account': {
    kind: 'bytes',
    default: 104_857_600,
    min: 0,
    max: 1_099_511_627_776,
    doc: 'Octets parked for one account at most: its quota cannot be asked while its volume is down.',
  },
  'delivery.land.interval': {
    kind: 'duration',
    default: 5_000,
    min: 100,
    max: 600_000,
    doc: 'How often a process looks for parked mail that can be delivered, while there may be some.',
  },
  'delivery.land.idle': {
    kind: 'duration',
    default: 60_000,
    min: 100,
    max: 3_600_000,
    doc: 'The same, while all volumes have been up for long and nothing was found.',
  },
  'delivery.land.concurrency': {
    kind: 'count',
    default: 4,
    min: 1,
    max: 64,
    doc: 'Mailboxes of one volume that a process brings parked mail to at once.',
  },
  'delivery.land.retry': {
    kind: 'duration',
    default: 900_000,
    min: 100,
    max: 86_400_000,
    doc: 'How often letters that have no mailbox to go to are tried again.',
  },
  'delivery.moderation.interval': {
    kind: 'duration',
    default: 15_000,
    min: 100,
    max: 3_600_000,
    doc: 'How often a process looks for letters to moderated lists that were approved.',
  },
  'delivery.moderation.expires': {
    kind: 'duration',
    default: 604_800_000,
    min: 3_600_000,
    max: 31_536_000_000,
    doc: 'How long a letter to a moderated list waits for a decision; then it is removed.',
  },
  'forward.srs': {
    kind: 'choice',
    default: 'off',
    values: ['off', 'on'],
    doc:
      'Whether forwards leave with a sender of our own (SRS), so that the next host does not take ' +
      'them for forged (SPF). Needs forward.srs.domain and a secret: mailfarm secret add srs forward.',
  },
  'forward.srs.domain': {
    kind: 'text',
    default: '',
    doc:
      'The domain of such senders: one of the farm, with its MX and SPF records. While it is set, ' +
      'bounces to them are sent on, also after forward.srs is off.',
  },
} as const satisfies OptionTable;

export type DeliveryOptions = OptionValues<typeof DELIVERY_OPTIONS>;
