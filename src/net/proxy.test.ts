import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { silentLogger, type Logger } from '../log/types.ts';
import { addressRanges } from './address.ts';
import { listenInProcess, type InProcessOptions } from './in-process.ts';
import { proxyHeaders } from './metrics.ts';
import { parseProxyHeader, type ProxyAddresses, type ProxyResult } from './proxy-header.ts';
import { connectClient } from './testing/client.ts';
import { echoService } from './testing/echo.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
/** Version 2: command, family and transport, payload; the length field is made here. */
const v2 = (command: string, family: string, payload: string): Buffer => {
  const length = (payload.length / 2).toString(16).padStart(4, '0');
  return Buffer.from(`${SIGNATURE}${command}${family}${length}${payload}`, 'hex');
};
const v1 = (line: string): Buffer => Buffer.from(`${line}\r\n`, 'latin1');
const IPV4 = 'c0000201' + 'c6336402' + '8235' + '0019'; // 192.0.2.1:33333 to 198.51.100.2:25
const IPV6 = '20010db8000000000000000000000001' + '20010db8000000000000000000000002' + '82350019';
const MAPPED = '00000000000000000000ffffc0000201' + '00000000000000000000ffffc6336402' + '82350019';

const FOUR: ProxyAddresses = {
  sourceAddress: '192.0.2.1',
  sourcePort: 33_333,
  destinationAddress: '198.51.100.2',
  destinationPort: 25,
};
const SIX = { ...FOUR, sourceAddress: '2001:db8::1', destinationAddress: '2001:db8::2' };
const EDGE = { ...FOUR, sourceAddress: '0.0.0.0', sourcePort: 0, destinationPort: 65_535 };
const LONGEST_V1 = `PROXY UNKNOWN ${'f'.repeat(107 - 16)}`;

const VALID: readonly [what: string, header: Buffer, addresses: ProxyAddresses | undefined][] = [
  ['v1 TCP4', v1('PROXY TCP4 192.0.2.1 198.51.100.2 33333 25'), FOUR],
  ['v1 TCP4 at the edges', v1('PROXY TCP4 0.0.0.0 198.51.100.2 0 65535'), EDGE],
  ['v1 TCP6', v1('PROXY TCP6 2001:db8::1 2001:db8::2 33333 25'), SIX],
  ['v1 TCP6 spelled at length', v1('PROXY TCP6 2001:DB8:0:0::1 2001:db8::0:2 33333 25'), SIX],
  ['v1 TCP6 mapped', v1('PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 33333 25'), FOUR],
  ['v1 UNKNOWN', v1('PROXY UNKNOWN'), undefined],
  ['v1 UNKNOWN with more', v1('PROXY UNKNOWN 1 2 3 4 x y'), undefined],
  ['v1 of 107 octets', v1(LONGEST_V1), undefined],
  ['v2 PROXY TCP over IPv4', v2('21', '11', IPV4), FOUR],
  ['v2 PROXY TCP over IPv6', v2('21', '21', IPV6), SIX],
  ['v2 PROXY mapped', v2('21', '21', MAPPED), FOUR],
  ['v2 PROXY with TLVs', v2('21', '11', `${IPV4}030004deadbeef040000`), FOUR],
  ['v2 LOCAL', v2('20', '00', ''), undefined],
  ['v2 LOCAL with addresses to ignore', v2('20', '11', IPV4), undefined],
  ['v2 LOCAL with rubbish to ignore', v2('20', '11', 'ffffff'), undefined],
  ['v2 AF_UNSPEC', v2('21', '00', ''), undefined],
  ['v2 AF_UNIX', v2('21', '31', '61'.repeat(216)), undefined],
  ['v2 datagram, whose sender proves nothing', v2('21', '12', IPV4), undefined],
  ['v2 of 4,096 octets', v2('21', '11', `${IPV4}ee0ff1${'00'.repeat(4081)}`), FOUR],
];

test.for(VALID)('[P-01] PROXY %s, whole and cut at every octet', ([, header, addresses]) => {
  const result: ProxyResult = {
    state: 'header',
    header: { bytes: header.length, addresses, clientTls: false },
  };
  expect(parseProxyHeader(header)).toEqual(result);
  expect(parseProxyHeader(Buffer.concat([header, Buffer.from('EHLO x\r\n')]))).toEqual(result);
  for (let length = 0; length < header.length; length++) {
    const part = parseProxyHeader(header.subarray(0, length));
    if (part.state !== 'more') throw new Error(`decided at ${length} octets: ${part.state}`);
  }
});

