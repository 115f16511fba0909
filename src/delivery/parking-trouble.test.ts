import { readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryAccount } from '../directory/memory.ts';
import { silentLogger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import { gate } from '../volumes/testing/volumes.ts';
import { systemError } from '#maildir';
import { Parking } from './parking.ts';
import {
  away,
  back,
  bodies,
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

const on = (name: string, path: string): boolean => path.startsWith(join(disk.root, `${name}/`));
const inState = (state: string): string[] =>
  spooled().filter((path) => path.startsWith(`${state}/`));

test('[N-03] a reply for each: who has too much parked is refused alone', async () => {
  const small = await frontEnd({ 'delivery.park.account': 2000 });
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v1')];
  for (const { account } of [alice, bob]) await small.delivery.check(account, 1);
  strikeBy((call, path) =>
    call === 'write' && on('v1', path) ? systemError('EIO', call, path) : undefined,
  );
  expect(outcome(await send([alice], 'x'.repeat(1500), {}, small))).toEqual(['spool1']);
  const both = [alice, bob];
  const each = await send(both, 'y'.repeat(1000), { failure: 'each' }, small);
  expect(outcome(each)).toEqual(['volume-full', 'spool1']);
  const all = await send(both, 'z'.repeat(900), { failure: 'all' }, small);
  expect(outcome(all)).toEqual(['volume-full', 'volume-full']);
  strikeBy(() => undefined);
  await land(front);
  expect(await bodies(alice)).toEqual([`H: 1\n${'x'.repeat(1500)}`]);
  expect(await bodies(bob)).toEqual([`H: 1\n${'y'.repeat(1000)}`]);
  expect(spooled()).toEqual([]);
});

test('[N-03] what gets no turn on a volume that hangs, and is not known to, is parked', async () => {
  const alice = await user('alice', 'v1');
  await front.delivery.check(alice.account, 1);
  const { closed, open } = gate();
  strikeBy((call, path) => (call === 'create' && on('v1', path) ? closed : undefined));
  expect(outcome(await send([alice], 'first'))).toEqual(['spool1']);
  expect(outcome(await send([alice], 'second'))).toEqual(['spool1']); // Refused at once.
  expect(await bodies(alice)).toEqual([]);
  open();
  strikeBy(() => undefined);
  let landed = 0; // The volume is taken for sound again in a while.
  const landSome = async (): Promise<number> => (landed += (await land(front))[0] ?? 0);
  await expect.poll(landSome).toBe(2);
  expect((await bodies(alice)).toSorted()).toEqual(['H: 1\nfirst', 'H: 1\nsecond']);
  await expect.poll(async () => readdirSync(join(await maildirOf(alice), 'tmp'))).toEqual([]);
});

test('[N-03] the spool hangs at a commit: refused, and not given to anybody else', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  expect(outcome(await send([alice], 'w'))).toEqual(['spool1']);
  const { closed, open } = gate();
  strikeBy((call, path) => (call === 'rename' && on('spool1', path) ? closed : undefined));
  const results = await send([alice], 'x');
  expect(outcome(results)).toEqual(['volume-down']);
  expect(inState('waiting')).toHaveLength(1);
  strikeBy(() => undefined);
  open();
  // It may have happened after all, and has: its sender, who was told otherwise, sends again.
  await expect.poll(() => inState('waiting')).toHaveLength(2);
  await back('v1');
  expect(await land(front)).toEqual([2]);
  expect((await bodies(alice)).toSorted()).toEqual(['H: 1\nw', 'H: 1\nx']);
});

test('[N-03] a spool without room: 452 at the next recipient, and nothing is left', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  strikeBy((call, path) =>
    call === 'fsync' && on('spool1', path) ? systemError('ENOSPC', call, path) : undefined,
  );
  expect(outcome(await send([alice], 'x'))).toEqual(['volume-full']);
  expect(await kindOf(front.delivery.check(alice.account, 1))).toBe('volume-full');
  strikeBy(() => undefined);
  await expect.poll(() => spooled()).toEqual([]);
  await expect
    .poll(() => kindOf(front.delivery.check(alice.account, 1)), { timeout: 30_000 })
    .toBe('accepted');
});

