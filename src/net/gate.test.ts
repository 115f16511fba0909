import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { addressRanges } from './address.ts';
import type { AdmissionLimits } from './admission.ts';
import { Gate, type GateListener, type GateOptions, type GateWorker } from './gate.ts';
import { connectClient, type Client } from './testing/client.ts';

const ECHO: GateListener = { service: 'echo', host: '127.0.0.1', port: 0, refusal: 'pop3' };
const EXEMPT = addressRanges(['127.0.0.0/8']);
const NOBODY = addressRanges([]);
const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

async function openGate(
  limits: Partial<AdmissionLimits> = {},
  options: Partial<GateOptions> = {},
): Promise<{ gate: Gate; port: number }> {
  const gate = new Gate({
    limits: { total: 1000, perAddress: 10, ratePerMinute: 100, exempt: EXEMPT, ...limits },
    holdMs: 60_000,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  clean.push(() => gate.close());
  expect(await gate.listen([ECHO])).toEqual([]);
  return { gate, port: gate.listeners[0]?.port ?? 0 };
}

async function startWorker(): Promise<ChildProcess> {
  const child = fork(new URL('testing/worker.ts', import.meta.url), [], { execArgv: [] });
  await once(child, 'message');
  return child;
}

/** A worker for one test, which does something to it. */
async function doomedWorker(): Promise<ChildProcess> {
  const child = await startWorker();
  clean.push(() => child.kill('SIGKILL'));
  return child;
}

/** Workers that all other tests share, because a process takes its time to start. */
let shared: readonly [ChildProcess, ChildProcess];
beforeAll(async () => {
  shared = [await startWorker(), await startWorker()];
});
afterAll(() => {
  for (const worker of shared) worker.kill('SIGKILL');
});

const until = async (what: () => boolean): Promise<void> => {
  const end = performance.now() + 50_000; // On a machine with ten others.
  while (!what()) {
    if (performance.now() > end) throw new Error(`never came true: ${what.toString()}`);
    await systemClock.sleep(5);
  }
};

const pidOf = async (client: Client): Promise<number> =>
  (JSON.parse(await client.line()) as { readonly pid: number }).pid;

test('a connection goes through the gate to a worker, which knows who it is', async () => {
  const { gate, port } = await openGate();
  const [worker] = shared;
  gate.addWorker(worker);
  const client = connectClient(port, '127.0.0.9');
  const told = JSON.parse(await client.line()) as Record<string, unknown>;
  expect(told).toEqual({
    remoteAddress: '127.0.0.9',
    remotePort: client.socket.localPort,
    localAddress: '127.0.0.1',
    localPort: port,
    id: expect.stringMatching(/^[0-9a-z]{12}$/),
    secure: false,
    pid: worker.pid,
  });
  client.socket.write('here and back');
  await until(() => client.text().endsWith('here and back'));
  expect([gate.connections, gate.connectionsOf(worker)]).toEqual([1, 1]);
  client.socket.end('quit\r\n');
  await client.closed();
  await until(() => gate.connections === 0);
});

test('connections are spread over the workers', async () => {
  const { gate, port } = await openGate();
  const workers = shared;
  for (const worker of workers) gate.addWorker(worker);
  const clients: Client[] = [];
  const pids: number[] = [];
  for (let i = 0; i < 10; i++) {
    const client = connectClient(port);
    clients.push(client);
    pids.push(await pidOf(client));
  }
  // One after the other, so that both workers are free each time: fewest first is by turns.
  for (const { pid } of workers) expect(pids.filter((p) => p === pid)).toHaveLength(5);
  for (const { socket } of clients) socket.destroy();
  await until(() => gate.connections === 0);
});

test('a retired worker gets nothing new and keeps what it has', async () => {
  const { gate, port } = await openGate();
  const [old, young] = shared;
  gate.addWorker(old);
  const kept = connectClient(port);
  expect(await pidOf(kept)).toBe(old.pid);
  gate.addWorker(young);
  gate.retireWorker(old);
  const clients = Array.from({ length: 4 }, () => connectClient(port));
  expect(await Promise.all(clients.map(pidOf))).toEqual(Array(4).fill(young.pid));
  kept.socket.write('still there');
  await until(() => kept.text().endsWith('still there'));
});

const REFUSALS: readonly [style: GateListener['refusal'], line: string][] = [
  ['smtp', '421 4.3.2 Too many connections, try again later\r\n'],
  ['pop3', '-ERR [SYS/TEMP] Too many connections, try again later\r\n'],
  ['imap', '* BYE [UNAVAILABLE] Too many connections, try again later\r\n'],
  [
    'http',
    'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n' +
      'Content-Type: application/problem+json\r\nContent-Length: 93\r\n\r\n' +
      '{"title":"Service Unavailable","status":503,' +
      '"detail":"Too many connections, try again later"}',
  ],
  ['silent', ''],
];

test.for(REFUSALS)('beyond the total, %s is refused in its own words', async ([style, line]) => {
  const { gate } = await openGate({ total: 2 });
  await gate.listen([{ ...ECHO, refusal: style }]);
  const port = gate.listeners[0]?.port ?? 0;
  const [worker] = shared;
  gate.addWorker(worker);
  const first = [connectClient(port), connectClient(port)];
  await Promise.all(first.map(pidOf));
  expect(await connectClient(port).closed()).toBe(line);
  first[0]?.socket.destroy();
  await until(() => gate.connections === 1);
  expect(await pidOf(connectClient(port))).toBe(worker.pid); // There is room again.
});

test('a limit per address holds one address, not its neighbour, and not the exempt', async () => {
  const exempt = addressRanges(['127.0.0.3']);
  const { gate, port } = await openGate({ perAddress: 2, exempt });
  gate.addWorker(shared[0]);
  const open = (from: string): Promise<string> => connectClient(port, from).line();
  const texts: string[] = [];
  for (const from of ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.2']) {
    texts.push(await open(from));
  }
  expect(texts.map((text) => text.startsWith('{'))).toEqual([true, true, false, true]);
  expect(texts[2]).toBe('-ERR [SYS/TEMP] Too many connections from your address, try again later');
  const exempted = await Promise.all(Array.from({ length: 5 }, () => open('127.0.0.3')));
  expect(exempted.every((text) => text.startsWith('{'))).toBe(true);
});

test('a rate per address fills again with time', async () => {
  let now = 0;
  const clock = { ...systemClock, now: () => now };
  const { gate, port } = await openGate({ ratePerMinute: 3, exempt: NOBODY }, { clock });
  gate.addWorker(shared[0]);
  const open = async (): Promise<boolean> => (await connectClient(port).line()).startsWith('{');
  expect([await open(), await open(), await open(), await open()]).toEqual([
    true,
    true,
    true,
    false,
  ]);
  now += 20_000;
  expect([await open(), await open()]).toEqual([true, false]);
});

test('balancers are exempt from limits per address', async () => {
  const proxyFrom = addressRanges(['127.0.0.1']);
  const { gate, port } = await openGate({ perAddress: 1, exempt: NOBODY }, { proxyFrom });
  gate.addWorker(shared[0]);
  const texts = await Promise.all([connectClient(port).line(), connectClient(port).line()]);
  expect(texts.every((text) => text.startsWith('{'))).toBe(true);
});

test('without a worker a connection waits, and is served when one comes', async () => {
  const { gate, port } = await openGate();
  const client = connectClient(port);
  await until(() => gate.held === 1);
  gate.addWorker(shared[0]);
  expect(await pidOf(client)).toBeGreaterThan(0);
  expect(gate.held).toBe(0);
});

test('without a worker a connection waits a bounded time', async () => {
  const lines: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
  const { gate, port } = await openGate({}, { holdMs: 300, logger });
  const clients = [connectClient(port), connectClient(port)];
  const texts = await Promise.all(clients.map((client) => client.closed()));
  expect(texts).toEqual(Array(2).fill('-ERR [SYS/TEMP] Service not ready, try again later\r\n'));
  expect(gate.connections).toBe(0);
  expect(lines).toMatchObject([{ code: 'MF-NET-008' }]); // One line, not one for each.
});

test('[S2-08] a killed worker costs its own connections; the port stays and serves', async () => {
  const { gate, port } = await openGate();
  const [doomed, other] = [await doomedWorker(), shared[0]];
  gate.addWorker(doomed);
  const lost = connectClient(port);
  await pidOf(lost);
  gate.addWorker(other);
  doomed.kill('SIGKILL');
  await lost.closed();
  await until(() => gate.connections === 0);
  const clients = Array.from({ length: 10 }, () => connectClient(port));
  expect(await Promise.all(clients.map(pidOf))).toEqual(Array(10).fill(other.pid));
});

test('[S2-08] a worker that hangs delays what it was given, at most two; others serve', async () => {
  const { gate, port } = await openGate();
  const [hanging, other] = [await doomedWorker(), shared[0]];
  gate.addWorker(hanging);
  gate.addWorker(other);
  hanging.kill('SIGSTOP'); // Until it is told to go on, however long the rest takes.
  const clients = Array.from({ length: 20 }, () => connectClient(port));
  const servedBy = (pid: number | undefined): number =>
    clients.filter((client) => client.text().includes(`"pid":${pid}`)).length;
  await until(() => servedBy(other.pid) === 18);
  expect(servedBy(hanging.pid)).toBe(0);
  hanging.kill('SIGCONT');
  await until(() => servedBy(hanging.pid) === 2); // When it wakes.
  for (const { socket } of clients) socket.destroy();
  await until(() => gate.connections === 0);
}, 60_000);

test('a worker killed while it hangs: only what was on its way is lost, and is closed', async () => {
  const { gate, port } = await openGate();
  const hanging = await doomedWorker();
  gate.addWorker(hanging);
  hanging.kill('SIGSTOP');
  const clients = Array.from({ length: 20 }, () => connectClient(port));
  await until(() => gate.connections === 20);
  const [other] = shared;
  hanging.kill('SIGKILL');
  await once(hanging, 'exit');
  gate.addWorker(other);
  const texts = await Promise.all(clients.map((client) => client.line()));
  expect(texts.filter((text) => text.includes(`"pid":${other.pid}`))).toHaveLength(19);
  expect(texts.filter((text) => text === '')).toHaveLength(1);
  for (const { socket } of clients) socket.destroy();
  await until(() => gate.connections === 0);
}, 60_000);

test('[N-02] [S2-08] a worker that is lost and cannot end: its connections are ended for it', async () => {
  const { gate, port } = await openGate();
  const worker = await doomedWorker();
  gate.addWorker(worker);
  const clients = [connectClient(port), connectClient(port)];
  for (const client of clients) expect(await pidOf(client)).toBe(worker.pid);
  worker.kill('SIGSTOP'); // It keeps its descriptors and does nothing, as one that hangs in fsync.
  gate.loseWorker(worker);
  await Promise.all(clients.map((client) => client.closed()));
  expect([gate.connections, gate.connectionsOf(worker)]).toEqual([0, 0]);
});

test('a connection that its worker ends is over for the client at once, though the gate keeps a copy', async () => {
  const { gate, port } = await openGate();
  const [worker] = shared;
  // The gate never hears that a connection is closed.
  const deaf: GateWorker = {
    connected: true,
    pid: worker.pid,
    send: worker.send.bind(worker),
    on: ((event: 'exit', listener: () => void) =>
      String(event) === 'message' ? worker : worker.on(event, listener)) as GateWorker['on'],
    off: worker.off.bind(worker),
    setMaxListeners: worker.setMaxListeners.bind(worker),
  };
  gate.addWorker(deaf);
  const client = connectClient(port);
  await client.line();
  client.socket.write('quit\r\n');
  expect(await client.closed()).toMatch(/bye\r\n$/);
  expect(gate.connections).toBe(1);
  gate.loseWorker(deaf);
});

test('clients that reset at once harm nobody and are counted out', async () => {
  const { gate, port } = await openGate();
  gate.addWorker(shared[0]);
  for (let i = 0; i < 100; i++) {
    const { socket } = connectClient(port);
    socket.on('connect', () => socket.resetAndDestroy());
  }
  await systemClock.sleep(300);
  expect(await pidOf(connectClient(port))).toBeGreaterThan(0);
  await until(() => gate.connections === 1);
});

test('a flood beyond the total: the first are served, the rest told, and all is well after', async () => {
  const { gate, port } = await openGate({ total: 300 });
  gate.addWorker(shared[0]);
  const clients: Client[] = [];
  for (let i = 0; i < 1500; i++) {
    clients.push(connectClient(port));
    if (i % 100 === 99) await systemClock.sleep(5);
  }
  const texts = await Promise.all(clients.map((client) => client.line()));
  expect(texts.filter((text) => text.startsWith('{'))).toHaveLength(300);
  const told = texts.filter(
    (text) => text === '-ERR [SYS/TEMP] Too many connections, try again later',
  );
  expect(told).toHaveLength(1200);
  expect(gate.connections).toBe(300);
  for (const { socket } of clients) socket.destroy();
  await until(() => gate.connections === 0);
  expect(await pidOf(connectClient(port))).toBeGreaterThan(0);
}, 60_000);

test('a service that no worker has is closed', async () => {
  const { gate } = await openGate();
  gate.addWorker(shared[0]);
  await gate.listen([{ ...ECHO, service: 'unheard-of' }]);
  expect(await connectClient(gate.listeners[0]?.port ?? 0).closed()).toBe('');
  await until(() => gate.connections === 0);
});

test('addresses that cannot be bound are all named, with a code; the others listen', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  clean.push(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { readonly port: number };
  const { gate } = await openGate();
  const problems = await gate.listen([
    ECHO,
    { ...ECHO, port },
    { ...ECHO, host: '192.0.2.1' },
    { ...ECHO, host: '::1', port: 0 },
  ]);
  expect(problems.map((problem) => problem.message)).toEqual([
    `127.0.0.1:${port} is taken by another process (EADDRINUSE): MF-NET-001`,
    '192.0.2.1:0 is not an address of this machine that can be used (EADDRNOTAVAIL): MF-NET-003',
  ]);
  expect(gate.listeners.map(({ host }) => host)).toEqual(['127.0.0.1', '::1']);
});

test('listeners change without touching those that stay', async () => {
  const { gate, port } = await openGate();
  gate.addWorker(shared[0]);
  const client = connectClient(port);
  await pidOf(client);
  await gate.listen([ECHO, { ...ECHO, service: 'second' }]);
  expect(gate.listeners.map((listener) => listener.port)).toContain(port);
  await gate.listen([{ ...ECHO, service: 'second' }]);
  expect(await connectClient(port).closed()).toBe('');
  client.socket.write('goes on');
  await until(() => client.text().endsWith('goes on'));
});

test('after close the port is free at once, and sessions go on', async () => {
  const { gate, port } = await openGate();
  gate.addWorker(shared[0]);
  const client = connectClient(port);
  await pidOf(client);
  await gate.close();
  const next = createServer().listen(port, '127.0.0.1');
  clean.push(() => next.close());
  await once(next, 'listening');
  client.socket.write('goes on');
  await until(() => client.text().endsWith('goes on'));
});

test('`*` is IPv4 and IPv6 on one port', async () => {
  const { gate } = await openGate();
  gate.addWorker(shared[0]);
  expect(await gate.listen([{ ...ECHO, host: '*' }])).toEqual([]);
  const port = gate.listeners[0]?.port ?? 0;
  const told = [
    await connectClient(port, '127.0.0.1').line(),
    await connectClient(port, '::1', '::1').line(),
  ].map((line) => (JSON.parse(line) as { readonly remoteAddress: string }).remoteAddress);
  expect(told).toEqual(['127.0.0.1', '::1']);
});
