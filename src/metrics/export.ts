/**
 * From the registries of several processes to one page. A worker sends `exportMetrics()` over IPC;
 * the supervisor adds its own and renders `aggregate([...])`. Counters and histograms add up, a
 * gauge says itself how it does.
 */
import { AggregatorRegistry, Registry } from 'prom-client';
import { registry } from './metrics.ts';

/** One process's metrics as plain data. What is inside is prom-client's business. */
export type MetricsExport = readonly object[];

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** This process's metrics in the text format of Prometheus. */
export const renderAll = (): Promise<string> => registry.metrics();

/** This process's metrics as plain data, to be sent to the supervisor. */
export const exportMetrics = (): Promise<MetricsExport> => registry.getMetricsAsJSON();

/**
 * One page of the metrics of several processes, in the text format of Prometheus. What is not an
 * export (a worker of another version, half dead) is left out: a scrape shows the others.
 */
export const aggregate = (exports: readonly unknown[]): Promise<string> => fold(exports).metrics();

const fold = (exports: readonly unknown[]): Registry =>
  AggregatorRegistry.aggregate(exports.filter(isExport).map((metrics) => [...metrics]));

/** Keeps what processes counted beyond their end, so that the farm's counters never go down. */
export interface MetricsLedger<Key> {
  /** The newest export of a process that runs. */
  update(key: Key, metrics: unknown): void;
  /** The process ended: its counters and histograms stay in the sum, its gauges go. */
  retire(key: Key): void;
  /** The page of all processes, those that ended and the exports given here. */
  render(...others: readonly unknown[]): Promise<string>;
}

/**
 * A ledger for the supervisor. Without it a worker that ends takes its counts along; Prometheus
 * takes the lower sum for a restart from zero and `increase()` counts what is left a second time.
 * What a process counted between its last export and its end is lost; one that drains sends a last.
 */
export function createLedger<Key>(): MetricsLedger<Key> {
  const running = new Map<Key, MetricsExport>();
  let ended: MetricsExport = [];
  let folding = Promise.resolve();
  return {
    update: (key, metrics) => {
      if (isExport(metrics)) running.set(key, metrics);
    },
    retire: (key) => {
      const last = running.get(key);
      if (!last) return;
      running.delete(key);
      folding = folding.then(async () => {
        ended = await fold([ended, last.filter(isLasting)]).getMetricsAsJSON();
      });
    },
    render: async (...others) => {
      await folding;
      return aggregate([ended, ...running.values(), ...others]);
    },
  };
}

const isLasting = (metric: object): boolean =>
  'type' in metric && (metric.type === 'counter' || metric.type === 'histogram');

function isExport(value: unknown): value is MetricsExport {
  return (
    Array.isArray(value) &&
    value.every(
      (metric) =>
        typeof metric === 'object' &&
        metric !== null &&
        'values' in metric &&
        Array.isArray(metric.values) &&
        'aggregator' in metric &&
        AGGREGATORS.has(String(metric.aggregator)),
    )
  );
}

const AGGREGATORS: ReadonlySet<string> = new Set(['sum', 'first', 'omit', 'average', 'min', 'max']);
