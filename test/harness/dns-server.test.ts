import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { expect, test, type TestContext } from 'vitest';
import { type DnsServer, type DnsTable, startDns } from './dns-server.ts';

const LONG = 'v=long '.repeat(200);
const TLSA = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32, 7) };
const TABLE: DnsTable = {
  'example.net': {
    MX: [
      [10, 'mx1.example.net'],
      [20, 'mx2.example.net'],
    ],
    TXT: [LONG, 'short'],
  },
  'mx1.example.net': { A: ['127.1.2.3', '127.1.2.4'], AAAA: ['::1'] },
  'alias.example.net': { CNAME: 'mx1.example.net' },
  'round.example.net': { CNAME: 'round.example.net' },
  'null.example.net': { MX: [[0, '.']] },
  'broken.example.net': 'servfail',
  'half.example.net': { MX: [[1, 'x.example.net']], A: 'servfail' },
  'mute.example.net': 'silence',
  '*.wild.example': { A: ['127.1.1.1'] },
  '_25._tcp.mx1.example.net': { TLSA: [TLSA], secure: true },
  '_25._tcp.mx2.example.net': { TLSA: [TLSA] },
};

async function asker(ctx: TestContext): Promise<{ server: DnsServer; resolver: Resolver }> {
  const server = await startDns(TABLE);
  ctx.onTestFinished(() => server.stop());
  const resolver = new Resolver({ timeout: 300, tries: 1 });
  resolver.setServers([server.address]);
  return { server, resolver };
}

test('records of the table, CNAMEs followed, long answers over TCP', async (ctx) => {
  const { server, resolver } = await asker(ctx);
  const mx = await resolver.resolveMx('example.net');
  const rows = mx.map(({ priority, exchange }) => `${priority} ${exchange}`);
  expect(rows.toSorted()).toEqual(['10 mx1.example.net', '20 mx2.example.net']);
  expect(await resolver.resolve4('ALIAS.example.net')).toEqual(['127.1.2.3', '127.1.2.4']);
  expect(await resolver.resolve6('mx1.example.net')).toEqual(['::1']);
  expect(await resolver.resolve4('any.wild.example')).toEqual(['127.1.1.1']);
  expect(await resolver.resolveMx('null.example.net')).toMatchObject([
    { priority: 0, exchange: '' },
  ]);
  const texts = await resolver.resolveTxt('example.net');
  expect(texts.map((each) => each.join(''))).toEqual([LONG, 'short']);
  expect(server.queries.filter((query) => query === 'TXT example.net').length).toBeGreaterThan(1);
});

test('what is absent and what fails are told apart', async (ctx) => {
  const { server, resolver } = await asker(ctx);
  const code = (name: string) =>
    resolver.resolve4(name).then(
      () => 'found',
      (error: { code: string }) => error.code,
    );
  expect(await code('nothing.example.net')).toBe('ENOTFOUND');
  expect(await code('example.net')).toBe('ENODATA');
  expect(await code('broken.example.net')).toBe('ESERVFAIL');
  expect(await code('half.example.net')).toBe('ESERVFAIL');
  expect(await code('round.example.net')).toBe('ESERVFAIL');
  expect(await code('mute.example.net')).toBe('ETIMEOUT');
  server.set({ 'broken.example.net': { A: ['127.9.9.9'] }, 'mx1.example.net': undefined });
  expect(await code('broken.example.net')).toBe('found');
  expect(await code('mx1.example.net')).toBe('ENOTFOUND');
});

test('TLSA carries AD where the name is secure, and only there', async (ctx) => {
  const { server } = await asker(ctx);
  const { default: dnsPacket } = await import('dns-packet');
  const ask = (name: string) =>
    new Promise<{ ad: boolean; data: unknown }>((resolve, reject) => {
      const query = { type: 'query', id: 9, flags: 0x100, questions: [{ type: 'TLSA', name }] };
      const socket = connect(server.port, server.host);
      socket.on('error', reject).on('data', (bytes) => {
        const packet = dnsPacket.decode(bytes.subarray(2));
        const [answer] = packet.answers ?? [];
        resolve({ ad: packet.flag_ad, data: answer?.type === 'TLSA' ? answer.data : undefined });
        socket.destroy();
      });
      socket.write(dnsPacket.streamEncode(query as never));
    });
  expect(await ask('_25._tcp.mx1.example.net')).toEqual({ ad: true, data: TLSA });
  expect(await ask('_25._tcp.mx2.example.net')).toEqual({ ad: false, data: TLSA });
});
