import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import type { Query } from './query.ts';
import { Searches, type Stretch } from './search.ts';
import { Summaries } from './summaries.ts';
import { TestFolder } from './testing/facts-and-messages.ts';

const NOT_THERE: Query = { kind: 'not', of: { kind: 'header', field: 'subject', text: 'zebra' } };

// 490 keys, each looked up in 2,000 subjects, held everybody else for 0.7 s.
test('a search of many keys in many heads gives others their turn', async () => {
  const texts = Array.from({ length: 400 }, (_, at) => `Subject: Letter ${at}\n\nText\n`);
  const folder = new TestFolder(undefined, texts);
  const searches = new Searches({
    summaries: new Summaries({ random: systemRandom, octetsMax: 1e7 }),
    clock: { now: () => 0, sleep: async () => {} },
    random: systemRandom,
    octetsMax: 1e6,
    limits: { octets: 1e9, ms: 1000 },
  });
  const query: Query = { kind: 'and', of: Array.from({ length: 100 }, () => NOT_THERE) };
  const count = async (): Promise<readonly [found: number, turns: number]> => {
    let turns = 0;
    let over = false;
    const others = (async () => {
      for (; !over; turns += 1) await setImmediate();
    })();
    const found = await searches.run(folder, query, folder.state);
    over = true;
    await others;
    return [found.length, turns];
  };
  await count(); // All heads are known from now on: nothing has to be waited for.
  const [found, turns] = await count();
  expect(found).toBe(400);
  expect(turns).toBeGreaterThan(10); // 400 messages of 201 keys, 4,000 at once; twice.
});

const BODY = (text: string): Query => ({ kind: 'body', text });
/** Each look at it takes a millisecond. */
const tickingClock = (): Clock => {
  let at = 0;
  return { now: () => (at += 1), sleep: async () => {} };
};

function folderOf(count: number, clock: Clock): { folder: TestFolder; searches: Searches } {
  const texts = Array.from({ length: count }, (_, at) => `Subject: ${at}\n\nText of ${at}.\n`);
  const kept = { random: systemRandom, octetsMax: 1e7 };
  const limits = { octets: 1e9, ms: 1e9 };
  const searches = new Searches({ ...kept, summaries: new Summaries(kept), clock, limits });
  return { folder: new TestFolder(undefined, texts), searches };
}

test('stretches of a folder, the newest first, are what a whole search finds', async () => {
  const { folder, searches } = folderOf(1500, tickingClock());
  for (const query of [BODY('text of 1'), NOT_THERE, BODY('nowhere')]) {
    const found: number[] = [];
    let before = folder.messages.length;
    for await (const { uids, left } of searches.newest(folder, query, folder.state, Infinity)) {
      expect(uids.every((uid) => uid > left && uid <= before)).toBe(true);
      found.unshift(...uids);
      before = left;
    }
    expect(before).toBe(0);
    expect(found).toEqual(await searches.run(folder, query, folder.state));
  }
});

async function all(stretches: AsyncIterable<Stretch>): Promise<readonly Stretch[]> {
  const found: Stretch[] = [];
  for await (const stretch of stretches) found.push(stretch);
  return found;
}

test('where time is up stretches end; what is left is read for whoever asks again', async () => {
  const { folder, searches } = folderOf(1500, tickingClock());
  const query = BODY('nowhere');
  let left = 1500;
  for await (const stretch of searches.newest(folder, query, folder.state, 600)) {
    ({ left } = stretch);
  }
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(1500);
  await expect.poll(() => folder.reads, { timeout: 20_000 }).toBeGreaterThanOrEqual(1500);
  const again = searches.newest(folder, BODY('elsewhere'), folder.state, Infinity);
  const stretches = await all(again);
  expect(stretches.at(-1)).toMatchObject({ left: 0 });
  // What was being read when time was up was read twice.
  expect(folder.reads).toBeLessThan(1510);
});

test('an empty folder was searched', async () => {
  const { folder, searches } = folderOf(0, tickingClock());
  const stretches = searches.newest(folder, BODY('x'), folder.state, 0);
  expect(await all(stretches)).toEqual([{ uids: [], left: 0 }]);
});
