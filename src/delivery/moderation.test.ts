import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryList } from '../directory/memory.ts';
import { StoreError } from '../volumes/error.ts';
import { HeldLetters } from './held.ts';
import { placesOf, together } from './places.ts';
import {
  bodies,
  directory,
  disk,
  front,
  frontEnd,
  strikeBy,
  useParkingFarm,
  user,
} from './testing.ts';
import { systemError } from '#maildir';
import type { Delivered, Recipient } from './types.ts';

/** Letters to a moderated list, over real volumes and a real spool volume. */
useParkingFarm();

let alice: Recipient;
let mod: Recipient;
beforeEach(async () => {
  directory.putDomain('example.test');
  [alice, mod] = [await user('alice', 'v1'), await user('mod', 'v2')];
  directory.putList(
    memoryList({
      address: 'news@example.test',
      posting: 'moderated',
      moderators: ['mod@example.test'],
      members: ['alice@example.test', 'x@else.test'],
    }),
  );
});

async function post(sender = 'bob@else.test'): Promise<readonly Delivered[]> {
  const address = 'news@example.test';
  const resolution = await directory.resolve(address, { sender });
  if (resolution.kind !== 'expanded') throw new Error(resolution.kind);
  const incoming = front.delivery.begin({
    id: 'trace',
    ...together([placesOf({ address, sender }, resolution)]),
    envelope: { sender },
    header: () => Buffer.from(`Return-Path: <${sender}>\n`),
    leavingHeader: () => Buffer.from('Received: here\n'),
  });
  await incoming.write(Buffer.from('Subject: hello\nList-Id: <other.test>\n\nbody\n'));
  const results = await incoming.commit();
  const [failed] = incoming.left.filter(({ error }) => error !== undefined);
  if (failed?.error) throw failed.error;
  return results;
}

