import type { OptionTable, OptionValues } from '../config/options.ts';

export const NODE_OPTIONS = {
  'farm.host-name': {
    kind: 'text',
    default: '',
    doc: 'The name in greetings and Received fields, the same on every node; empty is the node\u2019s own name.',
  },
  'node.settings.interval': {
    kind: 'duration',
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    doc: 'How often a node looks for changed settings and listeners in the directory; a change replaces the workers.',
  },
} as const satisfies OptionTable;

export type NodeOptions = OptionValues<typeof NODE_OPTIONS>;
