/**
 * Letters that people write in Chromium, before two nodes of which each request meets the other:
 * files by drop and by paste, pictures in the text, drafts that outlive the page, answers, what is
 * sent on. What arrives is read by IMAP, to the octet. In the end a node dies between typing and
 * sending.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import { ImapFlow, type MessageStructureObject } from 'imapflow';
import type { Download, JSHandle, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD } from '../harness/farm.ts';
import {
  ALICE,
  BOB,
  look,
  PHONE,
  picture,
  row,
  signIn,
  startSite,
  troublesOf,
  type Site,
} from './site.ts';

const CAROL = 'carol@example.test';
const ADMIN = 'admin@example.test';
/** How long a letter can be called back (`client/compose/composer.ts`). */
const SEND_AFTER_MS = 8_000;

let site: Site;
let hers: Page;
let his: Page;
const troubles: string[][] = [];

beforeAll(async () => {
  site = await startSite();
  const added = await site.farm.command(
    ['user', 'add', CAROL, '--password-stdin'],
    `${DEMO_PASSWORD}\n`,
  );
  expect(added.code, added.stderr).toBe(0);
  hers = await site.page();
  his = await site.page();
  troubles.push(troublesOf(hers), troublesOf(his));
  await signIn(hers, ALICE);
});

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await picture(hers, `failed-${task.id}-hers`);
  await picture(his, `failed-${task.id}-his`);
});

afterAll(() => site?.stop());

interface GivenFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
}

const PLAN = { name: 'Plan für Juni.pdf', type: 'application/pdf', bytes: randomBytes(300_000) };
const NOTES = { name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('One\nTwo\r\nThree') };
const LATE = { name: 'late.bin', type: 'application/octet-stream', bytes: randomBytes(20_000) };
const BOAT = { name: 'boat.png', type: 'image/png', bytes: pngOf(48, 32) };

/** A picture of one colour, as PNG. */
function pngOf(width: number, height: number): Buffer {
  const chunk = (name: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const around = Buffer.alloc(8);
    around.writeUInt32BE(data.length, 0);
    around.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
  };
  const head = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, 2, 0, 0, 0]);
  const line = Buffer.concat([Buffer.alloc(1), Buffer.alloc(width * 3, 0x60)]);
  const lines = Buffer.concat(Array.from({ length: height }, () => line));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** What these functions meet in the browser; tests are checked without its types. */
interface InBrowser {
  readonly DataTransfer: new () => { readonly items: { add(file: File): void } };
  readonly ClipboardEvent: new (type: string, init: object) => Event;
}
interface Picture {
  readonly naturalWidth: number;
}

/** What a drag or the clipboard carries. */
function carrying(page: Page, file: GivenFile): Promise<JSHandle> {
  const { name, type, bytes } = file;
  return page.evaluateHandle(
    (given) => {
      const octets = Uint8Array.from(atob(given.base64), (sign) => sign.charCodeAt(0));
      const carried = new (globalThis as unknown as InBrowser).DataTransfer();
      carried.items.add(new File([octets], given.name, { type: given.type }));
      return carried;
    },
    { name, type, base64: bytes.toString('base64') },
  );
}

async function drop(page: Page, at: string, file: GivenFile): Promise<void> {
  const dataTransfer = await carrying(page, file);
  for (const type of ['dragenter', 'dragover', 'drop']) {
    await page.locator(at).dispatchEvent(type, { dataTransfer });
  }
}

async function paste(page: Page, at: string, file: GivenFile): Promise<void> {
  const carried = await carrying(page, file);
  await page.locator(at).evaluate((element, clipboardData) => {
    const init = { clipboardData, bubbles: true, cancelable: true };
    const { ClipboardEvent: Pasting } = globalThis as unknown as InBrowser;
    (element as unknown as EventTarget).dispatchEvent(new Pasting('paste', init));
  }, carried);
}

