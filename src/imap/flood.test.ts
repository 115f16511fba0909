/** Clients that send or ask for more than they take, and clients that never log in. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { TestClock } from '../base/testing.ts';
import { SlowClient } from '../net/testing/slow-client.ts';
import { EARLY_COMMAND_BYTES_MAX, IMAP_OPTIONS } from './options.ts';
import { StrictClient } from './testing/client.ts';
import { reading } from './testing/reading.ts';
import { type TestServer, withServer } from './testing/server.ts';
import { enter } from './testing/talk.ts';

const LETTER = 'Subject: x\n\nText\n';
const BAD_MAX = IMAP_OPTIONS['imap.bad-commands.max'].default;

/** Sends without reading; what came until the end. */
async function flood(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // It may be reset while it sends.
  let said = '';
  socket.on('data', (piece) => (said += piece.toString('latin1')));
  socket.write(text);
  await once(socket, 'close');
  return said;
}

/** While others flood, somebody is served. */
async function isServed({ port }: TestServer): Promise<void> {
  const client = await enter(port);
  await client.ok('a NOOP');
  client.close();
}

test('[P-03] connections that say nothing: others are served, and after a minute they end', async () => {
  const clock = new TestClock();
  await withServer({ extra: { clock } }, async (server) => {
    const silent = Array.from({ length: 500 }, () => connect(server.port, '127.0.0.1'));
    await Promise.all(silent.map((socket) => once(socket, 'data')));
    expect(server.service.connections).toBe(500);
    await isServed(server);
    const ended = silent.map((socket) => once(socket, 'end'));
    clock.ahead += 60_001;
    await Promise.all(ended);
    for (const socket of silent) socket.destroy();
    await expect.poll(() => server.service.connections).toBe(0);
  });
});

const FLOODS = [
  ['lines that are no commands', 'x XYZZY\r\n'.repeat(50_000), BAD_MAX],
  ['octets that are no lines', '\r\n'.repeat(50_000), BAD_MAX],
  ['lines too long', `x ${'y'.repeat(EARLY_COMMAND_BYTES_MAX)}\r\n`.repeat(200), BAD_MAX],
  ['a line without an end', 'y'.repeat(4_000_000), 1],
  ['one command of literals without an end', `x ID (${'{1+}\r\ny '.repeat(100_000)}`, BAD_MAX],
  ['commands of literals', 'x LOGIN {4096+}\r\n'.repeat(50_000), BAD_MAX],
  ['literals that are too long', 'x LOGIN {999999999+}\r\n'.repeat(100), 1],
  ['wrong passwords', 'x LOGIN tevie no\r\n'.repeat(10_000), 0],
] as const;

test.each(FLOODS)('[P-03] before login, %s: sent away after some', async (_name, text, bad) => {
  const clock = new TestClock();
  await withServer({ extra: { clock } }, async (server) => {
    const flooded = flood(server.port, text);
    await isServed(server);
    await sleep(200);
    clock.ahead += 60_001; // Who sends what can be skipped is ended by the clock.
    const said = await flooded;
    expect(said).toMatch(/^\* BYE /m);
    expect(said.match(/^\S+ BAD /gm)?.length ?? 0).toBeLessThanOrEqual(bad);
    await expect.poll(() => server.service.connections).toBe(0);
  });
});

/** The most memory in octets above what there was, while `holds` is waited for. */
async function most(ms: number): Promise<number> {
  const used = (): number => process.memoryUsage().arrayBuffers;
  globalThis.gc?.();
  const before = used();
  let highest = 0;
  for (let waited = 0; waited < ms; waited += 5) {
    await sleep(5);
    highest = Math.max(highest, used() - before);
  }
  return highest;
}

const MEMORY_MAX = 8_000_000;

test('[P-03] commands whose answers nobody reads cost bounded memory', async () => {
  await withServer({ messages: [LETTER] }, async (server) => {
    const client = await enter(server.port);
    client.socket.pause();
    const text = Buffer.alloc(24_000_000, 'a FETCH 1 (FLAGS ENVELOPE)\r\n');
    client.socket.write(text);
    expect(await most(300)).toBeLessThan(MEMORY_MAX);
    await isServed(server);
    client.close();
  });
});

/** What a store gave, of a message without an end that does not deflate. */
function endlessReading() {
  const noise = Buffer.alloc(65_536);
  for (let at = 0, state = 1; at < noise.length; at += 1) {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    noise[at] = 0x80 | (state >>> 16);
  }
  const given = { octets: 0 };
  const how = reading(async function* (pieces) {
    for await (const piece of pieces) {
      void piece;
      for (;;) {
        given.octets += noise.length;
        yield noise;
      }
    }
  });
  return { ...how, given };
}

