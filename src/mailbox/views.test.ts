import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { TestClock } from '../base/testing.ts';
import { memoryAccount } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { strikingFs } from '../volumes/testing/volumes.ts';
import { emailIdOf } from './email-id.ts';
import type { Mail } from './mail.ts';
import { MemoryStore } from './memory.ts';
import { append } from './testing/mail-under-test.ts';
import { openMaildirMail, type MaildirUnderTest } from './testing/maildir-mail.ts';
import type { MailVersion } from './view.ts';
import { OpenMailViews } from './views.ts';

const DAY_MS = 24 * 3_600_000;
const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function viewsOf(store: Pick<MemoryStore, 'openMail'>, bounds: object = {}): OpenMailViews {
  const views = new OpenMailViews({ store, clock: systemClock, ...bounds });
  closing.push(() => views.close());
  return views;
}

const account = (login: string, more: Partial<Account> = {}): Account => ({
  ...memoryAccount({ login }),
  ...more,
});

const idsIn = ({ folders }: MailVersion): readonly string[] =>
  folders.flatMap(({ state }) => state.messages.map(({ key }) => emailIdOf(key)));

test('a user has one view in a process, and another when his account says otherwise', async () => {
  const store = new MemoryStore(systemClock);
  const views = viewsOf(store);
  const alice = account('alice@example.test');
  const [one, two] = await Promise.all([views.of(alice), views.of({ ...alice })]);
  expect(two).toBe(one);
  expect(await views.of(alice)).toBe(one);
  const told: MailVersion[] = [];
  const stop = one.watch((version) => void told.push(version));
  const more = await views.of({ ...alice, quotaBytes: 5 });
  expect(more).not.toBe(one);
  expect(more.mail.account.quotaBytes).toBe(5);
  // Whoever listens to the one before goes on.
  await append(await store.openMail(alice), 'INBOX', 'x\r\n');
  await expect.poll(() => told.length).toBeGreaterThan(0);
  stop();
});

test('views used least recently go, but for those that somebody listens to', async () => {
  const store = new MemoryStore(systemClock);
  const views = viewsOf(store, { viewsMax: 2 });
  const users = ['a', 'b', 'c', 'd'].map((name) => account(`${name}@example.test`));
  const [a, b, c, d] = users as [Account, Account, Account, Account];
  const [first, second] = [await views.of(a), await views.of(b)];
  const stop = first.watch(() => {});
  await views.of(c);
  const [again, same] = [await views.of(b), await views.of(a)];
  expect([again === second, same === first]).toEqual([false, true]);
  stop();
  await views.of(c);
  await views.of(d);
  expect(await views.of(a)).not.toBe(first);
  // What was let go of is as true as before for whoever has it.
  await append(await store.openMail(b), 'INBOX', 'x\r\n');
  expect(idsIn(await second.refresh())).toHaveLength(1);
});

test('a mailbox that cannot be looked at is no view, and the next who asks looks again', async () => {
  const store = new MemoryStore(systemClock);
  let fails = true;
  const openMail = async (who: Account): Promise<Mail> => {
    if (fails) throw new Error('the volume is away');
    return store.openMail(who);
  };
  const views = viewsOf({ openMail });
  const alice = account('alice@example.test');
  await expect(views.of(alice)).rejects.toThrow('the volume is away');
  fails = false;
  expect((await views.of(alice)).version.folders).toHaveLength(1);
});

async function maildirViews(
  under: MaildirUnderTest,
): Promise<readonly [OpenMailViews, OpenMailViews]> {
  closing.push(() => under.close());
  return [viewsOf(under.stores[0]), viewsOf(under.stores[1])];
}

/** Enough commits of flags for a compaction. */
async function compact(mail: Mail, uid: number): Promise<void> {
  const inbox = await mail.open('INBOX');
  for (let i = 0; i < 70; i++) {
    const how = i % 2 === 0 ? 'add' : 'remove';
    await inbox.store({ uids: [uid], how, letters: 'F', keywords: [] });
  }
  inbox.close();
}

test('a client that comes back after 24 days and five compactions is told what changed', async () => {
  const clock = new TestClock();
  const under = await openMaildirMail({}, {}, { clock });
  const [here, there] = await maildirViews(under);
  const { one, account: alice } = under;
  await one.create('a');
  const uids: number[] = [];
  for (let i = 0; i < 8; i++) uids.push(await append(one, 'INBOX', `${i}\r\n`));
  const before = (await here.of(alice)).version;
  const [moved, ...gone] = idsIn(before);
  const inbox = await one.open('INBOX');
  for (const [day, uid] of uids.slice(0, 6).entries()) {
    clock.ahead += 4 * DAY_MS;
    if (day === 0) await inbox.move([uid], 'a');
    else await inbox.expunge([uid]);
    if (day < 5) await compact(one, uids[7] as number);
  }
  const created = await append(one, 'INBOX', 'new\r\n');
  const view = await there.of(alice);
  const version = await view.refresh();
  const [newest] = inbox.state.messages.filter(({ uid }) => uid === created);
  expect(view.emailChanges(before.emailState, version)).toEqual({
    created: [emailIdOf(newest?.key as string)],
    updated: expect.arrayContaining([moved, idsIn(before)[7]]),
    destroyed: gone.slice(0, 5),
  });
  expect(view.mailboxChanges(before.mailboxState, version)).toMatchObject({
    created: [],
    destroyed: [],
    countsOnly: true,
  });
  // Half a year later nobody remembers, and says so.
  clock.ahead += 180 * DAY_MS;
  for (let i = 0; i < 3; i++) await compact(one, uids[7] as number);
  const late = await view.refresh();
  expect(view.emailChanges(before.emailState, late)).toBeUndefined();
  expect(view.emailChanges(version.emailState, late)?.destroyed).toEqual([]);
});

test('a look at what has not changed: three listings of one folder, four for each of all', async () => {
  let maildir = '';
  const lists: string[] = [];
  const fs = strikingFs((call, path) => {
    // The volume is probed all the time, too.
    if (call === 'list' && path.startsWith(maildir)) lists.push(path);
    return undefined;
  });
  const under = await openMaildirMail({}, {}, { fs });
  const [views] = await maildirViews(under);
  for (let i = 0; i < 9; i++) await under.one.create(`f${i}`);
  const view = await views.of(under.account);
  maildir = under.maildir;
  const listings = async (which?: readonly string[]): Promise<number> => {
    await view.refresh(which);
    lists.length = 0;
    await view.refresh(which);
    return lists.length;
  };
  expect(await listings(['inbox'])).toBe(3);
  // The fourth: whether it is a folder still. And the list, uses, subscriptions, removed ones.
  expect(await listings()).toBeLessThanOrEqual(4 * 10 + 8);
});
