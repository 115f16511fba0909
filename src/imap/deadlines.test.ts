/** Who is ended when, and what he is told: by the clock, and when the service drains. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TestClock } from '../base/testing.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { SlowClient } from '../net/testing/slow-client.ts';
import { IMAP_OPTIONS } from './options.ts';
import { StrictClient } from './testing/client.ts';
import { reading } from './testing/reading.ts';
import { startServer, type TestServer, type TestServerOptions } from './testing/server.ts';
import { enter } from './testing/talk.ts';

const MINUTE = 60_000;
const SWEEPS_MS = 80; // A few of the test server's.
const LETTER = 'Subject: x\n\nText\n';
const LARGE = `Subject: large\n\n${'All work and no play.\n'.repeat(400_000)}`;

interface Timed {
  readonly server: TestServer;
  readonly clock: TestClock;
  /** Why the session with this number ended. */
  readonly reason: (session: number) => Promise<unknown>;
}

async function timed(run: (timed: Timed) => Promise<void>, options: TestServerOptions = {}) {
  const clock = new TestClock();
  const lines: LogLine[] = [];
  const logger = collectingLogger(lines);
  const server = await startServer({ logger, ...options, extra: { clock, ...options.extra } });
  const reason = async (session: number): Promise<unknown> => {
    for (;;) {
      const trace = `session${session}`;
      const end = lines.find((line) => line.message === 'IMAP session' && line['trace'] === trace);
      if (end !== undefined) return end['reason'];
      await sleep(5);
    }
  };
  try {
    await run({ server, clock, reason });
  } finally {
    await server.close();
  }
}

async function greeted({ port }: TestServer): Promise<StrictClient> {
  const client = await StrictClient.connect(port);
  await client.response();
  return client;
}

/** All that still comes. */
async function rest(client: StrictClient): Promise<string[]> {
  const responses: string[] = [];
  for (;;) {
    const response = await client.response();
    if (response === undefined) return responses;
    responses.push(response);
  }
}

/** A text that can be held while it is read. */
function heldReading() {
  let go = (): void => {};
  let begun = (): void => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  const reads = new Promise<void>((resolve) => (begun = resolve));
  const how = reading(async function* (pieces) {
    for await (const piece of pieces) {
      begun();
      await held;
      yield piece;
    }
  });
  return { ...how, go, reads };
}

const UNFINISHED = [
  ['nothing', []],
  ['an octet now and then', 'x LOGIN te'.split('')],
  ['a literal that does not end', ['x LOGIN {9}\r\n', ...'0123456'.split('')]],
  ['a SASL exchange that does not go on', ['x AUTHENTICATE PLAIN\r\n', ...'AHRld'.split('')]],
  ['commands, but no login', Array.from({ length: 9 }, () => 'x CAPABILITY\r\n')],
] as const;

test.each(UNFINISHED)('[P-03] %s: a minute after the greeting it ends', async (_name, pieces) => {
  await timed(async ({ server, clock, reason }) => {
    const client = await greeted(server);
    for (const piece of pieces) {
      client.write(piece);
      clock.ahead += 5_000;
      await sleep(30);
    }
    expect(client.socket.readableEnded).toBe(false);
    clock.ahead += MINUTE - pieces.length * 5_000;
    expect((await rest(client)).at(-1)).toBe('* BYE No login in time, closing');
    expect(await reason(1)).toBe('login-timeout');
  });
});

test('[P-03] a login that is checked for too long is told so once, and nobody is logged in', async () => {
  const logins: string[] = [];
  const onLogin = (address: string): void => void logins.push(address);
  await timed(
    async ({ server, clock, reason }) => {
      let go = (): void => {};
      server.auth.before = () => new Promise((resolve) => (go = resolve));
      const client = await greeted(server);
      client.line('a LOGIN tevie "secret word"');
      await expect.poll(() => server.auth.attempts.length).toBe(1);
      clock.ahead += MINUTE + 1;
      expect(await client.response()).toBe('* BYE No login in time, closing');
      go();
      expect(await rest(client)).toEqual([]);
      expect(await reason(1)).toBe('login-timeout');
      expect(logins).toEqual([]);
    },
    { extra: { onLogin } },
  );
});

