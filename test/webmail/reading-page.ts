/** Chromium with a page that shows mails in frames, and everything counted that they could do. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { rolldown } from 'rolldown';

import { startWeb, type TestWeb } from '../../src/http/testing/web.ts';
import { messageFrameRoute } from '../../src/webmail/message-frame.ts';
import { staticRoutes } from '../../src/webmail/static.ts';
import { openBrowser } from '../harness/browser.ts';

const ENTRY = path.join(import.meta.dirname, '../../src/webmail/client/testing/reading-page.ts');
const PAGE = `<!doctype html><html lang="en"><head><title>Test</title>
<script type="module" src="/assets/page.js"></script></head>
<body><h1>Page</h1><main id="messages"></main></body></html>`;

export interface Walls {
  readonly cleaned: boolean;
  readonly framed: boolean;
}

/** What the page gives to the test (`client/testing/reading-page.ts`). */
interface InPage {
  showAll(htmls: readonly string[], walls: Walls): Promise<readonly string[]>;
  outside(): { readonly page: string; readonly places: readonly string[] };
  inside(): readonly string[];
  heights(): readonly number[];
  clear(): void;
}

/** What mails did. Sets of the numbers of mails, where it is known which. */
export interface Deeds {
  readonly ran: ReadonlySet<number>;
  /** Requests, connections and look-ups, from the browser's own log of the network. */
  readonly fetched: ReadonlySet<number>;
  /** Connections to anywhere else, as the other side saw them. */
  readonly connections: number;
  /** Requests to our own host that the page did not make. */
  readonly ownRequests: readonly string[];
  /** The page changed, a frame is elsewhere, a window opened. */
  readonly left: readonly string[];
  readonly failed: readonly string[];
}

export interface ReadingPage {
  readonly page: Page;
  readonly inside: () => Promise<readonly string[]>;
  readonly heights: () => Promise<readonly number[]>;
  /** Shows mails, batch by batch; `$RUN` and `$HOST` in them tell of their place in this list. */
  show(htmls: readonly string[], walls: Walls): Promise<void>;
}

export interface Reading {
  readonly pages: readonly ReadingPage[];
  /** Closes all; then it is known what happened, page by page. */
  end(): Promise<readonly Deeds[]>;
}

const BATCH = 120;
const OURS = /^\/(?:|assets\/page\.js|message-frame|open-frame|favicon\.ico)$/;

/** The world of a page; its own, so that it is known which page's mails reached it. */
const zoneOf = (page: number): string => `p${page}.hostile.test`;

/** `$RUN` and `$HOST` of a mail (`fixtures/hostile-html/types.ts`). */
const armed = (html: string, number: number, zone: string): string =>
  html.replaceAll('$RUN', `pwned(${number})`).replaceAll('$HOST', `h${number}.${zone}`);

/** One Chromium; each page has its own cookies, cache, server and world. */
export async function openReading(count: number): Promise<Reading> {
  const dir = mkdtempSync(path.join(tmpdir(), 'mailfarm-reading-'));
  const dist = await builtPage(dir);
  const fars = await Promise.all(Array.from({ length: count }, startFar));
  const rules = fars.map(({ port }, at) => `MAP *.${zoneOf(at)} 127.0.0.1:${port}`);
  const log = path.join(dir, 'net.json');
  const browser = await openBrowser([
    `--host-resolver-rules=${rules.join(', ')}`,
    `--log-net-log=${log}`,
    '--net-log-capture-mode=IncludeSensitive',
  ]);
  const opened = await Promise.all(fars.map((_, at) => openPage(browser, dist, zoneOf(at))));
  return {
    pages: opened,
    end: async () => {
      await browser.close(); // The log of the network is whole now.
      await Promise.all(opened.map(({ web }) => web.close()));
      await Promise.all(fars.map((far) => far.close()));
      const said = readFileSync(log, 'utf8');
      rmSync(dir, { recursive: true });
      return opened.map(({ done, web }, at) => ({
        ...done,
        fetched: fetchedIn(said, zoneOf(at)),
        connections: fars[at]?.connections() ?? 0,
        ownRequests: web.lines
          .map((line) => line['path'])
          .filter((one) => typeof one === 'string')
          .filter((one) => !OURS.test(one)),
      }));
    },
  };
}

