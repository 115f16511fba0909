import { expect, test } from 'vitest';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm, type TestFarm } from './testing.ts';

async function open(farm: TestFarm): Promise<StrictClient> {
  const client = await StrictClient.open(farm.port);
  expect((await client.reply()).lines[0]).toBe('mx.farm.test LMTP Mailfarm');
  return client;
}

const codes = async (client: StrictClient, count: number): Promise<string[]> => {
  const all = [];
  for (let i = 0; i < count; i++) {
    const { code, enhanced } = await client.reply();
    all.push(`${code} ${enhanced}`);
  }
  return all;
};

test('[P-01] LMTP answers for each recipient, in order (RFC 2033 §4.2)', async () => {
  const farm = await openFarm({ mode: 'lmtp' });
  farm.delivery.commitFails.set('bob@farm.test', 'volume-full');
  const client = await open(farm);
  expect((await client.command('LHLO relay.farm.test')).lines).toContain('PIPELINING');
  await client.command('MAIL FROM:<a@c.example>');
  for (const to of ['alice', 'bob', 'no', 'al', 'carol', 'bob']) {
    await client.command(`RCPT TO:<${to}@farm.test>`);
  }
  expect((await client.command('DATA')).code).toBe(354);
  await client.send('x\r\n.\r\nNOOP\r\n');
  // Five were accepted; alice twice is one copy and two replies.
  expect(await codes(client, 6)).toEqual([
    '250 2.6.0',
    '452 4.3.1',
    '250 2.6.0',
    '250 2.6.0',
    '452 4.3.1',
    '250 2.0.0',
  ]);
  expect(farm.delivery.stored.map((one) => one.login)).toEqual([
    'alice@farm.test',
    'carol@farm.test',
  ]);
  expect(farm.delivery.stored[0]?.header).toContain('with LMTP id');
  expect(farm.delivery.failure).toBe('each');
  client.close();
  await farm.close();
});

test('a refused message is refused for each recipient', async () => {
  const farm = await openFarm({ mode: 'lmtp' });
  const client = await open(farm);
  await client.command('LHLO relay.farm.test');
  await client.command('MAIL FROM:<a@c.example>');
  for (const to of ['alice', 'bob']) await client.command(`RCPT TO:<${to}@farm.test>`);
  await client.command('DATA');
  await client.send('bare\nlf\r\n.\r\n');
  expect(await codes(client, 2)).toEqual(['550 5.5.2', '550 5.5.2']);
  client.close();
  await farm.close();
});

test('EHLO and HELO get no positive answer (RFC 2033 §4.1); DATA without recipients is 503', async () => {
  const farm = await openFarm({ mode: 'lmtp' });
  const client = await open(farm);
  expect((await client.command('EHLO a')).code).toBe(500);
  expect((await client.command('HELO a')).code).toBe(500);
  expect((await client.command('MAIL FROM:<>')).code).toBe(503);
  await client.command('LHLO a');
  await client.command('MAIL FROM:<>');
  await client.command('RCPT TO:<no@farm.test>');
  expect((await client.command('DATA')).code).toBe(503);
  client.close();
  await farm.close();
});
