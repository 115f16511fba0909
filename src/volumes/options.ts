import type { OptionTable, OptionValues } from '../config/options.ts';

export const VOLUME_OPTIONS = {
  'volume.inflight.max': {
    kind: 'count',
    default: 16,
    min: 1,
    max: 1024,
    doc:
      'Operations that a process runs on one volume at once; one mailbox has a quarter of them. ' +
      'A hung volume holds that many threads, so with many volumes each gets fewer (see ' +
      'src/volumes/README.md).',
  },
  'volume.queue.max': {
    kind: 'count',
    default: 2000,
    min: 0,
    max: 1_000_000,
    doc: 'Operations that wait for one volume in a process; further ones fail at once.',
  },
  'volume.deadline': {
    kind: 'duration',
    default: 10_000,
    min: 100,
    max: 600_000,
    doc: 'Time for one operation on a volume, waiting included; afterwards its result is unknown.',
  },
  'volume.probe.interval': {
    kind: 'duration',
    default: 2_000,
    min: 50,
    max: 60_000,
    doc: 'How often the sentinel and the free space of each volume are read.',
  },
  'volume.probe.deadline': {
    kind: 'duration',
    default: 3_000,
    min: 50,
    max: 60_000,
    doc: 'Time for one such reading.',
  },
  'volume.probe.failures': {
    kind: 'count',
    default: 2,
    min: 1,
    max: 100,
    doc:
      'Readings that fail one after another before a volume counts as down. A wrong or ' +
      'missing sentinel counts at once.',
  },
  'volume.refresh': {
    kind: 'duration',
    default: 5_000,
    min: 50,
    max: 600_000,
    doc: 'How often the volume table is read from the directory.',
  },
  'volume.reserve.bytes': {
    kind: 'bytes',
    default: 67_108_864,
    min: 0,
    max: 1_099_511_627_776,
    doc: 'Space that deliveries leave free on a volume; with less it counts as full.',
  },
  'volume.reserve.inodes': {
    kind: 'count',
    default: 1000,
    min: 0,
    max: 1_000_000_000,
    doc: 'Inodes that deliveries leave free on a volume; with fewer it counts as full.',
  },
  'volume.full.retry': {
    kind: 'duration',
    default: 15_000,
    min: 50,
    max: 600_000,
    doc:
      'How long a volume counts as full or read-only after a write said so, unless the free space ' +
      'grows before; then a delivery tries again. Quotas of an export are seen in no other way.',
  },
  'volume.mailbox.cache': {
    kind: 'duration',
    default: 60_000,
    min: 0,
    max: 3_600_000,
    doc: 'How long a mailbox that was seen is taken to be there when a recipient is checked.',
  },
  'volume.sweep.interval': {
    kind: 'duration',
    default: 86_400_000,
    min: 60_000,
    max: 2_592_000_000,
    doc: 'How often a process looks for abandoned files in the tmp of a mailbox that it uses.',
  },
  'volume.sweep.age': {
    kind: 'duration',
    default: 129_600_000,
    min: 3_600_000,
    max: 2_592_000_000,
    doc: 'Age from which a file in tmp is abandoned and removed; 36 hours by custom.',
  },
} as const satisfies OptionTable;

export type VolumeOptions = OptionValues<typeof VOLUME_OPTIONS>;
