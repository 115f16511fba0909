import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import type { Query } from './query.ts';
import { Searches, type Stretch } from './search.ts';
import { Summaries } from './summaries.ts';
import { MemoryFacts, TestFolder } from './testing/facts-and-messages.ts';

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

/** Of 1,500 letters, each of them with 600 octets of signature and what it takes in memory. */
const SMALL_MEMORY = 65_536;

const longLetters = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => {
    const words = Array.from({ length: 60 }, (_none, word) => (at * 7919 + word * 104_729) % 1e6);
    return `Subject: ${at}\n\n${words.join(' ')} of ${at}.\n`;
  });

function littleNode(ms: number): { readonly searches: Searches; readonly clock: Clock } {
  const clock = tickingClock();
  const kept = { random: systemRandom, octetsMax: SMALL_MEMORY };
  const limits = { octets: 1e9, ms };
  const summaries = new Summaries(kept);
  return { searches: new Searches({ ...kept, summaries, clock, limits }), clock };
}

/** Asks one node after the other, each for so long, until all was searched. */
async function askInTurn(
  nodes: readonly ReturnType<typeof littleNode>[],
  { folder, query, ms }: { folder: TestFolder; query: Query; ms: number },
): Promise<{ readonly asks: number; readonly uids: readonly number[] }> {
  for (let asks = 0; asks < 100; asks += 1) {
    const { searches, clock } = nodes[asks % nodes.length] as ReturnType<typeof littleNode>;
    const until = clock.now() + ms;
    const stretches = await all(searches.newest(folder, query, folder.state, until));
    await searches.settled();
    if (stretches.at(-1)?.left === 0) {
      const uids = stretches.flatMap((stretch) => stretch.uids).toSorted((a, b) => a - b);
      return { asks: asks + 1, uids };
    }
  }
  throw new Error('a search that does not end');
}

test('a folder whose signatures are more than memory is searched to its end, by two nodes in turn', async () => {
  const folder = new TestFolder(new MemoryFacts(), longLetters(1500));
  const nodes = [littleNode(700), littleNode(700)];
  const ask = { folder, query: BODY('nowhere'), ms: 700 };
  const { asks, uids } = await askInTurn(nodes, ask);
  expect(uids).toEqual([]);
  expect(asks).toBeGreaterThan(1);
  const before = folder.reads;
  const third = littleNode(1e9);
  await askInTurn([third], { folder, query: BODY('zebra crossing'), ms: 1e9 });
  // It read hardly anything that the two had read: less than fifty of a block are not written.
  expect(folder.reads - before).toBeLessThan(200);
  const found = await askInTurn([third], { folder, query: BODY('of 7.'), ms: 1e9 });
  expect(found.uids).toEqual([8]);
  for (const { searches } of [...nodes, third]) {
    expect(searches.octets).toBeLessThanOrEqual(SMALL_MEMORY);
  }
});

test('where nothing is written a search that is asked again goes on where it ended', async () => {
  const folder = new TestFolder(undefined, longLetters(1500));
  const ask = { folder, query: BODY('of 7.'), ms: 600 };
  const { asks, uids } = await askInTurn([littleNode(600)], ask);
  expect(uids).toEqual([8]);
  expect(asks).toBeGreaterThan(1);
  expect(folder.reads).toBeLessThan(2000);
});

test('what was answered before is of texts alone, and of one journal', async () => {
  const folder = new TestFolder(undefined, ['A: b\n\nneedle\n', 'A: b\n\nhay\n']);
  const { searches } = littleNode(1e9);
  const query: Query = { kind: 'and', of: [BODY('needle'), { kind: 'letter', letter: 'F' }] };
  const plain: Query = { kind: 'not', of: { kind: 'letter', letter: 'F' } };
  const both: Query = { kind: 'and', of: [BODY('needle'), plain] };
  expect(await searches.run(folder, both, folder.state)).toEqual([1]);
  folder.change(0, { flags: 'F' });
  expect(await searches.run(folder, both, folder.state)).toEqual([]);
  expect(await searches.run(folder, query, folder.state)).toEqual([1]);
  const other = new TestFolder(undefined, ['A: b\n\nhay\n', 'A: b\n\nneedle\n'], 'other');
  const state = { ...other.state, journalId: '2' };
  expect(await searches.run(other, BODY('needle'), state)).toEqual([2]);
});
