/**
 * Hostile mail in Debian's Chromium, as the webmail shows it. Two walls, each taken away in turn:
 * what DOMPurify and our own cleaning leave, and the frame with its policy. With both away the same
 * mails must do harm, or this test would prove nothing.
 */
import { beforeAll, expect, test } from 'vitest';

import { HOSTILE } from '../fixtures/hostile-html/index.ts';
import { openReading, type Deeds, type Walls } from './reading-page.ts';

const named = (numbers: ReadonlySet<number>): readonly string[] =>
  [...numbers].map((number) => `${number} ${HOSTILE[number]?.name}`);

const WALLS = {
  both: { cleaned: true, framed: true },
  cleaned: { cleaned: true, framed: false },
  framed: { cleaned: false, framed: true },
  none: { cleaned: false, framed: false },
} as const satisfies Readonly<Record<string, Walls>>;

const deeds = {} as Record<keyof typeof WALLS, Deeds>;

beforeAll(async () => {
  const all = Object.values(WALLS);
  const mails = HOSTILE.map(({ html }) => html);
  const reading = await openReading(all.length);
  await Promise.all(reading.pages.map((page, at) => page.show(mails, all[at] as Walls)));
  const done = await reading.end();
  Object.assign(deeds, Object.fromEntries(Object.keys(WALLS).map((key, at) => [key, done[at]])));
});

test('there are more than 300 hostile mails, each another', () => {
  expect(HOSTILE.length).toBeGreaterThan(300);
  expect(new Set(HOSTILE.map(({ html }) => html)).size).toBe(HOSTILE.length);
});

test.each<[string, 'both' | 'cleaned']>([
  ['behind both walls', 'both'],
  ['cleaned, with no frame around it,', 'cleaned'],
])('%s hostile mail runs nothing, fetches nothing, leaves nothing', (_, walls) => {
  expect(named(deeds[walls].ran)).toEqual([]);
  expect(named(deeds[walls].fetched)).toEqual([]);
  expect(deeds[walls]).toMatchObject({ connections: 0, ownRequests: [], left: [], failed: [] });
});

test('uncleaned in its frame hostile mail runs nothing, fetches nothing, leaves nothing', () => {
  expect(named(deeds.framed.ran)).toEqual([]);
  expect(named(deeds.framed.fetched)).toEqual([]);
  expect(deeds.framed).toMatchObject({ connections: 0, ownRequests: [], left: [] });
});

test('with neither wall hostile mail does harm, so that what is said above is worth something', () => {
  expect(deeds.none.ran.size).toBeGreaterThan(50);
  expect(deeds.none.fetched.size).toBeGreaterThan(50);
  expect(deeds.none.connections).toBeGreaterThan(50);
  expect(deeds.none.left).not.toEqual([]);
});
