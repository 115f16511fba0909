/** A process with nothing but a POP3 service, for the measure of what idle connections cost. */
import { tellMemory } from '../../net/testing/idle-cost.ts';
import { startServer } from './server.ts';
import { FaultyStore } from './store.ts';

const store = new FaultyStore(['x\r\n']);
const { port } = await startServer({ store, extra: { sweepMs: 1_000 } });
tellMemory(port);
