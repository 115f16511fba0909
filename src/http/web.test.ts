import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { connectClient } from '../net/testing/client.ts';
import { selfSigned } from '../net/x509/self-signed.ts';
import { startWeb, type TestWeb, type TestWebOptions } from './testing/web.ts';
import { HEADER_BYTES_MAX } from './web-options.ts';
import { openEventStream, sendStream } from './web-stream.ts';
import { WebProblem, type WebRoutes } from './web-types.ts';

const opened: TestWeb[] = [];
afterEach(async () => {
  for (const web of opened.splice(0)) await web.close();
});

class Trouble extends Error {}

/** What a handler waits for, and who is told that it waits. */
const gates = { open: (): void => {}, reached: (): void => {} };

const ROUTES: WebRoutes = (app, { onDrain }) => {
  app.get('/page', (_, reply) => reply.type('text/html').send('<p>hello'));
  app.post('/echo', async ({ body }) => ({ body }));
  app.get('/who', async ({ peer: { remoteAddress, secure } }) => ({ remoteAddress, secure }));
  app.get('/bug', async () => {
    throw new Error('secret detail');
  });
  app.get('/trouble', async () => {
    throw new Trouble();
  });
  app.get('/refused', async () => {
    throw new WebProblem({
      status: 429,
      title: 'Slowly',
      retryAfterMs: 1_500,
      extra: { limit: 3 },
    });
  });
  app.get('/slow', async () => {
    const opening = new Promise<void>((resolve) => (gates.open = resolve));
    gates.reached();
    await opening;
    return { slow: true };
  });
  app.get('/events', async (_, reply) => {
    const stream = openEventStream(reply);
    const off = onDrain(() => stream.end(1_234));
    stream.send({ name: 'state', id: '1', data: '{}' });
    await stream.closed;
    off();
    return reply;
  });
};

async function open(options: TestWebOptions = {}, routes = ROUTES): Promise<TestWeb> {
  const describe = (error: unknown) =>
    error instanceof Trouble ? { status: 503, title: 'The volume is away' } : undefined;
  const web = await startWeb([routes], { describe, ...options });
  opened.push(web);
  return web;
}

const post = (body: string | ReadableStream, type = 'application/json'): RequestInit => {
  const headers = { 'content-type': type };
  return { method: 'POST', body, headers, duplex: 'half' };
};

const ANSWERS: readonly [method: string, path: string, status: number][] = [
  ['GET', '/page', 200],
  ['HEAD', '/page', 200],
  ['OPTIONS', '/page', 204],
  ['POST', '/page', 405],
  ['GET', '/echo', 405],
  ['DELETE', '/echo', 405],
  ['GET', '/none', 404],
  ['POST', '/none', 404],
  ['GET', '/%zz', 400],
  ['GET', `/${'x'.repeat(8_000)}`, 404],
  ['GET', '/bug', 500],
  ['GET', '/trouble', 503],
  ['GET', '/refused', 429],
];

