import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryDirectory } from '../directory/memory.ts';
import type { StrictClient } from '../smtp/testing/client.ts';
import { Marks } from '../spool/marks.ts';
import { openTestVolumes, temporaryVolumes } from '../volumes/testing/volumes.ts';
import { client, openSubmission, send, type TestOptions, type TestSubmission } from './testing.ts';

const farms: TestSubmission[] = [];
const chats: StrictClient[] = [];

afterEach(async () => {
  for (const chat of chats.splice(0)) chat.close();
  for (const farm of farms.splice(0)) await farm.close();
  for (const close of closing.splice(0)) close();
});

const closing: (() => void)[] = [];

/** Marks of a node on spool volumes that all nodes have. */
async function realMarks(): Promise<(name: string) => Marks> {
  const disk = await temporaryVolumes('spool1', 'spool2');
  const entries = disk.entries.map((entry) => ({ ...entry, use: 'spool' as const }));
  const volumes = openTestVolumes(memoryDirectory({ volumes: entries }), {
    // Of a volume that is called down nothing is counted: a busy machine's are only slow.
    limits: { 'volume.probe.deadline': 60_000, 'volume.deadline': 60_000 },
  });
  closing.push(() => {
    volumes.close();
    disk.remove();
  });
  await volumes.table.loaded();
  await Promise.all(volumes.table.volumes.map((volume) => volume.ready()));
  const { table } = volumes;
  return (name) => new Marks({ table, clock: systemClock, random: systemRandom, node: name });
}

/** A node; the second and later ones are of the farm of the first. */
async function node(options: TestOptions['options'] = {}): Promise<TestSubmission> {
  const [first] = farms;
  const farm = await openSubmission({ options, ...(first && { farm: first }) });
  farms.push(farm);
  return farm;
}

async function login(farm: TestSubmission, who = 'alice@farm.test'): Promise<StrictClient> {
  const chat = await client(farm, who);
  chats.push(chat);
  return chat;
}

const TAKEN = ['250 2.1.0', '250 2.1.5', '250 2.6.0'];
const MINUTE = 60_000;

test('[N-24] no other spelling, address, session or node gets around the limit', async () => {
  const options = { 'submission.messages.hour': 6 };
  const [one, two] = [await node(options), await node(options)];
  const [first, second, third] = [await login(one), await login(one), await login(two)];
  const ways = [
    [first, '<alice@farm.test>'],
    [first, '<ALICE@FARM.TEST>'],
    [second, '<al@farm.test>'],
    [second, '<alice+detail@alias.test>'],
    [third, '<team@farm.test>'],
    [third, '<>'],
  ] as const;
  for (const [chat, from] of ways) expect(await send(chat, { from })).toEqual(TAKEN);
  for (const chat of [first, second, third, await login(two, 'Alice@Farm.test')]) {
    for (const [, from] of ways) expect(await send(chat, { from })).toEqual(['450 4.7.1']);
  }
  expect([...one.letters, ...two.letters]).toHaveLength(6);
  // Another user is not concerned.
  const bob = await login(two, 'bob@farm.test');
  const message = 'From: bob@farm.test\n\nx\n';
  expect(await send(bob, { from: '<bob@farm.test>', message })).toEqual(TAKEN);
});

test('[N-24] the reply says what and until when, and then it is so', async () => {
  const farm = await node({ 'submission.messages.hour': 3 });
  const chat = await login(farm);
  const started = farm.clock.now();
  for (let i = 0; i < 3; i++) {
    expect(await send(chat)).toEqual(TAKEN);
    farm.clock.ahead += 10 * MINUTE;
  }
  const reply = await chat.command('MAIL FROM:<alice@farm.test>');
  expect(reply.lines[0]).toContain('3 messages in an hour are allowed, try again at 20');
  const [, day = '', time = ''] = /at (\S+) (\d\d:\d\d) UTC/.exec(reply.lines[0] ?? '') ?? [];
  const until = Date.parse(`${day}T${time}:00Z`);
  expect(until).toBeGreaterThanOrEqual(started + 60 * MINUTE - MINUTE);
  expect(until).toBeLessThanOrEqual(started + 63 * MINUTE);
  farm.clock.ahead += until - farm.clock.now() + 1;
  expect(await send(chat)).toEqual(TAKEN);
  expect(await send(chat)).toEqual(['450 4.7.1']);
});

test('[N-24] recipients count over messages, and the rest of a message is told to wait', async () => {
  const farm = await node({ 'submission.recipients.hour': 5 });
  const chat = await login(farm);
  const to = ['<a@else.test>', '<b@else.test>', '<bob@farm.test>'];
  expect(await send(chat, { to })).toHaveLength(5);
  expect(await send(chat, { to })).toEqual([
    '250 2.1.0',
    '250 2.1.5',
    '250 2.1.5',
    '452 4.7.1',
    '250 2.6.0',
  ]);
  expect(await send(chat)).toEqual(['452 4.7.1']);
  expect(farm.letters.map(({ options }) => options.recipients.length)).toEqual([1, 0]);
  expect(farm.letters[1]?.leaving).toHaveLength(2);
});

