import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { memoryAccount } from '../directory/memory.ts';
import { eventually, gate } from '../volumes/testing/volumes.ts';
import { systemError, UnknownResultError } from '#maildir';
import {
  away,
  back,
  bodies,
  directory,
  disk,
  front,
  frontEnd,
  kindOf,
  land,
  maildirOf,
  outcome,
  send,
  spooled,
  strikeBy,
  useParkingFarm,
  user,
} from './testing.ts';

useParkingFarm();

test('[N-03] a volume is down: its mail is taken, kept on the spool, and lands by itself', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  await front.delivery.check(alice.account, 10);
  const results = await send([alice], 'one\n');
  expect(outcome(results)).toEqual(['spool1']);
  expect(readdirSync(join(disk.root, 'v1'))).toEqual([]);
  expect(await land(front)).toEqual([0]);
  expect(spooled().map((path) => path.split('/')[0])).toEqual(['message', 'waiting']);
  await back('v1');
  expect(await land(front)).toEqual([1]);
  expect(await bodies(alice)).toEqual(['H: 1\none\n']);
  const [name = ''] = readdirSync(join(await maildirOf(alice), 'new'));
  expect(name).toBe(`${results[0]?.name},S=9,W=11`); // Its base name is that of parking: the UIDL.
  expect(spooled()).toEqual([]);
  expect(readdirSync(join(await maildirOf(alice), 'tmp'))).toEqual([]);
  expect(await land(front)).toEqual([0]);
});

test('[N-03] users of three volumes, one is down: two have it, one is parked, one success', async () => {
  const all = [await user('a', 'v1'), await user('b', 'v2'), await user('c', 'v3')];
  await away('v2');
  for (const failure of ['all', 'each'] as const) {
    expect(outcome(await send(all, 'x\n', { failure }))).toEqual(['v1', 'spool1', 'v3']);
  }
  await back('v2');
  expect(await land(front)).toEqual([2]);
  for (const one of all) expect(await bodies(one)).toEqual(['H: 1\nx\n', 'H: 1\nx\n']);
});

test('several users of the volume: one file, linked; each lands for itself', async () => {
  const all = [];
  for (let n = 0; n < 20; n++) all.push(await user(`u${n}`, 'v1'));
  await away('v1');
  expect(new Set(outcome(await send(all, 'x'.repeat(50_000))))).toEqual(new Set(['spool1']));
  expect(spooled().filter((path) => path.startsWith('message/'))).toHaveLength(20);
  await back('v1');
  expect(await land(front)).toEqual([20]);
  for (const one of all) expect(await bodies(one)).toEqual([`H: 1\n${'x'.repeat(50_000)}`]);
  expect(spooled()).toEqual([]);
});

test('policy defer, no spool volume, spool down: deferred at the recipient', async () => {
  const alice = await user('alice', 'v1');
  const deferring = await frontEnd({ 'delivery.degraded': 'defer' });
  await away('v1', deferring);
  expect(await kindOf(deferring.delivery.check(alice.account, 1))).toBe('volume-down');
  expect(outcome(await send([alice], 'x', {}, deferring))).toEqual(['volume-down']);
  await away('spool1', deferring);
  expect(await kindOf(front.delivery.check(alice.account, 1))).toBe('volume-down');
  expect(outcome(await send([alice], 'x'))).toEqual(['volume-down']);
  await back('spool1', deferring);
  expect(outcome(await send([alice], 'x'))).toEqual(['spool1']);
});

test('what is parked for one account is bounded by the names on the spool', async () => {
  const small = await frontEnd({ 'delivery.park.account': 2000 });
  const alice = await user('alice', 'v1');
  const bob = await user('bob', 'v1');
  await away('v1', small);
  await small.delivery.check(alice.account, 1500);
  expect(outcome(await send([alice], 'x'.repeat(1500), {}, small))).toEqual(['spool1']);
  expect(await kindOf(small.delivery.check(alice.account, 1500))).toBe('volume-full');
  expect(await kindOf(small.delivery.check(bob.account, 1500))).toBe('accepted');
  const other = await frontEnd({ 'delivery.park.account': 2000 }); // It lists what others parked.
  await eventually(() => other.volumes.table.get('v1')?.up === false);
  expect(await kindOf(other.delivery.check(alice.account, 1500))).toBe('volume-full');
});

test('a mailbox that is missing or full is not parked; who never had one is placed elsewhere', async () => {
  const missing = { ...memoryAccount({ login: 'gone@example.test' }), volume: 'v2' };
  expect(await kindOf(front.delivery.check(missing, 1))).toBe('mailbox-missing');
  const full = await user('full', 'v2', { quotaBytes: 1 });
  expect(await kindOf(front.delivery.check(full.account, 10))).toBe('over-quota');
  await away('v1');
  const fresh = memoryAccount({ login: 'fresh@example.test' });
  directory.putAccount(fresh);
  const results = await send([{ address: fresh.login, account: fresh }], 'x');
  expect(['v2', 'v3']).toContain(outcome(results)[0]);
  expect(spooled()).toEqual([]);
});

test('a volume that fails at the first write: all is in memory still, so it is parked', async () => {
  const alice = await user('alice', 'v1');
  await front.delivery.check(alice.account, 1);
  strikeBy((call, path) =>
    call === 'write' && path.startsWith(`${disk.root}/v1/`)
      ? systemError('EIO', call, path)
      : undefined,
  );
  expect(outcome(await send([alice], 'x'))).toEqual(['spool1']);
  expect(outcome(await send([alice], 'y'.repeat(100_000)))).toEqual(['spool1']);
  strikeBy(() => undefined);
  expect(await land(front)).toEqual([2]);
  expect((await bodies(alice)).map((body) => body.length)).toEqual(
    expect.arrayContaining([100_005, 6]),
  );
});