test.for(ANSWERS)('%s %s is %i, and allows a browser nothing', async ([method, path, status]) => {
  const web = await open();
  const reply = await fetch(web.base + path, { method });
  const text = await reply.text();
  expect(reply.status).toBe(status);
  expect(Object.fromEntries(reply.headers)).toMatchObject({
    'cache-control': 'no-store',
    'content-security-policy': expect.stringContaining("default-src 'none'"),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  expect(reply.headers.has('strict-transport-security')).toBe(false);
  if (status >= 400 && method !== 'HEAD') {
    expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(JSON.parse(text)).toMatchObject({ status, type: 'about:blank' });
  }
  if (status === 405 || status === 204) {
    const allow = path === '/page' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS';
    expect(reply.headers.get('allow')).toBe(allow);
  }
});

test('a bug is told by its trace id, and nothing else of it', async () => {
  const web = await open();
  const told = (await (await fetch(`${web.base}/bug`)).json()) as { trace: string };
  expect(JSON.stringify(told)).not.toContain('secret');
  expect(web.errors()).toMatchObject([{ code: 'MF-HTTP-004', trace: told.trace }]);
  expect(web.lines.at(-1)).toMatchObject({ path: '/bug', status: 500, trace: told.trace });
});

test('our own trouble is 503 with a time to come again, in words (RFC 9457), and no fault in the log', async () => {
  const web = await open();
  const reply = await fetch(`${web.base}/trouble`);
  expect(reply.headers.get('retry-after')).toBe('5');
  expect(await reply.json()).toMatchObject({ title: 'The volume is away' });
  const refused = await fetch(`${web.base}/refused`);
  expect(refused.headers.get('retry-after')).toBe('2');
  expect(await refused.json()).toMatchObject({ title: 'Slowly', limit: 3 });
  expect(web.errors()).toEqual([]);
});

test('a line in the log for each request, without the query', async () => {
  const web = await open();
  await fetch(`${web.base}/page?token=secret`).then((reply) => reply.text());
  await expect.poll(() => web.lines).toHaveLength(1);
  expect(web.lines[0]).toMatchObject({ method: 'GET', path: '/page', status: 200, tls: false });
  expect(JSON.stringify(web.lines)).not.toContain('secret');
});

test('a body may have web.body.size octets, whatever length it claims', async () => {
  const web = await open({ values: { 'web.body.size': 4_096 } });
  const fits = JSON.stringify('x'.repeat(4_094));
  expect((await fetch(`${web.base}/echo`, post(fits))).status).toBe(200);
  expect((await fetch(`${web.base}/echo`, post(`${fits} `))).status).toBe(413);
  const body = new Blob([`${fits} `]).stream(); // Chunked.
  expect((await fetch(`${web.base}/echo`, post(body))).status).toBe(413);
  expect((await fetch(`${web.base}/echo`, post('{'))).status).toBe(400);
  expect((await fetch(`${web.base}/echo`, post('{}', 'text/xml'))).status).toBe(415);
  const poison = '{"__proto__": {"a": 1}}';
  expect((await fetch(`${web.base}/echo`, post(poison))).status).toBe(400);
});

test('who sends far too much still sees why it is refused', async () => {
  const web = await open();
  const reply = await fetch(`${web.base}/echo`, post('x'.repeat(900_000)));
  expect(reply.status).toBe(413);
});

test('the address is the client’s behind a balancer, and nobody else says who it is', async () => {
  const web = await open({
    proxyFrom: ['127.0.0.1'],
    values: { 'web.plaintext': 'always' },
  });
  const client = connectClient(web.port);
  const lines = 'X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nConnection: close';
  client.socket.write(
    `PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET /who HTTP/1.1\r\nHost: x\r\n${lines}\r\n\r\n`,
  );
  const text = await client.closed();
  expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toMatchObject({
    remoteAddress: '192.0.2.7',
    secure: false,
  });
  expect(text).not.toContain('203.0.113.9');
});

test('over TLS browsers are told to come by TLS only (RFC 6797)', async () => {
  const pair = selfSigned({
    names: ['localhost'],
    clock: systemClock,
    days: 1,
    random: systemRandom,
  });
  const web = await open({ tls: pair });
  const asked = httpsRequest(`${web.base}/who`, { ca: pair.cert, servername: 'localhost' }).end();
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  const body = (await reply.toArray()).join('');
  expect(reply.headers['strict-transport-security']).toBe('max-age=31536000');
  expect(JSON.parse(body)).toMatchObject({ secure: true });
  asked.destroy();
});

test('requests that come at once are answered in their order (RFC 9112 §9.3.2)', async () => {
  const web = await open();
  const client = connectClient(web.port);
  const ask = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  client.socket.write(ask('/page') + ask('/none') + ask('/page', 'Connection: close\r\n'));
  const text = await client.closed();
  expect([...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, code]) => code)).toEqual([
    '200',
    '404',
    '200',
  ]);
});

const GARBAGE: readonly [what: string, octets: string, status: string][] = [
  ['no HTTP at all', '\0\xff nonsense\r\n\r\n', '400'],
  ['no host', 'GET /page HTTP/1.1\r\n\r\n', '400'],
  [
    'two lengths',
    'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    '400',
  ],
  [
    'a length and chunks',
    'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '400',
  ],
  ['a header with a bare LF', 'GET /page HTTP/1.1\r\nHost: x\nX: y\r\n\r\n', '400'],
  ['a folded header', 'GET /page HTTP/1.1\r\nHost: x\r\n y\r\n\r\n', '400'],
  [
    'a long header',
    `GET /page HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(HEADER_BYTES_MAX)}\r\n\r\n`,
    '431',
  ],
];

test.for(GARBAGE)('%s is refused', async ([, octets, status]) => {
  const web = await open();
  const client = connectClient(web.port);
  client.socket.write(octets, 'latin1');
  const text = await client.closed();
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(web.errors()).toEqual([]);
});

test('a header that does not end, a body that does not come: the connection ends', async () => {
  const values = { 'web.header.timeout': 1_000, 'web.request.timeout': 2_000 };
  const web = await open({ values });
  const begun = ['GET /page HTTP/1.1\r\nHost: x\r\n', ECHO_BEGUN];
  const clients = begun.map((octets) => {
    const client = connectClient(web.port);
    client.socket.write(octets);
    return client;
  });
  const texts = await Promise.all(clients.map((client) => client.closed()));
  for (const text of texts) expect(text).toMatch(/^(?:HTTP\/1.1 408 |$)/);
  await expect.poll(() => web.service.connections).toBe(0);
});

const ECHO_BEGUN =
  'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{';

test('nothing moves on a connection: it is closed, also while an answer is awaited', async () => {
  const web = await open({ values: { 'web.idle.timeout': 1_000 } });
  const client = connectClient(web.port);
  client.socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await client.closed()).toBe('');
  gates.open();
  await expect.poll(() => web.lines.at(-1)).toMatchObject({ path: '/slow', broken: true });
});

