/**
 * Who is signed in, before two nodes that keep no session: second factor, a changed password that
 * ends the other browser, app passwords for programs, absence and forwards, guessing.
 */
import { request } from 'node:http';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { stepAt, totpCode } from '../../src/auth/totp.ts';
import { mailOf, submit } from '../farm/leaving-farm.ts';
import { DEMO_PASSWORD } from '../harness/farm.ts';
import { run } from '../harness/process.ts';
import { ALICE, BOB, fillSignIn, look, picture, signIn, startSite, type Site } from './site.ts';

const ADMIN = 'admin@example.test';
const NEW_PASSWORD = 'a longer one than before';

let site: Site;
let page: Page;
let other: Page;
/** For the second factor, to be written down. */
let codes: readonly string[] = [];

/** Whose guesses no worker counts by itself: what holds them up is told over the farm. */
const ELSEWHERE = '127.0.0.2';

beforeAll(async () => {
  site = await startSite({
    services: ['http', 'pop3s', 'imaps', 'submissions'],
    settings: {
      'auth.throttle.exempt': ELSEWHERE,
      'auth.web.recheck': '1s',
      'jmap.events.recheck': '1s',
      'directory.cache.fresh': '0s',
      'directory.password.fresh': '0s',
    },
  });
  page = await site.page();
  other = await site.page();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await picture(page, `failed-${task.id}`);
});

afterAll(() => site?.stop());

const button = (name: string) => page.getByRole('button', { name, exact: true });
const field = (label: string) => page.getByLabel(label, { exact: true });

async function settings(section: string): Promise<void> {
  await page.goto(`/#/settings/${section}`);
  await page.locator('#settings-title').waitFor();
}

async function save(name: string): Promise<void> {
  await button(name).click();
  await page.locator('.settings-buttons').getByText('Saved').waitFor();
}

test('[P-06] both browsers are in the list of sign-ins', async () => {
  await signIn(page, ALICE);
  await signIn(other, ALICE);
  await settings('signIns');
  await expect.poll(() => page.locator('.settings-list li').count()).toBe(2);
  expect(await page.getByText('This one').count()).toBe(1);
  await look(page, 'desk-sign-ins');
});

test('[S2-01] a changed password ends the other browser, on whatever node it asks', async () => {
  await settings('password');
  await field('Current password').fill(DEMO_PASSWORD);
  await field('New password').fill(NEW_PASSWORD);
  await field('New password again').fill(NEW_PASSWORD);
  // Nobody touches the other one: its stream of events is ended, and no node opens it again.
  const isRefused = (of: { url(): string; status(): number }): boolean =>
    of.url().includes('/jmap/events') && of.status() === 401;
  const refused = other.waitForEvent('response', { predicate: isRefused, timeout: 120_000 });
  await save('Change password');
  await refused;
  await other.locator('.sign-in-form').waitFor();
  await page.reload();
  await page.locator('#settings-title').waitFor();
});

/** curl, as `programs` does. @returns its exit codes: 0, 67 is refused */
async function logins(password: string, urls: readonly string[]): Promise<readonly number[]> {
  const letter = ['--mail-from', ALICE, '--mail-rcpt', BOB, '-T', '-'];
  const text = `From: ${ALICE}\r\nTo: ${BOB}\r\nSubject: by a program\r\n\r\nyes\r\n`;
  const ends: number[] = [];
  for (const url of urls) {
    const isLetter = url.startsWith('smtps:');
    const command = ['curl', '-sS', '-k', '--user', `${ALICE}:${password}`, url];
    const done = isLetter
      ? await run([...command, ...letter], { input: Buffer.from(text) })
      : await run(command);
    ends.push(Number(done.code));
  }
  return ends;
}

/** A login and a letter as programs make them, at a node. */
function programs(): { readonly first: string[]; readonly second: string[] } {
  const urls = (pop3s = 0, imaps = 0, submissions = 0): string[] => [
    `pop3s://localhost:${pop3s}/`,
    `imaps://localhost:${imaps}/`,
    `smtps://localhost:${submissions}`,
  ];
  const { pop3s, imaps, submissions } = site.farm.ports;
  const [, ...others] = site.second.ports;
  return { first: urls(pop3s, imaps, submissions), second: urls(...others) };
}

test('[P-06] an app password opens POP3, IMAP and submission of both nodes until it is removed', async () => {
  await settings('apps');
  await field('Program or device').fill('Old telephone');
  await page.locator('.settings-checks').getByLabel('pop3').check();
  await field('Current password').fill(NEW_PASSWORD);
  await button('Make it').click();
  const password = (await page.locator('.settings-secret code').textContent()) ?? '';
  await look(page, 'desk-app-password');
  const { first, second } = programs();
  const all = [...first, ...second];
  expect(await logins(password, all)).toEqual(all.map(() => 0));
  await button('Remove').click();
  await page.getByText('Old telephone').waitFor({ state: 'detached' });
  expect(await logins(password, all)).toEqual(all.map(() => 67));
  const letters = await mailOf(site.farm.ports.pop3, BOB, 'by a program', 2);
  expect(letters).toHaveLength(2);
});

