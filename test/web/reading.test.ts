/**
 * A user at a browser, before two nodes of which each click meets the other: reads, searches, moves
 * and takes back; by mouse, by keyboard alone, on a phone. In the middle one node dies.
 */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { send } from '../farm/letters.ts';
import {
  ALICE,
  DESK,
  look,
  PHONE,
  picture,
  row,
  signIn,
  startSite,
  troublesOf,
  type Site,
} from './site.ts';

let site: Site;
let page: Page;
let troubles: string[];

beforeAll(async () => {
  site = await startSite();
  for (const [at, text] of LETTERS.entries()) {
    const reply = await send(site.farm.ports.smtp, [ALICE], letter(at, text));
    expect(reply.code).toBe(250);
  }
  page = await site.page();
  troubles = troublesOf(page);
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await picture(page, `failed-${task.id}`);
});

afterAll(() => site?.stop());

interface Text {
  readonly from: string;
  readonly subject: string;
  readonly body: string;
  readonly reply?: number;
}

const LETTERS: readonly Text[] = [
  ['Anna Keller', 'Budget of the harbour', 'The second pier is dearer than we thought.'],
  ['Борис Лебедев', 'Встреча в четверг', 'Предлагаю начать в десять часов, у меня в кабинете.'],
  ['מיכל לוי', 'תוכנית הנסיעה', 'הרכבת יוצאת בשמונה בבוקר מהתחנה המרכזית.'],
  ['Library', 'Two books are due', 'Please bring back the atlas and the dictionary by Friday.'],
  ['Jonas Berg', 'Photos of the mountains', 'We reached the hut before the rain came.'],
  ['Anna Keller', 'Re: Budget of the harbour', 'Here are the figures that you asked for.'],
  ['Newsletter', 'A quiet week', 'Nothing happened, and we tell it at length.'],
  ['Maria Rossi', 'Recipe', 'Flour, eggs, and a spoon of the zanzibar pepper.'],
].map(([from = '', subject = '', body = '']) => ({
  from,
  subject,
  body,
  ...(subject.startsWith('Re:') && { reply: 0 }),
}));

