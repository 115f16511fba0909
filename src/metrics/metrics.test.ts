import { expect, test } from 'vitest';
import { aggregate, createLedger, exportMetrics, renderAll } from './export.ts';
import { counter, gauge, histogram, labelledGauge, readCounter } from './metrics.ts';
import { watchProcess } from './process.ts';

const LABELS = ['delivered', 'refused'] as const;

const results = counter({
  name: 'mailfarm_test_results_total',
  help: 'Results',
  label: 'result',
  values: LABELS,
});
let open = 0;
gauge({ name: 'mailfarm_test_open', help: 'Open', read: () => open });
gauge({ name: 'mailfarm_test_lag', help: 'Lag', read: () => open, aggregation: 'max' });
labelledGauge({
  name: 'mailfarm_test_sessions',
  help: 'Sessions',
  label: 'protocol',
  values: ['mx', 'pop3'],
  read: (protocol) => (protocol === 'mx' ? 1 : 2),
});
readCounter({ name: 'mailfarm_test_read_total', help: 'Read', read: () => 7 });
const seconds = histogram({
  name: 'mailfarm_test_seconds',
  help: 'Seconds',
  buckets: [0.1, 1],
});

const value = (page: string, series: string): number => {
  const line = page.split('\n').find((text) => text.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? Number.NaN);
};

test('[P-11] every label is there at zero before anything happened', async () => {
  const page = await renderAll();
  for (const label of LABELS) {
    expect(value(page, `mailfarm_test_results_total{result="${label}"}`)).toBe(0);
  }
});

test('a text of a peer cannot become a label', async () => {
  results.inc('"} 1\nevil{a="' as 'refused');
  expect(results.value('"} 1\nevil{a="' as 'refused')).toBe(0);
  expect(await renderAll()).not.toContain('evil');
});

test('[P-11] counters, gauges and histograms of several processes become one page', async () => {
  results.inc('delivered', 3);
  seconds.observe(0.5);
  open = 40;
  // JSON, because that is what travels between processes.
  const first: unknown = JSON.parse(JSON.stringify(await exportMetrics()));
  open = 2;
  results.inc('delivered');
  const second: unknown = JSON.parse(JSON.stringify(await exportMetrics()));
  const page = await aggregate([first, second, undefined, 'half dead', [{ name: 'x' }]]);
  expect(value(page, 'mailfarm_test_results_total{result="delivered"}')).toBe(7);
  expect(value(page, 'mailfarm_test_results_total{result="refused"}')).toBe(0);
  expect(value(page, 'mailfarm_test_open')).toBe(42);
  expect(value(page, 'mailfarm_test_lag')).toBe(40);
  expect(value(page, 'mailfarm_test_sessions{protocol="pop3"}')).toBe(4);
  expect(value(page, 'mailfarm_test_read_total')).toBe(14);
  expect(value(page, 'mailfarm_test_seconds_bucket{le="1"}')).toBe(2);
  expect(value(page, 'mailfarm_test_seconds_count')).toBe(2);
  expect(results.value('delivered')).toBe(4);
});

test('[P-11] what a process counted stays when it ends; its gauges go', async () => {
  const ledger = createLedger<number>();
  const own = await exportMetrics();
  const series = 'mailfarm_test_results_total{result="delivered"}';
  const each = value(await aggregate([own]), series);
  for (const pid of [1, 2, 3]) ledger.update(pid, own);
  ledger.update(3, 'not an export'); // The last good one stays.
  ledger.retire(1);
  ledger.retire(1);
  ledger.retire(2);
  ledger.retire(99);
  const page = await ledger.render(own);
  expect(value(page, series)).toBe(4 * each);
  expect(value(page, 'mailfarm_test_seconds_bucket{le="1"}')).toBe(4);
  expect(value(page, 'mailfarm_test_open')).toBe(2 * open);
});

test('a process says how it is, and a blocked event loop shows', async () => {
  watchProcess();
  await renderAll();
  await new Promise((resolve) => setTimeout(resolve, 150));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const page = await renderAll();
  expect(value(page, 'mailfarm_process_event_loop_lag_seconds')).toBeGreaterThan(0.1);
  expect(value(page, 'mailfarm_process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(value(page, 'mailfarm_process_resident_memory_bytes')).toBeGreaterThan(1e7);
  expect(value(page, 'mailfarm_process_open_files')).toBeGreaterThan(3);
  // Of the time since the last look; others may hold up this machine meanwhile.
  await expect
    .poll(async () => value(await renderAll(), 'mailfarm_process_event_loop_lag_seconds'))
    .toBeLessThan(0.1);
});