test('[N-03] landed and not removed from the spool: removed before its user can miss it', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  await send([alice], 'x');
  await back('v1');
  strikeBy((call, path) =>
    call === 'unlink' && path.includes('/taken/') ? systemError('EIO', call, path) : undefined,
  );
  expect(await land(front)).toEqual([1]);
  expect(inState('taken')).toHaveLength(1);
  expect(inState('message')).toHaveLength(1); // No envelope is ever without its message.
  strikeBy(() => undefined);
  const fresh = join(await maildirOf(alice), 'new');
  for (const name of readdirSync(fresh)) rmSync(join(fresh, name)); // The user deletes it.
  expect(await land(front)).toEqual([0]);
  expect(spooled()).toEqual([]);
  expect(await bodies(alice)).toEqual([]);
});

test('a message that cannot be removed has no envelope any more', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  await send([alice], 'x');
  await back('v1');
  strikeBy((call, path) =>
    call === 'unlink' && path.includes('/message/') ? systemError('EIO', call, path) : undefined,
  );
  expect(await land(front)).toEqual([1]);
  expect(spooled().map((path) => path.split('/')[0])).toEqual(['message']);
});

test('[N-03] mailboxes in trouble do not stand in the way of the others of their volume', async () => {
  const all = [];
  for (let n = 0; n < 14; n++) all.push(await user(`u${n}`, 'v1'));
  const sick = await Promise.all(all.slice(0, 2).map(maildirOf));
  await away('v1');
  await send(all, 'x');
  await back('v1');
  strikeBy((call, path) =>
    call === 'list' && sick.some((maildir) => path.startsWith(`${maildir}/`))
      ? systemError('EACCES', call, path)
      : undefined,
  );
  const one = await frontEnd({ 'delivery.land.concurrency': 1 }, 'mx2');
  await expect.poll(() => one.volumes.table.get('v1')?.up).toBe(true);
  for (let look = 0; look < 3; look++) await land(one);
  for (const well of all.slice(2)) expect(await bodies(well)).toEqual(['H: 1\nx']);
  expect(inState('waiting')).toHaveLength(2);
  expect(inState('taken')).toEqual([]);
});

test("one user's letters come in the order of their arrival", async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  const sent: unknown[] = [];
  for (let n = 0; n < 40; n++) sent.push((await send([alice], `${n}`))[0]?.name);
  const came: string[] = [];
  strikeBy((call, path) => {
    const name = basename(path);
    if (call === 'rename' && on('v1', path)) came.push(name.slice(0, name.lastIndexOf('.')));
    return undefined;
  });
  await back('v1');
  expect(await land(front)).toEqual([40]);
  expect(came).toEqual(sent);
});

test('[N-03] a process that ends gives back what it holds, and begins nothing', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  for (let n = 0; n < 10; n++) await send([alice], `${n}`);
  await back('v1');
  let closed: Promise<void> | undefined;
  strikeBy((call, path) => {
    if (call === 'rename' && on('v1', path)) closed ??= front.delivery.close();
    return undefined;
  });
  expect(await land(front)).toEqual([1]);
  await closed;
  expect(await bodies(alice)).toHaveLength(1); // That one was under way.
  expect(inState('taken')).toEqual([]);
  expect(inState('waiting')).toHaveLength(9);
  expect(inState('waiting').join()).not.toContain('N='); // Nothing failed.
});

test('a volume of whose name no lander could make anything: deferred', async () => {
  const account = { ...memoryAccount({ login: 'a@example.test' }), volume: 'mail 1' };
  const volume = { name: 'mail 1' } as never;
  const parking = new Parking({
    spools: { all: [], up: [], withRoom: () => [] },
    mailboxes: { locate: () => Promise.resolve({ volume, maildir: '/x', stored: true }) },
    accountMax: 1,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    onParked: () => {},
  } as never);
  const why = new StoreError('volume-down', 'down');
  await expect(parking.accept(account, 1, why)).rejects.toBe(why);
});
