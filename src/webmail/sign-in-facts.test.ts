import { afterEach, beforeEach, expect, test } from 'vitest';
import { stepAt } from '../auth/totp.ts';
import { TestClock } from '../base/testing.ts';
import { systemRandom } from '../base/random.ts';
import { memoryAccount } from '../directory/memory.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { openMaildirMail } from '../mailbox/testing/maildir-mail.ts';
import { SignInFacts } from './sign-in-facts.ts';

const account = memoryAccount({ login: 'alice@example.test' });
let clock: TestClock;
let store: MemoryStore;
let book: SignInFacts;

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryStore(clock);
  book = new SignInFacts({ store, clock, random: systemRandom });
});
afterEach(() => {
  clock.ahead = 0;
});

const record = (id: string, at: number) => ({ id, at, address: '192.0.2.1', agent: 'x' });

test('sign-ins are begun, listed with the newest first, and ended', async () => {
  await book.begin(account, record('one', 1));
  await book.begin(account, record('two', 2));
  expect((await book.list(account)).map(({ id }) => id)).toEqual(['two', 'one']);
  expect(await book.state(account, 'one')).toBe('open');
  await book.end(account, 'one');
  expect(await book.state(account, 'one')).toBe('ended');
  expect(await book.state(account, 'never')).toBe('ended');
});

test('of more sign-ins than anybody looks through the oldest go', async () => {
  for (let at = 1; at <= 70; at += 1) await book.begin(account, record(`s${at}`, at));
  const all = await book.list(account);
  expect(all).toHaveLength(60);
  expect(all.at(-1)?.id).toBe('s11');
});

test('a fact that somebody damaged is shown as what is left of it, and can be ended', async () => {
  const { facts } = await store.openMail(account);
  await facts.put('signins', 's-broken', Buffer.from('{"at":"no"'));
  await facts.put('signins', 's-large', Buffer.alloc(100_000, '['));
  expect(await book.list(account)).toEqual([
    { id: 'broken', at: 0, address: '', agent: '' },
    { id: 'large', at: 0, address: '', agent: '' },
  ]);
  await book.end(account, 'broken');
  expect(await book.list(account)).toHaveLength(1);
});

test('of many who use one code at the same time at most one succeeds, whatever the order', async () => {
  for (let round = 0; round < 50; round += 1) {
    const step = stepAt(clock.now()) + round * 100;
    const tries = Array.from({ length: 5 }, async () => {
      await clock.sleep(Math.floor((systemRandom.bytes(1)[0] ?? 0) / 64));
      return await book.firstUse(account, step);
    });
    const won = (await Promise.all(tries)).filter(Boolean);
    expect(won.length).toBeLessThanOrEqual(1);
    expect(await book.firstUse(account, step)).toBe(false);
  }
});

test('one after the other: the first succeeds; what nobody can use any more is swept', async () => {
  const step = stepAt(clock.now());
  expect(await book.firstUse(account, step)).toBe(true);
  expect(await book.firstUse(account, step)).toBe(false);
  expect(await book.firstUse(account, step + 1)).toBe(true);
  clock.ahead += 30 * 60_000;
  expect(await book.firstUse(account, stepAt(clock.now()))).toBe(true);
  const { facts } = await store.openMail(account);
  expect(await facts.list('signins')).toHaveLength(1);
});

test('an id that no file can be named by ends nothing, and is no trouble of the volume', async () => {
  const under = await openMaildirMail();
  try {
    const [onDisk] = under.stores;
    const maildirs = new SignInFacts({ store: onDisk, clock, random: systemRandom });
    await maildirs.begin(under.account, record('one', 1));
    for (const id of ['a'.repeat(900), 'é'.repeat(200), '../one', '']) {
      await maildirs.end(under.account, id);
    }
    expect(await maildirs.list(under.account)).toHaveLength(1);
  } finally {
    await under.close();
  }
});
