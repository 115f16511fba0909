import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recordCalls, wrapFs } from '../test/call-fs.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import {
  nodeFs,
  openMaildirs,
  systemClock,
  systemRandom,
  type Fs,
  type Maildirs,
} from './index.ts';
import { SETTLED_MS } from './unchanged.ts';

const BOX = '/m';

/** A file system whose times tick in steps of TICK_MS, and engines on it, all on one time. */
const TICK_MS = 1_000;

async function mailbox() {
  const memory = new MemoryFs();
  const time = { now: 1_700_000_000_000 };
  memory.serverNow = () => Math.floor(time.now / TICK_MS) * TICK_MS;
  const hook = { afterList: async () => {} };
  const hooked = wrapFs(memory, async (call, _args, perform) => {
    const answer = await perform();
    if (call === 'list') await hook.afterList();
    return answer;
  });
  const recorded = recordCalls(hooked);
  const open = (fs: Fs, directoryTimes: 'exact' | 'vague'): Maildirs =>
    openMaildirs({
      fs,
      clock: { now: () => time.now, sleep: async () => {} },
      random: { bytes: (n) => Buffer.alloc(n) },
      node: 'mx1',
      pid: 1,
      directorySync: 'always',
      directoryTimes,
    });
  for (const path of [BOX, `${BOX}/new`, `${BOX}/cur`]) await memory.mkdir(path);
  const add = async (path: string): Promise<void> => memory.close(await memory.create(path));
  const engine = open(recorded.fs, 'exact');
  const listed = async (): Promise<string[]> =>
    (await engine.list(BOX)).map(({ directory, name }) => `${directory}/${name}`);
  /** Directories listed by the engine since the last look. */
  const listings = (): number => recorded.calls.splice(0).filter((call) => call === 'list').length;
  const openVague = (): Maildirs => open(recorded.fs, 'vague');
  return { memory, time, add, listed, listings, hook, openVague, recorded };
}

test('what has not changed is not listed again, and what has is, at once', async () => {
  const { memory, time, add, listed, listings } = await mailbox();
  await add(`${BOX}/new/a`);
  const polls = async (expected: string[]): Promise<number[]> => {
    const counts: number[] = [];
    for (let poll = 0; poll < 4; poll++) {
      expect(await listed()).toEqual(expected);
      counts.push(listings());
      time.now += SETTLED_MS;
    }
    return counts;
  };
  expect(await polls(['new/a'])).toEqual([4, 2, 0, 0]);
  await memory.rename(`${BOX}/new/a`, `${BOX}/cur/a:2,S`);
  expect(await polls(['cur/a:2,S'])).toEqual([4, 2, 0, 0]);
  await memory.unlink(`${BOX}/cur/a:2,S`);
  expect(await polls([])).toEqual([4, 2, 0, 0]);
});

test('a second change in the tick of the first is seen, however late one looks', async () => {
  for (const late of [0, TICK_MS, SETTLED_MS - 1, SETTLED_MS, 100 * SETTLED_MS]) {
    const { time, add, listed } = await mailbox();
    await add(`${BOX}/new/a`);
    for (let poll = 0; poll < 3; poll++) expect(await listed()).toEqual(['new/a']);
    await add(`${BOX}/new/b`); // Same time of change as before.
    time.now += late;
    expect(await listed()).toEqual(['new/a', 'new/b']);
    time.now += SETTLED_MS;
    expect(await listed()).toEqual(['new/a', 'new/b']);
  }
});

test('a change while a listing is taken is in it, or makes it be taken again', async () => {
  for (const listing of [1, 2]) {
    const { time, add, listed, hook } = await mailbox();
    await add(`${BOX}/cur/a`);
    await listed();
    time.now += SETTLED_MS;
    let left = listing;
    hook.afterList = async () => {
      if (--left === 0) await add(`${BOX}/new/b`); // The single listing has read new/ by then.
    };
    expect(await listed()).toEqual(['cur/a', 'new/b']);
    time.now += SETTLED_MS;
    expect(await listed()).toEqual(['cur/a', 'new/b']);
  }
});

