import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TEST_ACCOUNT } from '../auth/testing.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { STORE_ERROR_KINDS } from '../volumes/error.ts';
import { StrictClient } from './testing/client.ts';
import { startServer, withServer } from './testing/server.ts';
import { FaultyStore } from './testing/store.ts';
import { DotStuffer } from './wire/dots.ts';
import { TopCutter } from './wire/top.ts';

const login = async (port: number): Promise<StrictClient> => {
  const client = await StrictClient.open(port);
  await client.command('USER tevie');
  const reply = await client.command('PASS secret word');
  if (!reply.ok) throw new Error(reply.text);
  return client;
};

/** Lines with all that can go wrong at their edges, in wire form. */
const BODIES: readonly Buffer[] = [
  '',
  '\r\n',
  '.\r\n',
  '..\r\n.\r\n...\r\n',
  'Subject: x\r\n\r\n.leading dot\r\nnot. leading\r\n',
  'no final newline',
  'ends in a dot line\r\n.',
  '\r\n.\r\n.\r\n',
  `${'x'.repeat(5000)}\r\n.${'y'.repeat(998)}\r\n`,
  `NUL \0 and 8 bit \xe9\xff\r\n.\0\r\n`,
  'bare \r in a line\r\r\n.\r\n',
  '.\r\n'.repeat(30_000),
].map((text) => Buffer.from(text, 'latin1'));

test('[N-19] every message comes back byte for byte, in pieces of any size', async () => {
  const store = new FaultyStore(BODIES);
  await withServer({ store }, async ({ port }) => {
    const client = await login(port);
    for (const chunkBytes of [1, 3, 17, 65_536]) {
      store.chunkBytes = chunkBytes;
      for (const [index, wire] of BODIES.entries()) {
        if (wire.length > 10_000 && chunkBytes < 17) continue;
        const reply = await client.command(`RETR ${index + 1}`);
        const closed = wire.length === 0 || wire.at(-1) === 10;
        const expected = closed ? wire : Buffer.concat([wire, Buffer.from('\r\n')]);
        expect(reply.text).toBe(`${wire.length} octets`);
        expect(reply.body.equals(expected)).toBe(true);
      }
    }
    client.close();
  });
});

test('[N-19] dot-stuffing does not depend on the pieces, and can be undone', () => {
  const line = fc.constantFrom('.', '..', 'a', '\r\n', '\r\n.', '.\r\n', 'text. ', '\0', '\xff');
  const property = fc.property(fc.array(line), fc.infiniteStream(fc.nat(7)), (parts, sizes) => {
    const wire = Buffer.from(parts.join(''), 'latin1');
    const whole = new DotStuffer();
    const expected = whole.push(wire).toString('latin1') + whole.end();
    const pieces = new DotStuffer();
    let got = '';
    for (let at = 0; at < wire.length;) {
      const size = Number(sizes.next().value) || 1;
      got += pieces.push(wire.subarray(at, at + size)).toString('latin1');
      at += size;
    }
    expect(got + pieces.end()).toBe(expected);
    const model = `\n${parts.join('')}`.replaceAll('\n.', '\n..').slice(1);
    expect(expected.startsWith(model)).toBe(true);
  });
  fc.assert(property, { seed: Number(process.env['FUZZ_SEED'] ?? 1), numRuns: 2000 });
});

const top = (wire: string, lines: number, size: number): string => {
  const cutter = new TopCutter(lines);
  let out = '';
  for (let at = 0; at < wire.length && !cutter.done; at += size) {
    out += cutter.push(Buffer.from(wire.slice(at, at + size), 'latin1')).toString('latin1');
  }
  return out;
};

test('[P-02] TOP gives the header, the empty line and n lines (RFC 1939 §7)', () => {
  const header = 'A: 1\r\nB: 2\r\n\r\n';
  for (const size of [1, 2, 3, 17, 1000]) {
    expect(top(`${header}1\r\n\r\n3\r\n`, 0, size)).toBe(header);
    expect(top(`${header}1\r\n\r\n3\r\n`, 1, size)).toBe(`${header}1\r\n`);
    expect(top(`${header}1\r\n\r\n3\r\n`, 2, size)).toBe(`${header}1\r\n\r\n`);
    expect(top(`${header}1\r\n\r\n3\r\n`, 9, size)).toBe(`${header}1\r\n\r\n3\r\n`);
    expect(top('A: no body\r\n', 5, size)).toBe('A: no body\r\n');
    expect(top('\r\nno header\r\nx\r\n', 1, size)).toBe('\r\nno header\r\n');
  }
});

for (const kind of STORE_ERROR_KINDS) {
  test(`[P-02] store says ${kind}: [SYS/TEMP], the session goes on (RFC 3206 §4)`, async () => {
    const store = new FaultyStore(['one\r\n', 'two\r\n']);
    await withServer({ store }, async ({ port }) => {
      store.openFails = kind;
      const refused = await StrictClient.open(port);
      await refused.command('USER tevie');
      expect((await refused.command('PASS secret word')).code).toBe('SYS/TEMP');
      store.openFails = undefined;
      await refused.command('USER tevie');
      expect((await refused.command('PASS secret word')).ok).toBe(true);
      store.readFails = { piece: 0, error: kind };
      const reply = await refused.command('RETR 1');
      expect([reply.ok, reply.code]).toEqual([false, 'SYS/TEMP']);
      expect((await refused.command('TOP 1 0')).code).toBe('SYS/TEMP');
      store.readFails = undefined;
      expect((await refused.command('RETR 1')).ok).toBe(true);
      expect(store.openReads).toBe(0);
      refused.close();
    });
  });
}