const pane = (page: Page) => page.locator('.compose');
const inLastMessage = (page: Page) => page.locator('.message-frame').last().contentFrame();
const words = (page: Page) => pane(page).locator('.compose-text');
const state = (page: Page) => pane(page).locator('.compose-state');
const isSaved = (page: Page): Promise<void> =>
  state(page).filter({ hasText: 'Saved in Drafts' }).waitFor();
const folder = (page: Page, name: string) =>
  page.locator('.folder-link').filter({ hasText: name }).first();
const person = (page: Page, label: string) => pane(page).getByLabel(label, { exact: true });
const notice = (page: Page, said: string): Promise<void> =>
  page.locator('.notice').getByText(said, { exact: true }).waitFor();

/** A letter goes as soon as if its time to be called back were over. */
async function hurry(page: Page): Promise<void> {
  await page.evaluate((sendAfterMs) => {
    const usual = globalThis.setTimeout;
    const hurried = (run: () => void, ms?: number) => usual(run, ms === sendAfterMs ? 100 : ms);
    Object.assign(globalThis, { setTimeout: hurried });
  }, SEND_AFTER_MS);
}

/** @param undoes once, before it is let go */
async function send(page: Page, undoes = false): Promise<void> {
  if (!undoes) await hurry(page);
  await pane(page).getByRole('button', { name: 'Send' }).click();
  await pane(page).waitFor({ state: 'detached' });
  if (undoes) {
    await page.locator('.notice-undo').click();
    await pane(page).waitFor();
    return send(page);
  }
  // A busy farm may refuse: the letter is back before whoever wrote it, who sends it again.
  const sent = notice(page, 'Sent').then(() => true);
  const back = pane(page).waitFor();
  const isSent = await Promise.race([
    sent,
    back.then(
      () => false,
      () => sent,
    ),
  ]);
  if (!isSent) return send(page);
}

interface Received {
  readonly subject: string;
  readonly source: string;
  readonly files: Readonly<Record<string, string>>;
}

/** What a folder holds, files by their names in hexadecimal digits: so a difference is shown. */
async function lettersOf(login: string, path = 'INBOX'): Promise<readonly Received[]> {
  const flow = new ImapFlow({
    host: 'localhost',
    port: site.farm.ports.imaps,
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: login, pass: DEMO_PASSWORD },
    logger: false,
  });
  flow.on('error', () => undefined);
  await flow.connect();
  try {
    const { exists } = await flow.mailboxOpen(path);
    const all: Received[] = [];
    for (let seq = 1; seq <= exists; seq += 1) {
      const query = { envelope: true, source: true, bodyStructure: true } as const;
      const found = await flow.fetchOne(String(seq), query);
      if (!found) continue;
      const files: Record<string, string> = {};
      for (const { part, name } of partsOf(found.bodyStructure)) {
        const { content } = await flow.download(String(seq), part);
        const chunks = ((await content?.toArray()) ?? []) as Buffer[];
        files[name] = Buffer.concat(chunks).toString('hex');
      }
      const subject = found.envelope?.subject ?? '';
      all.push({ subject, source: found.source?.toString() ?? '', files });
    }
    return all;
  } finally {
    await flow.logout();
  }
}

function partsOf(node: MessageStructureObject | undefined): { part: string; name: string }[] {
  if (!node) return [];
  const name = node.dispositionParameters?.['filename'] ?? node.parameters?.['name'];
  const own = name !== undefined && node.part !== undefined ? [{ part: node.part, name }] : [];
  return [...own, ...(node.childNodes ?? []).flatMap(partsOf)];
}

const filesIn = (...files: readonly GivenFile[]): Readonly<Record<string, string>> =>
  Object.fromEntries(files.map(({ name, bytes }) => [name, bytes.toString('hex')]));

async function received(login: string, subject: string): Promise<Received> {
  let found: readonly Received[] = [];
  const count = async (): Promise<number> => {
    found = (await lettersOf(login)).filter((one) => one.subject === subject);
    return found.length;
  };
  await expect.poll(count).toBe(1);
  return found[0] as Received;
}

