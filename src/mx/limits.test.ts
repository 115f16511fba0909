import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { addressRanges, RateLimit, rateKey } from './limits.ts';
import { openFarm } from './testing.ts';

const MAIL = 'MAIL FROM:<a@c.example>';
const RCPT = 'RCPT TO:<alice@farm.test>';

function handClock(): Clock & { at: number } {
  const clock = { at: 0, now: () => clock.at, sleep: () => Promise.resolve() };
  return clock;
}

test('a rate slides: half a window later half of it is free', () => {
  const clock = handClock();
  const limit = new RateLimit({ max: 10, windowMs: 1000, clock });
  const takes = (): number =>
    Array.from({ length: 20 }, () => limit.take('192.0.2.1')).filter(Boolean).length;
  expect(takes()).toBe(10);
  clock.at = 1500;
  expect(takes()).toBe(5);
  expect(limit.take('192.0.2.2')).toBe(true);
  clock.at = 10_000;
  expect(takes()).toBe(10);
});

test('a rate of 0 is no limit', () => {
  const limit = new RateLimit({ max: 0, windowMs: 1000, clock: handClock() });
  expect(Array.from({ length: 100 }, () => limit.take('x')).every(Boolean)).toBe(true);
});

test('IPv6 counts by /64, IPv4 by address', () => {
  expect(rateKey('192.0.2.1')).toBe('192.0.2.1');
  expect(rateKey('2001:db8::1')).toBe('2001:db8:0:0::/64');
  expect(rateKey('2001:0DB8:0:0:ffff::9')).toBe('2001:db8:0:0::/64');
  expect(rateKey('::1')).toBe('0:0:0:0::/64');
  expect(rateKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
});

test('ranges are addresses and CIDR, of both families', () => {
  const inside = addressRanges(['192.0.2.0/24', '2001:db8::/32', '198.51.100.7']);
  expect(['192.0.2.9', '2001:db8:1::2', '198.51.100.7'].every(inside)).toBe(true);
  expect(['192.0.3.9', '2001:db9::', '198.51.100.8'].some(inside)).toBe(false);
});

test('too many connections and messages of one address; exempt ones go on', async () => {
  const options = { 'mx.rate.connections': 2, 'mx.rate.messages': 1 };
  const farm = await openFarm({ options, peer: '192.0.2.1' });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  expect((await client.command(MAIL)).code).toBe(250);
  await client.command('RSET');
  const reply = await client.command(MAIL);
  expect([reply.code, reply.enhanced]).toEqual([450, '4.7.1']);
  const second = await StrictClient.open(farm.port);
  expect((await second.reply()).code).toBe(220);
  const third = await StrictClient.open(farm.port);
  expect((await third.rest()).map((one) => one.code)).toEqual([421]);
  for (const one of [client, second, third]) one.close();
  await farm.close();

  const exempt = await openFarm({ options, peer: '127.0.0.1' });
  for (let i = 0; i < 5; i++) {
    const one = await StrictClient.open(exempt.port);
    expect((await one.reply()).code).toBe(220);
    one.close();
  }
  await exempt.close();
});

const LIMITS: readonly [
  name: string,
  options: object,
  lines: readonly string[],
  codes: number[],
][] = [
  [
    'errors',
    { 'smtp.errors.max': 5 },
    Array.from({ length: 9 }, () => 'FOO'),
    [220, 500, 500, 500, 500, 500, 500, 421],
  ],
  [
    'commands',
    { 'smtp.commands.max': 3 },
    Array.from({ length: 9 }, () => 'NOOP'),
    [220, 250, 250, 250, 421],
  ],
  [
    'messages',
    { 'smtp.transactions.max': 1 },
    ['EHLO a', MAIL, RCPT, 'DATA', '.', MAIL, RCPT],
    [220, 250, 250, 250, 354, 250, 421],
  ],
  ['HTTP', {}, ['POST / HTTP/1.1', 'Host: x', '', 'EHLO a'], [220, 421]],
  ['talking first', { 'smtp.greeting.delay': 100 }, ['EHLO a'], [421]],
];
for (const [name, options, lines, codes] of LIMITS) {
  test(`${name}: 421 and the end of the session`, async () => {
    const farm = await openFarm({ options });
    const client = await StrictClient.open(farm.port);
    await client.send(lines.map((line) => `${line}\r\n`).join(''));
    expect((await client.rest()).map((reply) => reply.code)).toEqual(codes);
    client.close();
    await expect.poll(() => farm.service.connections).toBe(0);
    await farm.close();
  });
}

test('with a delay, a client that waits is greeted', async () => {
  const farm = await openFarm({ options: { 'smtp.greeting.delay': 50 } });
  const client = await StrictClient.open(farm.port);
  expect(await client.quiet(20)).toBe(true);
  expect((await client.reply()).code).toBe(220);
  client.close();
  await farm.close();
});
