import { expect, test } from 'vitest';
import { StrictClient } from '../smtp/testing/client.ts';
import { STORE_ERROR_KINDS, type StoreErrorKind } from '../volumes/error.ts';
import { messages } from './metrics.ts';
import { openFarm, type TestFarm } from './testing.ts';

const ALICE = 'alice@farm.test';
const BOB = 'bob@farm.test';

const REPLIES: Readonly<Record<StoreErrorKind, string>> = {
  'volume-down': '451 4.3.0',
  'volume-full': '452 4.3.1',
  'volume-busy': '451 4.3.2',
  'mailbox-missing': '451 4.3.0',
  'over-quota': '452 4.2.2',
  'message-gone': '451 4.3.0',
};

async function toRcpt(farm: TestFarm, ...to: string[]): Promise<[StrictClient, string]> {
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command('MAIL FROM:<a@c.example>');
  let last = '';
  for (const address of to) last = code(await client.command(`RCPT TO:<${address}>`));
  return [client, last];
}

async function message(client: StrictClient, text: string): Promise<string> {
  expect((await client.command('DATA')).code).toBe(354);
  await client.send(`${text}\r\n.\r\n`);
  return code(await client.reply());
}

const code = (reply: { code: number; enhanced: string }): string =>
  `${reply.code} ${reply.enhanced}`;

for (const kind of STORE_ERROR_KINDS) {
  const reply = REPLIES[kind];
  test(`${kind} at RCPT is ${reply}`, async () => {
    const farm = await openFarm();
    farm.delivery.checkFails.set(ALICE, kind);
    const [client, got] = await toRcpt(farm, ALICE);
    expect(got).toBe(reply);
    expect(code(await client.command(`RCPT TO:<${BOB}>`))).toBe('250 2.1.5');
    client.close();
    await farm.close();
  });

  test(`${kind} in the middle of a message is ${reply}, after the end of data`, async () => {
    const farm = await openFarm();
    farm.delivery.writeFails = { after: 100_000, kind };
    const [client] = await toRcpt(farm, ALICE);
    await client.command('DATA');
    await client.send(`${'x'.repeat(70)}\r\n`.repeat(5000));
    expect(await client.quiet(30)).toBe(true);
    await client.send('.\r\n');
    expect(code(await client.reply())).toBe(reply);
    expect([farm.delivery.open, farm.delivery.stored.length]).toEqual([0, 0]);
    farm.delivery.writeFails = undefined;
    await client.command('MAIL FROM:<>');
    await client.command(`RCPT TO:<${ALICE}>`);
    expect(await message(client, 'again')).toBe('250 2.6.0');
    client.close();
    await farm.close();
  });

  test(`${kind} at commit is ${reply}`, async () => {
    const farm = await openFarm();
    farm.delivery.commitFails.set(ALICE, kind);
    const [client] = await toRcpt(farm, ALICE);
    expect(await message(client, 'x')).toBe(reply);
    client.close();
    await farm.close();
  });
}

test('over quota is final by option', async () => {
  const farm = await openFarm({ options: { 'mx.over-quota': 'permanent' } });
  farm.delivery.checkFails.set(ALICE, 'over-quota');
  const [client, got] = await toRcpt(farm, ALICE);
  expect(got).toBe('552 5.2.2');
  client.close();
  await farm.close();
});

test('a directory that is away is 451, known and unknown users alike', async () => {
  const farm = await openFarm();
  farm.directory.down = true;
  for (const address of [ALICE, 'nobody@farm.test', 'user@elsewhere.example', 'postmaster']) {
    const [client, got] = await toRcpt(farm, address);
    expect(got).toBe('451 4.4.3');
    client.close();
  }
  // Nothing comes to delivery, so without these lines an operator would never see the reason.
  const told = farm.logged.filter((one) => one.message === 'recipient not taken for now');
  expect(told.map((one) => one.fields)).toMatchObject([
    { address: ALICE, reply: 'directoryDown', why: expect.any(String) },
    { address: 'nobody@farm.test' },
    { address: 'user@elsewhere.example' },
    { address: 'postmaster' },
  ]);
  farm.directory.down = false;
  const [client, got] = await toRcpt(farm, ALICE);
  expect(got).toBe('250 2.1.5');
  client.close();
  await farm.close();
});

