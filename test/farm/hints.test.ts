/**
 * Hints between the workers of a node and between nodes, in whole farms: the clock looks at folders
 * once in an hour here, so whoever waits in IDLE hears of a letter by a hint or not at all.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD, freePortBase, startFarm, type Farm } from '../harness/farm.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { addNode, set, withAdmin, type SendingNode } from './leaving-farm.ts';
import { send } from './letters.ts';

const ALICE = 'alice@example.test';
const EXISTS = /^\* (\d+) EXISTS/;
const POLLED = { timeout: 180_000 };
const SUITE_MS = 600_000;
const SELDOM = { 'mailbox.watch.min': '1h', 'mailbox.watch.max': '1h' };

let directory: string;
let farm: Farm;
let front: SendingNode;
const open: ImapChat[] = [];

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-hints-')));
  farm = await startFarm({ dir: join(directory, 'farm') });
  await withAdmin(farm, async (admin) => {
    for (const [name, value] of Object.entries(SELDOM)) await admin.settings.set(name, value);
  });
  const [demo] = await withAdmin(farm, (admin) => admin.nodes.list());
  if (demo === undefined) throw new Error('the farm has no node');
  front = await addNode(farm, 'front2', ['imaps', 'hints'], { nid: 2, workers: 2 });
  const listen = [...demo.listen, `hints 127.0.0.1:${await freePortBase()}`];
  await withAdmin(farm, (admin) => admin.nodes.set(demo.name, { listen }));
  await set(farm, {}); // The demo's node reads its settings and who the others are.
});

afterAll(async () => {
  for (const chat of open) chat.stream.destroy();
  await front?.stop();
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function login(): Promise<ImapChat> {
  const [port = 0] = front.ports;
  const chat = await ImapChat.login(
    { port, tls: { rejectUnauthorized: false } },
    ALICE,
    DEMO_PASSWORD,
  );
  open.push(chat);
  return chat;
}

/** Begins to wait in IDLE; `more` counts messages that it was told of since. */
async function idle(chat: ImapChat): Promise<{ readonly more: () => number }> {
  const told = (await chat.ok('SELECT INBOX')).map(({ text }) => text);
  const count = (): number =>
    told.map((text) => Number(EXISTS.exec(text)?.[1] ?? -1)).findLast((n) => n >= 0) ?? NaN;
  const before = count();
  chat.stream.write('i1 IDLE\r\n');
  const read = async (): Promise<void> => {
    for (;;) {
      const line = await chat.stream.line(SUITE_MS);
      if (line === undefined) return;
      told.push(line.toString());
    }
  };
  read().catch(() => {}); // The end of the suite.
  await expect.poll(() => told.some((text) => text.startsWith('+ ')), POLLED).toBe(true);
  return { more: () => count() - before };
}

test('a letter that one node took is told at another by a hint', async () => {
  const waiting = await idle(await login());
  // The nodes may not know of each other yet, and a datagram may get lost: then the next one tells.
  const heard = async (): Promise<number> => {
    expect((await send(farm.ports.smtp, [ALICE])).code).toBe(250);
    return waiting.more();
  };
  await expect.poll(heard, { ...POLLED, interval: 1000 }).toBeGreaterThan(0);
});

test('what one worker appends, a session of another worker of the node hears', async () => {
  const waiting = await idle(await login());
  // Connections go to the worker that has fewest: not all of these to the one that waits.
  const letter = Buffer.from('Subject: a\r\n\r\nx\r\n');
  for (let n = 0; n < 3; n++) await (await login()).ok('APPEND INBOX', letter);
  await expect.poll(waiting.more, POLLED).toBeGreaterThanOrEqual(3);
});