function letter(at: number, { from, subject, body, reply }: Text): string {
  const word = (text: string): string => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`;
  return [
    `From: ${word(from)} <writer${at}@world.example>`,
    `To: Alice <${ALICE}>`,
    `Subject: ${word(subject)}`,
    `Message-ID: <letter${at}@world.example>`,
    ...(reply === undefined ? [] : [`References: <letter${reply}@world.example>`]),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    `${body}\r\n`,
  ].join('\r\n');
}

/** Pixels by which the page is wider than the screen. */
const BEYOND = 'document.documentElement.scrollWidth - innerWidth';
const SCALES =
  "[...document.querySelectorAll('.message-actions .icon, .mail-buttons .icon')]" +
  '.map((icon) => getComputedStyle(icon).scale)';
const rows = (): Promise<number> => page.getByRole('row').count();
const folder = (name: string) => page.locator('.folder-link').filter({ hasText: name }).first();
const message = (words: string) => page.locator('.reading').getByText(words).first();

test('[N-17] [P-04] she signs in and sees her conversations', async () => {
  await page.goto('/');
  await page.locator('.sign-in-form').waitFor();
  await look(page, 'desk-sign-in');
  await signIn(page, ALICE);
  await row(page, 'Recipe').waitFor();
  await row(page, 'תוכנית').waitFor();
  expect(await rows()).toBe(LETTERS.length - 1); // One is an answer within its conversation.
  await look(page, 'desk-list');
});

test('[N-17] [P-04] she opens one, and it is read', async () => {
  await row(page, 'Two books').click();
  await message('Please bring back').waitFor();
  await expect.poll(() => row(page, 'Two books').getAttribute('class')).not.toMatch('is-unread');
  await look(page, 'desk-message');
});

test('[P-04] a folder is made', async () => {
  await page.getByRole('button', { name: 'New folder' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('Harbour');
  await look(page, 'desk-new-folder');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await folder('Harbour').waitFor();
});

test('[P-04] a word of the text is found, and operators are understood', async () => {
  const search = page.getByRole('searchbox');
  await search.fill('zanzibar');
  await search.press('Enter');
  await row(page, 'Recipe').waitFor();
  await expect.poll(rows).toBe(1);
  await look(page, 'desk-search');
  await search.fill('subject:harbour -figures');
  await search.press('Enter');
  await row(page, 'Budget of the harbour').waitFor();
  await search.fill('');
  await search.press('Enter');
  await folder('Inbox').click();
  await row(page, 'Recipe').waitFor();
});

test('[N-17] [P-04] one is dragged to a folder, taken back, and dragged again', async () => {
  const before = await rows();
  await row(page, 'A quiet week').dragTo(folder('Harbour'));
  await expect.poll(rows).toBe(before - 1);
  await page.getByRole('button', { name: 'Undo' }).waitFor();
  await look(page, 'desk-undo');
  const takenBack = page.waitForResponse(
    (reply) => reply.request().postData()?.includes('"Email/set"') ?? false,
  );
  await page.getByRole('button', { name: 'Undo' }).click();
  await row(page, 'A quiet week').waitFor();
  // Letters of one second lie by their UIDs: it comes back to another place than it left.
  await takenBack;
  await page.reload();
  await row(page, 'A quiet week').waitFor();
  await row(page, 'A quiet week').dragTo(folder('Harbour'));
  await expect.poll(rows).toBe(before - 1);
  await page.reload();
  await row(page, 'Recipe').waitFor();
  expect(await rows()).toBe(before - 1);
  await folder('Harbour').click();
  await row(page, 'A quiet week').waitFor();
  await folder('Inbox').click();
});

test('[P-04] by keys alone: open, star, select, delete, undo, help', async () => {
  await page.reload();
  await row(page, 'Recipe').waitFor();
  // The list has the focus by itself.
  await page.keyboard.press('End');
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await message('Recipe').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('s');
  await expect.poll(() => page.locator('.row .star.is-on').count()).toBe(1);
  await page.keyboard.press('x');
  await page.getByText('1 selected').waitFor();
  await look(page, 'desk-selected');
  const before = await rows();
  await page.keyboard.press('Delete');
  await expect.poll(rows).toBe(before - 1);
  await folder('Trash').waitFor(); // There was none: a new mailbox has an inbox only.
  await page.keyboard.press('z');
  await row(page, 'Recipe').waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await look(page, 'desk-help');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
});

test('[P-04] [S3-26] dark, in Russian, from right to left: each can be read', async () => {
  const choose = async (choices: object): Promise<void> => {
    await page.evaluate((value) => {
      localStorage.setItem('mailfarm.choices', JSON.stringify(value));
    }, choices);
    await page.reload();
    await row(page, 'Recipe').waitFor();
    await row(page, 'harbour').click();
    await message('The second pier').waitFor();
  };
  await choose({ theme: 'dark' });
  await look(page, 'desk-dark');
  await choose({ language: 'ru' });
  await page.getByText('Входящие').first().waitFor();
  await look(page, 'desk-russian');
  await choose({ direction: 'rtl' });
  expect(await page.locator('html').getAttribute('dir')).toBe('rtl');
  await look(page, 'desk-rtl');
});

test('[P-04] from right to left: arrows point where the text goes, sentences keep their order', async () => {
  // A count before its word in a language of the other direction, in all that is told.
  for (const told of await page.locator('.list-count, .banner p, .notice p').all()) {
    expect(await told.getAttribute('dir')).toBe('auto');
  }
  const mirrored = page.locator('.message-actions .icon, .mail-buttons .icon');
  expect(await mirrored.count()).toBeGreaterThan(2);
  // Turned round, each to the negative of its width.
  const turned = await page.evaluate<readonly string[]>(SCALES);
  expect(new Set(turned)).toEqual(new Set(['-1 1']));
  await page.getByRole('button', { name: 'Reply' }).first().click();
  await page.locator('.compose .compose-text').waitFor();
  await look(page, 'rtl-compose');
  await page.locator('.compose').getByRole('button', { name: 'Save and close' }).click();
  await page.goto('/#/settings/look');
  await page.locator('.settings-section').waitFor();
  await look(page, 'rtl-settings');
  await page.setViewportSize(PHONE);
  await page.goto('/#');
  await row(page, 'Recipe').waitFor();
  for (const name of ['rtl-phone-list', 'rtl-phone-folders', 'rtl-phone-message'] as const) {
    if (name === 'rtl-phone-folders') {
      await page.getByRole('button', { name: 'Show folders' }).click();
      await folder('Trash').waitFor();
    } else if (name === 'rtl-phone-message') {
      await page.keyboard.press('Escape');
      await row(page, 'harbour').click();
      await message('The second pier').waitFor();
    }
    await look(page, name);
    expect(await page.evaluate(BEYOND), name).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize(DESK);
  await page.evaluate(() => localStorage.setItem('mailfarm.choices', '{}'));
  await page.reload();
});

test('[P-04] on a phone there is one pane at a time, and nothing is wider than it', async () => {
  const narrow = async (name: string): Promise<void> => {
    await look(page, name);
    const beyond = await page.evaluate(BEYOND);
    expect(beyond, name).toBeLessThanOrEqual(0);
  };
  await page.setViewportSize(PHONE);
  await page.goto('/#');
  await page.reload();
  await row(page, 'Recipe').waitFor();
  await narrow('phone-list');
  await row(page, 'Two books').click();
  await message('Two books are due').waitFor();
  await narrow('phone-message');
  await page.getByRole('button', { name: 'Back to the list' }).first().click();
  await page.getByRole('button', { name: 'Show folders' }).click();
  await folder('Trash').waitFor();
  await narrow('phone-folders');
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 1366, height: 768 });
});

test('new mail shows up by itself', async () => {
  const text = letter(20, { from: 'Post', subject: 'A parcel has come', body: 'It is blue.' });
  await send(site.farm.ports.smtp, [ALICE], text);
  await row(page, 'A parcel has come').waitFor();
});

test('[N-17] [S2-01] a node is killed in the middle: she notices nothing', async () => {
  await site.killSecond();
  for (const name of ['Two books', 'Recipe', 'Photos', 'Two books']) {
    await row(page, name).click();
    await message(name).waitFor();
  }
  const before = await rows();
  await row(page, 'Photos').dragTo(folder('Trash'));
  await expect.poll(rows).toBe(before - 1);
  const text = letter(21, { from: 'Post', subject: 'The last letter', body: 'It is green.' });
  await send(site.farm.ports.smtp, [ALICE], text);
  await row(page, 'The last letter').waitFor();
  expect(await page.locator('.notice-failed').count()).toBe(0);
  await page.reload();
  await row(page, 'The last letter').waitFor();
  expect(await row(page, 'Photos').count()).toBe(0);
});

test('nothing was thrown in the page, and its policy was never broken', () => {
  expect(troubles).toEqual([]);
});
