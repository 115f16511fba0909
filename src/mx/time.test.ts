import { expect, test } from 'vitest';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm, type TestFarm } from './testing.ts';

async function toData(farm: TestFarm): Promise<StrictClient> {
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command('MAIL FROM:<a@c.example>');
  await client.command('RCPT TO:<alice@farm.test>');
  await client.command('DATA');
  return client;
}

/** One octet every 20 ms until the server has enough. */
async function trickle(client: StrictClient, text: string): Promise<void> {
  for (let i = 0; i < 500 && !client.ended; i++) {
    await client.send(text[i % text.length] ?? '');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a silent client gets 421 4.4.2 (RFC 5321 §4.5.3.2.7)', async () => {
  const farm = await openFarm({ options: { 'smtp.command.timeout': 150 } });
  const client = await StrictClient.open(farm.port);
  const replies = await client.rest();
  expect(replies.map((one) => `${one.code} ${one.enhanced}`)).toEqual(['220 ', '421 4.4.2']);
  client.close();
  await expect.poll(() => farm.logged.at(-1)?.fields).toMatchObject({ end: 'timeout' });
  await farm.close();
});

test('a command that trickles in has one timeout as a whole', async () => {
  const farm = await openFarm({ options: { 'smtp.command.timeout': 200 } });
  const client = await StrictClient.open(farm.port);
  await trickle(client, 'NOOP ');
  expect((await client.rest()).map((one) => one.code)).toEqual([220, 421]);
  await farm.close();
});

test('a message that trickles in is too slow, and leaves nothing', async () => {
  const farm = await openFarm({
    options: { 'smtp.data.timeout': 200, 'smtp.data.rate-min': 10_000 },
  });
  const client = await toData(farm);
  await trickle(client, 'abc');
  expect((await client.rest()).map((one) => `${one.code} ${one.enhanced}`)).toEqual(['421 4.4.2']);
  await expect.poll(() => farm.delivery.open).toBe(0);
  await farm.close();
});

test('silence within a message; one refused already says why', async () => {
  const farm = await openFarm({ options: { 'smtp.data.timeout': 150 } });
  const client = await toData(farm);
  await client.send('x\r\n');
  expect((await client.rest()).map((one) => one.code)).toEqual([421]);
  // A client that ends its lines in LF waits for an answer to LF . LF.
  const broken = await toData(farm);
  await broken.send('Subject: x\n\nx\n.\n');
  expect((await broken.rest()).map((one) => `${one.code} ${one.enhanced}`)).toEqual(['550 5.5.2']);
  await expect.poll(() => farm.delivery.open).toBe(0);
  await farm.close();
});

test('a slow volume is not the fault of the client', async () => {
  const farm = await openFarm({
    options: { 'smtp.data.timeout': 1500, 'smtp.command.timeout': 1500 },
  });
  farm.delivery.slowMs = 2500;
  const client = await toData(farm);
  await client.send('x\r\n.\r\n');
  expect((await client.reply()).code).toBe(250);
  client.close();
  await farm.close();
});

test('a commit that takes too long is 451', async () => {
  const farm = await openFarm({ options: { 'smtp.commit.timeout': 100 } });
  const client = await toData(farm);
  await client.send('x\r\n');
  farm.delivery.slowMs = 400;
  await client.send('.\r\n');
  const reply = await client.reply();
  expect([reply.code, reply.enhanced]).toEqual([451, '4.3.0']);
  client.close();
  await farm.close();
});

test('a session has an end', async () => {
  const farm = await openFarm({ options: { 'smtp.session.timeout': 200 } });
  const client = await StrictClient.open(farm.port);
  await trickle(client, 'NOOP\r\n');
  expect((await client.rest()).at(-1)?.code).toBe(421);
  await farm.close();
});

test('a TLS handshake that does not come ends without a word', async () => {
  const farm = await openFarm({ tls: testTls(), options: { 'smtp.command.timeout': 1500 } });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command('STARTTLS');
  expect(await client.rest()).toEqual([]);
  await expect.poll(() => farm.service.connections).toBe(0);
  await farm.close();
});

test('drain: idle ones are told, a message on its way is finished', async () => {
  const farm = await openFarm();
  const idle = await StrictClient.open(farm.port);
  await idle.reply();
  const busy = await toData(farm);
  const drained = farm.service.drain(5000);
  const told = await idle.rest();
  expect(told.map((one) => `${one.code} ${one.enhanced}`)).toEqual(['421 4.3.2']);
  await busy.send('x\r\n.\r\n');
  expect((await busy.rest()).map((one) => one.code)).toEqual([250, 421]);
  await drained;
  expect(farm.service.connections).toBe(0);
  expect(farm.delivery.stored.length).toBe(1);
  await farm.close();
});

test('drain: a command that runs is answered, then the session ends', async () => {
  const farm = await openFarm();
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  farm.delivery.check = () => held;
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command('MAIL FROM:<>');
  await client.send('RCPT TO:<alice@farm.test>\r\n');
  await client.quiet(30);
  const drained = farm.service.drain(5000);
  release?.();
  expect((await client.rest()).map((one) => one.code)).toEqual([250, 421]);
  await drained;
  await farm.close();
});

test('while it drains, newcomers are turned away', async () => {
  const farm = await openFarm();
  const busy = await toData(farm);
  const drained = farm.service.drain(3000);
  const late = await StrictClient.open(farm.port);
  expect((await late.rest()).map((one) => one.code)).toEqual([421]);
  busy.close();
  await drained;
  await farm.close();
});

test('drain is bounded: what is not finished is dropped', async () => {
  const farm = await openFarm();
  const busy = await toData(farm);
  await busy.send('half');
  const startedAt = performance.now();
  await farm.service.drain(100);
  expect(performance.now() - startedAt).toBeLessThan(30_000);
  expect(farm.service.connections).toBe(0);
  await expect.poll(() => farm.delivery.open).toBe(0);
  await farm.close();
});
