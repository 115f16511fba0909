import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { Client } from 'ldapts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDirectory, type TestDirectory } from '../testing.ts';
import { encode, encodeInteger } from './ber.ts';

let directory: TestDirectory;
let admin: Client;

beforeAll(async () => {
  directory = await startTestDirectory();
  admin = new Client({ url: directory.server.url, timeout: 30_000 });
  await admin.bind('cn=admin,dc=mailfarm', 'admin-secret');
});
afterAll(async () => {
  await admin.unbind();
  await directory.close();
});

/** Opens a connection, sends octets, and resolves with what came back when it ends or rests. */
async function send(bytes: Uint8Array, restMs = 30): Promise<{ answer: Buffer; ended: boolean }> {
  const socket: Socket = connect(directory.server.port, '127.0.0.1');
  const received: Buffer[] = [];
  return await new Promise((resolve) => {
    const done = (ended: boolean) => (): void => {
      socket.destroy();
      resolve({ answer: Buffer.concat(received), ended });
    };
    let rest = setTimeout(done(false), restMs * 10);
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      clearTimeout(rest);
      rest = setTimeout(done(false), restMs);
    });
    socket.on('error', () => {});
    socket.on('close', done(true));
    socket.write(bytes);
  });
}

const seed = Number(process.env['FUZZ_SEED'] ?? 1);
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 300);
let runs = 0;

const bindRequest = (dn: string): Buffer =>
  encode(
    0x30,
    encodeInteger(1),
    encode(0x60, encodeInteger(3), encode(4, dn), encode(0x80, dn === '' ? '' : 'admin-secret')),
  );

/** The value of a control for pages (RFC 2696). */
const page = fc
  .tuple(fc.integer({ min: -3, max: 3 }), fc.constantFrom('', '1', '2', 'x'))
  .map(([size, cookie]) => encode(0x30, encodeInteger(size), encode(4, cookie)));

/** Whole requests that a control may stand with. */
const SUBJECTS: readonly Buffer[] = [
  encode(
    0x63,
    encode(4, 'dc=mailfarm'),
    encodeInteger(2, 10),
    encodeInteger(0, 10),
    encodeInteger(0),
    encodeInteger(0),
    encode(1, Buffer.from([0])),
    encode(0x87, 'objectClass'),
    encode(0x30),
  ),
  encode(
    0x66,
    encode(4, 'cn=alice@example.test,ou=users,dc=mailfarm'),
    encode(
      0x30,
      encode(
        0x30,
        encodeInteger(2, 10),
        encode(0x30, encode(4, 'mwQuota'), encode(0x31, encode(4, '1'))),
      ),
    ),
  ),
  encode(0x4a, 'cn=nobody,ou=users,dc=mailfarm'),
  encode(
    0x77,
    encode(0x80, '1.3.6.1.4.1.4203.1.11.1'),
    encode(0x81, encode(0x30, encode(0x80, 'cn=bob@example.test,ou=users,dc=mailfarm'))),
  ),
];

/** Values of BER as nobody would send them. */
const node = anyNode();
function anyNode(): fc.Arbitrary<Buffer> {
  const tag = fc.constantFrom(
    0x02,
    0x04,
    0x0a,
    0x30,
    0x31,
    0x42,
    0x4a,
    0x60,
    0x63,
    0x66,
    0x68,
    0x6c,
    0x6e,
    0x77,
    0x80,
    0xa0,
    0xa1,
    0xa2,
    0xa3,
    0xa4,
    0xa9,
    0x87,
  );
  return fc.letrec<{ node: Buffer }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 6 },
      fc.tuple(tag, fc.uint8Array({ maxLength: 40 })).map(([t, b]) => encode(t, Buffer.from(b))),
      fc
        .tuple(tag, fc.array(tie('node'), { maxLength: 6 }))
        .map(([t, parts]) => encode(t, ...parts)),
    ),
  })).node;
}

const broken = fc.tuple(node, fc.nat(), fc.nat(255)).map(([bytes, at, octet]) => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[at % copy.length] = octet;
  return copy;
});
const request = fc
  .tuple(fc.integer({ min: -5, max: 5 }), node)
  .map(([id, body]) => encode(0x30, encodeInteger(id), body));