/** Logged in, INBOX open, all compressed from now on; nothing is read but by the test. */
async function compressed(server: TestServer): Promise<Socket> {
  const client = await enter(server.port);
  await client.ok('c COMPRESS DEFLATE');
  client.socket.removeAllListeners('data').pause();
  return client.socket;
}

const deflated = (text: string): Buffer =>
  deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });

test('[P-03] COMPRESS: the store gives no more than a slow reader takes (RFC 4978)', async () => {
  const { inner, extra, given } = endlessReading();
  await withServer({ extra: extra ?? {} }, async (server) => {
    inner.deliver(server.auth.account, Buffer.from(LETTER.repeat(1_000_000)));
    const socket = await compressed(server);
    socket.write(deflated('a FETCH 1 BODY.PEEK[]\r\n'));
    await expect.poll(() => given.octets).toBeGreaterThan(0);
    let before = 0;
    for (; before !== given.octets; await sleep(100)) before = given.octets;
    expect(given.octets).toBeLessThan(16_000_000); // It waits; the kernel holds some.
    socket.resume();
    await expect.poll(() => given.octets).toBeGreaterThan(before + 2_000_000);
    socket.destroy();
    await expect.poll(() => server.service.connections).toBe(0);
  });
});

test('[P-03] COMPRESS: what inflates without end costs bounded memory', async () => {
  await withServer({}, async (server) => {
    const socket = await compressed(server);
    const bomb = deflated('a NOOP\r\n'.repeat(4_000_000));
    expect(bomb.length).toBeLessThan(100_000);
    socket.write(bomb);
    expect(await most(300)).toBeLessThan(MEMORY_MAX);
    await isServed(server);
    socket.destroy();
    await expect.poll(() => server.service.connections).toBe(0);
  });
});

test('[P-03] NOTIFY: who is slow is told of a thousand changes by few lines (RFC 5465)', async () => {
  const large = `Subject: large\n\n${'x'.repeat(500_000)}\n`;
  await withServer({ messages: [large] }, async (server) => {
    const work = await enter(server.port, ['CREATE Work', 'SELECT INBOX']);
    const slow = new SlowClient(server.service);
    slow.say('l LOGIN tevie "secret word"');
    slow.say('s SELECT INBOX');
    const events = '(MessageNew MessageExpunge FlagChange)';
    slow.say(`n NOTIFY SET (SELECTED ${events}) (PERSONAL ${events})`);
    await slow.takeUntil('n OK');
    slow.say('p FETCH 1 BODY.PEEK[]'); // It blocks until this is taken.
    await sleep(20);
    const before = slow.told.length;
    for (let n = 0; n < 1_000; n += 1) {
      if (n % 2 === 0) server.store.deliver(server.auth.account, Buffer.from(LETTER));
      else await work.ok('a COPY 1 Work');
    }
    await sleep(100);
    await slow.takeUntil('* 501 EXISTS');
    slow.say('z NOOP');
    await slow.takeUntil('z OK');
    const told = slow.told.slice(before);
    expect(told.match(/^\* STATUS "?Work"? \(MESSAGES 500 /m)).not.toBe(null);
    expect(told.match(/^\* /gm)?.length).toBeLessThan(30);
    slow.destroy();
    work.close();
  });
});

test('[P-03] NOTIFY under load: whoever follows what he is told knows the folder', async () => {
  await withServer({ messages: Array.from({ length: 50 }, () => LETTER) }, async (server) => {
    const notified = await enter(server.port, [
      'NOTIFY SET (SELECTED (MessageNew (UID FLAGS BODY.PEEK[]) MessageExpunge FlagChange))',
      'SELECT INBOX',
    ]);
    const busy = await Promise.all(Array.from({ length: 3 }, () => enter(server.port)));
    await Promise.all(
      busy.map(async (client, which) => {
        for (let n = 0; n < 60; n += 1) {
          server.store.deliver(server.auth.account, Buffer.from(LETTER));
          await client.command(String.raw`a STORE ${1 + ((n * 7 + which) % 20)} +FLAGS (\Deleted)`);
          if (n % 10 === which) await client.command('a EXPUNGE');
        }
      }),
    );
    // The checks of its client are half of the test: numbers, grammar, whole literals.
    await notified.ok('z NOOP');
    const [status] = await notified.ok('s STATUS INBOX (MESSAGES)');
    expect(status).toBe(`* STATUS INBOX (MESSAGES ${notified.exists})`);
    for (const client of [notified, ...busy]) client.close();
  });
});

test('[P-03] a client that comes and goes without a word leaves nothing', async () => {
  await withServer({ messages: [LETTER] }, async (server) => {
    for (let time = 0; time < 200; time += 1) {
      const client = await StrictClient.connect(server.port);
      client.write('a LOGIN tevie "secret word"\r\nb SELECT INBOX\r\nc IDLE\r\n'.slice(0, time));
      client.socket.resetAndDestroy();
    }
    await expect.poll(() => server.service.connections).toBe(0);
  });
});