const MALFORMED: readonly [what: string, header: Buffer, reason: string][] = [
  ['no header', Buffer.from('EHLO client\r\n'), 'no-header'],
  ['lower case', v1('proxy TCP4 192.0.2.1 198.51.100.2 1 2'), 'no-header'],
  ['TLS', Buffer.from('160301', 'hex'), 'no-header'],
  ['v1 unknown family', v1('PROXY UDP4 192.0.2.1 198.51.100.2 1 2'), 'malformed'],
  ['v1 no family', v1('PROXY '), 'malformed'],
  ['v1 UNKNOWNX', v1('PROXY UNKNOWNX'), 'malformed'],
  ['v1 too few words', v1('PROXY TCP4 192.0.2.1 198.51.100.2 1'), 'malformed'],
  ['v1 too many words', v1('PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3'), 'malformed'],
  ['v1 two spaces', v1('PROXY TCP4  192.0.2.1 198.51.100.2 1 2'), 'malformed'],
  ['v1 IPv6 in TCP4', v1('PROXY TCP4 ::1 ::2 1 2'), 'malformed'],
  ['v1 IPv4 in TCP6', v1('PROXY TCP6 192.0.2.1 198.51.100.2 1 2'), 'malformed'],
  ['v1 host name', v1('PROXY TCP4 evil.example 198.51.100.2 1 2'), 'malformed'],
  ['v1 zone', v1('PROXY TCP6 fe80::1%eth0 fe80::2 1 2'), 'malformed'],
  ['v1 address with leading zeros', v1('PROXY TCP4 192.000.2.1 198.51.100.2 1 2'), 'malformed'],
  ['v1 port 65536', v1('PROXY TCP4 192.0.2.1 198.51.100.2 65536 2'), 'malformed'],
  ['v1 port 01', v1('PROXY TCP4 192.0.2.1 198.51.100.2 01 2'), 'malformed'],
  ['v1 port -1', v1('PROXY TCP4 192.0.2.1 198.51.100.2 -1 2'), 'malformed'],
  ['v1 of 108 octets', v1(`${LONGEST_V1}f`), 'too-long'],
  ['v1 without end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`), 'too-long'],
  [
    'v1 with bare LF',
    Buffer.from(`PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n${'x'.repeat(80)}`),
    'too-long',
  ],
  ['v2 version 1', v2('11', '11', IPV4), 'malformed'],
  ['v2 version 3', v2('31', '11', IPV4), 'malformed'],
  ['v2 unknown command', v2('22', '11', IPV4), 'malformed'],
  ['v2 unknown family', v2('21', '41', IPV4), 'malformed'],
  ['v2 unknown transport', v2('21', '13', IPV4), 'malformed'],
  ['v2 IPv4 too short', v2('21', '11', IPV4.slice(2)), 'malformed'],
  ['v2 IPv6 too short', v2('21', '21', IPV4), 'malformed'],
  ['v2 unix too short', v2('21', '31', '61'.repeat(215)), 'malformed'],
  ['v2 TLV cut in its head', v2('21', '11', `${IPV4}0300`), 'malformed'],
  ['v2 TLV longer than the header', v2('21', '11', `${IPV4}0300050000`), 'malformed'],
  ['v2 of 4,097 octets', v2('21', '11', '00'.repeat(4097)), 'too-long'],
  ['v2 that says 65,535', Buffer.from(`${SIGNATURE}2111ffff`, 'hex'), 'too-long'],
  ['v2 signature with another end', Buffer.from('0d0a0d0a000d0a515549540b', 'hex'), 'no-header'],
];

test.for(MALFORMED)('[P-01] PROXY malformed: %s', ([, header, reason]) => {
  const bad = { state: 'bad', reason };
  expect(parseProxyHeader(header)).toEqual(bad);
  // Cut anywhere it is undecided or bad, never a header.
  for (let length = 0; length < header.length; length++) {
    const { state } = parseProxyHeader(header.subarray(0, length));
    if (state === 'header') throw new Error(`accepted at ${length} octets`);
  }
});

test('[P-01] PROXY v2 says whether the client used TLS', () => {
  const ssl = (flags: string): string => `200008${flags}00000000${'2100ff'}`;
  const on = v2('21', '11', `${IPV4}030004deadbeef${ssl('01')}`);
  const off = v2('21', '11', `${IPV4}${ssl('00')}`);
  expect(parseProxyHeader(on)).toMatchObject({ header: { clientTls: true } });
  expect(parseProxyHeader(off)).toMatchObject({ header: { clientTls: false } });
});

test('no octets whatever make the parser throw or accept past its limit', () => {
  const start = fc.constantFrom('PROXY ', 'PROXY TCP4 ', `\r\n\r\n\0\r\nQUIT\n`, '');
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (head, tail) => {
      const all = Buffer.concat([Buffer.from(head, 'latin1'), tail]);
      const result = parseProxyHeader(all);
      if (result.state === 'header') expect(result.header.bytes).toBeLessThanOrEqual(all.length);
    }),
    { seed: 1, numRuns: 3000 },
  );
});

const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

