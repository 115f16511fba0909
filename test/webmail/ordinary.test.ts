/** Ordinary HTML mail in Debian's Chromium: it looks as it was meant, within its frame. */
import { afterAll, beforeAll, expect, test } from 'vitest';

import { openReading, type Reading, type ReadingPage } from './reading-page.ts';

const NEWSLETTER = `<!DOCTYPE html><html><head><title>News</title>
<style>.head{color:rgb(1,2,3);background:url(http://far.test/x.png)}
@media (min-width:1px){.wide{padding-top:7px}} @import "http://far.test/x.css";</style></head>
<body bgcolor="#eeeeee" style="margin:0;font-size:17px">
<table width="600" align="center" style="background-color:#ffffff;width:600px"><tr>
<td class="head wide" style="padding-left:24px">Hello</td></tr></table>
<p><a href="https://evil.test/login" onclick="x()">https://bank.test/login</a>
<a href="https://shop.test/?a=1&amp;b=2">the shop</a> <a href="javascript:x()">no</a></p>
<img src="https://far.test/p.png" alt="A picture" width="40" height="40">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==" id="dot">
<div style="height:1500px">tall</div>
<blockquote type="cite">What was said before</blockquote></body></html>`;

const WALLS = { cleaned: true, framed: true };

let reading: Reading;
let ordinary: ReadingPage;
let tallest: ReadingPage;

beforeAll(async () => {
  reading = await openReading(2);
  [ordinary, tallest] = reading.pages as [ReadingPage, ReadingPage];
});

afterAll(async () => {
  const nothing = { connections: 0, left: [], failed: [] };
  expect(await reading.end()).toMatchObject([nothing, nothing]);
});

test('ordinary mail keeps its styles, tables and links; its frame is as high as it is', async () => {
  const { page } = ordinary;
  await ordinary.show([NEWSLETTER, '<p>Short</p>'], WALLS);
  const frame = page.locator('iframe').first().contentFrame();
  const style = (selector: string, name: string): Promise<string> =>
    frame.locator(selector).evaluate((element, one) => {
      const { defaultView } = (element as unknown as Looked).ownerDocument;
      return defaultView.getComputedStyle(element).getPropertyValue(one);
    }, name);
  expect(await style('td', 'color')).toBe('rgb(1, 2, 3)');
  expect(await style('td', 'padding-left')).toBe('24px');
  expect(await style('td', 'padding-top')).toBe('7px');
  expect(await style('td', 'background-image')).toBe('none');
  expect(await style('table', 'width')).toBe('600px');
  expect(await style('body', 'font-size')).toBe('17px');
  expect(await style('body', 'background-color')).toBe('rgb(238, 238, 238)');
  const links = frame.locator('a');
  expect(await links.nth(0).getAttribute('href')).toBe('https://evil.test/login');
  expect(await links.nth(0).getAttribute('rel')).toBe('noopener noreferrer nofollow');
  expect(await links.nth(0).getAttribute('target')).toBe('_blank');
  expect(await links.nth(1).getAttribute('title')).toBe('https://shop.test/?a=1&b=2');
  expect(await links.nth(2).getAttribute('href')).toBeNull();
  expect(await frame.locator('.mailfarm-goes-to').allTextContents()).toEqual(['goes to evil.test']);
  expect(await frame.locator('img').nth(0).getAttribute('src')).toBeNull();
  expect(await frame.locator('img').nth(1).getAttribute('src')).toContain('data:image/gif');
  expect(await frame.locator('details blockquote').count()).toBe(1);
  const [high = 0, low = 0] = await ordinary.heights();
  expect(high).toBeGreaterThan(1_500);
  expect(high).toBeLessThan(1_900);
  expect(low).toBeLessThan(150);
  const folder = process.env['MAILFARM_SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ path: `${folder}/html-mail.png` });
});

test('no message makes its frame higher than the limit', async () => {
  const tall = ['100vh', '100dvh', '99999999px', '1e9px', 'calc(100vh + 1px)', '100%', '300vmax'];
  await tallest.show(
    tall.flatMap((height) => [
      `<div style="height:${height};min-height:${height}">x</div>`,
      `<style>html,body{height:${height}!important;margin:9px 0}</style>x`,
    ]),
    WALLS,
  );
  const heights = await tallest.heights();
  expect(heights).toHaveLength(2 * tall.length);
  for (const height of heights) expect(height).toBeLessThanOrEqual(30_000);
  // Of the height of the frame itself nothing is made.
  const ofFrame = heights.filter((_, at) => !/px$|e9/.test(tall[at >> 1] ?? ''));
  for (const height of ofFrame) expect(height, heights.join()).toBeLessThan(400);
});

/** What of an element is asked in the page. */
interface Looked {
  readonly ownerDocument: {
    readonly defaultView: {
      getComputedStyle(of: unknown): { getPropertyValue(name: string): string };
    };
  };
}
