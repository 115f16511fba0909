/**
 * A site as its users see it: two nodes that serve the web, HAProxy before them that sends each
 * request to the other one than the last, and Chromium.
 */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { addNode, childrenOf, type SendingNode } from '../farm/leaving-farm.ts';
import { BALANCER_ADDRESS, startBalancer, type Balancer } from '../harness/balancer.ts';
import { openBrowser } from '../harness/browser.ts';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';

const SCREENSHOTS = join(import.meta.dirname, 'screenshots');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Long enough for a busy machine: ends a hang. */
const PATIENCE_MS = 60_000;

export const ALICE = 'alice@example.test';
export const BOB = 'bob@example.test';
export const DESK = { width: 1366, height: 768 } as const;
export const PHONE = { width: 390, height: 844 } as const;

export interface Site {
  readonly farm: Farm;
  readonly second: SendingNode;
  readonly url: string;
  readonly browser: Browser;
  /** A browser of somebody's own, with nothing kept from before. */
  page(options?: BrowserContextOptions): Promise<Page>;
  /** As when the power of the second node fails. */
  killSecond(): Promise<void>;
  stop(): Promise<void>;
}

export interface SiteOptions {
  /** For every process of the farm; `directory` is the test's own, the farm lies in `farm`. */
  readonly env?: (directory: string) => Readonly<Record<string, string>>;
  /** Of the farm, beside what every site needs. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the second node; `http` is the first of them. */
  readonly services?: readonly string[];
}

export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const { env, settings = {}, services = ['http'] } = options;
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-site-')));
  const added = env?.(directory) ?? {};
  const usual = { 'net.proxy.from': BALANCER_ADDRESS, 'auth.throttle.exempt': '127.0.0.0/8' };
  const farm = await startFarm({
    dir: join(directory, 'farm'),
    env: added,
    settings: { ...usual, ...settings },
  });
  const more = { nid: 2, workers: 1, env: added };
  const second = await addNode(farm, 'front2', services, more);
  const nodes = [farm.ports.http, second.ports[0] ?? 0];
  const balancer: Balancer = await startBalancer(directory, nodes);
  const url = `http://127.0.0.1:${balancer.port}/`;
  const browser = await openBrowser();
  return {
    farm,
    second,
    url,
    browser,
    page: async (wanted = {}) => {
      const context = await browser.newContext({
        baseURL: url,
        locale: 'en-GB',
        timezoneId: 'UTC',
        reducedMotion: 'reduce', // Or pictures and contrasts are those of a moment.
        viewport: DESK,
        ...wanted,
      });
      context.setDefaultTimeout(PATIENCE_MS);
      return context.newPage();
    },
    killSecond: async () => {
      const { pid } = second.process;
      for (const one of [...childrenOf(pid), pid]) process.kill(one, 'SIGKILL');
      await second.process.exited;
    },
    stop: async () => {
      await browser.close();
      await balancer.stop();
      await second.stop();
      await farm.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Everything that would trouble a user, whether seen or not: exceptions, refused policies. */
export function troublesOf(page: Page): string[] {
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    // Chromium tells of each answer that is no success; what that means is the client's business.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) troubles.push(message.text());
  });
  return troubles;
}

export async function signIn(page: Page, login: string, password = DEMO_PASSWORD): Promise<void> {
  await page.goto('/');
  await fillSignIn(page, login, password);
  await page.locator('.folders .folder').first().waitFor();
}

export async function fillSignIn(page: Page, login: string, password: string): Promise<void> {
  await page.locator('input[name=login]').fill(login);
  await page.locator('input[name=password]').fill(password);
  await page.locator('.sign-in-form button[type=submit]').click();
}

/** The rows of the list that say this. */
export const row = (page: Page, words: string) =>
  page.getByRole('row').filter({ hasText: words }).first();

/** What the page shows now, into `screenshots/`, which nobody keeps. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/**
 * A picture for people who look, and axe for what they do not see: WCAG 2.2 up to AA.
 * @throws AssertionError with every violation and its elements
 */
export async function look(page: Page, name: string): Promise<void> {
  await picture(page, name);
  expect.soft(await violations(page), name).toEqual([]);
}

async function violations(page: Page): Promise<readonly string[]> {
  // By the debugger's door: the page's own policy allows no script of ours.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(...args: unknown[]): Promise<Said> } };
    interface Said {
      violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const options = { runOnly: { type: 'tag', values: tags }, iframes: false };
    const said = await axe.run(options);
    return said.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
  });
}
