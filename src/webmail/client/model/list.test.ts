import { expect, it } from 'vitest';

import { testPage, type TestPage } from '../testing/page.ts';

const MINUTE_MS = 60_000;

/** One of ten emails a minute, of which a search of the server comes to those of the last `n`. */
async function searched(n: number): Promise<TestPage> {
  const page = testPage();
  for (let at = 0; at < 10; at += 1) page.server.add();
  await page.app.start();
  await page.clock.pass(200);
  reach(page, n);
  page.app.search('Subject');
  await page.clock.pass(500);
  return page;
}

function reach(page: TestPage, n: number): void {
  page.server.searchedBackTo = new Date((10 - n) * MINUTE_MS).toISOString();
}

const found = ({ app }: TestPage): number | undefined => app.list?.rows.length;

it('a search that was not done in time says how far it came, and comes further when asked', async () => {
  const page = await searched(3);
  expect([found(page), page.app.list?.searchedBackTo]).toEqual([3, '1970-01-01T00:07:00.000Z']);
  reach(page, 6);
  page.app.list?.searchOn();
  expect(page.app.list?.isLoading).toBe(true);
  await page.clock.pass(500);
  expect([found(page), page.app.list?.searchedBackTo]).toEqual([6, '1970-01-01T00:04:00.000Z']);
  page.server.searchedBackTo = undefined;
  page.app.list?.searchOn();
  await page.clock.pass(500);
  expect([found(page), page.app.list?.searchedBackTo]).toEqual([10, undefined]);
});

it('asks once however often somebody presses', async () => {
  const page = await searched(3);
  page.server.requests.length = 0;
  page.app.list?.searchOn();
  page.app.list?.searchOn();
  await page.clock.pass(500);
  expect(page.server.requests).toHaveLength(1);
});

it('a folder is listed whole', async () => {
  const page = await searched(3);
  page.app.search('');
  await page.clock.pass(500);
  expect([found(page), page.app.list?.searchedBackTo]).toEqual([10, undefined]);
});

it('nothing found so far is told apart from nothing found', async () => {
  const page = await searched(0);
  expect([found(page), page.app.list?.searchedBackTo]).toEqual([0, '1970-01-01T00:10:00.000Z']);
  page.server.searchedBackTo = undefined;
  page.app.list?.searchOn();
  await page.clock.pass(500);
  expect([found(page), page.app.list?.searchedBackTo]).toEqual([10, undefined]);
});
