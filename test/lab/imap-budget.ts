/**
 * What IMAP costs on the wire: calls that the host of a front end sends for one command, alone and
 * while another front end works in the same folder.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ImapChat } from '../harness/imap-chat.ts';
import { keepRows } from './budget-rows.ts';
import type { ImapFarm } from './imap-farm.ts';
import { Idler, simpleLetter } from './imap-idler.ts';
import { callsDuring } from './inside.ts';
import type { BudgetRow } from './protocol.ts';

const USER = 'budget';
const MESSAGES = 100;
/** A probe or a beat of the volume, once a minute, may fall into one of them. */
const TRIES = 3;

interface Command {
  readonly what: string;
  readonly allowed: number;
  /** What another host does before each try. */
  readonly other?: (n: number) => Promise<unknown>;
  readonly command: (n: number) => Promise<unknown>;
}

/** Counts it several times; the lowest count is what it costs. */
async function within({ what, allowed, other, command }: Command): Promise<BudgetRow> {
  let best: BudgetRow | undefined;
  for (let n = 1; n <= TRIES; n++) {
    await other?.(n);
    const { total, calls } = await callsDuring('c1', () => command(n));
    if (total < (best?.counted ?? Infinity)) best = { what, counted: total, allowed, calls };
  }
  const row = best as BudgetRow;
  process.stdout.write(`   ${what}: ${row.counted} calls of ${allowed} (${row.calls})\n`);
  return row;
}

/** Above the bound, or nothing counted where something must cost. */
const isWrong = ({ counted, allowed }: BudgetRow): boolean =>
  counted > allowed || (counted === 0 && allowed > 0);

async function commandsAreBounded(farm: ImapFarm): Promise<void> {
  const chat = await farm.session('c1', USER);
  for (let n = 0; n < MESSAGES; n++) await append(chat, n);
  await chat.ok('SELECT INBOX');
  const there = await farm.session('c2', USER);
  await there.ok('SELECT INBOX');
  const select = (): Promise<unknown> => chat.ok('SELECT INBOX');
  await select();
  const flag = (n: number): Promise<unknown> => chat.ok(`UID STORE ${n} +FLAGS (\\Flagged)`);
  const elsewhere = (n: number): Promise<unknown> =>
    there.ok(`UID STORE ${n + 20} +FLAGS (\\Answered)`);
  // Log, new and cur are looked at; SELECT looks at new and cur once more, for what it may claim.
  const rows = [
    await within({ what: 'SELECT, nothing new', allowed: 5, command: select }),
    await within({
      what: 'FETCH FLAGS of all',
      allowed: 0,
      command: () => chat.ok('FETCH 1:* FLAGS'),
    }),
    await within({ what: 'NOOP, nothing new', allowed: 3, command: () => chat.ok('NOOP') }),
    await within({
      what: 'SELECT, another host changed a flag',
      allowed: 20,
      other: elsewhere,
      command: select,
    }),
    await within({
      what: 'SELECT, another host delivered',
      allowed: 30,
      other: (n) => farm.deliver('c2', USER, simpleLetter(`delivered-${n}`)),
      command: select,
    }),
    await within({ what: 'a flag', allowed: 12, command: flag }),
    await within({
      what: 'a flag, another host changed one',
      allowed: 40,
      other: (n) => elsewhere(n + 10),
      command: (n) => flag(n + 5),
    }),
    await within({ what: 'APPEND', allowed: 20, command: (n) => append(chat, 1_000 + n) }),
    await within({
      what: 'APPEND, another host changed a flag',
      allowed: 40,
      other: (n) => elsewhere(n + 20),
      command: (n) => append(chat, 2_000 + n),
    }),
    ...(await expungeRows(chat, elsewhere)),
  ];
  const names = rows.map((row) => ({ ...row, what: `IMAP ${row.what}` }));
  keepRows(names);
  expect(names.filter(isWrong)).toEqual([]);
  await chat.logout();
  await there.logout();
}

async function expungeRows(
  chat: ImapChat,
  elsewhere: (n: number) => Promise<unknown>,
): Promise<BudgetRow[]> {
  const remove = (uid: number): Promise<unknown> => chat.ok(`UID STORE ${uid} +FLAGS (\\Deleted)`);
  return [
    await within({
      what: 'EXPUNGE of one',
      allowed: 24,
      other: (n) => remove(n + 50),
      command: () => chat.ok('EXPUNGE'),
    }),
    await within({
      what: 'EXPUNGE of one, another host changed a flag',
      allowed: 44,
      other: async (n) => {
        await remove(n + 60);
        await elsewhere(n + 30);
      },
      command: () => chat.ok('EXPUNGE'),
    }),
  ];
}

const append = (chat: ImapChat, n: number): Promise<unknown> =>
  chat.ok('APPEND INBOX', simpleLetter(`budget-${n}`));

/** The node's own file on the volume is written anew once a minute; a look never does any of it. */
const OF_A_BEAT = ['WRITE', 'RENAME', 'REMOVE', 'STATFS'];

/** Calls while time passes in which no beat or probe of the volume falls. */
async function waited(ms: number) {
  for (let tries = 1; ; tries += 1) {
    const begun = Date.now();
    const counted = await callsDuring('c1', () => sleep(ms));
    const seconds = (Date.now() - begun) / 1_000;
    const hasBeat = OF_A_BEAT.some((call) => counted.by.has(call));
    if (!hasBeat || tries === TRIES) return { ...counted, seconds };
  }
}

/**
 * A look is three calls. The interval grows to `mailbox.watch.max`, which is 3 s here: at most a
 * look in 2.4 s, and as many calls a minute with the 30 s of a farm as here in a tenth of it.
 */
async function idleIsBounded(farm: ImapFarm): Promise<void> {
  const chats: ImapChat[] = [];
  const idlers: Idler[] = [];
  for (let n = 0; n < 3; n++) {
    const chat = await farm.session('c1', USER);
    await chat.ok('SELECT INBOX');
    chats.push(chat);
    idlers.push(await Idler.begin(chat));
  }
  await sleep(8_000); // The interval has grown.
  const { total, by, calls, seconds } = await waited(10_000);
  const looks = Math.floor(seconds / 2.4) + 1;
  const what = `IMAP IDLE of three sessions, ${looks} looks`;
  process.stdout.write(`   ${what} in ${seconds.toFixed(1)} s: ${calls}\n`);
  keepRows([{ what, counted: total, allowed: looks * 3, calls }]);
  expect(by.get('GETATTR') ?? 0).toBeGreaterThan(0);
  expect(total, calls).toBeLessThanOrEqual(looks * 3);
  for (const idler of idlers) await idler.end();
  const { total: after, calls: late } = await waited(4_000);
  expect(after, `nobody waits any more: ${late}`).toBe(0);
  for (const chat of chats) await chat.logout();
}

export function budgetTests(farm: () => ImapFarm): void {
  test('[P-03] calls of SELECT, NOOP, flags, APPEND, EXPUNGE, alone and with another host', () =>
    commandsAreBounded(farm()));

  test('[P-03] calls of IDLE: three a look, one look for all sessions, none without any', () =>
    idleIsBounded(farm()));
}
