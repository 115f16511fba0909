import type { OptionTable, OptionValues } from '../config/options.ts';

export const NODE_OPTIONS = {
  'farm.host-name': {
    kind: 'text',
    default: '',
    doc:
      'The name in greetings and Received fields, the same on every node; empty is the ' +
      'node\u2019s own name.',
  },
  'node.listen': {
    kind: 'text',
    default: '',
    doc:
      'What a node runs whose entry has no mwListen, such as `mx *:25, pop3 *:110, pop3s ' +
      '*:995, health 127.0.0.1:9090`. With it a new node adds its own entry and serves.',
  },
  'node.beat': {
    kind: 'duration',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
    doc:
      'How often a node writes to its entry that it lives, at most; a change of its status ' +
      'is written at once. A node silent for three beats is shown as silent.',
  },
  'node.beats.day': {
    kind: 'count',
    default: 1_500,
    min: 1,
    max: 10_000_000,
    doc:
      'Beats of all nodes together in a day; the time between two grows with the number of ' +
      'nodes. Each goes to every replica of the directory (about 1 kB with syncrepl) and ' +
      'makes its state newer.',
  },
  'node.settings.interval': {
    kind: 'duration',
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    doc:
      'How often a node looks for changed settings and listeners in the directory; a ' +
      'change replaces the workers.',
  },
} as const satisfies OptionTable;

export type NodeOptions = OptionValues<typeof NODE_OPTIONS>;