const headOf = ({ source }: Received): string => source.split('\r\n\r\n', 1)[0] ?? '';

test('[P-04] a letter with files by drop and by paste, and a picture in its text', async () => {
  await hers.getByRole('button', { name: 'New message' }).click();
  await person(hers, 'To').fill(BOB);
  await person(hers, 'To').press('Enter');
  await hers.getByRole('button', { name: 'Cc and Bcc' }).click();
  await person(hers, 'Cc').fill(`${ADMIN},`);
  await person(hers, 'Bcc').fill(CAROL);
  await person(hers, 'Bcc').press('Enter');
  await pane(hers).getByLabel('Subject').fill('The boat in June');
  await words(hers).click();
  await hers.keyboard.type('Dear Bob, here is the plan. ');
  await hers.keyboard.press('Control+b');
  await hers.keyboard.type('Soon');
  await hers.keyboard.press('Control+b');
  await drop(hers, '.compose', PLAN);
  await paste(hers, '.compose-text', NOTES);
  await paste(hers, '.compose-text', BOAT);
  await expect.poll(() => pane(hers).locator('.compose-file').count()).toBe(2);
  await pane(hers).locator('progress').first().waitFor({ state: 'detached' });
  await isSaved(hers);
  await look(hers, 'desk-compose');
  const drafts = await lettersOf(ALICE, 'Drafts');
  expect(drafts.map((one) => one.files)).toEqual([filesIn(BOAT, PLAN, NOTES)]);
});

test('[P-04] on a phone it fills the screen', async () => {
  await hers.setViewportSize(PHONE);
  await words(hers).waitFor();
  await look(hers, 'phone-compose');
  const beyond = await hers.evaluate('document.documentElement.scrollWidth - innerWidth');
  expect(beyond).toBeLessThanOrEqual(0);
  await hers.setViewportSize({ width: 1366, height: 768 });
});

test('[P-04] what was typed last outlives the page, saved or not; there is one draft', async () => {
  await words(hers).press('Control+End');
  await hers.keyboard.type(' Typed at the end.');
  await hers.reload(); // Before it was saved.
  await words(hers).getByText('Typed at the end.').waitFor();
  await isSaved(hers);
  expect(await lettersOf(ALICE, 'Drafts')).toHaveLength(1);
  await hers.reload();
  await folder(hers, 'Drafts').click();
  await row(hers, 'The boat in June').click();
  await hers.getByRole('button', { name: 'Go on writing' }).click();
  await words(hers).getByText('Typed at the end.').waitFor();
  expect(await words(hers).locator('b').textContent()).toMatch(/^Soon/);
  const shown = words(hers).locator('img');
  const width = (): Promise<number> =>
    shown.evaluate((img) => (img as unknown as Picture).naturalWidth);
  await expect.poll(width).toBe(48);
  await words(hers).press('Control+End');
  await hers.keyboard.type(' Yours, Alice');
  await isSaved(hers);
  const drafts = await lettersOf(ALICE, 'Drafts');
  expect(drafts.map((one) => one.files)).toEqual([filesIn(BOAT, PLAN, NOTES)]);
});

test('[P-04] sent, called back, sent again: it arrives once, whole, and tells of no Bcc', async () => {
  await send(hers, true);
  for (const login of [BOB, ADMIN, CAROL]) {
    const letter = await received(login, 'The boat in June');
    expect(letter.files, login).toEqual(filesIn(BOAT, PLAN, NOTES));
    expect(letter.source, login).not.toMatch(/carol@/i);
    expect(letter.source, login).toMatch(/Typed at the end\.(&nbsp;| )Yours, Alice/);
  }
  const [copy, ...others] = await lettersOf(ALICE, 'Sent');
  expect(others).toEqual([]);
  expect(headOf(copy as Received)).toMatch(/^Bcc: .*carol@example\.test/im);
  expect(copy?.files).toEqual(filesIn(BOAT, PLAN, NOTES));
  expect(await lettersOf(ALICE, 'Drafts')).toEqual([]);
});

