/**
 * Metrics of this process. Labels are closed sets, born at zero: an alert on `increase()` needs
 * the zero, and a label made from a client's text would be a memory leak. Each module declares
 * its own in its `metrics.ts`; names are `mailfarm_<area>_<what>_<unit|total>`.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export const registry = new Registry();

export interface LabelledCounter<L extends string> {
  inc(label: L, by?: number): void;
  value(label: L): number;
}

/** A counter with one label whose values are known when it is declared. */
export function counter<const L extends string>(options: {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly L[];
}): LabelledCounter<L> {
  const metric: Counter = new Counter({
    name: options.name,
    help: options.help,
    labelNames: [options.label],
    registers: [registry],
    // Counted here and carried over when somebody scrapes: prom-client's inc() costs a hash of
    // labels.
    collect: () => {
      metric.reset();
      for (const [value, total] of totals) metric.inc({ [options.label]: value }, total);
    },
  });
  const totals = new Map<L, number>(options.values.map((value) => [value, 0]));
  return {
    inc: (label, by = 1) => {
      const total = totals.get(label);
      // Not one of the closed set: a text of a peer is never a label.
      if (total !== undefined) totals.set(label, total + by);
    },
    value: (label) => totals.get(label) ?? 0,
  };
}

/** How the values of several processes become one: 40 and 2 connections are 42, lags are not. */
export type Aggregation = 'sum' | 'max' | 'min' | 'average';

/** A gauge whose value is asked for when somebody scrapes. `read` must not touch a volume. */
export function gauge(options: {
  readonly name: string;
  readonly help: string;
  readonly read: () => number;
  /** `sum` where nothing is said. */
  readonly aggregation?: Aggregation;
}): void {
  const metric: Gauge = new Gauge({
    name: options.name,
    help: options.help,
    aggregator: options.aggregation ?? 'sum',
    registers: [registry],
    collect: () => metric.set(options.read()),
  });
}

/**
 * A gauge for each member of a closed set, such as one for each protocol, or of one that an
 * administrator makes, such as the volumes: those are asked for when somebody scrapes.
 */
export function labelledGauge<const L extends string>(options: {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly L[] | (() => readonly L[]);
  readonly read: (label: L) => number;
  readonly aggregation?: Aggregation;
}): void {
  const metric: Gauge = new Gauge({
    name: options.name,
    help: options.help,
    labelNames: [options.label],
    aggregator: options.aggregation ?? 'sum',
    registers: [registry],
    collect: () => {
      metric.reset();
      const { values } = options;
      for (const label of typeof values === 'function' ? values() : values) {
        metric.set({ [options.label]: label }, options.read(label));
      }
    },
  });
}

/**
 * A gauge for each member of a set that changes while the process runs, such as the volumes of the
 * directory's table. Never of what a client says: members come from the operator, and a member
 * that left the set is no longer shown.
 */
export function memberGauge(options: {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly read: () => Iterable<readonly [member: string, value: number]>;
  readonly aggregation: Aggregation;
}): void {
  const metric: Gauge = new Gauge({
    name: options.name,
    help: options.help,
    labelNames: [options.label],
    aggregator: options.aggregation,
    registers: [registry],
    collect: () => {
      metric.reset();
      for (const [member, value] of options.read()) metric.set({ [options.label]: member }, value);
    },
  });
}

/** A counter for each member of such a set and each of a closed one; kept elsewhere. */
export function memberCounter(options: {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly [member: string, value: string];
  readonly read: () => Iterable<readonly [labels: readonly [string, string], count: number]>;
}): void {
  const [member, value] = options.labels;
  const metric: Counter = new Counter({
    name: options.name,
    help: options.help,
    labelNames: [...options.labels],
    registers: [registry],
    collect: () => {
      metric.reset();
      for (const [labels, count] of options.read()) {
        metric.inc({ [member]: labels[0], [value]: labels[1] }, count);
      }
    },
  });
}

/** A histogram for each member of such a set. `remove` forgets one that left it. */
export function memberHistogram(options: {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly buckets: readonly number[];
}): { observe(member: string, value: number): void; remove(member: string): void } {
  const metric = new Histogram({
    name: options.name,
    help: options.help,
    labelNames: [options.label],
    buckets: [...options.buckets],
    registers: [registry],
  });
  return {
    observe: (member, value) => metric.observe({ [options.label]: member }, value),
    remove: (member) => metric.remove({ [options.label]: member }),
  };
}

/** A counter that is kept elsewhere and asked for when somebody scrapes; it must never go down. */
export function readCounter(options: {
  readonly name: string;
  readonly help: string;
  readonly read: () => number;
}): void {
  const metric: Counter = new Counter({
    name: options.name,
    help: options.help,
    registers: [registry],
    collect: () => {
      metric.reset();
      metric.inc(Math.max(0, options.read()));
    },
  });
}

/** A histogram of seconds (or whatever the name's unit says). */
export function histogram(options: {
  readonly name: string;
  readonly help: string;
  readonly buckets: readonly number[];
}): { observe(value: number): void } {
  return new Histogram({
    name: options.name,
    help: options.help,
    buckets: [...options.buckets],
    registers: [registry],
  });
}
