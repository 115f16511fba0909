import { LIES, type Lie } from '#maildir';
import { counter, gauge, histogram } from '../metrics/metrics.ts';
import { STORE_ERROR_KINDS } from './error.ts';

/** Operations on a volume, as labels. */
export const VOLUME_OPERATIONS = [
  'create',
  'exists',
  'stage',
  'publish',
  'discard',
  'list',
  'listOnce',
  'read',
  'setFlags',
  'setSizes',
  'remove',
  'folders',
  'createFolder',
  'removeFolder',
  'destroy',
  'sweep',
  'hosts',
] as const;
export type VolumeOperation = (typeof VOLUME_OPERATIONS)[number];

export const operations = counter({
  name: 'mailfarm_volume_operations_total',
  help: 'Operations on volumes that ended, well or not',
  label: 'operation',
  values: VOLUME_OPERATIONS,
});

export const failures = counter({
  name: 'mailfarm_volume_failures_total',
  help: 'Operations on volumes that failed, by what the client was told',
  label: 'kind',
  values: STORE_ERROR_KINDS,
});

export const lateResults = counter({
  name: 'mailfarm_volume_late_results_total',
  help: 'Operations that succeeded after their deadline; told to nobody, staged files removed',
  label: 'operation',
  values: VOLUME_OPERATIONS,
});

export const probes = counter({
  name: 'mailfarm_volume_probes_total',
  help: 'Readings of sentinels',
  label: 'result',
  values: ['ok', 'wrong', 'failed'],
});

export const nfsLies = counter<Lie>({
  name: 'mailfarm_maildir_nfs_lies_total',
  help: 'Answers of the file system that were not so, each met and mended',
  label: 'call',
  values: LIES,
});

export const operationSeconds = histogram({
  name: 'mailfarm_volume_operation_seconds',
  help: 'Time of operations on volumes, waiting included',
  buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
});

/** What the gauges ask; every volume of this process is in it while it is open. */
export interface Gauged {
  readonly inFlight: number;
  readonly waiting: number;
  readonly up: boolean;
}

export const openVolumes = new Set<Gauged>();

const sum = (value: (volume: Gauged) => number): number => {
  let total = 0;
  for (const volume of openVolumes) total += value(volume);
  return total;
};

gauge({
  name: 'mailfarm_volume_inflight',
  help: 'Operations on volumes that run now, late ones included',
  read: () => sum((volume) => volume.inFlight),
});
gauge({
  name: 'mailfarm_volume_waiting',
  help: 'Operations that wait for their turn on a volume',
  read: () => sum((volume) => volume.waiting),
});
gauge({
  name: 'mailfarm_volumes_down',
  help: 'Volumes of the table that cannot be used now',
  read: () => sum((volume) => (volume.up ? 0 : 1)),
});
