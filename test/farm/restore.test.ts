/**
 * Backup and restore on a farm that runs: real rsync, IMAP and POP3 sessions, a restore that is
 * killed.
 */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { needs } from '../harness/needs.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { runOrThrow, start } from '../harness/process.ts';
import { asked, send } from './letters.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');
const KILL = join(import.meta.dirname, 'kill-at-link.ts');
const SCRIPT = join(ROOT, 'ansible/roles/backup/files/mailfarm-backup');
const RSYNC = '/usr/bin/rsync';
const BOB = 'bob@example.test';

let farm: Farm;
let root: string;
let backups: string;

beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-restore-')));
  backups = join(root, 'backups');
  mkdirSync(backups);
  farm = await startFarm({ dir: join(root, 'farm') });
  // On a busy machine the first questions to the directory may be too slow: temporary failures.
  const login = async (): Promise<void> => {
    const chat = await imap();
    chat.stream.destroy();
  };
  await vi.waitFor(login, { timeout: 120_000, interval: 200 });
});

afterAll(async () => {
  await farm?.stop();
  rmSync(root, { recursive: true, force: true });
});

interface VolumeRow {
  readonly name: string;
  readonly path: string;
}

async function backUp(): Promise<void> {
  for (const { name, path } of await asked<readonly VolumeRow[]>(farm, ['volume', 'list'])) {
    await runOrThrow([SCRIPT, 'volume', name, path, join(backups, name)]);
  }
}

const letter = (n: number): string =>
  `Message-ID: <${n}@x.test>\r\nSubject: letter ${n}\r\n\r\n${'text\r\n'.repeat(n * 4)}`;

const imap = (): Promise<ImapChat> => ImapChat.login({ port: farm.ports.imap }, BOB, DEMO_PASSWORD);

/** Subject and flags of a folder's messages, sorted by subject. */
async function contents(folder: string): Promise<readonly string[]> {
  const chat = await imap();
  try {
    await chat.ok(`SELECT "${folder}"`);
    const all = await chat.messages();
    return all
      .map(
        ({ flags, octets }) =>
          `${/^Subject: (.*)$/m.exec(octets.toString())?.[1]?.trim()} ${flags.join(' ')}`,
      )
      .toSorted();
  } finally {
    chat.stream.destroy();
  }
}

async function uidls(): Promise<readonly string[]> {
  const chat = await Pop3Chat.login({ port: farm.ports.pop3 }, BOB, DEMO_PASSWORD);
  try {
    await chat.expect('UIDL');
    return (await chat.lines()).map((line) => line.toString().split(' ')[1] ?? '').toSorted();
  } finally {
    chat.stream.destroy();
  }
}

interface Report {
  readonly folders: readonly {
    readonly name: string;
    readonly restored: number;
    readonly there: number;
  }[];
}

const restoreWords = (...more: readonly string[]): readonly string[] => [
  'mailbox',
  'restore',
  BOB,
  '--from',
  backups,
  ...more,
];

async function restore(...more: readonly string[]): Promise<Report> {
  return await asked<Report>(farm, restoreWords(...more));
}

/** A restore that ends without warning when it has put so many messages. */
async function killedAfter(messages: number): Promise<void> {
  const restoring = start([process.execPath, '--import', KILL, MAIN, ...restoreWords()], {
    cwd: ROOT,
    env: { MAILFARM_CONFIG: join(farm.dir, 'admin.yaml'), KILL_AT_LINK: String(messages) },
  });
  const ended = await restoring.exited;
  expect(ended, restoring.output()).toBe('SIGKILL');
}

/** Letters in INBOX; more than three restores put that are killed in the middle. */
const COUNT = 60;
/** So many messages are put when a restore is killed, those of the ones before it included. */
const KILLED_AT = [3, 9, 20];

test('[P-12] killed in the middle and repeated beside sessions and letters: all is there, once', async (ctx) => {
  needs(ctx, RSYNC);
  const chat = await imap();
  await expect.poll(() => send(farm.ports.smtp, [BOB], letter(1))).toMatchObject({ code: 250 });
  for (let n = 2; n <= COUNT; n++) await chat.ok('APPEND INBOX', Buffer.from(letter(n)));
  await chat.ok('CREATE "Archive/2026"');
  await chat.ok('SELECT INBOX');
  await chat.ok('STORE 1:10 +FLAGS (\\Seen $Work)');
  await chat.ok('STORE 5 +FLAGS (\\Flagged)');
  await chat.ok('MOVE 1:3 "Archive/2026"');
  const before = { inbox: await contents('INBOX'), archive: await contents('Archive/2026') };
  const known = await uidls();
  await backUp();
  expect(readdirSync(backups).length).toBeGreaterThan(1);

  await chat.ok('STORE 1:* +FLAGS (\\Deleted)');
  await chat.ok('EXPUNGE');
  await chat.ok('DELETE "Archive/2026"');
  expect(await contents('INBOX')).toEqual([]);
  const select = (await chat.ok('SELECT INBOX')).map(({ text }) => text).join('\n');
  const uidNext = Number(/UIDNEXT (\d+)/.exec(select)?.[1]);

  for (const [turn, files] of KILLED_AT.entries()) {
    await killedAfter(files - (KILLED_AT[turn - 1] ?? 0));
    const fresh = `Subject: new ${files}\r\n\r\nx\r\n`;
    await expect.poll(() => send(farm.ports.smtp, [BOB], fresh)).toMatchObject({ code: 250 });
  }
  expect(await contents('INBOX')).toHaveLength(20 + KILLED_AT.length);
  const done = await restore();
  expect(done.folders.map(({ restored, there }) => restored + there)).toEqual([COUNT - 3, 3]);
  const fresh = KILLED_AT.map((files) => `new ${files} `);
  expect(await contents('INBOX')).toEqual([...before.inbox, ...fresh].toSorted());
  expect(await contents('Archive/2026')).toEqual(before.archive);
  expect((await uidls()).filter((uidl) => known.includes(uidl))).toEqual(known);

  // The session that was open all the time is told of them, with UIDs that it has not seen.
  const told = async (): Promise<readonly number[]> => {
    await chat.ok('NOOP');
    const [found] = await chat.ok('UID SEARCH ALL');
    return found?.text.match(/\d+/g)?.map(Number) ?? [];
  };
  await expect.poll(async () => (await told()).length).toBe(COUNT - 3 + fresh.length);
  expect(Math.min(...(await told()))).toBeGreaterThanOrEqual(uidNext);
  const again = await restore();
  expect(again.folders.map(({ restored }) => restored)).toEqual([0, 0]);
  chat.stream.destroy();
});