/** Mails whose hosts stand in the log, in whatever way they were asked for. */
function fetchedIn(log: string, zone: string): ReadonlySet<number> {
  const hosts = log.matchAll(new RegExp(`\\bh(\\d+)\\.${zone.replaceAll('.', '\\.')}`, 'g'));
  return new Set([...hosts].map(([, number]) => Number(number)));
}

interface OpenedPage extends ReadingPage {
  readonly web: TestWeb;
  readonly done: { ran: Set<number>; left: string[]; failed: string[] };
}

async function openPage(browser: Browser, dist: string, zone: string): Promise<OpenedPage> {
  const web = await startWeb([staticRoutes(dist), messageFrameRoute, openFrame]);
  const done = { ran: new Set<number>(), left: [] as string[], failed: [] as string[] };
  const { ran, left, failed } = done;
  const page = await browser.newPage();
  await page.exposeFunction('pwned', (number: number) => ran.add(number));
  page.on('popup', (popup) => left.push(`a window: ${popup.url()}`));
  page.on('dialog', (dialog) => {
    left.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(web.base);
  await page.waitForFunction('globalThis.reading !== undefined');
  return {
    page,
    web,
    done,
    inside: () => inPage(page, (reading) => reading.inside()),
    heights: () => inPage(page, (reading) => reading.heights()),
    show: async (htmls, walls) => {
      const mails = htmls.map((html, number) => armed(html, number, zone));
      for (let from = 0; from < mails.length; from += BATCH) {
        const batch = mails.slice(from, from + BATCH);
        const before = await outside(page);
        failed.push(...(await showBatch(page, batch, walls)));
        const after = await outside(page);
        if (after.page !== before.page) left.push(`the page after ${from}: ${after.page}`);
        const place = `${web.base}/${walls.framed ? 'message' : 'open'}-frame`;
        for (const one of after.places) if (one !== place) left.push(`a frame: ${one}`);
      }
    },
  };
}

const inPage = <T>(page: Page, ask: (reading: InPage) => T): Promise<T> =>
  page.evaluate<T>(`(${String(ask)})(globalThis.reading)`);

const outside = (page: Page): Promise<ReturnType<InPage['outside']>> =>
  inPage(page, (reading) => reading.outside());

async function showBatch(
  page: Page,
  htmls: readonly string[],
  walls: Walls,
): Promise<readonly string[]> {
  await inPage(page, (reading) => reading.clear());
  const given = JSON.stringify([htmls, walls]);
  return page.evaluate<readonly string[]>(`globalThis.reading.showAll(...${given})`);
}

/** The second wall taken away: the same page with no policy. */
const openFrame: Parameters<typeof startWeb>[0][number] = (app) => {
  app.get('/open-frame', (_, reply) =>
    reply
      .removeHeader('content-security-policy')
      .header('content-type', 'text/html; charset=utf-8')
      .send('<!doctype html><html><head></head><body></body></html>'),
  );
};

async function builtPage(dir: string): Promise<string> {
  const dist = path.join(dir, 'dist');
  mkdirSync(path.join(dist, 'assets'), { recursive: true });
  const bundle = await rolldown({ input: ENTRY, platform: 'browser' });
  await bundle.write({ file: path.join(dist, 'assets/page.js'), format: 'esm' });
  await bundle.close();
  writeFileSync(path.join(dist, 'index.html'), PAGE);
  return dist;
}

/** Everywhere else: takes connections, counts them, says nothing of use. */
async function startFar(): Promise<{
  readonly port: number;
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => socket.destroy());
    socket.once('data', () =>
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It does not listen');
  return {
    port: address.port,
    connections: () => connections,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
