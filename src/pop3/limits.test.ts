import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { TestClock } from '../base/testing.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { SKIPPED_BYTES_MAX } from '../net/options.ts';
import { SlowClient } from '../net/testing/slow-client.ts';
import { AUTH_LINE_BYTES_MAX, LINE_BYTES_MAX } from './options.ts';
import { StrictClient } from './testing/client.ts';
import { startServer, withServer } from './testing/server.ts';
import { FaultyStore } from './testing/store.ts';

const STORE = (): FaultyStore => new FaultyStore(['Subject: x\r\n\r\nx\r\n', '.\r\n']);
const PLAIN = Buffer.from('\0tevie\0secret word').toString('base64');

/** A whole session with every kind of line, as one text. */
const SESSION = [
  'CAPA',
  'USER nobody',
  'PASS x',
  'AUTH PLAIN',
  '*',
  'AUTH PLAIN',
  PLAIN,
  'STAT',
  'LIST',
  'UIDL',
  'RETR 1',
  'TOP 1 0',
  'RETR 2',
  'x'.repeat(300),
  'DELE 1',
  'RSET',
  'NOOP',
  'QUIT',
  '',
].join('\r\n');

const play = async (text: string, size: number): Promise<string> =>
  withServer({ store: STORE() }, async ({ port }) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
    const ended = once(socket, 'end');
    for (let at = 0; at < text.length; at += size) {
      socket.write(text.slice(at, at + size), 'latin1');
      await new Promise(setImmediate); // One read per piece on the other side.
    }
    await ended;
    socket.destroy();
    return got;
  });

test('[P-02] a whole session in pieces of 1, 3 and 17 bytes gives the same replies', async () => {
  const whole = await play(SESSION, Infinity);
  expect(whole).toContain('Line is too long');
  expect(whole.endsWith('+OK Goodbye\r\n')).toBe(true);
  for (const size of [1, 3, 17]) expect(await play(SESSION, size)).toBe(whole);
  // A client that ends its lines with LF alone is understood too.
  expect(await play(SESSION.replaceAll('\r\n', '\n'), 5)).toBe(whole);
});

test('[P-02] a pipeline whose sender has closed its half is answered whole', async () => {
  const store = STORE();
  store.beforePiece = () => systemClock.sleep(20); // The FIN is here before the message is.
  await withServer({ store }, async ({ port }) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.end('USER tevie\r\nPASS secret word\r\nRETR 1\r\nSTAT\r\n');
    let got = '';
    for await (const chunk of socket) got += String(chunk);
    expect(got.endsWith('\r\nx\r\n.\r\n+OK 2 20\r\n')).toBe(true);
  });
});

test('a command line has at most 255 octets, CRLF included (RFC 2449 §4)', async () => {
  await withServer({ store: STORE() }, async ({ port, auth }) => {
    const client = await StrictClient.open(port);
    const longest = 'u'.repeat(LINE_BYTES_MAX - 'USER \r\n'.length);
    expect((await client.command(`USER ${longest}`)).ok).toBe(true);
    const refused = await client.command(`USER ${longest}u`);
    expect([refused.ok, refused.text]).toEqual([false, 'Line is too long']);
    expect((await client.command('PASS x')).ok).toBe(false);
    expect(auth.attempts[0]?.login).toBe(longest);
    client.close();
  });
});

test('a SASL response has at most 12,288 octets', async () => {
  await withServer({ store: STORE() }, async ({ port, auth }) => {
    const client = await StrictClient.open(port);
    const long = Buffer.from(`\0u\0${'p'.repeat(9000)}`).toString('base64');
    expect((await client.command(`AUTH PLAIN ${long}`)).code).toBe('AUTH');
    client.write('AUTH PLAIN\r\n');
    await client.continuation();
    expect((await client.command(long)).code).toBe('AUTH');
    expect(auth.attempts).toHaveLength(2);
    client.write('AUTH PLAIN\r\n');
    await client.continuation();
    const tooLong = await client.command('A'.repeat(AUTH_LINE_BYTES_MAX));
    expect(tooLong.text).toBe('Line is too long');
    expect((await client.command('CAPA')).ok).toBe(true); // Out of the exchange, in step.
    client.close();
  });
});

