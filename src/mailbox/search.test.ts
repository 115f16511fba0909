import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemRandom } from '../base/random.ts';
import type { Query } from './query.ts';
import { Searches } from './search.ts';
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
