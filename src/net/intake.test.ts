import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { createIntake, type Intake, type IntakeListener } from './intake.ts';
import { startHandover, type Channel } from './handover.ts';
import { connectClient } from './testing/client.ts';
import { echoService } from './testing/echo.ts';

const clean: (() => unknown)[] = [];
afterEach(() => {
  for (const step of clean.splice(0).toReversed()) step();
});

const random = { bytes: (n: number) => new Uint8Array(n).fill(7) };

function makeIntake(logger: Logger = silentLogger): Intake {
  return createIntake({
    tls: undefined,
    proxyTimeoutMs: 1000,
    handshakeTimeoutMs: 1000,
    random,
    logger,
  });
}

/** A pair of connected sockets: the client's, and the one that a server accepted. */
async function socketPair(): Promise<{
  accepted: Socket;
  client: ReturnType<typeof connectClient>;
}> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  const client = connectClient(port);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  clean.push(() => accepted.destroy());
  return { accepted, client };
}

const listenerOf = (service: IntakeListener['service']): IntakeListener => ({
  name: 'echo',
  service,
  mode: 'plain',
  refusal: 'pop3',
});

test('a session gets its id from chance that was passed in', async () => {
  const service = echoService();
  const { accepted, client } = await socketPair();
  makeIntake().take(accepted.resume(), listenerOf(service));
  expect(JSON.parse(await client.line())).toMatchObject({ id: '777777777777' });
});

test('a socket that is dead on arrival is reported closed, once, and reaches no service', async () => {
  const service = echoService();
  const { accepted } = await socketPair();
  accepted.destroy();
  let closed = 0;
  makeIntake().take(accepted, listenerOf(service), undefined, () => closed++);
  await expect.poll(() => closed).toBe(1);
  await systemClock.sleep(20);
  expect([closed, service.seen.length]).toEqual([1, 0]);
});

test('a service that throws costs its connection only', async () => {
  const lines: object[] = [];
  const logger: Logger = { ...silentLogger, error: (fields) => void lines.push(fields) };
  const { accepted, client } = await socketPair();
  const broken = {
    ...echoService(),
    connections: 0,
    handle: () => {
      throw new Error('broken');
    },
  };
  const intake = makeIntake(logger);
  const closed = new Promise<void>((resolve) => {
    intake.take(accepted, listenerOf(broken), undefined, resolve);
  });
  expect(await client.closed()).toBe('');
  await closed;
  expect(lines).toMatchObject([{ service: 'echo', error: { message: 'broken' } }]);
  expect(intake.pending).toBe(0);
});

test('closing the intake closes what no service has yet, and nothing else', async () => {
  const service = echoService();
  const [served, waiting] = [await socketPair(), await socketPair()];
  const intake = makeIntake();
  intake.take(served.accepted.resume(), listenerOf(service));
  await served.client.line();
  const proxyFrom = { isEmpty: false, has: () => true };
  intake.take(waiting.accepted, { ...listenerOf(service), proxyFrom });
  expect(intake.pending).toBe(1);
  intake.close();
  expect(await waiting.client.closed()).toBe('');
  expect(intake.pending).toBe(0);
  served.client.socket.write('still there');
  while (!served.client.text().endsWith('still there')) await once(served.client.socket, 'data');
});

test('closed connections are told in batches; the last ones when the handover ends', async () => {
  let receive: ((message: unknown, handle: unknown) => void) | undefined;
  const sent: object[] = [];
  const channel: Channel = {
    connected: true,
    on: (_event, listener) => (receive = listener),
    off: () => (receive = undefined),
    send: (message) => sent.push(message) > 0,
  };
  const service = echoService();
  const stop = startHandover({
    channel,
    intake: makeIntake(),
    batchMs: 30,
    listener: (name) => (name === 'echo' ? listenerOf(service) : undefined),
  });
  const pairs = await Promise.all([socketPair(), socketPair(), socketPair()]);
  const take = { net: 'take', service: 'echo', address: '192.0.2.1', port: 5 };
  for (const [i, { accepted }] of pairs.entries()) receive?.({ ...take, id: i }, accepted);
  receive?.({ ...take, id: 90 }, undefined); // Its client was gone before it was sent.
  receive?.({ kind: 'plan' }, undefined); // Not for us.
  receive?.('rubbish', undefined);
  for (const { accepted } of pairs.slice(0, 2)) accepted.destroy();
  await expect.poll(() => sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ net: 'closed', ids: expect.arrayContaining([90, 0, 1]) });
  pairs[2]?.accepted.destroy();
  await systemClock.sleep(5);
  stop();
  expect(sent[1]).toEqual({ net: 'closed', ids: [2] });
  expect(receive).toBeUndefined();
});
