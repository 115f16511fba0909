import { gauge, memberGauge, readCounter } from '../metrics/metrics.ts';

/** Registers what the supervisor knows of its workers. Alert on stuck workers and on deaths. */
export function nodeMetrics(read: {
  readonly workers: () => number;
  readonly stuck: () => number;
  readonly deaths: () => number;
  /** Settings and listeners that this release does not know. */
  readonly unknown: () => readonly string[];
}): void {
  gauge({
    name: 'mailfarm_node_workers',
    help: 'Worker processes that take connections',
    read: read.workers,
  });
  gauge({
    name: 'mailfarm_node_workers_stuck',
    help: 'Worker processes that hang in the kernel and cannot be ended (MF-NODE-003)',
    read: read.stuck,
  });
  readCounter({
    name: 'mailfarm_node_worker_deaths_total',
    help: 'Worker processes that ended unexpectedly (MF-NODE-005)',
    read: read.deaths,
  });
  memberGauge({
    name: 'mailfarm_node_unknown',
    help: 'Settings and listeners of the directory that this release does not know (MF-NODE-009)',
    label: 'name',
    read: () => read.unknown().map((name) => [name, 1] as const),
    aggregation: 'max',
  });
}
