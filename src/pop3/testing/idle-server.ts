/**
 * A process with nothing but a POP3 service, for the measure of what idle connections cost.
 * Prints its port; for each line on standard input, its resident set in octets.
 */
import { systemClock } from '../../base/clock.ts';
import { startServer } from './server.ts';
import { FaultyStore } from './store.ts';

const server = await startServer({
  store: new FaultyStore(['x\r\n']),
  extra: { sweepMs: 1_000, clock: systemClock },
});
process.stdout.write(`${server.port}\n`);
process.stdin.on('data', () => {
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.stdout.write(`${rss} ${heapUsed + external} ${server.service.connections}\n`);
});
process.stdin.on('end', () => process.exit(0));