test('what was refused or given up counts nothing', async () => {
  const farm = await node({ 'submission.messages.hour': 1, 'submission.recipients.hour': 2 });
  const chat = await login(farm);
  expect((await send(chat, { message: 'From: bob@farm.test\n\n' })).at(-1)).toBe('550 5.7.1');
  for (let i = 0; i < 5; i++) {
    await chat.command('MAIL FROM:<alice@farm.test>');
    await chat.command('RCPT TO:<bob@farm.test>');
    await chat.command('RSET');
  }
  expect(farm.marks.told).toEqual([]);
  expect(await send(chat)).toEqual(TAKEN);
  for (let i = 0; i < 5; i++) expect(await send(chat)).toEqual(['450 4.7.1']);
  farm.clock.ahead += 61 * MINUTE;
  expect(await send(chat)).toEqual(TAKEN);
});

test('[N-24] many at once get no further than the limit', async () => {
  const options = { 'submission.messages.hour': 5 };
  const nodes = [await node(options), await node(options), await node(options)];
  const sessions = await Promise.all(
    Array.from({ length: 12 }, (_, at) => login(nodes[at % 3] as TestSubmission)),
  );
  // All of them have said MAIL before any of them counts.
  for (const chat of sessions) {
    expect((await chat.command('MAIL FROM:<alice@farm.test>')).code).toBe(250);
    await chat.command('RCPT TO:<bob@farm.test>');
    await chat.command('DATA');
  }
  const ends = await Promise.all(
    sessions.map(async (chat) => {
      await chat.send('From: alice@farm.test\r\n\r\nx\r\n.\r\n');
      return (await chat.reply()).code;
    }),
  );
  expect(ends.filter((code) => code === 250).length).toBeLessThanOrEqual(5);
  expect(nodes.flatMap(({ letters }) => letters).length).toBeLessThanOrEqual(5);
});

test('a limit by day, none at 0, and a line in the log that names it, once', async () => {
  const farm = await node({ 'submission.messages.hour': 0, 'submission.messages.day': 2 });
  const chat = await login(farm);
  expect(await send(chat)).toEqual(TAKEN);
  farm.clock.ahead += 120 * MINUTE;
  expect(await send(chat)).toEqual(TAKEN);
  for (let i = 0; i < 3; i++) expect(await send(chat)).toEqual(['450 4.7.1']);
  const lines = farm.logged.filter(({ message }) => message === 'a user reached a limit');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    level: 'warn',
    fields: { code: 'MF-SUB-002', login: 'alice@farm.test', what: 'messages', per: 'day', max: 2 },
  });
  farm.clock.ahead += 23 * 60 * MINUTE;
  expect(await send(chat)).toEqual(TAKEN);
});

test('to knock at a closed door asks the spool nothing', async () => {
  const farm = await node({ 'submission.messages.hour': 1 });
  const chat = await login(farm);
  await send(chat);
  await send(chat);
  const asked = farm.marks.sums;
  for (let i = 0; i < 5; i++) expect(await send(chat)).toEqual(['450 4.7.1']);
  expect(farm.marks.sums - asked).toBeLessThanOrEqual(5 * 3); // Of the limits that are open.
});

test('no spool volume answers: told once, and mail goes on', async () => {
  const farm = await node({ 'submission.messages.hour': 1 });
  farm.marks.down = true;
  const chat = await login(farm);
  for (let i = 0; i < 3; i++) expect(await send(chat)).toEqual(TAKEN);
  const codes = farm.logged.map(({ fields }) => (fields as { code?: string }).code);
  expect(codes.filter((code) => code === 'MF-SUB-003')).toHaveLength(1);
  farm.marks.down = false;
  expect(await send(chat)).toEqual(TAKEN);
  expect(await send(chat)).toEqual(['450 4.7.1']);
});

test('[N-24] nodes count together by marks on spool volumes, and many at once too', async () => {
  const marksOf = await realMarks();
  const options = { 'submission.messages.hour': 8 };
  const nodes: TestSubmission[] = [];
  for (const name of ['mx1', 'mx2', 'mx3']) {
    const [first] = farms;
    const more = { marks: marksOf(name) };
    const farm = await openSubmission({ options, more, ...(first && { farm: first }) });
    nodes.push(farm);
    farms.push(farm);
  }
  const sessions = await Promise.all(
    [0, 1, 2, 0, 1, 2].map((at) => login(nodes[at] as TestSubmission)),
  );
  const ends = await Promise.all(
    sessions.map(async (chat) => {
      const codes: (string | undefined)[] = [];
      for (let i = 0; i < 4; i++) codes.push((await send(chat)).at(-1));
      return codes;
    }),
  );
  const letters = nodes.flatMap((farm) => farm.letters);
  expect(letters.length).toBeLessThanOrEqual(8);
  expect(letters.length).toBeGreaterThan(0);
  expect(ends.flat().filter((code) => code === '250 2.6.0')).toHaveLength(letters.length);
  expect(ends.flat().filter((code) => code === '450 4.7.1')).toHaveLength(24 - letters.length);
});
