/** What a node takes from a directory that another release may have written, too (decision 27). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLastGood } from '../config/last-good.ts';
import type { NodeFile } from '../config/node-file.ts';
import { memoryDirectory, type MemoryContents } from '../directory/memory.ts';
import type { NodeEntry } from '../directory/types.ts';
import { silentLogger as logger } from '../log/types.ts';
import { loadSettled, PlanError, type Settled } from './plan.ts';

const clock = { now: () => 1_800_000_000_000, sleep: () => Promise.resolve() };

let data = '';
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'mailfarm-plan-'));
});
afterEach(() => rmSync(data, { recursive: true }));

const entry = (...listen: string[]): NodeEntry => ({
  name: 'front1',
  nid: 1,
  server: 'front1.example.test',
  status: 'sp',
  listen,
  addresses: [],
  beatAt: undefined,
  version: undefined,
});

function load(contents: MemoryContents, isAway = false): Promise<Settled> {
  const directory = memoryDirectory(contents);
  directory.down = isAway;
  // Nothing else of the file is asked for.
  const file = { name: 'front1', data } as NodeFile;
  return loadSettled({ directory, file, logger, clock });
}

const problemsOf = async (contents: MemoryContents): Promise<readonly string[]> => {
  const error: unknown = await load(contents).catch((thrown: unknown) => thrown);
  if (error instanceof PlanError) return error.problems;
  throw error;
};

const NEWER: MemoryContents = {
  nodes: [entry('future *:4', 'pop3 *:110', 'health 127.0.0.1:9180')],
  settings: { 'pop3.future': 'x', 'smtp.message.max': '60MB' },
};

test('[P-13] what only another release knows is left out and named, the rest runs', async () => {
  const settled = await load(NEWER);
  expect(settled.listen.map(({ service }) => service)).toEqual(['pop3', 'health']);
  expect(settled.settings).toEqual([['smtp.message.max', '60MB']]);
  expect(settled.unknown).toEqual([
    { name: 'pop3.future', message: expect.stringContaining('"pop3.future" is not an option') },
    { name: 'future *:4', message: expect.stringContaining('"future *:4" names no service') },
  ]);
});

test('[P-13] all of it is kept for a start without the directory, which a newer release may do', async () => {
  const before = await load(NEWER);
  expect(await readLastGood(data)).toMatchObject({
    listen: NEWER.nodes?.[0]?.listen,
    settings: new Map(Object.entries(NEWER.settings ?? {})),
  });
  expect(await load(NEWER, true)).toEqual(before);
});

test('a known setting with a wrong value keeps a node from starting, as before', async () => {
  const settings = { ...NEWER.settings, 'smtp.message.max': '5' };
  expect(await problemsOf({ ...NEWER, settings })).toEqual([
    expect.stringMatching(/^cn=farm: smtp\.message\.max: "5" is not within/),
  ]);
});

test.each([
  [['future *:4'], /"future \*:4" names no service; there are mx,/],
  [['future *:4', 'health *:9180', 'hints *:9181'], /"future \*:4" names no service/],
  [['pop3 *:110', 'future'], /^mwListen: "future" is not SERVICE ADDRESS:PORT/],
  [['pop3 *:110', 'imap *:110', 'future *:4'], /"imap \*:110" has an address that another/],
])('a node that listens on %j does not start', async (listen, problem) => {
  const told = await problemsOf({ nodes: [entry(...listen)] });
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(problem);
});
