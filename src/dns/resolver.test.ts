import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test, type TestContext } from 'vitest';
import { type DnsServer, type DnsTable, startDns } from '../../test/harness/dns-server.ts';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { silentLogger } from '../log/types.ts';
import { DNS_OPTIONS } from './options.ts';
import { createResolver } from './resolver.ts';
import type { Resolver } from './types.ts';

const TLSA = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32, 7) };

async function open(
  ctx: TestContext,
  table: DnsTable,
  servers?: (own: string) => string[],
): Promise<{ dns: DnsServer; resolver: Resolver }> {
  const dns = await startDns(table);
  const resolver = createResolver({
    options: {
      ...defaults(DNS_OPTIONS),
      'dns.servers': servers?.(dns.address) ?? [dns.address],
      'dns.timeout': 300,
      'dns.tries': 1,
    },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  ctx.onTestFinished(async () => {
    resolver.close();
    await dns.stop();
  });
  return { dns, resolver };
}

test('records, no records, no name and trouble are told apart (RFC 5321 §5.1, RFC 7505)', async (ctx) => {
  const { resolver } = await open(ctx, {
    'a.test': { MX: [[10, 'MX.a.test']], A: ['127.1.1.1'], AAAA: ['::1'], TXT: ['x'.repeat(300)] },
    'null.test': { MX: [[0, '.']] },
    'broken.test': 'servfail',
    'refused.test': 'refused',
    'mute.test': 'silence',
  });
  expect(await resolver.mx('a.test')).toEqual({
    kind: 'records',
    records: [{ preference: 10, host: 'mx.a.test' }],
  });
  expect(await resolver.a('a.test')).toEqual({ kind: 'records', records: ['127.1.1.1'] });
  expect(await resolver.aaaa('a.test')).toEqual({ kind: 'records', records: ['::1'] });
  expect(await resolver.txt('a.test')).toEqual({ kind: 'records', records: ['x'.repeat(300)] });
  expect(await resolver.mx('null.test')).toMatchObject({ records: [{ host: '' }] });
  expect(await resolver.a('null.test')).toEqual({ kind: 'none' });
  expect(await resolver.mx('nothing.test')).toEqual({ kind: 'no-name' });
  for (const name of ['broken.test', 'refused.test', 'mute.test']) {
    expect((await resolver.mx(name)).kind).toBe('trouble');
    expect((await resolver.secureMx(name)).answer.kind).toBe('trouble');
  }
  expect(await resolver.mx(`${'x'.repeat(70)}.test`)).not.toMatchObject({ kind: 'records' });
});

test('an answer is asked for once, and kept', async (ctx) => {
  const { dns, resolver } = await open(ctx, {
    'a.test': { MX: [[1, 'b.test']] },
    'bad.test': 'servfail',
  });
  await Promise.all(Array.from({ length: 20 }, () => resolver.mx('a.test')));
  await resolver.mx('A.TEST');
  expect(dns.queries.filter((query) => query === 'MX a.test')).toHaveLength(1);
  await resolver.mx('bad.test');
  const count = dns.queries.length;
  await resolver.mx('bad.test');
  expect(dns.queries).toHaveLength(count);
});

test('AD is told for what carries it, TLSA read, CNAMEs followed, long answers over TCP', async (ctx) => {
  const many = Array.from({ length: 60 }, (_, at) => [at, `mx${at}.signed.test`] as const);
  const { resolver } = await open(ctx, {
    'signed.test': { MX: many, secure: true },
    'plain.test': { MX: [[1, 'x.test']], A: ['127.0.0.1'] },
    '_25._tcp.mx.test': { TLSA: [TLSA], secure: true },
    'alias.test': { CNAME: 'plain.test' },
  });
  const signed = await resolver.secureMx('signed.test');
  expect(signed.secure).toBe(true);
  expect(signed.answer).toMatchObject({ kind: 'records' });
  expect(signed.answer.kind === 'records' && signed.answer.records).toHaveLength(60);
  expect((await resolver.secureMx('plain.test')).secure).toBe(false);
  expect(await resolver.tlsa('_25._tcp.mx.test')).toEqual({
    secure: true,
    name: '_25._tcp.mx.test',
    answer: {
      kind: 'records',
      records: [{ usage: 3, selector: 1, matching: 1, data: TLSA.certificate }],
    },
  });
  expect(await resolver.tlsa('_25._tcp.plain.test')).toMatchObject({ answer: { kind: 'no-name' } });
  expect((await resolver.secureAddress('alias.test')).name).toBe('plain.test');
});

test('garbage, and answers to other questions, are no answers; the next server is asked', async (ctx) => {
  const liar = createSocket('udp4');
  liar.on('message', (bytes, from) => {
    const other = Buffer.from(bytes);
    other.writeUInt16BE(other.readUInt16BE(0) ^ 1, 0);
    other[2] = 0x84;
    for (const wrong of [Buffer.from('garbage'), other, Buffer.alloc(3)]) {
      liar.send(wrong, from.port, from.address);
    }
  });
  liar.bind(0, '127.0.0.1');
  await once(liar, 'listening');
  ctx.onTestFinished(() => void liar.close());
  const { resolver } = await open(
    ctx,
    { 'a.test': { MX: [[1, 'b.test']], secure: true } },
    (own) => [`127.0.0.1:${liar.address().port}`, own],
  );
  expect(await resolver.secureMx('a.test')).toMatchObject({
    secure: true,
    answer: { kind: 'records', records: [{ host: 'b.test' }] },
  });
});
