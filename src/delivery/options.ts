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
} as const satisfies OptionTable;

export type DeliveryOptions = OptionValues<typeof DELIVERY_OPTIONS>;