const control = fc
  .tuple(
    fc.constantFrom('1.3.6.1.1.12', '1.2.840.113556.1.4.319', '1.2.3'),
    fc.option(fc.boolean(), { nil: undefined }),
    fc.option(fc.oneof(node, broken, page), { nil: undefined }),
  )
  .map(([oid, critical, value]) =>
    encode(
      0x30,
      encode(4, oid),
      critical === undefined ? '' : encode(1, Buffer.from([critical ? 255 : 0])),
      value === undefined ? '' : encode(4, value),
    ),
  );
const controlled = fc
  .tuple(fc.constantFrom(...SUBJECTS), fc.array(fc.oneof(control, node), { maxLength: 3 }))
  .map(([body, controls]) => encode(0x30, encodeInteger(3), body, encode(0xa0, ...controls)));

const input = fc.oneof(
  controlled,
  request,
  broken,
  node,
  fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b)),
);

test(`no octets can stop the server (FUZZ_SEED=${seed})`, async () => {
  const sockets = new Set<Socket>();
  await fc.assert(
    fc.asyncProperty(fc.array(input, { minLength: 1, maxLength: 5 }), async (inputs) => {
      const socket = connect(directory.server.port, '127.0.0.1');
      sockets.add(socket);
      socket.on('error', () => {});
      // Half of them as an administrator, whose requests reach everything.
      const bind = bindRequest(runs++ % 2 === 0 ? 'cn=admin,dc=mailfarm' : '');
      socket.end(Buffer.concat([bind, ...inputs]));
      await new Promise((resolve) => socket.on('close', resolve).resume());
      sockets.delete(socket);
    }),
    { seed, numRuns },
  );
  expect((await admin.search('cn=farm,dc=mailfarm', { scope: 'base' })).searchEntries).toHaveLength(
    1,
  );
});

test('limits at their edge: depth, size before a bind, length lies, octets after StartTLS', async () => {
  let deep: Buffer = encode(0x87, 'cn');
  for (let n = 0; n < 10_000; n += 1) deep = encode(0xa2, deep);
  const search = (filter: Buffer): Buffer =>
    encode(
      0x30,
      encodeInteger(1),
      encode(
        0x63,
        encode(4, ''),
        encodeInteger(0, 10),
        encodeInteger(0, 10),
        encodeInteger(0),
        encodeInteger(0),
        encode(1, Buffer.from([0])),
        filter,
        encode(0x30),
      ),
    );
  expect((await send(search(deep))).ended).toBe(true);
  expect((await send(search(encode(0x87, 'objectClass')))).ended).toBe(false);
  expect((await send(encode(0x30, Buffer.alloc(70_000)))).ended).toBe(true);
  expect((await send(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]))).ended).toBe(true);
  expect((await send(Buffer.from([0x30, 0x80, 0, 0]))).ended).toBe(true);
  const notice = await send(Buffer.from('GET / HTTP/1.0\r\n\r\n'));
  expect(notice.ended).toBe(true);
  expect(notice.answer.toString('latin1')).toContain('1.3.6.1.4.1.1466.20036');
});

test('a search in pieces of 1, 3 and 17 octets, and a thousand in one piece, are answered alike', async () => {
  const root = encode(
    0x30,
    encodeInteger(7),
    encode(
      0x63,
      encode(4, ''),
      encodeInteger(0, 10),
      encodeInteger(0, 10),
      encodeInteger(0),
      encodeInteger(0),
      encode(1, Buffer.from([0])),
      encode(0x87, 'objectClass'),
      encode(0x30),
    ),
  );
  const whole = (await send(root)).answer;
  expect(whole.length).toBeGreaterThan(20);
  for (const size of [1, 3, 17]) {
    const socket = connect(directory.server.port, '127.0.0.1');
    socket.setNoDelay(true);
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    for (let at = 0; at < root.length; at += size) {
      socket.write(root.subarray(at, at + size));
      await new Promise(setImmediate);
    }
    await expect.poll(() => Buffer.concat(received)).toEqual(whole);
    socket.destroy();
  }
  const many = await send(Buffer.concat(Array.from({ length: 1_000 }, () => root)), 100);
  expect(many.answer.length).toBe(whole.length * 1_000);
});
