/**
 * The client as it was built, in Chromium under its own policy, before a server of mail in memory:
 * what needs a document and no farm. Pages whose code cannot be had, and what is let into the
 * editor of letters.
 */
import type { Browser, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startWeb, type TestWeb } from '../../src/http/testing/web.ts';
import { FakeJmap } from '../../src/webmail/client/testing/fake-jmap.ts';
import { staticRoutes } from '../../src/webmail/static.ts';
import { openBrowser } from '../harness/browser.ts';

let web: TestWeb;
let browser: Browser;
let page: Page;
let server: FakeJmap;
/** Requests to anywhere but our own host. */
let elsewhere: string[];

beforeAll(async () => {
  web = await startWeb([staticRoutes()]);
  browser = await openBrowser();
});

beforeEach(async () => {
  await page?.context().close();
  page = await browser.newPage({ baseURL: web.base, locale: 'en-GB', reducedMotion: 'reduce' });
  page.setDefaultTimeout(60_000); // Long enough for a busy machine: ends a hang.
  server = new FakeJmap();
  elsewhere = [];
  await page.route('**/*', answer);
});

afterAll(async () => {
  await browser?.close();
  await web?.close();
});

const OURS = /^\/(?:jmap|self|\.well-known)\//;

async function answer(route: Route): Promise<void> {
  const request = route.request();
  const { origin, pathname } = new URL(request.url());
  if (!request.url().startsWith('http')) return route.continue();
  if (origin !== web.base) {
    elsewhere.push(request.url());
    return route.abort();
  }
  if (!OURS.test(pathname)) return route.continue();
  if (pathname.startsWith('/jmap/download')) return route.fulfill({ status: 200, body: '' });
  if (pathname === '/jmap/events') return route.fulfill({ status: 204 });
  const reply = await server.fetch(pathname, { body: request.postData() ?? '{}' });
  await route.fulfill({ status: reply.status, json: (await reply.json()) as object });
}

describe('[P-04] a page whose code cannot be had', () => {
  const CODE = /settings-page-.*\.js$/;
  const trouble = () => page.getByRole('alert').filter({ hasText: 'could not be loaded' });
  const retry = () => trouble().getByRole('button', { name: 'Try now' }).click();

  test('says so, and is there when it is tried again', async () => {
    let isAway = true;
    await page.route(CODE, (route) => (isAway ? route.abort() : route.fallback()));
    await page.goto('/#/settings/look');
    await trouble().waitFor();
    isAway = false;
    // Some browsers remember what could not be loaded: the second time all of it is loaded again.
    await retry();
    const there = page.getByRole('heading', { name: 'Appearance' });
    await there.or(trouble()).waitFor();
    if (await trouble().isVisible()) await retry();
    await there.waitFor();
  });

  test('loads the page again the second time, as a new release has other names', async () => {
    await page.route(CODE, (route) => route.abort());
    await page.goto('/#/settings/look');
    await page.evaluate('globalThis.isFirst = true');
    await trouble().waitFor();
    await retry();
    await trouble().waitFor();
    expect(await page.evaluate('globalThis.isFirst')).toBe(true);
    await retry();
    await page.waitForFunction('globalThis.isFirst === undefined');
    await trouble().waitFor();
    await page.unroute(CODE);
  });
});

describe('[P-04] the editor of letters lets in', () => {
  const editor = () => page.locator('.compose .compose-html');
  const html = (): Promise<string> =>
    page.evaluate<string>("document.querySelector('.compose .compose-html').innerHTML");

  /** As it is after it was pasted into an empty letter. */
  async function pasted(given: string): Promise<string> {
    await page.goto('/#');
    await page.getByRole('button', { name: 'New message' }).click();
    await editor().click();
    await editor().evaluate((element, text) => {
      const { DataTransfer, ClipboardEvent } = globalThis as unknown as InBrowser;
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/html', text);
      const init = { clipboardData, bubbles: true, cancelable: true };
      (element as unknown as EventTarget).dispatchEvent(new ClipboardEvent('paste', init));
    }, `<p>The beginning</p>${given}`);
    await editor().getByText('The beginning').waitFor();
    return html();
  }

  interface InBrowser {
    readonly DataTransfer: new () => { setData(type: string, value: string): void };
    readonly ClipboardEvent: new (type: string, init: object) => Event;
  }

  test('words and their form', async () => {
    const form = '<b>Bold</b><ul><li>One</li></ul><blockquote>Said</blockquote>';
    const link = '<a href="https://example.test/x">there</a>';
    expect(await pasted(`${form}<p>${link}</p>`)).toContain(form);
    expect(await html()).toContain(link);
  });

  test('nothing that runs, is fetched, or looks like the page', async () => {
    const hostile = [
      '<script>globalThis.ran = 1</script>',
      '<img src="x" onerror="globalThis.ran = 1">',
      '<img src="https://far.test/spy.png">',
      '<img data-cid="x@y" src="https://far.test/by-cid.png">',
      '<img src="cid:nobody@x">',
      '<svg onload="globalThis.ran = 1"><image href="https://far.test/svg.png"/></svg>',
      '<a href="javascript:globalThis.ran = 1">press</a>',
      '<a href="data:text/html,x">data</a>',
      '<p style="position:fixed;inset:0;background:url(https://far.test/css.png)">over</p>',
      '<style>@import "https://far.test/style.css";</style>',
      '<form action="https://far.test/"><input name="password"><button>Go</button></form>',
      '<iframe srcdoc="<script>parent.ran = 1</script>"></iframe>',
      '<p class="notice" id="root" data-x="1" onclick="globalThis.ran = 1">named</p>',
      '<math><mtext><table><mglyph><style><img src onerror="globalThis.ran = 1">',
    ].join('');
    const put = await pasted(hostile);
    expect(put).not.toMatch(/<(?!\/?(?:p|a|div|br|table|tbody|tr|td|span)\b)[a-z]/i);
    expect(put).not.toMatch(/\son\w+=|javascript:|data:|style=|class=|\bid=|data-|src=|far\.test/i);
    expect(put).toContain('press');
    expect(await page.evaluate('globalThis.ran')).toBeUndefined();
    expect(elsewhere).toEqual([]);
  });
});
