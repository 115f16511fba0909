/**
 * A folder of 20,000 letters in a browser (100,000 with MAILFARM_LONG), before two nodes in turn:
 * to its end by key and by the bar, through all of it, to a word; and the page grows no more than
 * what is on the screen.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { send } from '../farm/letters.ts';
import { maildirOf } from '../harness/maildir-of.ts';
import { ALICE, picture, row, signIn, startSite, troublesOf, type Site } from './site.ts';

const LETTERS = process.env['MAILFARM_LONG'] === undefined ? 20_000 : 100_000;
/** Stops on the way through the list: rows between them are never asked for. */
const STOPS = 30;
/** A screen of 768 pixels has 20 rows; eight are drawn beyond each edge. */
const ROWS_MAX = 60;
/** 4,000 emails of lists at 1 KB, and the program; a page that kept all would have 100 MB. */
const HEAP_MAX = 48_000_000;
const GROWTH_MAX = 16_000_000;

let site: Site;
let page: Page;
let troubles: string[];
let debug: CDPSession;

beforeAll(async () => {
  site = await startSite();
  const first = `Subject: The newest of all\r\n\r\nGood morning\r\n`;
  expect((await send(site.farm.ports.smtp, [ALICE], first)).code).toBe(250);
  const maildir = await maildirOf(site.farm, ALICE);
  for (let n = 0; n < LETTERS; n += 1) {
    const text = letter(n);
    const seconds = 1_700_000_000 + n * 60;
    const [octets, lines] = [Buffer.byteLength(text), text.split('\n').length - 1];
    const key = `${seconds}.M1P1Q1R${n.toString(16).padStart(16, '0')}.large`;
    writeFileSync(join(maildir, 'cur', `${key},S=${octets},W=${octets + lines}:2,S`), text);
  }
  page = await site.page();
  troubles = troublesOf(page);
  debug = await page.context().newCDPSession(page);
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await picture(page, `failed-${task.id}`);
});

afterAll(() => site?.stop());

/** Number 0 is the oldest. */
const letter = (n: number): string =>
  [
    `From: Writer ${n % 97} <writer${n % 97}@world.example>`,
    `To: Alice <${ALICE}>`,
    `Subject: Letter number ${n}${n === 0 ? ', the harmattan of old' : ''}`,
    `Date: ${new Date((1_700_000_000 + n * 60) * 1000).toUTCString()}`,
    `Message-ID: <${n}@large.example>`,
    '',
    `What letter ${n} says.${n === LETTERS - 40 ? ' A zanzibar among them.' : ''}`,
    '',
  ].join('\n');

const grid = () => page.locator('#list');
const rows = (): Promise<number> => page.getByRole('row').count();

async function heap(): Promise<number> {
  await debug.send('HeapProfiler.collectGarbage');
  return (await debug.send('Runtime.getHeapUsage')).usedSize;
}

/** As somebody pulls the bar: to so much of its way. Then rows are there, not places for them. */
async function pullTo(share: number): Promise<void> {
  await grid().evaluate((list, to) => {
    list.scrollTop = to * (list.scrollHeight - list.clientHeight);
  }, share);
  const number = LETTERS - Math.round(share * LETTERS);
  const near = number < 1 ? 0 : Math.min(number, LETTERS - 1);
  const shown = async (): Promise<number> => {
    const texts = await page.getByRole('row').allInnerTexts();
    const numbers = texts.map((text) => Number(/Letter number (\d+)/.exec(text)?.[1] ?? NaN));
    const known = numbers.filter((n) => !Number.isNaN(n));
    return known.length < texts.length / 2 ? Infinity : Math.abs((known[0] ?? Infinity) - near);
  };
  await expect.poll(shown).toBeLessThan(ROWS_MAX);
  expect(await rows()).toBeLessThan(ROWS_MAX);
}

test('[N-17] a folder of many letters: its newest are there, and how many there are', async () => {
  await signIn(page, ALICE);
  await row(page, 'The newest of all').waitFor();
  await expect.poll(() => grid().getAttribute('aria-rowcount')).toBe(String(LETTERS + 1));
  expect(await rows()).toBeLessThan(ROWS_MAX);
});

test('[N-17] End leads to the last letter, which opens, and Home back', async () => {
  await page.keyboard.press('End');
  await row(page, 'the harmattan of old').waitFor();
  expect(await rows()).toBeLessThan(ROWS_MAX);
  await page.keyboard.press('Enter');
  await page.locator('.reading').getByText('What letter 0 says.').first().waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Home');
  await row(page, 'The newest of all').waitFor();
});

test('[N-17] through all of it by the bar: rows and memory of the page are bounded', async () => {
  const before = await heap();
  for (let stop = 1; stop <= STOPS; stop += 1) await pullTo(stop / STOPS);
  await row(page, 'the harmattan of old').waitFor();
  const after = await heap();
  process.stdout.write(`heap of the page: ${before} octets, ${after} after ${STOPS} stops\n`);
  expect(after).toBeLessThan(HEAP_MAX);
  expect(after - before).toBeLessThan(GROWTH_MAX);
});

test('[N-17] a new letter comes in above while its end is looked at', async () => {
  const came = 'Subject: Came in meanwhile\r\n\r\nHello\r\n';
  expect((await send(site.farm.ports.smtp, [ALICE], came)).code).toBe(250);
  await expect.poll(() => grid().getAttribute('aria-rowcount')).toBe(String(LETTERS + 2));
  await row(page, 'the harmattan of old').waitFor();
  await page.keyboard.press('Home');
  await row(page, 'Came in meanwhile').waitFor();
});

test('[N-17] a word of a text and one of the oldest subject are found', async () => {
  const search = page.getByRole('searchbox');
  await search.fill('zanzibar');
  await search.press('Enter');
  await row(page, `Letter number ${LETTERS - 40}`).waitFor();
  await expect.poll(rows).toBe(1);
  await search.fill('subject:harmattan');
  await search.press('Enter');
  await row(page, 'the harmattan of old').waitFor();
  await page.locator('.list-pane').getByText('the harmattan of old').first().click();
  await page.locator('.reading').getByText('What letter 0 says.').first().waitFor();
  expect(troubles).toEqual([]);
});
