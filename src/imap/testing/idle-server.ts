/** A process with nothing but an IMAP service, for the measure of what idle connections cost. */
import { tellMemory } from '../../net/testing/idle-cost.ts';
import { startServer } from './server.ts';

const { port } = await startServer({
  messages: Array.from({ length: 10 }, (_, n) => `Subject: ${n}\n\nx\n`),
  extra: { sweepMs: 1_000 },
});
tellMemory(port);