test('one of two copies fails: 451 for all, counted', async () => {
  const farm = await openFarm();
  farm.delivery.commitFails.set(BOB, 'volume-down');
  const before = messages.value('partial');
  const [client] = await toRcpt(farm, ALICE, BOB);
  expect(await message(client, 'x')).toBe('451 4.3.0');
  expect(messages.value('partial')).toBe(before + 1);
  expect(farm.delivery.stored.map((one) => one.login)).toEqual([ALICE]);
  const results = farm.logged.filter((one) => 'result' in one.fields);
  expect(results.map((one) => one.message)).toEqual(['delivered', 'not delivered']);
  expect(farm.logged.at(-1)?.fields).toMatchObject({ code: 'MF-MX-001' });
  expect(farm.delivery.failure).toBe('all');
  client.close();
  await farm.close();
});

test('a permanent and a temporary failure together are temporary', async () => {
  const farm = await openFarm({ options: { 'mx.over-quota': 'permanent' } });
  farm.delivery.commitFails.set(ALICE, 'over-quota').set(BOB, 'volume-down');
  const [client] = await toRcpt(farm, ALICE, BOB);
  expect(await message(client, 'x')).toBe('451 4.3.0');
  client.close();
  await farm.close();
});

test('our own bug is 451 with the trace id, in the log in full, and the session lives', async () => {
  const farm = await openFarm();
  const [client] = await toRcpt(farm, ALICE);
  farm.delivery.bug = new Error('a bug');
  const reply = await client.command('DATA');
  expect(code(reply)).toBe('451 4.3.0');
  const line = farm.logged.find((one) => one.level === 'error');
  expect(line?.fields).toMatchObject({ err: farm.delivery.bug });
  const id = /"trace":"(\w+)"/.exec(JSON.stringify(line?.fields))?.[1];
  expect(reply.lines[0]).toContain(`(${id})`);
  expect((await client.command('NOOP')).code).toBe(250);
  client.close();
  await farm.close();
});

test('a message too big is 552 after its end, and nothing is left (RFC 5321 §4.5.3.1.9)', async () => {
  const farm = await openFarm({ options: { 'smtp.message.max': 65_536 } });
  const [client] = await toRcpt(farm, ALICE);
  expect(await message(client, `${'x'.repeat(98)}\r\n`.repeat(656))).toBe('552 5.3.4');
  expect([farm.delivery.open, farm.delivery.stored.length]).toEqual([0, 0]);
  await client.command('MAIL FROM:<>');
  await client.command(`RCPT TO:<${ALICE}>`);
  expect(await message(client, `${'x'.repeat(98)}\r\n`.repeat(655))).toBe('250 2.6.0');
  client.close();
  await farm.close();
});

test('a message with too many hops is 554 (RFC 5321 §6.3)', async () => {
  const farm = await openFarm({ options: { 'smtp.hops.max': 10 } });
  const [client] = await toRcpt(farm, ALICE);
  const hop = 'Received: from a by b;\r\n\tdate\r\n';
  expect(await message(client, `${hop.repeat(11)}\r\nbody`)).toBe('554 5.4.6');
  await client.command('MAIL FROM:<>');
  await client.command(`RCPT TO:<${ALICE}>`);
  expect(await message(client, `${hop.repeat(10)}\r\n${hop.repeat(5)}`)).toBe('250 2.6.0');
  client.close();
  await farm.close();
});

for (const slowMs of [0, 30]) {
  test(`a client that goes away within a message leaves nothing (${slowMs} ms writes)`, async () => {
    const farm = await openFarm();
    farm.delivery.slowMs = slowMs;
    const [client] = await toRcpt(farm, ALICE);
    await client.command('DATA');
    await client.send('Subject: x\r\n\r\nhalf a line');
    await expect.poll(() => farm.delivery.open).toBe(1);
    client.close();
    await expect.poll(() => farm.delivery.open).toBe(0);
    expect(farm.delivery.stored.length).toBe(0);
    await farm.close();
  });
}

test('a message received in full is kept though its client does not wait', async () => {
  const farm = await openFarm();
  farm.delivery.slowMs = 30;
  const [client] = await toRcpt(farm, ALICE);
  await client.command('DATA');
  await client.send('x\r\n.\r\n');
  await expect.poll(() => farm.delivery.octets).toBeGreaterThan(0);
  client.close();
  await expect.poll(() => farm.delivery.stored.length).toBe(1);
  await farm.close();
});