test('[N-19] a RETR that fails after +OK ends the connection without the final dot', async () => {
  const lines: LogLine[] = [];
  const store = new FaultyStore([Buffer.alloc(300_000, 'abc\r\n')]);
  for (const error of ['volume-down', new Error('EIO')] as const) {
    await withServer({ store, logger: collectingLogger(lines) }, async ({ port }) => {
      store.readFails = { piece: 2, error };
      const client = await login(port);
      client.write('RETR 1\r\n');
      const rest = (await client.rest()).toString('latin1');
      expect(rest.endsWith('\r\n.\r\n')).toBe(false);
      expect(rest).not.toContain('\r\n-ERR');
      expect(store.openReads).toBe(0);
    });
  }
  const ends = lines.filter(({ message }) => message === 'POP3 session');
  expect(ends.map(({ reason }) => reason)).toEqual(['retrieval-failed', 'retrieval-failed']);
});

test('[P-02] an unknown failure gives the trace id of the log and ends the session', async () => {
  const lines: LogLine[] = [];
  const store = new FaultyStore(['x\r\n']);
  await withServer({ store, logger: collectingLogger(lines) }, async ({ port }) => {
    const client = await login(port);
    store.readFails = { piece: 0, error: new Error('cannot be') };
    const reply = await client.command('RETR 1');
    expect(reply.code).toBe('SYS/TEMP');
    expect(reply.text).toBe('Internal error, trace id session1');
    await client.rest();
  });
  const error = lines.find(({ level }) => level === 'error');
  expect(error).toMatchObject({ code: 'MF-POP-001', trace: 'session1' });
});

test('a client that goes away in the middle of RETR lets go of the file', async () => {
  const store = new FaultyStore([Buffer.alloc(50_000_000, 'abc\r\n')]);
  const server = await startServer({ store });
  const client = await login(server.port);
  client.socket.pause();
  client.write('RETR 1\r\n');
  while (store.openReads === 0) await new Promise(setImmediate);
  client.close();
  while (server.service.connections > 0) await new Promise(setImmediate);
  await expect.poll(() => store.openReads).toBe(0);
  await server.close();
});

test('[P-02] LIST and UIDL of 100,000 messages, to a client that is slow to read', async () => {
  const store = new FaultyStore(Array.from({ length: 100_000 }, () => 'x\r\n'));
  await withServer({ store }, async ({ port }) => {
    const client = await login(port);
    client.socket.pause();
    client.write('LIST\r\nUIDL\r\nSTAT\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.socket.resume();
    const list = await client.reply('multi-line');
    expect(list.body.toString().split('\r\n')[99_999]).toBe('100000 3');
    const uidl = await client.reply('multi-line');
    expect(uidl.body.toString().split('\r\n')).toHaveLength(100_001);
    expect((await client.reply()).text).toBe('100000 300000');
    client.close();
  });
});

test('[N-19] the memory store: stored with LF, sent with CRLF, octets true', async () => {
  const store = new MemoryStore();
  const stored = 'Subject: dots\n\n.\n..x\n\xe9\0\rbare CR\n';
  store.deliver(TEST_ACCOUNT, Buffer.from(stored, 'latin1'));
  await withServer({ store }, async ({ port }) => {
    const client = await login(port);
    const wire = stored.replaceAll('\n', '\r\n');
    const reply = await client.command('RETR 1');
    expect(reply.body.toString('latin1')).toBe(wire);
    expect(reply.text).toBe(`${wire.length} octets`);
    expect((await client.command('TOP 1 1')).body.toString('latin1')).toBe(
      wire.slice(0, wire.indexOf('.') + 3),
    );
    const uidl = (await client.command('UIDL 1')).text;
    expect(uidl).toMatch(/^1 [!-~]{1,70}$/);
    const again = await login(port);
    expect((await again.command('UIDL 1')).text).toBe(uidl);
    again.close();
    client.close();
  });
});

test('TOP reads no more of a message than it sends', async () => {
  const store = new FaultyStore([Buffer.alloc(1_000_000, 'abc\r\n')]);
  let pieces = 0;
  store.beforePiece = async () => void (pieces += 1);
  store.messages[0] = { uidl: 'u1', wire: Buffer.from(`A: b\r\n\r\n${'abc\r\n'.repeat(200_000)}`) };
  await withServer({ store }, async ({ port }) => {
    const client = await login(port);
    expect((await client.command('TOP 1 2')).body.toString()).toBe('A: b\r\n\r\nabc\r\nabc\r\n');
    expect(pieces).toBe(1);
    expect(store.openReads).toBe(0);
    client.close();
  });
});
