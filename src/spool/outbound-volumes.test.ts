import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryDirectory } from '../directory/memory.ts';
import type { Volumes } from '../volumes/open.ts';
import type { MailboxOwner } from '../volumes/types.ts';
import {
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  type Strike,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { openOutboundSpools, type OutboundTrees } from './outbound-spools.ts';
import { envelopeTo, filesBelow, post, TEXT } from './testing/letters.ts';

let disk: TemporaryVolumes;
let volumes: Volumes<MailboxOwner>;
let strike: Strike;
let spools: OutboundTrees;
const all = { limit: 100, perRoute: () => 100 };

beforeEach(async () => {
  strike = () => undefined;
  disk = await temporaryVolumes('spool1', 'spool2');
  const limits = {
    'volume.probe.deadline': 20_000,
    'volume.deadline': 3000,
    'volume.full.retry': 600_000,
  };
  const fs = strikingFs((call, path) => strike(call, path));
  volumes = openTestVolumes(memoryDirectory({ volumes: disk.entries }), { fs, limits });
  await volumes.table.loaded();
  await Promise.all(volumes.table.volumes.map((volume) => volume.ready()));
  const common = { table: volumes.table, clock: systemClock, random: systemRandom };
  const options = { 'spool.look': 10, 'spool.slot': 60_000 };
  spools = openOutboundSpools({ ...common, node: 'mx1', options });
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

const failing = (errno: number): Error => Object.assign(new Error('struck'), { errno });
const [ENOSPC, EIO] = [-28, -5];

/** The volume that a letter would go to first. */
const first = (): string => spools.open(0).spool;

for (const [what, errno] of [
  ['full', ENOSPC],
  ['broken', EIO],
] as const) {
  test(`a spool volume that is ${what} is passed over for the next`, async () => {
    const bad = first();
    strike = (call, path) =>
      call === 'create' && path.includes(`${bad}/spool`) ? failing(errno) : undefined;
    const draft = spools.open(TEXT.length);
    await draft.write(0, TEXT, true);
    expect(draft.spool).not.toBe(bad);
    await draft.seal(TEXT.length, TEXT.length + 3, [envelopeTo('example.net')]);
    await draft.commit();
    expect((await spools.take(all)).map(({ spool }) => spool)).toEqual([draft.spool]);
  });
}

test('one that hangs is passed over when its time is over; what comes on others is taken', async () => {
  const bad = first();
  let open = (): void => {};
  const hung = new Promise<void>((resolve) => (open = resolve));
  strike = (_call, path) => (path.includes(`${bad}/spool`) ? hung : undefined);
  await post(spools, ['example.net']);
  await systemClock.sleep(20);
  const claims = await spools.take(all);
  expect(claims).toHaveLength(1);
  expect(claims[0]?.spool).not.toBe(bad);
  expect(await claims[0]?.settle({ kind: 'done' })).toBe(true);
  open();
});

test('a later piece that fails is an error: the first is not in memory any more', async () => {
  const bad = first();
  const draft = spools.open(TEXT.length);
  await draft.write(0, TEXT.subarray(0, 9), false);
  strike = (call, path) =>
    call === 'openWrite' && path.includes(`${bad}/spool`) ? failing(EIO) : undefined;
  await expect(draft.write(9, TEXT.subarray(9), true)).rejects.toMatchObject({
    kind: 'volume-down',
  });
  await draft.discard();
});

test('one of several envelopes cannot be committed: none is left to be sent', async () => {
  const bad = first();
  const draft = spools.open(TEXT.length);
  await draft.write(0, TEXT, true);
  const envelopes = ['a.example', 'b.example', 'c.example'].map((domain) => envelopeTo(domain));
  await draft.seal(TEXT.length, TEXT.length + 3, envelopes);
  strike = (call, path) =>
    call === 'mkdir' && path.includes(`${bad}/spool`) && path.includes('b.example')
      ? failing(ENOSPC)
      : undefined;
  await expect(draft.commit()).rejects.toMatchObject({ kind: 'volume-full' });
  await draft.discard();
  await systemClock.sleep(20);
  expect(await spools.take(all)).toEqual([]);
});

test('a claim that a slow volume made long ago is made anew before anybody sends by it', async () => {
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const common = { table: volumes.table, clock, random: systemRandom };
  const options = { 'spool.look': 10, 'spool.slot': 60_000 };
  const slow = openOutboundSpools({ ...common, node: 'mx2', options });
  const bad = first();
  await post(spools, ['example.net']);
  const names = (): string[] =>
    disk.entries.flatMap(({ path }) => filesBelow(path)).filter((path) => path.includes('/taken/'));
  let open = (): void => {};
  const hung = new Promise<void>((resolve) => (open = resolve));
  strike = (call, path) => (call === 'rename' && path.includes(`${bad}/spool`) ? hung : undefined);
  expect(await slow.take(all)).toEqual([]);
  open();
  await expect.poll(names).toHaveLength(1);
  const [before] = names();
  await systemClock.sleep(50);
  aheadMs = 61_000;
  const claims = [];
  for (let round = 0; round < 200 && claims.length === 0; round++) {
    claims.push(...(await slow.take(all)));
    await systemClock.sleep(20);
  }
  expect([claims.length, names().length]).toEqual([1, 1]);
  expect(names()[0]).not.toBe(before);
});
