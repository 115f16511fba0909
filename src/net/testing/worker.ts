/**
 * A worker process for the gate's tests: the real handover and intake with an echo service. The
 * test tells it to block its event loop or to end at once.
 */
import { systemRandom } from '../../base/random.ts';
import { silentLogger } from '../../log/types.ts';
import { startHandover } from '../handover.ts';
import { createIntake } from '../intake.ts';
import { echoService } from './echo.ts';

const service = echoService({ pid: process.pid });
const intake = createIntake({
  tls: undefined,
  proxyTimeoutMs: 1000,
  handshakeTimeoutMs: 1000,
  random: systemRandom,
  logger: silentLogger,
});
startHandover({
  channel: process,
  intake,
  listener: (name) =>
    name === 'echo' ? { name, service, mode: 'plain', refusal: 'pop3' } : undefined,
});
process.on('message', (message: { readonly test?: string; readonly ms?: number }) => {
  if (message.test === 'block') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, message.ms);
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ test: 'ready' });
