import { once } from 'node:events';
import { request, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { silentLogger, type Logger } from '../log/types.ts';
import { openHttp, type HttpOptions, type HttpServer } from './server.ts';

const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

let invalidated = 0;

async function open(options: Partial<HttpOptions> = {}): Promise<HttpServer> {
  invalidated = 0;
  const server = await openHttp({
    port: 0,
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: async () => 'mailfarm_x 1\n',
    days: () => ({ '2026-11-22': { sent: 1 } }),
    invalidate: () => invalidated++,
    answerTimeoutMs: 500,
    connectionsMax: 10,
    logger: silentLogger,
    ...options,
  });
  clean.push(() => server.close());
  return server;
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

function ask(
  { port, host }: { readonly port: number; readonly host: string },
  path: string,
  options: { method?: string; headers?: OutgoingHttpHeaders; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = options;
    const call = request({ host, port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    call.on('error', reject).end(options.body);
  });
}

test('`*` is every address, as in mwListen of other services', async () => {
  const { port } = await open({ host: '*' });
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const hosts = addresses.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
  for (const host of new Set(['127.0.0.1', ...hosts])) {
    expect((await ask({ host, port }, '/metrics')).status).toBe(200);
  }
  const hint = await ask({ host: '127.0.0.1', port }, '/invalidate', { method: 'POST' });
  expect([hint.status, invalidated]).toEqual([204, 1]);
});

test('[S2-24] it binds loopback unless told otherwise', async () => {
  const { port, host } = await open();
  expect(host).toBe('127.0.0.1');
  const others = Object.values(networkInterfaces())
    .flat()
    .filter((address) => address?.family === 'IPv4' && !address.internal);
  for (const other of others) {
    const socket = connect(port, other?.address);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  }
});

test('[P-11] live, ready and metrics', async () => {
  const server = await open();
  expect(await ask(server, '/health/live')).toMatchObject({ status: 200, body: '{"live":true}\n' });
  expect(await ask(server, '/health/ready')).toMatchObject({
    status: 200,
    body: '{"ready":true,"reasons":[]}\n',
  });
  const page = await ask(server, '/metrics?name=x');
  expect(page).toMatchObject({ status: 200, body: 'mailfarm_x 1\n' });
  expect(page.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
});

test('[P-11] a node that is not ready says why', async () => {
  const reasons = ['directory: no replica answers', 'volume mail2: "gone"'];
  const server = await open({ readiness: () => ({ ready: false, reasons }) });
  const reply = await ask(server, '/health/ready');
  expect(reply.status).toBe(503);
  expect(JSON.parse(reply.body)).toEqual({ ready: false, reasons });
});

test('every answer forbids what a browser could make of it', async () => {
  const server = await open();
  for (const path of ['/health/live', '/nowhere', '/metrics']) {
    const { headers } = await ask(server, path);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
    });
    expect(headers['x-powered-by']).toBeUndefined();
  }
});

const REFUSED: readonly [method: string, path: string, status: number][] = [
  ['GET', '/', 404],
  ['GET', '/health', 404],
  ['GET', '/health/live/', 404],
  ['GET', '//health/live', 404],
  ['GET', '/__proto__', 404],
  ['GET', '/%2e%2e/etc/passwd', 404],
  ['POST', '/metrics', 405],
  ['DELETE', '/health/live', 405],
  ['GET', '/invalidate', 405],
  ['OPTIONS', '/invalidate', 405],
];

test.for(REFUSED)('%s %s is %i', async ([method, path, status]) => {
  const server = await open();
  const reply = await ask(server, path, { method });
  expect(reply.status).toBe(status);
  if (status === 405) expect(reply.headers['allow']).toMatch(/^(?:GET, HEAD|POST)$/);
  expect(reply.body).not.toContain(path === '/' ? 'node' : path);
  expect(invalidated).toBe(0);
});

test('HEAD is GET without a body', async () => {
  const server = await open();
  const reply = await ask(server, '/metrics', { method: 'HEAD' });
  expect(reply).toMatchObject({ status: 200, body: '', headers: { 'content-length': '13' } });
});

test('a hint to ask afresh comes from this machine, not from a web page', async () => {
  const server = await open();
  expect(await ask(server, '/invalidate', { method: 'POST' })).toMatchObject({ status: 204 });
  expect(invalidated).toBe(1);
  for (const headers of [{ Origin: 'http://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
    const reply = await ask(server, '/invalidate', { method: 'POST', headers });
    expect(reply.status).toBe(403);
  }
  expect(invalidated).toBe(1);
});

test('a hint from another machine is refused', async () => {
  const other = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal);
  const server = await open({ host: '0.0.0.0' });
  const host = other?.address ?? '127.0.0.1'; // A machine with loopback only shows nothing here.
  const reply = await ask({ host, port: server.port }, '/invalidate', { method: 'POST' });
  expect(reply.status).toBe(other ? 403 : 204);
});

test('a body that is too big is refused, whatever length it claims', async () => {
  const server = await open();
  const small = await ask(server, '/invalidate', { method: 'POST', body: 'x'.repeat(1024) });
  expect(small.status).toBe(204);
  const headers = { 'Transfer-Encoding': 'chunked' };
  const body = 'x'.repeat(1025);
  const big = await ask(server, '/invalidate', { method: 'POST', headers, body });
  expect(big.status).toBe(413);
  expect(invalidated).toBe(1);
});

test('headers that are too big or no HTTP are refused', async () => {
  const server = await open();
  const headers = { 'X-Big': 'x'.repeat(9000) };
  expect((await ask(server, '/health/live', { headers })).status).toBe(431);
  const socket = connect(server.port, server.host);
  socket.write('\0\xff nonsense\r\n\r\n', 'latin1');
  const [reply] = (await once(socket.setEncoding('utf8'), 'data')) as [string];
  expect(reply).toMatch(/^HTTP\/1\.1 400 /);
});

test('metrics that do not come are 503 in bounded time, and health goes on', async () => {
  const lines: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
  let calls = 0;
  const server = await open({
    logger,
    answerTimeoutMs: 100,
    metrics: () => {
      calls++;
      return calls > 1 ? Promise.resolve('mailfarm_x 2\n') : new Promise(() => {});
    },
  });
  const replies = await Promise.all([ask(server, '/metrics'), ask(server, '/metrics')]);
  expect(replies.map(({ status }) => status)).toEqual([503, 503]);
  expect(calls).toBe(1); // Both waited for the same page.
  expect(lines).toMatchObject([{ code: 'MF-HTTP-002' }, { code: 'MF-HTTP-002' }]);
  expect((await ask(server, '/health/live')).status).toBe(200);
  expect((await ask(server, '/metrics')).body).toBe('mailfarm_x 2\n'); // The next one is new.
});

test('a provider that throws is 500 without a word of why', async () => {
  const server = await open({
    readiness: () => {
      throw new Error('secret detail');
    },
  });
  const reply = await ask(server, '/health/ready');
  expect(reply).toMatchObject({ status: 500, body: 'Internal error\n' });
});

test('more connections than allowed are closed, and make room again', async () => {
  const server = await open({ connectionsMax: 2 });
  const first = [connect(server.port, server.host), connect(server.port, server.host)];
  await Promise.all(first.map((socket) => once(socket, 'connect')));
  const third = connect(server.port, server.host).on('error', () => {});
  third.resume();
  await once(third, 'close');
  for (const socket of first) socket.destroy();
  await Promise.all(first.map((socket) => once(socket, 'close')));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await ask(server, '/health/live')).status).toBe(200);
});

test('a port that is taken is an error with a code', async () => {
  const { port } = await open();
  await expect(open({ port })).rejects.toMatchObject({ code: 'MF-HTTP-001' });
});
