import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { TEST_ACCOUNT } from '../auth/testing.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { silentLogger } from '../log/types.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { exclusiveByLockFiles } from './exclusive.ts';
import { StrictClient } from './testing/client.ts';
import { withServer } from './testing/server.ts';
import { FaultyStore } from './testing/store.ts';

const STORE = (): FaultyStore => new FaultyStore(['x\r\n']);
const PLAIN = Buffer.from('\0tevie\0secret word').toString('base64');
const FAR = '192.0.2.7';

const capabilities = async (client: StrictClient): Promise<string[]> =>
  (await client.command('CAPA')).body.toString().split('\r\n');

test('[P-02] no password without TLS but from loopback (RFC 2595 §2.1)', async () => {
  const options = { store: STORE(), tls: testTls(), remoteAddress: FAR };
  await withServer(options, async ({ port, auth }) => {
    const client = await StrictClient.open(port);
    const before = await capabilities(client);
    expect(before).toContain('STLS');
    expect(before).not.toContain('USER');
    expect(before.some((line) => line.startsWith('SASL'))).toBe(false);
    for (const line of ['USER tevie', 'PASS secret word', `AUTH PLAIN ${PLAIN}`, 'AUTH PLAIN']) {
      const reply = await client.command(line);
      expect([reply.ok, reply.code]).toEqual([false, 'AUTH']);
    }
    expect((await client.command('AUTH')).body.toString()).toBe('');
    expect(auth.attempts).toEqual([]);
    await client.startTls();
    const after = await capabilities(client);
    expect(after).toContain('USER');
    expect(after).toContain('SASL PLAIN');
    expect(after).not.toContain('STLS');
    expect((await client.command('STLS')).ok).toBe(false);
    await client.command('USER tevie');
    expect((await client.command('PASS secret word')).ok).toBe(true);
    expect(auth.attempts[0]).toMatchObject({ address: FAR, service: 'pop3' });
    expect((await client.command('RETR 1')).body.toString()).toBe('x\r\n');
    expect((await client.command('QUIT')).ok).toBe(true);
    await client.rest();
  });
});

test('plaintext passwords by policy: never, always, loopback in IPv6', async () => {
  for (const [policy, remoteAddress, allowed] of [
    ['never', '127.0.0.1', false],
    ['always', FAR, true],
    ['loopback-only', '::1', true],
    ['loopback-only', '127.8.9.10', true],
    ['loopback-only', '2001:db8::1', false],
    ['loopback-only', '10.127.0.1', false],
  ] as const) {
    const values = { 'pop3.plaintext-auth': policy };
    await withServer({ store: STORE(), remoteAddress, values }, async ({ port }) => {
      const client = await StrictClient.open(port);
      expect([policy, (await client.command('USER tevie')).ok]).toEqual([policy, allowed]);
      expect((await capabilities(client)).includes('USER')).toBe(allowed);
      client.close();
    });
  }
});

test('[P-02] implicit TLS: the same session, STLS not offered (RFC 8314 §3.2)', async () => {
  const options = {
    store: STORE(),
    tls: testTls(),
    tlsMode: 'implicit',
    remoteAddress: FAR,
  } as const;
  await withServer(options, async ({ port }) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const client = new StrictClient(socket);
    expect((await client.reply()).ok).toBe(true);
    expect(await capabilities(client)).not.toContain('STLS');
    await client.command('USER tevie');
    expect((await client.command('PASS secret word')).ok).toBe(true);
    expect((await client.command('RETR 1')).body.toString()).toBe('x\r\n');
    expect((await client.command('QUIT')).ok).toBe(true);
    await client.rest();
  });
});

test('[P-02] STLS drops injected commands and forgets USER (RFC 2595 §4)', async () => {
  await withServer({ store: STORE(), tls: testTls() }, async ({ port, auth }) => {
    const client = await StrictClient.open(port);
    await client.command('USER tevie');
    client.write('STLS\r\nPASS secret word\r\nCAPA\r\n');
    expect((await client.reply()).ok).toBe(true);
    await client.secure();
    // The first answer under TLS is to the first command under TLS.
    expect((await client.command('PASS secret word')).text).toBe('Send USER first');
    expect(auth.attempts).toEqual([]);
    client.close();
  });
});

test('[P-02] a half line before STLS does not join the first line under TLS', async () => {
  await withServer({ store: STORE(), tls: testTls() }, async ({ port }) => {
    const client = await StrictClient.open(port);
    client.write('STLS\r\nUSER tev');
    await client.reply();
    await client.secure();
    expect((await client.command('CAPA')).ok).toBe(true);
    client.close();
  });
});

