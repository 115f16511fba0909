import type { OptionTable, OptionValues } from '../config/options.ts';

export const SPOOL_OPTIONS = {
  'spool.look': {
    kind: 'duration',
    default: 1000,
    min: 10,
    max: 600_000,
    doc:
      'How often a sending process lists what other processes put on a spool volume to be sent. ' +
      'What it put there itself it sees at once.',
  },
  'spool.slot': {
    kind: 'duration',
    default: 60_000,
    min: 1000,
    max: 3_600_000,
    doc:
      'Letters that are tried again later wait together in steps of this time: a coarse step is ' +
      'cheap, a fine one punctual.',
  },
} as const satisfies OptionTable;

export type SpoolOptions = OptionValues<typeof SPOOL_OPTIONS>;
