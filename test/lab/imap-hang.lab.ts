import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ImapChat } from '../harness/imap-chat.ts';
import { HangFarm, imap, send, userOf } from './hang-farm.ts';
import { Idler, simpleLetter } from './imap-idler.ts';

// IMAP on a volume that hangs under a hard mount: its users are told to try again, in the sessions
// that they have too, and go on in them when it is back; users of the other volume notice nothing.

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const WELL_ROUNDS = LONG ? 200 : 5;
/** `volume.deadline` of this farm. */
const DEADLINE_MS = 5_000;
/** A deadline, and what a kernel as slow as this one takes to say so beside others. */
const ANSWER_MS = DEADLINE_MS * 6;
const BACK_MS = 120_000;

let farm: HangFarm;
beforeAll(async () => {
  farm = await HangFarm.open({
    volumes: ['well', 'hung'],
    usersEach: 3,
    settings: { 'volume.deadline': `${DEADLINE_MS / 1_000}s`, 'mailbox.watch.max': '3s' },
  });
  await farm.start();
}, 240_000);
afterAll(() => farm?.close());

async function selected(user: string): Promise<ImapChat> {
  const chat = await imap(user);
  await chat.ok('SELECT INBOX');
  return chat;
}

const fill = async (user: string): Promise<void> => {
  for (const serial of ['one', 'two']) {
    const chat = await imap(user);
    await chat.ok('APPEND INBOX', simpleLetter(serial));
    await chat.logout();
  }
};

/** What a user does who notices nothing. */
async function work(chat: ImapChat, serial: string): Promise<void> {
  await chat.ok('APPEND INBOX', simpleLetter(serial));
  await chat.ok('SELECT INBOX');
  await chat.ok('FETCH * (FLAGS ENVELOPE BODY.PEEK[])');
  await chat.ok(String.raw`STORE * +FLAGS (\Seen)`);
  await chat.ok('SEARCH SUBJECT letter');
}

async function until(what: string, ms: number, holds: () => Promise<boolean> | boolean) {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(200);
  }
}

/** Commands of a user whose volume hangs, in a session that has a folder open. */
const ASKED: readonly (readonly [command: string, literal?: Buffer])[] = [
  ['NOOP'],
  ['FETCH 1 BODY.PEEK[]'],
  [String.raw`STORE 1 +FLAGS (\Flagged)`],
  ['STATUS INBOX (MESSAGES)'],
  ['APPEND INBOX', simpleLetter('refused')],
  ['EXPUNGE'],
  ['LIST "" "*"'],
  ['CREATE Other'],
];

/** @returns the longest time of an answer, in milliseconds */
async function askAll(chat: ImapChat): Promise<number> {
  let longest = 0;
  for (const [command, literal] of ASKED) {
    const began = performance.now();
    const { status, text } = await chat.command(command, literal);
    longest = Math.max(longest, performance.now() - began);
    expect(`${command}: ${status} ${text}`).toMatch(/: NO \[UNAVAILABLE\] ./);
    await chat.ok('CAPABILITY'); // The session goes on.
  }
  return longest;
}

test('[N-02] a volume hangs under IMAP: NO [UNAVAILABLE], sessions stay, others go on', async () => {
  for (const user of ['well', 'hung'].map((volume) => userOf(volume))) await fill(user);
  const busy = await selected(userOf('hung'));
  const idler = await Idler.begin(await selected(userOf('hung')));
  const other = await selected(userOf('well'));
  const otherIdler = await Idler.begin(await selected(userOf('well')));
  await busy.ok(String.raw`STORE 1 +FLAGS (\Deleted)`);
  const hung = farm.proxy('hung').hangFrom('GETATTR');
  const [longest] = await Promise.all([
    askAll(busy),
    hung,
    (async () => {
      for (let round = 0; round < WELL_ROUNDS; round += 1) await work(other, `well-${round}`);
      const before = otherIdler.of(/EXISTS/).length;
      expect((await send(userOf('well'), 'while the other hangs')).said).toBe('250');
      await until('IDLE tells', BACK_MS, () => otherIdler.of(/EXISTS/).length > before);
    })(),
  ]);
  const began = performance.now();
  // A login needs the directory only: no client takes its password for a wrong one.
  const late = await imap(userOf('hung'));
  expect((await late.command('SELECT INBOX')).text).toMatch(/^\[UNAVAILABLE\] /);
  const login = performance.now() - began;
  expect(idler.told.filter((line) => line.startsWith('* BYE'))).toEqual([]);
  process.stdout.write(
    `   answers of the hung volume: ${longest.toFixed(0)} ms at most; ` +
      `login and SELECT ${login.toFixed(0)} ms\n`,
  );
  expect(Math.max(longest, login)).toBeLessThan(ANSWER_MS);

  farm.proxy('hung').pass();
  await until('the session works again', BACK_MS, async () => {
    return (await busy.command('NOOP')).status === 'OK';
  });
  const message = await busy.ok('FETCH 1 (FLAGS BODY.PEEK[])');
  expect(message[0]?.literals[0]?.toString('latin1')).toContain('X-Serial: one');
  await until('mail is taken', BACK_MS, async () => {
    return (await send(userOf('hung'), 'it is back')).said === '250';
  });
  await until('IDLE tells', BACK_MS, () => idler.of(/EXISTS/).length > 0);
  await idler.end();
  const serials = (await busy.messages()).map(
    ({ octets }) => /^X-Serial: (\S+)/m.exec(octets.toString('latin1'))?.[1] ?? 'mx',
  );
  expect(serials.filter((serial) => serial !== 'refused')).toEqual(['one', 'two', 'mx']);
  await late.ok('SELECT INBOX');
  for (const chat of [busy, other, late]) await chat.logout();
}, 600_000);