test('STLS asks for the context of the name that the client gave', async () => {
  const tls = testTls();
  await withServer({ store: STORE(), tls }, async ({ port }) => {
    const client = await StrictClient.open(port);
    expect((await client.command('STLS')).ok).toBe(true);
    client.socket.removeAllListeners('data');
    const secured = connectTls({
      socket: client.socket,
      servername: 'pop.t1.example',
      rejectUnauthorized: false,
    });
    await once(secured, 'secureConnect');
    expect(tls.asked).toContain('pop.t1.example');
    secured.destroy();
  });
});

test('garbage in place of a handshake ends the session as tls-failed', async () => {
  const lines: LogLine[] = [];
  const options = { store: STORE(), tls: testTls(), logger: collectingLogger(lines) };
  await withServer(options, async ({ port }) => {
    const client = await StrictClient.open(port);
    await client.command('STLS');
    client.write('USER tevie\r\nPASS secret word\r\n');
    await client.rest();
    while (lines.length === 0) await new Promise(setImmediate);
    expect(lines[0]).toMatchObject({ reason: 'tls-failed' });
  });
});

test('[P-02] LOGIN-DELAY: announced, and told to who is too early (RFC 2449 §6.5)', async () => {
  const values = { 'pop3.login-delay': 60_000 };
  await withServer({ store: STORE(), values }, async ({ port }) => {
    const client = await StrictClient.open(port);
    expect(await capabilities(client)).toContain('LOGIN-DELAY 60');
    const log = async (): Promise<string> => {
      const one = await StrictClient.open(port);
      await one.command('USER tevie');
      const reply = await one.command('PASS secret word');
      one.close();
      return reply.ok ? '+' : reply.code;
    };
    expect([await log(), await log()]).toEqual(['+', 'LOGIN-DELAY']);
    client.close();
  });
});

test('[P-02] exclusive sessions: the second one gets [IN-USE] (RFC 2449 §8.1.2)', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pop3-locks-'));
  const values = { 'pop3.sessions': 'exclusive' } as const;
  const extra = { exclusive: exclusiveByLockFiles(directory, silentLogger) };
  const store = STORE();
  await withServer({ store, values, extra }, async ({ port, service }) => {
    const log = async (client: StrictClient): Promise<string> => {
      await client.command('USER tevie');
      const reply = await client.command('PASS secret word');
      return reply.ok ? '+' : reply.code;
    };
    const first = await StrictClient.open(port);
    const second = await StrictClient.open(port);
    expect(await log(first)).toBe('+');
    expect(await log(second)).toBe('IN-USE');
    first.close(); // Lost, not QUIT: the mailbox is free all the same.
    while (service.connections > 1) await new Promise(setImmediate);
    let result = 'IN-USE';
    for (let tries = 0; result === 'IN-USE' && tries < 500; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const next = await StrictClient.open(port);
      result = await log(next);
      next.close();
    }
    expect(result).toBe('+');
    store.openFails = 'volume-down'; // A login that fails afterwards gives it back too.
    const logAfresh = async (): Promise<string> => {
      const next = await StrictClient.open(port);
      const said = await log(next);
      next.close();
      return said;
    };
    await expect.poll(logAfresh).toBe('SYS/TEMP');
    store.openFails = undefined;
    await expect.poll(logAfresh).toBe('+');
    second.close();
  });
  rmSync(directory, { recursive: true, force: true });
});

test('MF-POP-002: locks that cannot be taken lock nobody out', async () => {
  const lines: LogLine[] = [];
  const exclusive = exclusiveByLockFiles('/dev/null/locks', collectingLogger(lines));
  expect(typeof (await exclusive(TEST_ACCOUNT))).toBe('function');
  expect(lines[0]).toMatchObject({ level: 'error', code: 'MF-POP-002' });
});

test('a client that goes away during a slow login opens no mailbox and keeps no lock', async () => {
  let go = (): void => {};
  let released = 0;
  const store = STORE();
  const extra = { exclusive: async () => async () => void (released += 1) };
  const values = { 'pop3.sessions': 'exclusive' } as const;
  await withServer({ store, extra, values }, async ({ port, auth, service }) => {
    const client = await StrictClient.open(port);
    auth.before = () => new Promise<void>((resolve) => (go = resolve));
    await client.command('USER tevie');
    client.write('PASS secret word\r\n');
    while (auth.attempts.length === 0) await new Promise(setImmediate);
    client.reset();
    while (service.connections > 0) await new Promise(setImmediate);
    go();
    await new Promise(setImmediate);
    const open = store.openMaildrop.bind(store);
    store.openMaildrop = async (account) => {
      const drop = await open(account);
      again.reset();
      while (service.connections > 0) await new Promise(setImmediate);
      return drop;
    };
    auth.before = undefined;
    const again = await StrictClient.open(port);
    await again.command('USER tevie');
    again.write('PASS secret word\r\n');
    while (released === 0) await new Promise(setImmediate);
    expect(released).toBe(1);
  });
});