async function open(options: Partial<InProcessOptions> = {}) {
  const service = echoService();
  const listener = await listenInProcess({
    host: '127.0.0.1',
    port: 0,
    mode: 'plain',
    service,
    proxyFrom: addressRanges(['127.0.0.1']),
    refusal: 'pop3',
    ...options,
  });
  clean.push(async () => {
    await listener.close();
    await service.drain(0);
  });
  return { service, port: listener.port };
}

async function send(socket: Socket, bytes: Buffer, size: number): Promise<void> {
  socket.setNoDelay(true);
  for (let at = 0; at < bytes.length; at += size) {
    socket.write(bytes.subarray(at, at + size));
    if (size < bytes.length) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

for (const size of [1, 3, 17, Infinity]) {
  test(`[P-01] a balancer's connection in pieces of ${size} octets`, async () => {
    const { port } = await open();
    for (const header of [VALID[0]![1], VALID[8]![1], VALID[11]![1]]) {
      const client = connectClient(port);
      await send(client.socket, Buffer.concat([header, Buffer.from('first words')]), size);
      expect(JSON.parse(await client.line())).toMatchObject({
        remoteAddress: '192.0.2.1',
        remotePort: 33_333,
        localAddress: '198.51.100.2',
        localPort: 25,
      });
      while (!client.text().endsWith('first words')) await once(client.socket, 'data');
      client.socket.end();
    }
  });
}

test('[P-01] a balancer that speaks for itself is served under its own address', async () => {
  const { port } = await open();
  const client = connectClient(port);
  client.socket.write(v2('20', '00', ''));
  expect(JSON.parse(await client.line())).toMatchObject({ remoteAddress: '127.0.0.1' });
});

test('[P-01] from another address a header is left to the protocol', async () => {
  const { port } = await open();
  const client = connectClient(port, '127.0.0.2');
  client.socket.write(VALID[0]![1]);
  expect(JSON.parse(await client.line())).toMatchObject({ remoteAddress: '127.0.0.2' });
  while (!client.text().endsWith('33333 25\r\n')) await once(client.socket, 'data');
});

test('[P-01] a balancer that sends no header, or a bad one, is closed, logged and counted', async () => {
  const lines: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
  const { port, service } = await open({ logger });
  const before = proxyHeaders.value('no-header');
  for (const bytes of ['CAPA\r\n', 'PROXY TCP4 evil\r\n']) {
    const client = connectClient(port);
    client.socket.write(bytes);
    expect(await client.closed()).toBe('');
  }
  expect(service.seen).toEqual([]);
  expect(lines).toMatchObject([
    { code: 'MF-NET-006', reason: 'no-header', balancer: '127.0.0.1' },
    { code: 'MF-NET-006', reason: 'malformed' },
  ]);
  expect(proxyHeaders.value('no-header')).toBe(before + 1);
});

test('[P-01] a header that does not come, or stops half way, is waited for in bounds', async () => {
  const { port, service } = await open({ proxyTimeoutMs: 100 });
  for (const bytes of ['', 'PROXY TCP4 192.0.2']) {
    const client = connectClient(port);
    client.socket.write(bytes);
    expect(await client.closed()).toBe('');
  }
  const gone = connectClient(port);
  gone.socket.end('PROXY TC');
  expect(await gone.closed()).toBe('');
  expect(service.seen).toEqual([]);
});

test('[P-01] clients behind a balancer are limited by their own address', async () => {
  const { port } = await open({ limits: { perAddress: 1, exempt: addressRanges([]) } });
  const ask = async (address: string): Promise<string> => {
    const client = connectClient(port);
    client.socket.write(v1(`PROXY TCP4 ${address} 198.51.100.2 33333 25`));
    return client.line();
  };
  expect(await ask('192.0.2.1')).toContain('"remoteAddress":"192.0.2.1"');
  expect(await ask('192.0.2.1')).toMatch(/^-ERR \[SYS\/TEMP\] Too many connections from your/);
  expect(await ask('192.0.2.2')).toContain('"remoteAddress":"192.0.2.2"');
});

test('a service that attaches its reader later loses nothing', async () => {
  const received: string[] = [];
  const service = echoService();
  const { port } = await open({
    service: {
      ...service,
      connections: 0,
      handle: ({ socket }) => {
        setTimeout(() => socket.on('data', (chunk: Buffer) => received.push(String(chunk))), 50);
      },
    },
  });
  const client = connectClient(port);
  client.socket.write(Buffer.concat([VALID[0]![1], Buffer.from('one ')]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.socket.write('two');
  while (received.join('') !== 'one two') await new Promise((resolve) => setTimeout(resolve, 5));
  client.socket.destroy();
});

test('a port that nobody listens on is an error with a code', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { readonly port: number };
  await expect(open({ port })).rejects.toMatchObject({ code: 'MF-NET-001' });
  taken.close();
});
