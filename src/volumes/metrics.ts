import { FAILURES, LIES, type Failure, type Lie } from '#maildir';
import {
  counter,
  gauge,
  memberCounter,
  memberGauge,
  memberHistogram,
  type Aggregation,
} from '../metrics/metrics.ts';
import { STORE_ERROR_KINDS, type StoreErrorKind } from './error.ts';
import type { Writable } from './room.ts';
import type { Space } from './space.ts';

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
  'readMany',
  'setFlags',
  'setSizes',
  'remove',
  'folders',
  'createFolder',
  'removeFolder',
  'destroy',
  'sweep',
  'hosts',
  'journalSync',
  'journalStore',
  'journalExpunge',
  'journalAdd',
  'journalCopy',
  'journalMove',
  'journalRename',
  'journalSeed',
  'facts',
  'readFact',
  'putFact',
  'removeFact',
  'modified',
] as const;
export type VolumeOperation = (typeof VOLUME_OPERATIONS)[number];

export const operations = counter({
  name: 'mailfarm_volume_operations_total',
  help: 'Operations on volumes that ended, well or not',
  label: 'operation',
  values: VOLUME_OPERATIONS,
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

export const journalFailures = counter<Failure>({
  name: 'mailfarm_journal_upkeep_failures_total',
  help: 'Snapshots of journals and removals of their old files that failed; nothing is lost by it',
  label: 'what',
  values: FAILURES,
});

/** What the metrics of one volume ask. */
export interface Gauged {
  readonly name: string;
  readonly inFlight: number;
  readonly waiting: number;
  readonly overdue: number;
  readonly up: boolean;
  readonly space: Space | undefined;
  readonly writable: Writable;
  readonly probeAgeMs: number;
}

type Result = StoreErrorKind | 'ok';
const RESULTS: readonly Result[] = ['ok', ...STORE_ERROR_KINDS];

/** The volumes of this process that are open, and how their operations ended. */
const open = new Map<Gauged, Map<Result, number>>();

/** From now on the volume has metrics under its name, which comes from the directory's table. */
export function openedVolume(volume: Gauged): void {
  open.set(volume, new Map(RESULTS.map((result) => [result, 0])));
}

/** Its metrics go with it. */
export function closedVolume(volume: Gauged): void {
  open.delete(volume);
  const stays = [...open.keys()].some(({ name }) => name === volume.name);
  if (!stays) operationSeconds.remove(volume.name);
}

/** An operation ended, waiting included. What a removed volume still brings is left out. */
export function operationEnded(volume: Gauged, result: Result, seconds: number): void {
  const results = open.get(volume);
  if (results === undefined) return;
  results.set(result, (results.get(result) ?? 0) + 1);
  operationSeconds.observe(volume.name, seconds);
}

const operationSeconds = memberHistogram({
  name: 'mailfarm_volume_operation_seconds',
  help: 'Time of operations on volumes, waiting included',
  label: 'volume',
  buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
});

memberCounter({
  name: 'mailfarm_volume_results_total',
  help: 'Operations on volumes that ended, by what the client was told',
  labels: ['volume', 'result'],
  read: () =>
    [...open].flatMap(([{ name }, results]) =>
      [...results].map(([result, count]) => [[name, result], count] as const),
    ),
});

gauge({
  name: 'mailfarm_volumes_down',
  help: 'Volumes of the table that cannot be used now',
  read: () => [...open.keys()].filter(({ up }) => !up).length,
  aggregation: 'max',
});

/** A gauge of each volume; none for one that cannot say it. */
function volumeGauge(
  name: string,
  help: string,
  aggregation: Aggregation,
  value: (volume: Gauged) => number | undefined,
): void {
  const read = (): (readonly [string, number])[] =>
    [...open.keys()].flatMap((volume) => {
      const now = value(volume);
      return now === undefined ? [] : [[volume.name, now] as const];
    });
  memberGauge({ name: `mailfarm_volume_${name}`, help, label: 'volume', aggregation, read });
}

volumeGauge('up', '1 if every process can use the volume, 0 if one cannot', 'min', (volume) =>
  Number(volume.up),
);
volumeGauge(
  'inflight',
  'Operations on the volume that run now, late ones included',
  'sum',
  (volume) => volume.inFlight,
);
volumeGauge('waiting', 'Operations that wait for their turn on the volume', 'sum', (volume) => {
  return volume.waiting;
});
volumeGauge(
  'overdue',
  'Operations on the volume that run after their time: each holds a thread',
  'sum',
  (volume) => volume.overdue,
);
volumeGauge('free_bytes', 'Free space on the volume at its last probe', 'min', (volume) => {
  return volume.space?.freeBytes;
});
volumeGauge(
  'free_inodes',
  'Free inodes on the volume at its last probe',
  'min',
  (volume) => volume.space?.freeInodes,
);
volumeGauge('full', '1 while new mail is deferred for want of room (MF-VOL-005)', 'max', (volume) =>
  Number(volume.writable === 'full'),
);
volumeGauge(
  'read_only',
  '1 while new mail is deferred because the volume is read-only (MF-VOL-006)',
  'max',
  (volume) => Number(volume.writable === 'read-only'),
);
volumeGauge(
  'probe_age_seconds',
  'Time since the volume last answered a reading of its sentinel',
  'max',
  (volume) => volume.probeAgeMs / 1000,
);