async function withHeld<T>(work: (held: HeldLetters) => Promise<T>): Promise<T> {
  const parts = { clock: systemClock, random: systemRandom };
  const held = new HeldLetters({ entries: disk.entries, ...parts });
  try {
    return await work(held);
  } finally {
    held.close();
  }
}
async function readAll(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
const ids = (): Promise<readonly string[]> =>
  withHeld(async (held) => (await held.list('news@example.test')).map(({ id }) => id));
const look = (): Promise<number> => front.delivery.moderation?.look() ?? Promise.resolve(-1);
const text = (recipient: Recipient): Promise<string> =>
  bodies(recipient).then((all) => all.join('\n----\n'));

test('held: no member has it, the moderator is told what to do, and it can be read', async () => {
  expect(await post()).toEqual([]);
  const [id = ''] = await ids();
  await expect.poll(() => text(mod)).toContain(`mailfarm list approve ${id}`);
  const notice = await text(mod);
  expect(notice).toMatch(/^Subject: Waits for a moderator: news@example\.test$/m);
  expect(notice).toContain('Sender:  bob@else.test');
  expect(notice).toContain('Subject: hello');
  expect(await look()).toBe(0);
  expect([await bodies(alice), front.outbound.letters]).toEqual([[], []]);
  const stored = await withHeld(async (held) => readAll(held.message(id)));
  expect(stored.toString()).toBe(
    'Return-Path: <bob@else.test>\nReceived: here\n' +
      'Subject: hello\nList-Id: <other.test>\n\nbody\n',
  );
});

test('approved: every member has it as a copy of the list, once', async () => {
  await post();
  const [id = ''] = await ids();
  await withHeld((held) => held.approve(id));
  const other = await frontEnd({}, 'mx2');
  const looks = await Promise.all([look(), other.delivery.moderation?.look()]);
  expect(looks.reduce<number>((sum, one) => sum + (one ?? 0), 0)).toBe(1);
  const [copy = ''] = await bodies(alice);
  expect(copy).toMatch(/^Return-Path: <bob@else\.test>\nX-Mailfarm-List: news@example\.test\n/);
  expect(copy).not.toContain('other.test');
  const sent = [...front.outbound.letters, ...other.outbound.letters];
  expect(sent.map(({ envelope }) => envelope.recipients[0]?.address)).toEqual(['x@else.test']);
  expect([await look(), await ids()]).toEqual([0, []]);
  await expect(withHeld((held) => held.approve(id))).rejects.toThrow(/waits for a moderator/);
});

test('rejected: it is gone, and nobody is told', async () => {
  await post();
  const [id = ''] = await ids();
  await withHeld((held) => held.reject(id));
  expect([await look(), await ids(), await bodies(alice)]).toEqual([0, [], []]);
  await expect(withHeld((held) => held.approve(id))).rejects.toThrow(/waits for a moderator/);
});

test('a moderator writes to the members at once', async () => {
  await post('mod@example.test');
  expect([await ids(), (await bodies(alice)).length]).toEqual([[], 1]);
});

test('what cannot be delivered stays approved, and goes when it can', async () => {
  await post();
  const [id = ''] = await ids();
  await withHeld((held) => held.approve(id));
  strikeBy((call, path) =>
    call === 'fsync' && path.includes('/v1/') ? systemError('ENOSPC', call, path) : undefined,
  );
  expect(await look()).toBe(0);
  strikeBy(() => undefined);
  expect(await look()).toBe(1);
  expect(await bodies(alice)).toHaveLength(1);
});

test('a spool that fails refuses the letter: nothing is held, nobody is asked', async () => {
  strikeBy((call, path) =>
    call === 'fsync' && path.includes('/moderation/') ? systemError('EIO', call, path) : undefined,
  );
  await expect(post()).rejects.toThrow(StoreError);
  strikeBy(() => undefined);
  expect([await ids(), await bodies(mod)]).toEqual([[], []]);
});

test.each(['', '../x', 'nothing', '1.M1P1Q1.x', '*'])('no letter has the id %j', async (id) => {
  await post();
  for (const way of ['approve', 'reject'] as const) {
    await expect(withHeld((held) => held[way](id))).rejects.toThrow(/waits for a moderator/);
  }
  expect(await ids()).toHaveLength(1);
});

test('a claim that was lost on the way: nobody has it, and a moderator decides anew', async () => {
  await post();
  const [id = ''] = await ids();
  await withHeld((held) => held.approve(id));
  const root = join(disk.root, 'spool1/spool/moderation');
  let lost = 0;
  strikeBy((call, path) => {
    if (call === 'read' && path.includes('/moderation/message/')) {
      // As a process does that finds its lease over, while this one sleeps.
      for (const name of readdirSync(join(root, 'taken/lists'))) {
        const [bucket = ''] = readdirSync(join(root, 'failed/lists'));
        const back = join(root, 'waiting/lists', bucket);
        mkdirSync(back, { recursive: true });
        renameSync(join(root, 'taken/lists', name), join(back, name.replace(/,C=.*$/, ',N=1')));
        lost += 1;
      }
    }
    return undefined;
  });
  expect(await look()).toBe(0);
  strikeBy(() => undefined);
  expect([lost, await bodies(alice), front.outbound.letters]).toEqual([1, [], []]);
  expect(await ids()).toEqual([id]);
});

describe('what nobody decided over', () => {
  const expired = async (): Promise<void> => {
    const other = await frontEnd({ 'delivery.moderation.expires': 0 }, 'mx2');
    await expect.poll(() => other.volumes.table.get('spool1')?.up).toBe(true);
    await other.delivery.moderation?.look();
  };
  const list = (owner: string | undefined): void =>
    directory.putList(
      memoryList({
        address: 'news@example.test',
        posting: 'moderated',
        moderators: ['mod@example.test'],
        members: ['alice@example.test'],
        owner,
      }),
    );

  test('is removed, its owner is told in one letter, its sender is not', async () => {
    const carol = await user('carol', 'v3');
    list('carol@example.test');
    await post();
    await post('dave@else.test');
    await expect.poll(() => bodies(mod)).toHaveLength(2);
    await look();
    expect(await ids(), 'its time is not over').toHaveLength(2);
    await expired();
    expect(await ids()).toEqual([]);
    const [told = '', ...more] = await bodies(carol);
    expect(more).toEqual([]);
    expect(told).toMatch(/^Return-Path: <>\n/);
    expect(told).toMatch(/^Subject: Removed, nobody decided: news@example\.test$/m);
    expect(told.match(/Sender: .*/g)).toEqual([
      'Sender:  bob@else.test',
      'Sender:  dave@else.test',
    ]);
    expect([(await bodies(mod)).length, await bodies(alice)]).toEqual([2, []]);
    expect(front.outbound.letters).toEqual([]);
  });

  test('its moderators are told where nobody owns it', async () => {
    await post();
    await expect.poll(() => bodies(mod)).toHaveLength(1);
    await expired();
    expect(await text(mod)).toContain('Subject: Removed, nobody decided');
    expect(await ids()).toEqual([]);
  });

  test('stays where nobody can be told yet', async () => {
    await post();
    await expect.poll(() => bodies(mod)).toHaveLength(1);
    strikeBy((call, path) =>
      call === 'fsync' && path.includes('/v2/') ? systemError('ENOSPC', call, path) : undefined,
    );
    await expired();
    strikeBy(() => undefined);
    expect(await ids()).toHaveLength(1);
  });
});