test('a line without end is answered once, skipped, and ends the connection', async () => {
  await withServer({ store: STORE() }, async ({ port }) => {
    const client = await StrictClient.open(port);
    client.write(Buffer.alloc(SKIPPED_BYTES_MAX / 2, 'x'));
    await client.reply();
    client.write('\r\n');
    expect((await client.command('CAPA')).ok).toBe(true);
    client.write(Buffer.alloc(SKIPPED_BYTES_MAX * 2, 'x'));
    expect((await client.reply()).text).toBe('Line is too long');
    await client.rest();
  });
});

const NAMES: readonly (readonly [what: string, name: string, reaches: string | undefined])[] = [
  ['a path', '../../etc/passwd', '../../etc/passwd'],
  ['an absolute path', '/mail1/12/34/tevie', '/mail1/12/34/tevie'],
  ['LDAP filter characters', '*)(uid=*))(|(uid=*', '*)(uid=*))(|(uid=*'],
  ['quotes and spaces', '"a b"@x', '"a b"@x'],
  ['UTF-8', 'j\u00f8rgen@\u4f8b.example', 'j\u00f8rgen@\u4f8b.example'],
  ['NUL', 'tevie\0x', undefined],
  ['a lone CR', 'tevie\rx', undefined],
  ['an escape', 'tevie\x1b[2J', undefined],
];
for (const [what, name, reaches] of NAMES) {
  test(`a user name with ${what}: verbatim to the directory, or refused`, async () => {
    await withServer({ store: STORE() }, async ({ port, auth }) => {
      const client = await StrictClient.open(port);
      client.write(Buffer.from(`USER ${name}\r\n`, 'utf8'));
      const reply = await client.reply();
      expect(reply.ok).toBe(reaches !== undefined);
      const secret = await client.command('PASS x');
      expect(secret.code).toBe(reaches === undefined ? '' : 'AUTH');
      expect(auth.attempts.map(({ login }) => login)).toEqual(reaches ? [reaches] : []);
      client.close();
    });
  });
}

test('broken UTF-8 is refused in names, passwords and PLAIN (RFC 6856 §2.2)', async () => {
  await withServer({ store: STORE() }, async ({ port, auth }) => {
    const client = await StrictClient.open(port);
    for (const broken of ['\xff', '\xc0\xaf', '\xed\xa0\x80', 'a\xe2\x82']) {
      expect((await client.command(`USER ${broken}`)).text).toMatch(/UTF-8/);
      await client.command('USER tevie');
      expect((await client.command(`PASS ${broken}`)).text).toMatch(/UTF-8/);
      const plain = Buffer.from(`\0${broken}\0x`, 'latin1').toString('base64');
      expect((await client.command(`AUTH PLAIN ${plain}`)).text).toMatch(/UTF-8/);
    }
    expect(auth.attempts).toEqual([]);
    client.close();
  });
});

