/**
 * One volume hangs, then is not there: in Chromium behind the balancer. Whose mail is on it is told
 * so wherever she is, loses nothing of what she typed or did, and goes on when it is back; all
 * others notice nothing.
 */
import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { asked, send } from '../farm/letters.ts';
import { hangingVolume, type HangingVolume } from '../harness/hanging-volume.ts';
import { look, picture, row, signIn, startSite, troublesOf, type Site } from './site.ts';

const ANNA = 'anna@example.test';
const BEN = 'ben@example.test';
const BASIC = { authorization: `Basic ${btoa(`${ANNA}:demo`)}` };
const SUBJECTS = ['Harbour', 'Mountains', 'Library', 'Recipe', 'Budget', 'Journey'] as const;
type Named = Record<'list' | 'reading' | 'search' | 'draft' | 'send' | 'settings' | 'blank', Page>;
/** Far beyond the deadlines of storage (10 s) and of its probe (7 s). */
const TOLD_MS = 60_000;
const WHY = /Your mail cannot be reached|Mail storage is busy/;

let site: Site;
let volume: HangingVolume;
let hers: BrowserContext;
const troubles: string[] = [];
/** Of a message of hers, whole. */
let blobId: string;
/** Her pages, by what she does on each. */
const pages: Record<string, Page> = {};
let his: Page;
/** What went wrong for him, whether he saw it or not. */
const amiss: string[] = [];

beforeAll(async () => {
  site = await startSite({
    env: (directory) => {
      volume = hangingVolume(join(directory, 'farm', 'mail1'), join(directory, 'gate'));
      return volume.env;
    },
  });
  for (const [login, place] of [
    [ANNA, 'mail1'],
    [BEN, 'mail2'],
  ] as const) {
    const words = ['user', 'add', login, '--password-stdin', '--volume', place];
    await asked(site.farm, words, 'demo');
  }
  for (const subject of SUBJECTS) await letter([ANNA, BEN], subject);
  const first = await site.page();
  hers = first.context();
  his = await site.page();
  for (const [page, login] of [
    [first, ANNA],
    [his, BEN],
  ] as const) {
    await signIn(page, login);
    await row(page, 'Journey').waitFor();
  }
  pages['list'] = first;
  blobId = await blobOf(await accountOf());
  watchHim();
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  for (const [name, page] of Object.entries({ ...pages, his })) {
    await picture(page, `failed-hung-${name}`);
  }
});

afterAll(async () => {
  volume?.pass();
  await site?.stop();
});

async function letter(to: readonly string[], subject: string): Promise<void> {
  const text = `From: Ada <ada@world.example>\r\nSubject: ${subject}\r\n\r\nAbout ${subject}.\r\n`;
  expect((await send(site.farm.ports.smtp, to, text)).code).toBe(250);
}

function watchHim(): void {
  his.on('response', (response) => {
    if (response.status() >= 400) amiss.push(`${response.status()} ${response.url()}`);
    if (!response.url().includes('/jmap/api')) return;
    void response.text().then(
      (text) => /serverUnavailable|serverFail/.test(text) && amiss.push(text),
      () => undefined,
    );
  });
  his.on('requestfailed', (request) => {
    // What his page itself did not want any more is no failure: another list came on the screen.
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') amiss.push(`${why}: ${request.url()}`);
  });
}

/** A page of hers at a list, with nothing that was shown before kept in it. */
async function open(name: string): Promise<Page> {
  const page = await hers.newPage();
  troubles.push(...troublesOf(page));
  pages[name] = page;
  await page.goto('/');
  await row(page, 'Journey').waitFor();
  return page;
}

const retry = (page: Page) => page.getByRole('button', { name: 'Try now' }).first();
const said = (page: Page, words: string | RegExp) => page.getByText(words).first();

async function isTold(page: Page): Promise<void> {
  await retry(page).waitFor({ timeout: TOLD_MS });
  await said(page, WHY).waitFor();
}

const hasGone = (page: Page): Promise<void> =>
  page.locator('.banner').waitFor({ state: 'detached', timeout: TOLD_MS });

/** As many clicks as there are letters; each is answered, and nothing troubles him. */
async function heGoesOn(): Promise<void> {
  const search = his.getByRole('searchbox');
  for (const subject of SUBJECTS) {
    await row(his, subject).click();
    await his.locator('.reading').getByText(`About ${subject}.`).first().waitFor();
    await search.fill(`subject:${subject}`);
    await search.press('Enter');
    await expect.poll(() => his.getByRole('row').count()).toBe(1);
    await search.fill('');
    await search.press('Enter');
    await row(his, subject).waitFor();
  }
  expect(await retry(his).count()).toBe(0);
  expect(await his.locator('.banner, .notice-failed').count()).toBe(0);
  expect(amiss).toEqual([]);
}

interface Asking extends RequestInit {
  readonly headers?: Readonly<Record<string, string>>;
}
const ask = (path: string, init: Asking = {}): Promise<Response> =>
  fetch(new URL(path, site.url), { ...init, headers: { ...BASIC, ...init.headers } });

/** Found without her volume: who she is stands in the directory. */
async function accountOf(): Promise<string> {
  const session = (await (await ask('/.well-known/jmap')).json()) as {
    primaryAccounts: Record<string, string>;
  };
  return session.primaryAccounts['urn:ietf:params:jmap:mail'] ?? '';
}

function callAll(methodCalls: readonly unknown[]): Promise<Response> {
  const using = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'];
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ using, methodCalls });
  return ask('/jmap/api', { method: 'POST', headers, body });
}