/** Pieces of one buffer that is used again and again, as those of a message are. */
async function* pieces(count: number, given: { count: number }): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(65_536);
  for (given.count = 0; given.count < count; given.count += 1) {
    buffer.fill(given.count & 0xff);
    yield buffer;
  }
}

test('content is sent whole, though its buffer is used again; a slow reader is waited for', async () => {
  const given = { count: 0 };
  const web = await open({}, (app) => {
    app.get('/long', (_, reply) =>
      sendStream(reply, { headers: {}, octets: undefined, content: pieces(400, given) }),
    );
  });
  const socket = connect(web.port, '127.0.0.1');
  socket.write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => given.count).toBeGreaterThan(0);
  let before = -1;
  while (before !== given.count) {
    before = given.count;
    await systemClock.sleep(200);
  }
  expect(given.count).toBeLessThan(400); // The kernel's buffers are full, and nothing else is.
  socket.destroy();
  const reply = await fetch(`${web.base}/long`);
  const bytes = Buffer.from(await reply.arrayBuffer());
  expect(bytes.length).toBe(400 * 65_536);
  for (let n = 0; n < 400; n += 1) {
    const piece = bytes.subarray(n * 65_536, (n + 1) * 65_536);
    if (!piece.every((octet) => octet === (n & 0xff))) expect.fail(`piece ${n} is another's`);
  }
});

test.for([undefined, 1_000])(
  'content that fails half-way never looks whole (length %s)',
  async (octets) => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.from('the first half');
      throw new Error('the volume went away');
    }
    const web = await open({}, (app) => {
      app.get('/half', (_, reply) =>
        sendStream(reply, { headers: {}, octets, content: failing() }),
      );
    });
    const reply = await fetch(`${web.base}/half`);
    await expect(reply.text()).rejects.toThrow('terminated');
    await expect.poll(() => web.lines.at(-1)).toMatchObject({ broken: true });
  },
);

test('content that fails before it begins is an error in words, and HEAD reads none of it', async () => {
  const failing = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Trouble()) }) };
  const web = await open({}, (app) => {
    app.get('/none', (_, reply) =>
      sendStream(reply, { headers: { 'content-type': 'text/plain' }, octets: 7, content: failing }),
    );
  });
  expect((await fetch(`${web.base}/none`)).status).toBe(503);
  const head = await fetch(`${web.base}/none`, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers.get('content-length')).toBe('7');
});

test('a drain: requests end, streams are told when to come again, the idle are closed', async () => {
  const web = await open();
  const idle = connectClient(web.port);
  idle.socket.write('GET /page HTTP/1.1\r\nHost: x\r\n\r\n');
  await idle.line();
  const fresh = connectClient(web.port);
  const events = await fetch(`${web.base}/events`);
  const told = events.text();
  const reached = new Promise<void>((resolve) => (gates.reached = resolve));
  const slow = fetch(`${web.base}/slow`);
  await reached;
  await expect.poll(() => web.service.connections).toBe(4);
  const drained = web.service.drain(60_000);
  await Promise.all([idle.closed(), fresh.closed()]);
  expect(await told).toMatch(/^event: state\nid: 1\ndata: \{\}\n\nretry: 1234\n\n$/);
  gates.open();
  const reply = await slow;
  expect(await reply.json()).toEqual({ slow: true });
  await drained;
  expect(web.service.connections).toBe(0);
  expect(await connectClient(web.port).closed()).toBe('');
});

test('a drain does not wait longer than it may', async () => {
  const web = await open();
  const reached = new Promise<void>((resolve) => (gates.reached = resolve));
  const client = connectClient(web.port);
  client.socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  await reached;
  await web.service.drain(50);
  expect(await client.closed()).toBe('');
  gates.open();
});

test('who comes in plain text from elsewhere is sent to https, and a password is refused', async () => {
  const web = await open({ proxyFrom: ['127.0.0.1'] });
  const ask = async (from: string, lines: string): Promise<string> => {
    const client = connectClient(web.port);
    const proxy = `PROXY TCP4 ${from} 192.0.2.1 4711 80`;
    client.socket.write(`${proxy}\r\n${lines}\r\nConnection: close\r\n\r\n`);
    return await client.closed();
  };
  const page = await ask('192.0.2.7', 'GET /page?a=b HTTP/1.1\r\nHost: mail.example');
  expect(page).toMatch(/^HTTP\/1\.1 308 /);
  expect(page).toMatch(/\r\nlocation: https:\/\/mail\.example\/page\?a=b\r\n/i);
  const basic = 'GET /page HTTP/1.1\r\nHost: mail.example\r\nAuthorization: Basic eDp5';
  expect(await ask('192.0.2.7', basic)).toMatch(/^HTTP\/1\.1 403 [^]*Use https/);
  const sent = 'POST /echo HTTP/1.1\r\nHost: mail.example\r\nContent-Length: 0';
  expect(await ask('192.0.2.7', sent)).toMatch(/^HTTP\/1\.1 403 [^]*Use https/);
  expect(await ask('127.0.0.1', basic)).toMatch(/^HTTP\/1\.1 200 /);
});
