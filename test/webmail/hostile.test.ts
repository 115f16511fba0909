/**
 * Hostile mail in Debian's Chromium, as the webmail shows it. Two walls, each taken away in turn:
 * what DOMPurify and our own cleaning leave, and the frame with its policy. With both away the same
 * mails must do harm, or this test would prove nothing.
 */
import { describe, expect, test } from 'vitest';

import { HOSTILE } from '../fixtures/hostile-html/index.ts';
import { armed, openReadingPage, type Deeds, type Walls } from './reading-page.ts';

const MAILS = HOSTILE.map(({ html }, number) => armed(html, number));
const named = (numbers: ReadonlySet<number>): readonly string[] =>
  [...numbers].map((number) => `${number} ${HOSTILE[number]?.name}`);

async function deedsOf(walls: Walls): Promise<Deeds> {
  const reading = await openReadingPage();
  await reading.show(MAILS, walls);
  return reading.end();
}

test('there are more than 300 hostile mails, each another', () => {
  expect(HOSTILE.length).toBeGreaterThan(300);
  expect(new Set(HOSTILE.map(({ html }) => html)).size).toBe(HOSTILE.length);
});

describe.concurrent('hostile mail', () => {
  test.each<[string, Walls]>([
    ['behind both walls', { cleaned: true, framed: true }],
    ['cleaned, with no frame around it', { cleaned: true, framed: false }],
  ])('%s runs nothing, fetches nothing, leaves nothing', async (_, walls) => {
    const deeds = await deedsOf(walls);
    expect(named(deeds.ran)).toEqual([]);
    expect(named(deeds.fetched)).toEqual([]);
    expect(deeds).toMatchObject({ connections: 0, ownRequests: [], left: [], failed: [] });
  });

  test('uncleaned in its frame runs nothing, fetches nothing, leaves nothing', async () => {
    const deeds = await deedsOf({ cleaned: false, framed: true });
    expect(named(deeds.ran)).toEqual([]);
    expect(named(deeds.fetched)).toEqual([]);
    expect(deeds).toMatchObject({ connections: 0, ownRequests: [], left: [] });
  });

  test('with neither wall does harm, so that what is said above is worth something', async () => {
    const deeds = await deedsOf({ cleaned: false, framed: false });
    expect(deeds.ran.size).toBeGreaterThan(50);
    expect(deeds.fetched.size).toBeGreaterThan(50);
    expect(deeds.connections).toBeGreaterThan(50);
    expect(deeds.left).not.toEqual([]);
  });
});