const ended = async (lines: readonly LogLine[]): Promise<LogLine> => {
  for (;;) {
    const line = lines.find(({ message }) => message === 'POP3 session');
    if (line !== undefined) return line;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

test('too many bad commands, too many failed logins: ended, and told why', async () => {
  for (const [values, line, reason] of [
    [{ 'pop3.bad-commands.max': 3 }, 'HELO', 'bad-commands'],
    [{ 'pop3.failed-logins.max': 3 }, 'PASS x', 'failed-logins'],
  ] as const) {
    const lines: LogLine[] = [];
    const options = { store: STORE(), values, logger: collectingLogger(lines) };
    await withServer(options, async ({ port }) => {
      const client = await StrictClient.open(port);
      let last = '';
      for (let time = 0; time < 3; time += 1) {
        expect(last).not.toMatch(/closing/);
        if (reason === 'failed-logins') await client.command('USER x');
        last = (await client.command(line)).text;
      }
      expect(last).toMatch(/^Too many .* closing$/);
      await client.rest();
      expect((await ended(lines))['reason']).toBe(reason);
    });
  }
});

test('one byte a minute is ended before login, however regular it is', async () => {
  const clock = new TestClock();
  const lines: LogLine[] = [];
  const options = { store: STORE(), logger: collectingLogger(lines), extra: { clock } };
  await withServer(options, async ({ port }) => {
    const client = await StrictClient.open(port);
    for (const byte of 'USER tev') {
      client.write(byte);
      clock.ahead += 7_400;
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(client.ended).toBe(false);
    }
    clock.ahead += 1_000;
    expect((await client.reply()).text).toMatch(/^No login in time/);
    await client.rest();
    expect((await ended(lines))['reason']).toBe('login-timeout');
  });
});

test('autologout after 10 idle minutes: no reply, nothing deleted (RFC 1939 §3)', async () => {
  const clock = new TestClock();
  const lines: LogLine[] = [];
  const store = STORE();
  const options = { store, logger: collectingLogger(lines), extra: { clock } };
  await withServer(options, async ({ port }) => {
    const client = await StrictClient.open(port);
    for (const line of ['USER tevie', 'PASS secret word', 'DELE 1']) await client.command(line);
    clock.ahead += 599_000;
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect((await client.command('NOOP')).ok).toBe(true);
    clock.ahead += 600_000;
    expect((await client.rest()).length).toBe(0);
    expect((await ended(lines))['reason']).toBe('idle-timeout');
    expect(store.messages).toHaveLength(2);
  });
});

test('a client that does not read is ended, and costs little memory until then', async () => {
  const clock = new TestClock();
  const lines: LogLine[] = [];
  const store = new FaultyStore([Buffer.alloc(100_000_000, 'abc\r\n')]);
  const options = { store, logger: collectingLogger(lines), extra: { clock } };
  await withServer(options, async ({ port }) => {
    const client = await StrictClient.open(port);
    for (const line of ['USER tevie', 'PASS secret word']) await client.command(line);
    client.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    client.write('RETR 1\r\nRETR 1\r\n'.repeat(1000));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8_000_000);
    clock.ahead += 300_001;
    expect((await ended(lines))['reason']).toBe('write-timeout');
    client.close();
  });
  expect(store.openReads).toBe(0);
});

test('drain: who has not logged in goes at once, a running RETR is finished', async () => {
  let go = (): void => {};
  const store = new FaultyStore([Buffer.alloc(200_000, 'abc\r\n')]);
  const server = await startServer({ store });
  const idle = await StrictClient.open(server.port);
  const busy = await StrictClient.open(server.port);
  for (const line of ['USER tevie', 'PASS secret word']) await busy.command(line);
  const held = new Promise<void>((resolve) => (go = resolve));
  store.beforePiece = () => held;
  busy.write('RETR 1\r\nDELE 1\r\nQUIT\r\n');
  while (store.openReads === 0) await new Promise(setImmediate);
  const drained = server.service.drain(5_000);
  const notice = await idle.reply();
  expect([notice.code, notice.text]).toEqual([
    'SYS/TEMP',
    'This server is going down, connect again',
  ]);
  const late = connect(server.port, '127.0.0.1');
  let said = '';
  for await (const chunk of late) said += String(chunk);
  expect(said).toMatch(/^-ERR \[SYS\/TEMP\] /);
  go();
  expect((await busy.reply('multi-line')).body.length).toBe(200_000);
  expect((await busy.reply()).ok).toBe(true);
  expect((await busy.reply()).ok).toBe(true);
  await drained;
  expect(store.messages).toHaveLength(0); // Its QUIT came in time.
  await server.close();
});

test('drain: after its time whatever is left is closed, without UPDATE', async () => {
  const store = STORE();
  const server = await startServer({ store });
  const client = await StrictClient.open(server.port);
  for (const line of ['USER tevie', 'PASS secret word', 'DELE 1']) await client.command(line);
  await server.service.drain(30);
  expect(server.service.connections).toBe(0);
  expect(store.messages).toHaveLength(2);
  await client.rest();
  await server.close();
});

test('[P-11] one log line for each session, and no password in any', async () => {
  const lines: LogLine[] = [];
  await withServer({ store: STORE(), logger: collectingLogger(lines) }, async ({ port }) => {
    const client = await StrictClient.open(port);
    for (const line of ['USER tevie', 'PASS secret word', 'RETR 1', 'DELE 1', 'QUIT']) {
      await client.command(line);
    }
    await client.rest();
    await ended(lines);
  });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    level: 'info',
    trace: 'session1',
    user: 'tevie@t1.example',
    address: '127.0.0.1',
    messages: 2,
    retrieved: 1,
    octets: 17,
    deleted: 1,
    reason: 'quit',
    tls: false,
  });
  expect(JSON.stringify(lines)).not.toContain('secret');
});

