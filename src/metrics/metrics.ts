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
export type Aggregation = 'sum' | 'max' | 'average';

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

/** A gauge for each member of a closed set, such as one for each protocol. */
export function labelledGauge<const L extends string>(options: {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly L[];
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
      for (const label of options.values) {
        metric.set({ [options.label]: label }, options.read(label));
      }
    },
  });
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
