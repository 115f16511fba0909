/** Random sessions before our farm: every connection may be another worker's. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { DEMO_PASSWORD, startFarm } from '../../harness/farm.ts';
import { ImapChat } from '../../harness/imap-chat.ts';
import { maildirOf } from '../../harness/maildir-of.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { judge, randomSessions, violationText } from './run.ts';

const STEPS = Number(process.env['MAILFARM_IMAP_STEPS'] ?? 30);
const SEED = Number(process.env['MAILFARM_SEED'] ?? 1);
const CLIENTS = 5;
const USER = 'alice@example.test';
const LONG = { timeout: 240_000 + STEPS * 4_000 };

/** @returns the code that the farm has given it */
async function firstLetter(port: number): Promise<number> {
  const { chat } = await SmtpChat.open({ port });
  await chat.hello('LHLO');
  const letter = Buffer.from('Subject: first\r\n\r\nThe first.\r\n');
  const { code } = await chat.send('a@sender.example', [USER], letter);
  await chat.quit();
  return code;
}

test(`[N-01] nothing is wrong with our IMAP (${STEPS} steps, seed ${SEED})`, LONG, async (ctx) => {
  const farm = await startFarm({ dir: join(testDirectory(ctx), 'farm') });
  ctx.onTestFinished(async () => void (await farm.stop()));
  // A busy farm defers, and a sender tries again.
  await expect.poll(() => firstLetter(farm.ports.lmtp), { timeout: 60_000 }).toBe(250);
  const to = { port: farm.ports.imap };
  const chat = await ImapChat.login(to, USER, DEMO_PASSWORD);
  for (const folder of ['Work', 'Aside']) await chat.ok(`CREATE ${folder}`);
  await chat.logout();
  const maildir = join(await maildirOf(farm, USER), '.Work');
  const login = { user: USER, password: DEMO_PASSWORD };
  const folders = { folder: 'Work', aside: 'Aside', maildir };
  const how = { clients: CLIENTS, steps: STEPS, seed: SEED };
  const sessions = await randomSessions({ to: [to], ...login, ...folders, ...how });
  // Workers learn of each other's changes soon, not at once; what contradicts counts all the same.
  expect(violationText(judge(sessions, { fresh: true }))).toBe('');
  expect(new Set(sessions.exchanges.map(({ op }) => op.kind)).size).toBe(9);
});