test('drain: who is logged in and silent for 2 seconds is told to connect again', async () => {
  const clock = new TestClock();
  const store = STORE();
  const server = await startServer({ store, extra: { clock } });
  const client = await StrictClient.open(server.port);
  for (const line of ['USER tevie', 'PASS secret word', 'DELE 1']) await client.command(line);
  const silent = await StrictClient.open(server.port);
  for (const line of ['USER tevie', 'PASS secret word']) await silent.command(line);
  const drained = server.service.drain(10_000);
  clock.ahead += 1_900;
  await systemClock.sleep(60);
  expect((await client.command('NOOP')).ok).toBe(true); // Not silent: another 2 seconds.
  clock.ahead += 1_900;
  await systemClock.sleep(60);
  expect((await silent.reply()).code).toBe('SYS/TEMP');
  expect(client.ended).toBe(false);
  clock.ahead += 200;
  expect((await client.reply()).code).toBe('SYS/TEMP');
  await drained;
  expect(store.messages).toHaveLength(2);
});

test('a flood of commands that nobody reads answers to costs bounded memory', async () => {
  await withServer({ store: STORE() }, async ({ port, service }) => {
    const client = await StrictClient.open(port);
    for (const line of ['USER tevie', 'PASS secret word']) await client.command(line);
    const before = process.memoryUsage().arrayBuffers;
    const flood = Buffer.alloc(24_000_000, 'NOOP\r\n');
    client.socket.pause();
    client.write(flood);
    let most = 0;
    for (let time = 0; time < 40; time += 1) {
      await systemClock.sleep(5);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before - flood.length);
    }
    expect(most).toBeLessThan(4_000_000);
    const other = await StrictClient.open(port);
    expect((await other.command('QUIT')).ok).toBe(true); // And others are served meanwhile.
    expect(service.connections).toBeGreaterThan(0);
    client.close();
  });
});

test('a login that is too late while it is checked is told so once', async () => {
  const clock = new TestClock();
  const lines: LogLine[] = [];
  const options = { store: STORE(), logger: collectingLogger(lines), extra: { clock } };
  await withServer(options, async ({ port, auth }) => {
    let go = (): void => {};
    auth.before = () => new Promise<void>((resolve) => (go = resolve));
    const client = await StrictClient.open(port);
    await client.command('USER tevie');
    client.write('PASS secret word\r\n');
    while (auth.attempts.length === 0) await new Promise(setImmediate);
    clock.ahead += 60_001;
    expect((await client.reply()).text).toMatch(/^No login in time/);
    go();
    expect((await client.rest()).toString()).toBe('');
    expect((await ended(lines))['reason']).toBe('login-timeout');
  });
});

test('QUIT behind a long answer: a slow reader gets all of it', async () => {
  const clock = new TestClock();
  const lines: LogLine[] = [];
  const store = new FaultyStore([Buffer.alloc(400_000, 'abc\r\n')]);
  const options = { store, logger: collectingLogger(lines), extra: { clock } };
  await withServer(options, async ({ service }) => {
    const client = new SlowClient(service);
    for (const line of ['USER tevie', 'PASS secret word', 'RETR 1', 'QUIT']) client.say(line);
    while (!client.over && !client.destroyed) {
      clock.ahead += 60_000; // Each piece takes so long.
      await systemClock.sleep(80);
      await client.takePiece();
    }
    expect(client.told).toMatch(/\r\n\.\r\n\+OK Goodbye\r\n$/);
    clock.ahead += 60_000; // Has it all, and does not go.
    expect((await ended(lines))['reason']).toBe('quit');
  });
});
