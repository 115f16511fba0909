import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lastGoodPath, readLastGood, writeLastGood } from './last-good.ts';

const clock = { now: () => 1_700_000_000_000.4, sleep: () => Promise.resolve() };
const STATE = {
  settings: new Map([
    ['smtp.message.max', '50MB'],
    ['__proto__', 'a\nb'],
  ]),
  listen: ['mx 127.0.0.1:10025'],
};

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mailfarm-state-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('what was written is read, by this user only', async () => {
  await writeLastGood(dir, STATE, clock);
  expect(await readLastGood(dir)).toEqual({ savedAt: 1_700_000_000_000, ...STATE });
  expect(statSync(lastGoodPath(dir)).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(['last-good.json']);
});

test('a second write replaces the first, and tightens its mode', async () => {
  await writeLastGood(dir, { settings: new Map(), listen: [] }, clock);
  chmodSync(lastGoodPath(dir), 0o644);
  await writeLastGood(dir, STATE, clock);
  expect((await readLastGood(dir))?.settings.get('smtp.message.max')).toBe('50MB');
  expect(statSync(lastGoodPath(dir)).mode & 0o777).toBe(0o600);
});

test('no file, a torn file at every length, a changed octet: no settings', async () => {
  expect(await readLastGood(dir)).toBeUndefined();
  await writeLastGood(dir, STATE, clock);
  const whole = readFileSync(lastGoodPath(dir));
  for (let length = whole.length - 1; length >= 0; length--) {
    truncateSync(lastGoodPath(dir), length);
    expect(await readLastGood(dir), `cut to ${length}`).toBeUndefined();
  }
  const edited = whole.toString().replace('50MB', '51MB');
  writeFileSync(lastGoodPath(dir), edited);
  expect(await readLastGood(dir)).toBeUndefined();
});

test('a state directory that cannot be written is an error, and leaves nothing behind', async () => {
  await expect(writeLastGood(join(dir, 'none'), STATE, clock)).rejects.toThrow(
    /ENOENT.*MF-CONFIG-001$/,
  );
});