const QUIET = [
  ['between commands', 'b NOOP', /^b OK/],
  ['in IDLE', 'b IDLE', /^\+ idling/],
  ['with NOTIFY', 'b NOTIFY SET (SELECTED (MessageNew MessageExpunge))', /^b OK/],
] as const;

test.each(QUIET)(
  '[P-03] %s: autologout after the time, not before (§5.4)',
  async (_n, line, answer) => {
    const { default: time } = IMAP_OPTIONS['imap.idle.timeout'];
    await timed(async ({ server, clock, reason }) => {
      const client = await enter(server.port);
      clock.ahead += time - MINUTE;
      await sleep(SWEEPS_MS);
      client.line(line); // Begins the time anew.
      await client.waitFor(answer);
      clock.ahead += time - MINUTE;
      server.store.deliver(server.auth.account, Buffer.from(LETTER)); // Ours is no word of his.
      await sleep(SWEEPS_MS);
      expect(client.socket.readableEnded).toBe(false);
      clock.ahead += MINUTE;
      expect((await rest(client)).at(-1)).toBe('* BYE Idle for too long, closing');
      expect(await reason(1)).toBe('idle-timeout');
    });
  },
);

test('[P-03] a command that takes hours is no idle client', async () => {
  const { inner, extra, go, reads } = heldReading();
  await timed(
    async ({ server, clock }) => {
      inner.deliver(server.auth.account, Buffer.from(LETTER));
      const client = await enter(server.port);
      client.line('a FETCH 1 BODY.PEEK[]');
      await reads;
      clock.ahead += 100 * MINUTE;
      await sleep(SWEEPS_MS);
      go();
      expect((await client.until('a')).at(-1)).toBe('a OK FETCH completed');
      await client.ok('b NOOP');
      client.close();
    },
    { extra: extra ?? {} },
  );
});

const LITERALS = ['a APPEND INBOX {1000}', 'a SEARCH SUBJECT {1000}'];

test.each(LITERALS)('[P-03] %s that does not go on ends the session', async (line) => {
  await timed(async ({ server, clock, reason }) => {
    const client = await enter(server.port);
    client.line(line);
    await client.waitFor(/^\+ Go ahead/);
    for (let time = 0; time < 3; time += 1) {
      client.write('x'.repeat(10)); // Something comes: it goes on.
      clock.ahead += 4 * MINUTE;
      await sleep(SWEEPS_MS);
      expect(client.socket.readableEnded).toBe(false);
    }
    clock.ahead += 5 * MINUTE;
    expect(await rest(client)).toEqual(['* BYE A literal did not come in time, closing']);
    expect(await reason(1)).toBe('input-timeout');
    const other = await enter(server.port);
    expect(other.exists).toBe(0);
    other.close();
  });
});

test('[P-03] who does not take what he asked for is cut after the time of a write', async () => {
  await timed(
    async ({ server, clock, reason }) => {
      const client = await enter(server.port);
      client.socket.pause();
      client.line('a FETCH 1 BODY.PEEK[]');
      await sleep(SWEEPS_MS * 3); // It fills what there is of buffers.
      clock.ahead += 4 * MINUTE;
      await sleep(SWEEPS_MS);
      expect(server.service.connections).toBe(1);
      clock.ahead += 2 * MINUTE;
      expect(await reason(1)).toBe('write-timeout');
      client.close();
    },
    { messages: [LARGE] },
  );
});

async function slowClient(server: TestServer): Promise<SlowClient> {
  const client = new SlowClient(server.service);
  client.say('l LOGIN tevie "secret word"');
  client.say('s SELECT INBOX');
  await client.takeUntil('s OK');
  return client;
}

test('[P-03] LOGOUT behind a long answer: a slow reader gets all of it', async () => {
  await timed(
    async ({ server, clock, reason }) => {
      const client = await slowClient(server);
      client.say('a FETCH 1 BODY.PEEK[]');
      client.say('b LOGOUT');
      while (!client.over && !client.destroyed) {
        clock.ahead += MINUTE; // Each piece takes so long.
        await sleep(SWEEPS_MS);
        await client.takePiece();
      }
      expect(client.told).toMatch(/\)\r\na OK .*\r\n\* BYE Goodbye\r\nb OK LOGOUT completed\r\n$/);
      clock.ahead += MINUTE; // Has it all, and does not go.
      expect(await reason(1)).toBe('logout');
    },
    { messages: [LARGE.slice(0, 500_000)] },
  );
});