test('[P-06] a second factor is set up, and asked for from then on', async () => {
  await settings('factor');
  await button('Set up').click();
  const shown = (await page.locator('.settings-secret code').textContent()) ?? '';
  const secret = shown.replaceAll(' ', '');
  await look(page, 'desk-second-factor');
  const codeOf = (step: number): string => totpCode(secret, step) ?? '';
  const first = codeOf(stepAt(systemClock.now()));
  await field('Code').fill(first);
  await field('Current password').fill(NEW_PASSWORD);
  await button('Turn on').click();
  await page.getByText('It is on.').waitFor();
  expect(await page.locator('.settings-secret li').count()).toBe(10);
  await look(page, 'desk-second-factor-on');
  codes = await page.locator('.settings-secret li').allTextContents();
  const [recovery = ''] = codes;
  await page.getByRole('button', { name: /^Account of/ }).click();
  await button('Sign out').click();
  await fillSignIn(page, ALICE, NEW_PASSWORD);
  await page.locator('input[name=code]').fill(first);
  await page.locator('.sign-in-form button[type=submit]').click();
  await page.locator('.form-trouble').getByText(/code/i).waitFor(); // It was used once.
  await look(page, 'desk-wrong-code');
  // The next one counts already: clocks differ (RFC 6238 §6).
  await page.locator('input[name=code]').fill(codeOf(stepAt(systemClock.now()) + 1));
  await page.locator('.sign-in-form button[type=submit]').click();
  await page.locator('.account-button').waitFor();
  await page.getByRole('button', { name: /^Account of/ }).click();
  await button('Sign out').click();
  await fillSignIn(page, ALICE, NEW_PASSWORD);
  await page.locator('input[name=code]').fill(recovery);
  await page.locator('.sign-in-form button[type=submit]').click();
  await page.locator('.account-button').waitFor();
});

/** A sign-in at one node, past the balancer. @returns the status of the answer */
function signInAt(
  node: number,
  given: { readonly login: string; readonly password: string; readonly code?: string },
  localAddress = '127.0.0.1',
): Promise<number> {
  const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
  const options = { port: node, host: '127.0.0.1', localAddress, agent: false, headers } as const;
  return new Promise((resolve, reject) => {
    const asking = request({ ...options, method: 'POST', path: '/auth/sign-in' }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    asking.on('error', reject);
    asking.end(JSON.stringify(given));
  });
}

const nodes = (): readonly [number, number] => [site.farm.ports.http, site.second.ports[0] ?? 0];

test('[S2-01] wrong codes are counted over both nodes, and hold up no known place', async () => {
  const [one, two] = nodes();
  const statuses: number[] = [];
  const wrong = async (node: number, times: number): Promise<void> => {
    for (let turn = 0; turn < times; turn += 1) {
      const code = String(statuses.length).padStart(6, '0');
      const given = { login: ALICE, password: NEW_PASSWORD, code };
      statuses.push(await signInAt(node, given, ELSEWHERE));
    }
  };
  // Of 15 in an hour (`second-factors.ts`) a node alone sees no more than 8.
  await wrong(one, 7);
  await wrong(two, 7);
  expect(statuses).toEqual(statuses.map(() => 401)); // One more was refused above.
  statuses.length = 0;
  await wrong(one, 1);
  await wrong(two, 1);
  expect(statuses).toEqual([429, 429]);
  const [, recovery = ''] = codes;
  await page.getByRole('button', { name: /^Account of/ }).click();
  await button('Sign out').click();
  await fillSignIn(page, ALICE, NEW_PASSWORD);
  await page.locator('input[name=code]').fill(recovery);
  await page.locator('.sign-in-form button[type=submit]').click();
  await page.locator('.account-button').waitFor();
});

test('[P-06] absence is answered for, and a forward sends on', async () => {
  const { pop3, submissions } = site.farm.ports;
  await settings('vacation');
  await page.getByLabel('Answer for me').check();
  await field('Text of the answer').fill('At sea until Monday.');
  await save('Save');
  await look(page, 'desk-vacation');
  const letter = { from: BOB, to: [ALICE] } as const;
  expect((await submit(submissions, { ...letter, subject: 'are you there' })).code).toBe(250);
  const [answer] = await mailOf(pop3, BOB, 'At sea until Monday.');
  expect(answer).toMatch(/^Auto-Submitted: auto-replied/im);
  expect(answer).toMatch(/^From: .*alice@example\.test/im);
  await settings('forwards');
  await page.getByLabel(/^Send my mail on to/).fill(ADMIN);
  await save('Save');
  await look(page, 'desk-forwards');
  expect((await submit(submissions, { ...letter, subject: 'to be sent on' })).code).toBe(250);
  expect(await mailOf(pop3, ADMIN, 'to be sent on')).toHaveLength(1);
});

test('[S2-01] guessing is held up by both nodes, and is told how long', async () => {
  const guesser = await site.page();
  await guesser.goto('/');
  const trouble = guesser.locator('.form-trouble');
  let guesses = 0;
  const guess = async (): Promise<string> => {
    await fillSignIn(guesser, BOB, `wrong ${(guesses += 1)}`);
    await guesser.locator('.sign-in-form button:not([disabled])').waitFor();
    return (await trouble.textContent()) ?? '';
  };
  await expect.poll(guess, { timeout: 120_000 }).toMatch(/second|minute|too many/i);
  expect(guesses).toBeGreaterThan(5);
  await look(guesser, 'desk-throttled');
  // Each node counted what it met: of five that are free neither has many left.
  for (const node of nodes()) {
    let more = 0;
    const password = (): string => `more wrong ${(more += 1)}`;
    const ask = (): Promise<number> => signInAt(node, { login: BOB, password: password() });
    await expect.poll(ask).toBe(429);
    expect(more).toBeLessThan(4);
  }
  // Who is signed in from the same address stays so.
  await page.reload();
  await page.locator('.account-button').waitFor();
});
