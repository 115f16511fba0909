import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { HangFarm, send, signIn, userOf } from './hang-farm.ts';
import { asRoot } from './inside.ts';

// A volume that takes no new mail, seen by the clients of a front end: what they are told at RCPT,
// by SMTP and LMTP, while POP3 goes on.

const FILLER = '/mnt/srv/mail2/filler';
const USER = userOf('small');
const WAIT = { timeout: 30_000, interval: 200 };

let farm: HangFarm;
beforeAll(async () => {
  const settings = { 'volume.reserve.bytes': '1MB', 'volume.full.retry': '1s' };
  farm = await HangFarm.open({ volumes: ['small'], disk: 'mail2', usersEach: 1, settings });
  await farm.start();
}, 240_000);
afterAll(() => farm?.close());
/** By the kernel alone (`-i`): the helper for NFS would ask the server for leave to mount. */
const remount = (mode: 'ro' | 'rw'): Promise<string> =>
  asRoot('mount', '-i', '-o', `remount,${mode}`, '/mnt/hang/small');

afterEach(async () => {
  rmSync(FILLER, { force: true });
  await remount('rw');
});

const told = async (by: 'mx' | 'lmtp' = 'mx'): Promise<string> =>
  (await send(USER, 'letter', by)).said;

/** Fetches the first message and deletes it. @returns whether QUIT said that it is gone */
async function fetchOne(): Promise<boolean> {
  const chat = await signIn(USER);
  expect(String(Buffer.concat(await chat.multiline('RETR 1')))).toContain('letter');
  await chat.expect('DELE 1');
  return (await chat.quit()).ok;
}

async function count(): Promise<number> {
  const chat = await signIn(USER);
  const { size } = await chat.listing('UIDL');
  await chat.quit();
  return size;
}

test('[N-14] full: 452 at RCPT by SMTP and LMTP; RETR and DELE go on; then 250 by itself', async () => {
  expect([await told(), await told('lmtp'), await count()]).toEqual(['250', '250', 2]);
  const { bavail, bsize } = statfsSync('/mnt/srv/mail2');
  writeFileSync(FILLER, Buffer.alloc(bavail * bsize - 500_000));
  await expect.poll(told, WAIT).toBe('452');
  expect(await told('lmtp')).toBe('452');
  const before = await count();
  expect(await fetchOne()).toBe(true);
  expect(await count()).toBe(before - 1);
  expect(await told()).toBe('452');
  rmSync(FILLER);
  await expect.poll(told, WAIT).toBe('250');
  expect(await told('lmtp')).toBe('250');
}, 120_000);

test('[N-14] read-only: 451 at RCPT by SMTP and LMTP; RETR goes on, and no DELE is said to be done', async () => {
  await expect.poll(told, WAIT).toBe('250');
  const before = await count();
  await remount('ro');
  await expect.poll(told, WAIT).toBe('451');
  expect(await told('lmtp')).toBe('451');
  const now = await count();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(await fetchOne()).toBe(false);
  expect(await count()).toBe(now);
  await remount('rw');
  await expect.poll(told, WAIT).toBe('250');
  expect(await fetchOne()).toBe(true);
}, 120_000);