test('any order of changes, waits and polls: a poll shows what is there', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 400, 999, 2_500) }),
    fc.record({ kind: fc.constant('poll' as const) }),
    fc.record({ kind: fc.constantFrom('add', 'move', 'remove' as const), pick: fc.nat(3) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { memory, time, add, listed } = await mailbox();
      const there = new Set<string>();
      for (const each of [...steps, { kind: 'poll' } as const]) {
        if (each.kind === 'wait') time.now += each.ms;
        else if (each.kind === 'poll') expect(await listed()).toEqual(sortedByName(there));
        else {
          const [fresh, seen] = [`new/${each.pick}`, `cur/${each.pick}`];
          if (each.kind === 'add' && !there.has(fresh) && !there.has(seen)) {
            await add(`${BOX}/${fresh}`);
            there.add(fresh);
          } else if (each.kind === 'move' && there.delete(fresh)) {
            await memory.rename(`${BOX}/${fresh}`, `${BOX}/${seen}`);
            there.add(seen);
          } else if (each.kind === 'remove' && there.delete(seen)) {
            await memory.unlink(`${BOX}/${seen}`);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

const sortedByName = (paths: ReadonlySet<string>): string[] =>
  [...paths].toSorted((a, b) => (a.slice(4) < b.slice(4) ? -1 : 1));

test('names kept are bounded: the Maildir listed least recently is listed again', async () => {
  const names = Array.from({ length: 110_000 }, (_, i) => String(1_000_000 + i));
  let listings = 0;
  const fs = {
    changed: async () => '1',
    list: async (path: string) => {
      listings++;
      return path.endsWith('/new') ? names : [];
    },
  } as unknown as Fs;
  const time = { now: 0 };
  const clock = { now: () => time.now, sleep: async () => {} };
  const random = { bytes: (n: number) => Buffer.alloc(n) };
  const given = { fs, clock, random, node: 'mx1', pid: 1, directorySync: 'always' } as const;
  const engine = openMaildirs({ ...given, directoryTimes: 'exact' });
  const taken = async (maildir: string): Promise<number> => {
    const before = listings;
    expect(await engine.list(maildir)).toHaveLength(names.length);
    return listings - before;
  };
  for (const maildir of ['/a', '/b']) {
    await taken(maildir);
    time.now += SETTLED_MS;
    await taken(maildir);
  }
  expect(await taken('/b')).toBe(0);
  expect(await taken('/a')).toBe(4); // Its times are forgotten too.
});

test('a Maildir of more names than are kept costs one listing, not two', async () => {
  const names = Array.from({ length: 200_001 }, (_, i) => String(1_000_000 + i));
  let listings = 0;
  const fs = {
    changed: async () => '1',
    list: async (path: string) => {
      listings++;
      return path.endsWith('/new') ? names : [];
    },
  } as unknown as Fs;
  const time = { now: 0 };
  const engine = openMaildirs({
    fs,
    clock: { now: () => time.now, sleep: async () => {} },
    random: { bytes: (n) => Buffer.alloc(n) },
    node: 'mx1',
    pid: 1,
    directorySync: 'always',
    directoryTimes: 'exact',
  });
  const counts: number[] = [];
  for (let poll = 0; poll < 4; poll++) {
    expect(await engine.list('/a')).toHaveLength(names.length);
    counts.push(listings);
    listings = 0;
    time.now += SETTLED_MS;
  }
  expect(counts).toEqual([4, 2, 2, 2]);
});

test('where times are vague nobody asks for them', async () => {
  const { openVague, recorded, time } = await mailbox();
  const engine = openVague();
  for (let poll = 0; poll < 4; poll++) {
    await engine.list(BOX);
    time.now += SETTLED_MS;
  }
  expect(recorded.calls).not.toContain('changed');
  expect(recorded.calls.filter((call) => call === 'list')).toHaveLength(16);
});

test('a Maildir that is missing is ENOENT, whatever was kept', async () => {
  const { memory, time, listed } = await mailbox();
  for (let poll = 0; poll < 3; poll++) {
    await listed();
    time.now += SETTLED_MS;
  }
  await memory.rmdir(`${BOX}/new`);
  await expect(listed()).rejects.toMatchObject({ code: 'ENOENT' });
});

test('on the disk of this machine, a change is seen by the very next poll', async () => {
  const root = await mkdtemp(join(tmpdir(), 'maildir-unchanged-'));
  try {
    const engine = openMaildirs({
      fs: nodeFs,
      clock: systemClock,
      random: systemRandom,
      node: 'mx1',
      pid: process.pid,
      directorySync: 'never',
      directoryTimes: 'exact',
    });
    const boxes = Array.from({ length: 40 }, (_, i) => `${root}/${i}`);
    for (const box of boxes) await engine.create(box, { root });
    const there = new Map<string, number>(boxes.map((box) => [box, 0]));
    for (let round = 0; round < 2; round++) {
      for (const box of boxes) await engine.list(box);
      await systemClock.sleep(SETTLED_MS);
      for (const box of boxes) await engine.list(box); // Kept from now on.
      for (let change = 0; change < 400; change++) {
        const box = boxes[(change * 7) % 23] as string;
        await writeFile(`${box}/new/${round}-${change}`, '');
        const count = (there.get(box) ?? 0) + 1;
        there.set(box, count);
        expect(await engine.list(box)).toHaveLength(count);
      }
      for (const box of boxes) expect(await engine.list(box)).toHaveLength(there.get(box) ?? 0);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 30_000);