async function blobOf(accountId: string): Promise<string> {
  const ids = { resultOf: 'a', name: 'Email/query', path: '/ids' };
  const reply = await callAll([
    ['Email/query', { accountId, limit: 1 }, 'a'],
    ['Email/get', { accountId, '#ids': ids, properties: ['blobId'] }, 'b'],
  ]);
  const found = /"blobId":"([^"]+)"/.exec(await reply.text())?.[1];
  if (found === undefined) throw new Error('Her letters have no blobs');
  return found;
}

/** Without a browser, at whichever node: temporary each time, in the words of each protocol. */
async function eachRequestIsTold(): Promise<void> {
  const accountId = await accountOf();
  const refused = [
    await ask(`/jmap/download/${accountId}/${blobId}/a.eml`),
    await ask('/jmap/events?types=*&closeafter=no&ping=30'),
    await ask(`/jmap/upload/${accountId}/`, { method: 'POST', body: 'x' }),
  ];
  const isProblem = async (reply: Response): Promise<void> => {
    expect(reply.status, reply.url).toBe(503);
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(reply.headers.get('content-type')).toContain('application/problem+json');
    expect(((await reply.json()) as { title: string }).title).toMatch(WHY);
  };
  for (const reply of refused) await isProblem(reply);
  // A node that has her mailbox open answers call by call, one that has not refuses the whole.
  for (let node = 0; node < 2; node += 1) {
    const reply = await callAll([
      ['Email/query', { accountId }, 'a'],
      ['Mailbox/get', { accountId }, 'b'],
      ['Core/echo', { still: 'here' }, 'c'],
    ]);
    if (reply.status !== 200) {
      await isProblem(reply);
      continue;
    }
    const { methodResponses } = (await reply.json()) as { methodResponses: unknown[] };
    const why = { type: 'serverUnavailable', description: expect.stringMatching(WHY) as string };
    expect(methodResponses).toEqual([
      ['error', why, 'a'],
      ['error', why, 'b'],
      ['Core/echo', { still: 'here' }, 'c'],
    ]);
  }
}

async function compose(page: Page, subject: string): Promise<void> {
  await page.getByRole('button', { name: 'New message' }).click();
  const pane = page.locator('.compose');
  await pane.locator('.people-input').first().fill(`${BEN},`);
  await pane.getByLabel('Subject').fill(subject);
  await pane.locator('.compose-text').fill(`Written while it hung: ${subject}`);
}

test('[N-02] a volume hangs: its user is told wherever she is, and the others notice nothing', async () => {
  for (const name of ['reading', 'search', 'draft', 'send', 'settings']) await open(name);
  const { list, reading, search, draft, send: sending, settings } = pages as Named;
  volume.hang();
  await row(list, 'Library').click();
  await list.keyboard.press('s');
  await row(reading, 'Mountains').click();
  await search.getByRole('searchbox').fill('About');
  await search.keyboard.press('Enter');
  await compose(draft, 'A draft');
  await compose(sending, 'A letter');
  await sending.getByRole('button', { name: 'Send' }).click();
  await settings.goto('/#/settings/account');
  const blank = await hers.newPage();
  pages['blank'] = blank;
  await blank.goto('/');
  await Promise.all([heGoesOn(), ...[list, reading, search, settings, blank].map(isTold)]);
  // What she did is on the screen, and waits.
  expect(await row(list, 'Library').locator('.star.is-on').count()).toBe(1);
  await said(list, 'change waits').waitFor();
  // What she wrote is before her, and is said not to be saved.
  for (const page of [draft, sending]) await retry(page).waitFor({ timeout: TOLD_MS });
  await eachRequestIsTold();
  await look(list, 'desk-hung-list');
  await look(blank, 'desk-hung-start');
  await look(draft, 'desk-hung-draft');
  await look(reading, 'desk-hung-reading');
  await heGoesOn();
});

test('[N-02] the volume answers again: each page goes on by itself, and nothing is lost', async () => {
  const { reading, search, draft, settings, blank } = pages as Named;
  volume.pass();
  await retry(blank)
    .click({ timeout: TOLD_MS })
    .catch(() => undefined); // Or it came by itself.
  await row(blank, 'Journey').waitFor({ timeout: TOLD_MS });
  await reading.locator('.reading').getByText('About Mountains.').first().waitFor();
  await row(search, 'Mountains').waitFor();
  await said(settings, ANNA).waitFor();
  for (const page of Object.values(pages)) await hasGone(page);
  // What she did is done, on every page.
  await row(blank, 'Library').locator('.star.is-on').waitFor({ timeout: TOLD_MS });
  await said(draft, 'Saved in Drafts').waitFor({ timeout: TOLD_MS });
  expect(await draft.locator('.compose-text').innerText()).toContain('it hung: A draft');
  // She had pressed Send: it waited for the volume, and goes once.
  await row(his, 'A letter').waitFor({ timeout: TOLD_MS });
  await said(his, 'it hung: A letter').waitFor();
  expect(await his.getByRole('row').filter({ hasText: 'A letter' }).count()).toBe(1);
});

test('[N-02] a volume is not there at all: told as well, and never as an empty mailbox', async () => {
  const place = join(site.farm.dir, 'mail1');
  renameSync(place, `${place}.away`);
  mkdirSync(place);
  try {
    const { list, blank } = pages as Named;
    await blank.goto('/');
    await row(list, 'Harbour').click();
    await Promise.all([isTold(blank), isTold(list), heGoesOn()]);
    expect(await said(blank, 'Nothing here').count()).toBe(0);
    await eachRequestIsTold();
  } finally {
    rmdirSync(place);
    renameSync(`${place}.away`, place);
  }
  for (const name of ['list', 'blank'] as const) {
    await row(pages[name] as Page, 'Journey').waitFor({ timeout: TOLD_MS });
    await hasGone(pages[name] as Page);
  }
});

test('nothing was thrown in her pages, and their policy was never broken', () => {
  expect(troubles).toEqual([]);
});