test('a volume that fails after its first piece: deferred, since not all is in memory', async () => {
  const alice = await user('alice', 'v1');
  await front.delivery.check(alice.account, 1);
  let writes = 0;
  strikeBy((call, path) =>
    call === 'write' && path.startsWith(`${disk.root}/v1/`) && ++writes > 1
      ? systemError('EIO', call, path)
      : undefined,
  );
  const header = (): Uint8Array => Buffer.from('H: 1\n');
  const message = front.delivery.begin({ id: 't', recipients: [alice], header });
  const sent = message.write(Buffer.alloc(100_000, 120)).then(() => message.commit());
  expect(await kindOf(sent)).toBe('volume-down');
  expect(spooled()).toEqual([]);
});

test('[N-03] nothing is parked after its rename was sent: the result is unknown, so 451', async () => {
  const alice = await user('alice', 'v1');
  await front.delivery.check(alice.account, 1);
  const { closed, open } = gate();
  strikeBy((call, path) =>
    call === 'rename' && path.startsWith(`${disk.root}/v1/`) ? closed : undefined,
  );
  expect(outcome(await send([alice], 'x'))).toEqual(['volume-down']);
  expect(spooled()).toEqual([]);
  open();
  // A mailbox that hangs takes nothing until it answers.
  await expect.poll(async () => (await bodies(alice)).length).toBe(1);
  await systemClock.sleep(200);
  strikeBy((call, path) =>
    call === 'rename' && path.startsWith(`${disk.root}/v1/`)
      ? systemError('EIO', call, path)
      : undefined,
  );
  const [result] = await send([alice], 'y');
  expect(result?.error?.cause).toBeInstanceOf(UnknownResultError);
  expect(spooled()).toEqual([]);
});

test('[N-03] two landers at once, on two nodes: every letter once', async () => {
  const other = await frontEnd({}, 'mx2');
  const third = await frontEnd({}, 'mx3');
  const all = [await user('a', 'v1'), await user('b', 'v1'), await user('c', 'v1')];
  await away('v1', other, third);
  for (let n = 0; n < 12; n++) await send(all, `${n}\n`);
  await back('v1', other, third);
  const landed = await land(front, other, third, front, other);
  expect(landed.reduce((sum, n) => sum + n)).toBe(36);
  const expected = Array.from({ length: 12 }, (_, n) => `H: 1\n${n}\n`).toSorted();
  for (const one of all) expect((await bodies(one)).toSorted()).toEqual(expected);
  expect(spooled()).toEqual([]);
});

test('the user has moved and has another name meanwhile: the letter follows the id', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  await send([alice], 'x');
  const moved = { ...alice.account, login: 'alicia@example.test', volume: 'v2' };
  directory.putAccount(moved);
  await front.volumes.table.get('v2')?.create(await maildirOf(alice), {
    root: join(disk.root, 'v2'),
  });
  expect(await land(front)).toEqual([0]); // The lane's volume is down: not looked at yet.
  await back('v1');
  expect(await land(front)).toEqual([1]);
  expect(await maildirOf(alice)).toContain('/v2/');
  expect(await bodies(alice)).toEqual(['H: 1\nx']);
});

test('[N-03] no account, no mailbox any more: kept, told, and landed when it is back', async () => {
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v1')];
  await away('v1');
  await send([alice, bob], 'x');
  directory.removeAccount(alice.account.id);
  await back('v1');
  const path = await front.volumes.table.locate(bob.account);
  renameSync(path?.maildir ?? '', `${path?.maildir}.lost`);
  expect(await land(front)).toEqual([0]);
  expect(spooled().filter((one) => one.startsWith('failed/'))).toHaveLength(2);
  expect(spooled().join()).toMatch(/R=account-gone/);
  expect(spooled().join()).toMatch(/R=mailbox-missing/);
  directory.putAccount(alice.account);
  renameSync(`${path?.maildir}.lost`, path?.maildir ?? '');
  const retrying = await frontEnd({ 'delivery.land.retry': 100 }, 'mx2');
  await systemClock.sleep(120);
  await land(retrying);
  await land(retrying);
  expect(await bodies(alice)).toEqual(['H: 1\nx']);
  expect(await bodies(bob)).toEqual(['H: 1\nx']);
});

test('the volume goes away again while letters land: what is not there stays parked', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  for (let n = 0; n < 5; n++) await send([alice], `${n}\n`);
  await back('v1');
  let renames = 0;
  strikeBy((call, path) =>
    call === 'rename' && path.startsWith(`${disk.root}/v1/`) && ++renames > 2
      ? systemError('EIO', call, path)
      : undefined,
  );
  await land(front);
  strikeBy(() => undefined);
  expect(await bodies(alice)).toHaveLength(2);
  expect(spooled().filter((path) => path.startsWith('waiting/'))).toHaveLength(3);
  const other = await frontEnd({}, 'mx2'); // This one rests; another does not.
  await eventually(() => other.volumes.table.get('v1')?.up === true);
  await land(other);
  await expect.poll(() => bodies(alice)).toHaveLength(5); // Its own first look may be at work.
  expect(new Set(await bodies(alice)).size).toBe(5);
});
