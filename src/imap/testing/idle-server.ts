/**
 * A process with nothing but an IMAP service, for the measure of what idle connections cost.
 * Prints its port; for each line on standard input, its resident set in octets.
 */
import { startServer } from './server.ts';

const server = await startServer({
  messages: Array.from({ length: 10 }, (_, n) => `Subject: ${n}\n\nx\n`),
  extra: { sweepMs: 1_000 },
});
process.stdout.write(`${server.port}\n`);
process.stdin.on('data', () => {
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss } = process.memoryUsage();
  process.stdout.write(`${rss} ${server.service.connections}\n`);
});
process.stdin.on('end', () => process.exit(0));
