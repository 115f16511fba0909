import { once } from 'node:events';
import { copyFileSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { addressRanges } from './address.ts';
import { listenInProcess, type InProcessOptions } from './in-process.ts';
import { netNow, tlsHandshakes, tlsReloads } from './metrics.ts';
import { collect } from './testing/client.ts';
import { echoService } from './testing/echo.ts';
import { openTlsStore, TlsFilesError, type TlsStore, type TlsStoreOptions } from './tls.ts';
import { selfSigned } from './x509/self-signed.ts';

let dir = '';
const clean: (() => unknown)[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mailfarm-tls-'));
});
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
  rmSync(dir, { recursive: true });
});

/** Writes NAME.crt and NAME.key for a common name. */
function pair(file: string, name: string, days = 30): { cert: string; key: string } {
  const made = selfSigned({ names: [name], days, clock: systemClock, random: systemRandom });
  const paths = { cert: join(dir, `${file}.crt`), key: join(dir, `${file}.key`) };
  writeFileSync(paths.cert, made.cert);
  writeFileSync(paths.key, made.key);
  return paths;
}

type Lines = { level: string; fields: object }[];
/**
 * What the store that was opened last has said: a look of an earlier one may still be under way.
 */
let lines: Lines = [];
const loggerInto = (into: Lines): Logger => ({
  ...silentLogger,
  info: (fields) => void into.push({ level: 'info', fields }),
  error: (fields) => void into.push({ level: 'error', fields }),
});

async function openStore(options: Partial<TlsStoreOptions> = {}): Promise<TlsStore> {
  lines = [];
  const store = await openTlsStore({
    default: options.default ?? pair('default', 'default.test'),
    reloadMs: 3_600_000,
    clock: systemClock,
    logger: loggerInto(lines),
    ...options,
  });
  clean.push(() => store.close());
  return store;
}

