/**
 * What every process says about itself: CPU, memory, open files, how late its event loop runs.
 * prom-client's own set of some forty series for each process (heap spaces, handles by type) is
 * more than anybody looks at.
 */
import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge } from 'prom-client';
import { gauge, readCounter, registry } from './metrics.ts';

/** One sample in 100 ms: ten wake-ups a second show a stall and cost nothing one could measure. */
const LAG_RESOLUTION_MS = 100;

/** Registers them; call once, at the start of a process. */
export function watchProcess(): void {
  readCounter({
    name: 'mailfarm_process_cpu_seconds_total',
    help: 'CPU time, user and system, of all processes that run now',
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  });
  gauge({
    name: 'mailfarm_process_resident_memory_bytes',
    help: 'Resident memory of all processes',
    read: () => process.memoryUsage.rss(),
  });
  gauge({
    name: 'mailfarm_process_heap_bytes',
    help: 'JavaScript heap in use, all processes',
    read: () => process.memoryUsage().heapUsed,
  });
  watchLag();
  watchFiles();
}

function watchLag(): void {
  const delays = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delays.enable();
  gauge({
    name: 'mailfarm_process_event_loop_lag_seconds',
    help: 'Longest delay of the event loop since the last scrape, of the worst process',
    aggregation: 'max',
    read: () => {
      const worst_ms = delays.max / 1e6 - LAG_RESOLUTION_MS;
      delays.reset();
      return Number.isFinite(worst_ms) ? Math.max(0, worst_ms) / 1000 : 0;
    },
  });
}

function watchFiles(): void {
  const metric: Gauge = new Gauge({
    name: 'mailfarm_process_open_files',
    help: 'Open file descriptors, of the process that has most',
    aggregator: 'max',
    registers: [registry],
    collect: async () => {
      const names = await readdir('/proc/self/fd').catch(() => []); // Linux only; else it is 0.
      metric.set(names.length);
    },
  });
}