const DOWN = '* BYE [UNAVAILABLE] This server is going down, connect again';

test('[P-03] drain: who waits is told BYE at once, whoever comes too', async () => {
  await timed(async ({ server, reason }) => {
    const early = await greeted(server);
    const between = await enter(server.port);
    const idle = await enter(server.port);
    idle.line('i IDLE');
    await idle.waitFor(/idling/);
    const notified = await enter(server.port, [
      'NOTIFY SET (SELECTED (MessageNew MessageExpunge))',
    ]);
    const drained = server.service.drain(60_000);
    for (const client of [early, between, idle, notified])
      expect(await rest(client)).toEqual([DOWN]);
    const late = connect(server.port, '127.0.0.1');
    let said = '';
    for await (const chunk of late) said += String(chunk);
    expect(said).toBe(`${DOWN}\r\n`);
    await drained;
    for (const session of [1, 2, 3, 4, 5]) expect(await reason(session)).toBe('drained');
  });
});

test('[P-03] drain: a FETCH that runs and an APPEND that comes are finished, nothing after them', async () => {
  const { inner, extra, go, reads } = heldReading();
  await timed(
    async ({ server, reason }) => {
      inner.deliver(server.auth.account, Buffer.from(LARGE));
      const reader = await enter(server.port);
      const writer = await enter(server.port);
      reader.write(`a FETCH 1 BODY.PEEK[]\r\n${'b NOOP\r\n'.repeat(5_000)}`);
      writer.line('a APPEND INBOX {20}');
      await Promise.all([reads, writer.waitFor(/^\+ Go/)]);
      const drained = server.service.drain(60_000);
      await sleep(SWEEPS_MS);
      writer.line('Subject: kept\r\n\r\nx\r\n');
      const stored = await rest(writer);
      expect(stored.at(-2)).toMatch(/^a OK \[APPENDUID/);
      expect(stored.at(-1)).toBe(DOWN);
      go();
      const read = await rest(reader);
      const [, done, ...after] = read.filter((line) => !/^\* \d+ (?:EXISTS|RECENT)/.test(line));
      expect(done).toBe('a OK FETCH completed');
      expect(after).toEqual([DOWN]);
      await drained;
      for (const session of [1, 2]) expect(await reason(session)).toBe('drained');
    },
    { extra: extra ?? {} },
  );
});

test('[P-03] drain: who is slow to take what he is told in IDLE gets all of it, then BYE', async () => {
  const messages = Array.from({ length: 5_000 }, () => LETTER);
  await timed(
    async ({ server, reason }) => {
      const idle = await slowClient(server);
      idle.say('i IDLE');
      await idle.takeUntil('+ idling');
      const other = await enter(server.port);
      await other.ok(String.raw`a STORE 1:* +FLAGS.SILENT (\Flagged $Label1)`);
      const drained = server.service.drain(60_000);
      await sleep(SWEEPS_MS);
      await idle.takeUntil(DOWN);
      idle.push(null);
      expect(idle.told.match(/^\* \d+ FETCH .*\)\r$/gm)).toHaveLength(5_000);
      expect(idle.told.endsWith(`)\r\n${DOWN}\r\n`)).toBe(true);
      await drained;
      expect(await reason(1)).toBe('drained');
    },
    { messages },
  );
});

test('[P-03] drain: after its time whatever is left is closed', async () => {
  const { inner, extra, go, reads } = heldReading();
  await timed(
    async ({ server, reason }) => {
      inner.deliver(server.auth.account, Buffer.from(LETTER));
      const client = await enter(server.port);
      client.line('a FETCH 1 BODY.PEEK[]');
      await reads;
      await server.service.drain(30);
      expect(server.service.connections).toBe(0);
      expect(await reason(1)).toBe('drained');
      go();
      client.close();
    },
    { extra: extra ?? {} },
  );
});