async function listen(store: TlsStore | undefined, options: Partial<InProcessOptions> = {}) {
  const service = echoService();
  const listener = await listenInProcess({
    host: '127.0.0.1',
    port: 0,
    mode: 'implicit-tls',
    service,
    ...(store && { tls: store }),
    ...options,
  });
  clean.push(async () => {
    await listener.close();
    await service.drain(0);
  });
  return { service, port: listener.port };
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  clean.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

const nameAt = async (port: number, servername?: string): Promise<string> =>
  String((await handshake(port, servername ? { servername } : {})).getPeerCertificate().subject.CN);

test('[P-02] implicit TLS: the service gets a secure connection and its name', async () => {
  const { port } = await listen(await openStore());
  const client = collect(await handshake(port, { servername: 'mail.example.test' }));
  expect(JSON.parse(await client.line())).toMatchObject({
    secure: true,
    servername: 'mail.example.test',
    remoteAddress: '127.0.0.1',
  });
  client.socket.write('quit\r\n');
  expect(await client.closed()).toContain('bye');
});

test('each name gets its certificate, wildcards cover one label, others the default', async () => {
  const store = await openStore({
    domains: [
      { name: 'Mail.Example.org', ...pair('exact', 'exact') },
      { name: '*.example.org', ...pair('wild', 'wild') },
    ],
  });
  const { port } = await listen(store);
  const asked = ['mail.example.org', 'MAIL.example.ORG', 'pop.example.org', 'a.b.example.org'];
  asked.push('example.org', 'other.test');
  const names: string[] = [];
  for (const name of asked) names.push(await nameAt(port, name));
  expect(names).toEqual(['exact', 'exact', 'wild', 'default.test', 'default.test', 'default.test']);
  expect(await nameAt(port)).toBe('default.test');
});

test('TLS 1.1 is refused, 1.2 and 1.3 are taken (RFC 8996 §4)', async () => {
  const { port } = await listen(await openStore());
  const before = tlsHandshakes.value('failed');
  const old: ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' };
  await expect(handshake(port, { ...old, ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow(
    /alert protocol version|ECONNRESET|disconnected/,
  );
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(port, { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
  }
  expect(tlsHandshakes.value('failed')).toBe(before + 1);
});

test('files that change are taken up, and connections that are open go on', async () => {
  const files = pair('default', 'old.test');
  const store = await openStore({ default: files, reloadMs: 50 });
  const { port } = await listen(store);
  const client = collect(await handshake(port));
  await client.line();
  pair('default', 'new.test');
  const end = performance.now() + 30_000;
  while ((await nameAt(port)) !== 'new.test' && performance.now() < end);
  expect(await nameAt(port)).toBe('new.test');
  client.socket.write('still here');
  while (!client.text().endsWith('still here')) await once(client.socket, 'data');
});

test('a pair that is half written keeps the old one, said once, until it is whole', async () => {
  const files = pair('default', 'old.test');
  const store = await openStore({ default: files });
  const { port } = await listen(store);
  const next = pair('next', 'new.test');
  const failed = tlsReloads.value('failed');
  copyFileSync(next.cert, files.cert); // Its key comes later.
  await store.reload();
  await store.reload();
  expect(await nameAt(port)).toBe('old.test');
  expect(lines).toMatchObject([{ level: 'error', fields: { code: 'MF-NET-004' } }]);
  expect(tlsReloads.value('failed')).toBe(failed + 1);
  copyFileSync(next.key, files.key);
  await store.reload();
  expect(await nameAt(port)).toBe('new.test');
  expect(lines.at(-1)?.level).toBe('info');
});

const BROKEN: readonly [what: string, breakIt: (files: { cert: string; key: string }) => void][] = [
  ['an empty certificate', ({ cert }) => writeFileSync(cert, '')],
  ['half a certificate', ({ cert }) => writeFileSync(cert, '-----BEGIN CERTIFICATE-----\nMIIB')],
  ['no key', ({ key }) => rmSync(key)],
  ['a key of somebody else', ({ key }) => copyFileSync(pair('x', 'x.test').key, key)],
  ['a file without end', ({ cert }) => writeFileSync(cert, Buffer.alloc(2_000_000, 'A'))],
  ['rubbish in an envelope', ({ cert }) => writeFileSync(cert, RUBBISH)],
];
const RUBBISH = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

test.for(BROKEN)('%s: the old one serves on, at start it is an error', async ([, breakIt]) => {
  const files = pair('default', 'old.test');
  const store = await openStore({ default: files });
  const { port } = await listen(store);
  breakIt(files);
  await store.reload();
  expect(await nameAt(port)).toBe('old.test');
  const broken = openTlsStore({
    default: files,
    reloadMs: 1000,
    clock: systemClock,
    logger: silentLogger,
  });
  await expect(broken).rejects.toThrow(TlsFilesError);
});

test('at start every pair that cannot be used is named', async () => {
  const missing = { cert: join(dir, 'none.crt'), key: join(dir, 'none.key') };
  const domains = [{ name: 'a.test', ...missing }];
  const error: unknown = await openStore({ default: missing, domains }).catch((e: unknown) => e);
  expect((error as TlsFilesError).problems).toHaveLength(2);
  expect((error as TlsFilesError).problems[0]).toContain('none.crt');
});

test('a renewed certificate behind a symbolic link is noticed', async () => {
  const [one, two] = [pair('one', 'one.test'), pair('two', 'two.test')];
  const files = { cert: join(dir, 'live.crt'), key: join(dir, 'live.key') };
  symlinkSync(one.cert, files.cert);
  symlinkSync(one.key, files.key);
  const store = await openStore({ default: files });
  const { port } = await listen(store);
  symlinkSync(two.cert, join(dir, 'c'));
  symlinkSync(two.key, join(dir, 'k'));
  renameSync(join(dir, 'c'), files.cert);
  renameSync(join(dir, 'k'), files.key);
  await store.reload();
  expect(await nameAt(port)).toBe('two.test');
});

test('an expired certificate is said once; the first expiry is a metric', async () => {
  const store = await openStore({ default: pair('default', 'late.test', -0.01) });
  await store.reload();
  expect(lines.filter(({ level }) => level === 'error')).toMatchObject([
    { fields: { code: 'MF-NET-005' } },
  ]);
  expect(netNow.certificateExpiry).toBeLessThan(systemClock.now() / 1000);
});

test('with shared ticket keys a session goes on at another worker', async () => {
  const files = pair('default', 'default.test');
  const ticketKeys = systemRandom.bytes(48);
  const resumed = async (first: TlsStore, second: TlsStore): Promise<boolean> => {
    const max: ConnectionOptions = { maxVersion: 'TLSv1.2' };
    const socket = await handshake((await listen(first)).port, max);
    const session = socket.getSession();
    if (!session) throw new Error('no session');
    const again = await handshake((await listen(second)).port, { ...max, session });
    return again.isSessionReused();
  };
  const shared = () => openStore({ default: files, ticketKeys });
  expect(await resumed(await shared(), await shared())).toBe(true);
  const own = () => openStore({ default: files });
  expect(await resumed(await own(), await own())).toBe(false);
});

test('[P-01] a PROXY header before TLS, in one piece with the ClientHello or in many', async () => {
  const proxyFrom = addressRanges(['127.0.0.1']);
  const { port } = await listen(await openStore(), { proxyFrom });
  const header = Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 33333 995\r\n');
  for (const size of [1, 7, 1000]) {
    const raw = connectPlain(port, '127.0.0.1').setNoDelay(true);
    await once(raw, 'connect');
    // A relay in front of the client's TLS adds the header to its first octets.
    const secure = connect({ socket: relay(raw, header, size), rejectUnauthorized: false });
    clean.push(() => secure.destroy());
    const client = collect(secure);
    expect(JSON.parse(await client.line())).toMatchObject({
      remoteAddress: '192.0.2.1',
      secure: true,
    });
  }
});

test('a client that never shakes hands, or talks plainly, is closed in bounded time', async () => {
  const { port, service } = await listen(await openStore(), { handshakeTimeoutMs: 100 });
  const timeouts = tlsHandshakes.value('timeout');
  for (const words of ['', 'EHLO client\r\n']) {
    const client = collect(connectPlain(port, '127.0.0.1'));
    client.socket.write(words);
    expect((await client.closed()).includes('{')).toBe(false);
  }
  expect(service.seen).toEqual([]);
  expect(tlsHandshakes.value('timeout')).toBe(timeouts + 1);
});

test('a client that goes away during the handshake leaves nothing behind', async () => {
  let closed = 0;
  const { port } = await listen(await openStore());
  for (let i = 0; i < 20; i++) {
    const socket = connectPlain(port, '127.0.0.1');
    socket.on('error', () => {}).on('close', () => closed++);
    socket.on('connect', () => socket.write(Buffer.from('1603010200', 'hex')));
    setTimeout(() => socket.resetAndDestroy(), 5);
  }
  while (closed < 20) await systemClock.sleep(5);
  expect(await nameAt(port)).toBe('default.test');
});

test('implicit TLS without a certificate closes', async () => {
  const { port } = await listen(undefined);
  expect(await collect(connectPlain(port, '127.0.0.1')).closed()).toBe('');
});

/** A stream to `raw` that sends `header` with the first write, all of it in pieces of `size`. */
function relay(raw: Socket, header: Buffer, size: number): Duplex {
  let head: Buffer | undefined = header;
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      const all = head ? Buffer.concat([head, chunk]) : chunk;
      head = undefined;
      void (async () => {
        for (let at = 0; at < all.length; at += size) {
          raw.write(all.subarray(at, at + size));
          if (at < 200) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        done();
      })();
    },
  });
  raw.on('data', (chunk: Buffer) => stream.push(chunk)).on('close', () => stream.destroy());
  return stream;
}