/** A busy node may answer 503: the page says so, and who wants the file asks again. */
async function takenBy(page: Page, name: string): Promise<Download> {
  const downloading = page.waitForEvent('download');
  await page.getByRole('link', { name }).click();
  const retry = page.locator('.notice-failed').getByRole('button', { name: 'Try now' });
  const refused = (): Promise<undefined> => {
    const seen = (): undefined => undefined;
    return retry.waitFor().then(seen, seen);
  };
  let taken = await Promise.race([downloading, refused()]);
  while (!taken) {
    await retry.click();
    taken = await Promise.race([downloading, refused()]);
  }
  expect(taken.suggestedFilename()).toBe(name);
  return taken;
}

test('[P-04] he signs in', async () => {
  await signIn(his, BOB);
});

test('[P-04] he reads it, with the picture, and takes the file', async () => {
  await row(his, 'The boat in June').click();
  const frame = his.frameLocator('.message-frame');
  await frame.getByText('Yours, Alice').waitFor();
  const image = frame.locator('img');
  await expect
    .poll(() => image.evaluate((img) => (img as unknown as Picture).naturalWidth))
    .toBe(48);
  const taken = await takenBy(his, PLAN.name);
  expect(readFileSync(await taken.path()).equals(PLAN.bytes)).toBe(true);
});

test('[P-04] he answers all: she has a conversation, the others a copy', async () => {
  await his.getByRole('button', { name: 'Reply to all' }).click();
  await pane(his).waitFor();
  expect(await pane(his).locator('.chip').allTextContents()).toHaveLength(2);
  await words(his).press('Control+Home');
  await his.keyboard.type('Gladly, on the fifth.');
  await look(his, 'desk-reply');
  await send(his);
  const copy = await received(ADMIN, 'Re: The boat in June');
  expect(headOf(copy)).toMatch(/^In-Reply-To: </im);
  await folder(hers, 'Inbox').click();
  await row(hers, 'Re: The boat in June').click();
  await expect.poll(() => hers.locator('.reading .message').count()).toBe(2);
  await inLastMessage(hers).getByText('Gladly, on the fifth.').waitFor();
  await look(hers, 'desk-conversation');
});

test('[P-04] sent on it keeps its files', async () => {
  await his.getByRole('button', { name: 'Forward' }).first().click();
  await person(his, 'To').fill(CAROL);
  await person(his, 'To').press('Enter');
  await send(his);
  const letter = await received(CAROL, 'Fwd: The boat in June');
  expect(letter.files).toEqual(filesIn(BOAT, PLAN, NOTES));
});

test('[P-04] whom she wrote to is suggested', async () => {
  await hers.getByRole('button', { name: 'New message' }).click();
  await person(hers, 'To').pressSequentially('bo');
  await pane(hers).getByRole('option', { name: BOB }).first().waitFor();
  await look(hers, 'desk-suggestions');
  await person(hers, 'To').press('ArrowDown');
  await person(hers, 'To').press('Enter');
  expect(await pane(hers).locator('.chip').getAttribute('title')).toBe(BOB);
});

test('[N-17] [S2-01] a node dies between typing and sending: one letter arrives', async () => {
  await pane(hers).getByLabel('Subject').fill('Before the power failed');
  await words(hers).click();
  await hers.keyboard.type('Saved on one node, ');
  await isSaved(hers);
  await site.killSecond();
  await hers.keyboard.type('sent by the other.');
  await drop(hers, '.compose', LATE);
  await pane(hers).locator('.compose-file').waitFor();
  await pane(hers).locator('progress').waitFor({ state: 'detached' });
  await send(hers);
  const letter = await received(BOB, 'Before the power failed');
  expect(letter.files).toEqual(filesIn(LATE));
  expect(letter.source).toContain('Saved on one node, sent by the other.');
  expect(await lettersOf(ALICE, 'Drafts')).toEqual([]);
  expect(await lettersOf(ALICE, 'Sent')).toHaveLength(2);
  expect(troubles).toEqual([[], []]);
});
