import fc from 'fast-check';
import { expect, test } from 'vitest';
import { engineOn } from '../test/engine.ts';
import type { Entry, Fs } from './index.ts';
import { nameKey } from './names.ts';

const BOX = '/m';

/** A Maildir that shows these listings one after another; the last one stays. */
function showing(listings: readonly { readonly new?: string[]; readonly cur?: string[] }[]) {
  let at = 0;
  const fs = {
    list: async (path: string) => {
      const shown = listings[Math.min(at, listings.length - 1)];
      if (path.endsWith('/cur')) at++; // new/ is listed first.
      return (path.endsWith('/new') ? shown?.new : shown?.cur) ?? [];
    },
  } as unknown as Fs;
  return { engine: engineOn(fs), listings: () => at };
}

const shortly = (entries: readonly Entry[]): string[] =>
  entries.map((entry) => `${entry.directory}/${entry.name}`);

type Shown = { readonly new?: string[]; readonly cur?: string[] };
// title, listings shown, result, listings taken
const CASES: readonly [string, readonly Shown[], readonly string[], number][] = [
  ['empty', [{}], [], 2],
  ['idle', [{ new: ['b'], cur: ['a:2,S'] }], ['cur/a:2,S', 'new/b'], 2],
  ['unsorted', [{ cur: ['c:2,', 'a:2,', 'b:2,'] }], ['cur/a:2,', 'cur/b:2,', 'cur/c:2,'], 2],
  ['dot names', [{ new: ['.nfs0001', 'a', '.lock'], cur: ['.x:2,S'] }], ['new/a'], 2],
  ['moved between the two', [{ new: ['a'] }, { cur: ['a:2,S'] }], ['cur/a:2,S'], 2],
  ['new flags', [{ cur: ['a:2,'] }, { cur: ['a:2,S'] }], ['cur/a:2,S'], 2],
  [
    'sized between the two',
    [{ cur: ['a:2,'] }, { cur: ['a,S=1,W=2:2,'] }],
    ['cur/a,S=1,W=2:2,'],
    2,
  ],
  [
    'missed once',
    [{ cur: ['a'] }, { cur: ['a', 'b'] }, { cur: ['a', 'b'] }],
    ['cur/a', 'cur/b'],
    3,
  ],
  ['missed in the second', [{ cur: ['a', 'b'] }, { cur: ['a'] }, { cur: ['a'] }], ['cur/a'], 3],
  [
    'never twice the same: the union',
    [{ cur: ['a'] }, { cur: ['b'] }, { cur: ['c'] }],
    ['cur/a', 'cur/b', 'cur/c'],
    3,
  ],
  [
    'the union has the last name of each',
    [{ cur: ['a:2,'] }, { cur: ['b:2,'] }, { cur: ['a:2,S', 'c:2,'] }],
    ['cur/a:2,S', 'cur/b:2,', 'cur/c:2,'],
    3,
  ],
  ['new and cur at once', [{ new: ['a,S=1'], cur: ['a,S=1:2,S'] }], ['cur/a,S=1:2,S'], 2],
  ['doubled flags', [{ cur: ['a:2,', 'a:2,S', 'b:2,'] }], ['cur/a:2,S', 'cur/b:2,'], 2],
  [
    'doubled, apart in order',
    [{ cur: ['a', 'a+b', 'a.c', 'a:2,S'] }],
    ['cur/a+b', 'cur/a.c', 'cur/a:2,S'],
    2,
  ],
  ['doubled over size', [{ cur: ['a,S=1:2,', 'a:2,S'] }], ['cur/a:2,S'], 2],
  ['one key begins another', [{ cur: ['a', 'ab', 'abc'] }], ['cur/a', 'cur/ab', 'cur/abc'], 2],
];

for (const [title, listings, expected, taken] of CASES) {
  test(`listing: ${title}`, async () => {
    const shown = showing(listings);
    expect(shortly(await shown.engine.list(BOX))).toEqual(expected);
    expect(shown.listings()).toBe(taken);
  });
}

test('any two directories: each key once, nothing lost, sorted by name', async () => {
  const key = fc.stringMatching(/^[ab.+]{1,3}$/).filter((text) => !text.startsWith('.'));
  const name = fc
    .tuple(key, fc.constantFrom('', ',S=1', ',S=1,W=2'), fc.constantFrom('', ':2,', ':2,S'))
    .map((parts) => parts.join(''));
  const names = fc.uniqueArray(name, { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(names, names, async (fresh, current) => {
      const entries = await showing([{ new: fresh, cur: current }]).engine.list(BOX);
      const keys = entries.map((entry) => nameKey(entry.name));
      expect(new Set(keys)).toEqual(new Set([...fresh, ...current].map((each) => nameKey(each))));
      expect(new Set(keys).size).toBe(keys.length);
      const listed = entries.map((entry) => entry.name);
      expect(listed).toEqual(listed.toSorted((a, b) => (a < b ? -1 : 1)));
    }),
    { numRuns: 500 },
  );
});

test('a missing Maildir is ENOENT, never an empty one', async () => {
  const missing = Object.assign(new Error('none'), { code: 'ENOENT', errno: -2 });
  const fs = { list: () => Promise.reject(missing) } as unknown as Fs;
  await expect(engineOn(fs).list(BOX)).rejects.toMatchObject({ code: 'ENOENT' });
});
