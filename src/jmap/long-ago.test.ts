/**
 * A client that was away for 20 days gets what has changed (N-11): over HTTP, each request to the
 * other node, nodes begun anew, journals compacted and swept meanwhile, in parts.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock, type Clock } from '../base/clock.ts';
import type { Folder, Mail } from '../mailbox/mail.ts';
import { openMaildirMail, type MaildirUnderTest } from '../mailbox/testing/maildir-mail.ts';
import { startJmap, type TestJmap } from './testing/server.ts';

const DAY_MS = 24 * 3_600_000;
const LETTERS = 1_200;
/** The last ones stay as they are. */
const QUIET = 200;

class MovedClock implements Clock {
  shift = -21 * DAY_MS;
  now(): number {
    return systemClock.now() + this.shift;
  }
  sleep(...args: Parameters<Clock['sleep']>): Promise<void> {
    return systemClock.sleep(...args);
  }
}

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one.close();
});

type Answer = Readonly<Record<string, unknown>>;
type Ask = (method: string, args?: object) => Promise<Answer>;

/** Two nodes with nothing in memory, asked in turn. */
async function nodesOf({ account, stores }: MaildirUnderTest, clock: Clock): Promise<Ask> {
  const nodes: TestJmap[] = [];
  for (const store of stores) nodes.push(await startJmap({ store, account, clock }));
  closing.push(...nodes);
  let turn = 0;
  return async (method, args = {}) => {
    const node = nodes[turn++ % 2] as TestJmap;
    const [response] = await node.calls([method, { accountId: account.id, ...args }]);
    const [name, answer] = response ?? ['error', {}];
    expect(name, JSON.stringify(answer).slice(0, 500)).toBe(method);
    return answer;
  };
}

async function put(mail: Mail, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 100) {
    const drafts = await Promise.all(
      Array.from({ length: Math.min(100, from + count - at) }, async (_, index) => {
        const n = at + index;
        const draft = await mail.draft('INBOX', { letters: '', keywords: [] });
        const root = `References: <${Math.floor(n / 3)}@x.test>\n`;
        await draft.write(Buffer.from(`Subject: ${n}\nMessage-ID: <m${n}@x.test>\n${root}\nx\n`));
        return draft;
      }),
    );
    await mail.append('INBOX', drafts);
  }
}

/** Objects that a client knows by what it was told. */
async function all(ask: Ask, type: string, properties: readonly string[]): Promise<Known> {
  if (type === 'Email') {
    const ids = new Set<string>();
    for (;;) {
      const page = await ask('Email/query', { position: ids.size });
      for (const id of page['ids'] as string[]) ids.add(id);
      if ((page['ids'] as string[]).length === 0) {
        return { state: page['queryState'] as string, ids };
      }
    }
  }
  const { state, list } = await ask(`${type}/get`, { ids: null, properties });
  return { state: state as string, ids: new Set((list as { id: string }[]).map(({ id }) => id)) };
}

interface Known {
  readonly state: string;
  readonly ids: ReadonlySet<string>;
}

/** Whatever it takes. @returns what is known then, and in how many parts it was told */
async function caughtUp(ask: Ask, type: string, known: Known, max: number) {
  const ids = new Set(known.ids);
  const updated = new Set<string>();
  let sinceState = known.state;
  for (let parts = 1; ; parts += 1) {
    const told = await ask(`${type}/changes`, { sinceState, maxChanges: max });
    const lists = ['created', 'updated', 'destroyed'].map((name) => told[name] as string[]);
    const [created, changed, destroyed] = lists as [string[], string[], string[]];
    expect(lists.flat().length).toBeLessThanOrEqual(max);
    for (const id of created) ids.add(id);
    for (const id of changed) updated.add(id);
    for (const id of destroyed) ids.delete(id);
    sinceState = told['newState'] as string;
    if (told['hasMoreChanges'] === false) return { state: sinceState, ids, updated, parts };
  }
}

async function change(inbox: Folder, name: string): Promise<void> {
  const { messages } = await inbox.refresh();
  const uids = messages.map(({ uid }) => uid);
  await inbox.expunge(uids.slice(0, 100));
  await inbox.move(uids.slice(100, 200), name);
  await inbox.store({ uids: uids.slice(200, 500), how: 'add', letters: 'S', keywords: [] });
  // Enough commits for several snapshots of the journal.
  for (const uid of uids.slice(500, LETTERS - QUIET)) {
    await inbox.store({ uids: [uid], how: 'add', letters: 'F', keywords: ['$work'] });
  }
}

test(
  '[N-11] after 20 days a client is told its changes, in parts, by nodes that were begun anew',
  { timeout: 300_000 },
  async () => {
    const clock = new MovedClock();
    const under = await openMaildirMail({}, {}, { clock });
    closing.push(under);
    const { one, two, maildir } = under;
    for (const name of ['Archive', 'Old']) await one.create(name);
    await put(one, 0, LETTERS);
    const old = await one.open('Old');
    const before = await nodesOf(under, clock);
    const emails = await all(before, 'Email', ['id']);
    const mailboxes = await all(before, 'Mailbox', ['id']);
    const inbox = await two.open('INBOX');
    await inbox.move([(await inbox.refresh()).messages[0]?.uid ?? 0], 'Old');
    const threads = await caughtUp(before, 'Thread', { state: emails.state, ids: new Set() }, 500);
    const kept = await caughtUp(before, 'Email', emails, 500);
    expect(kept.ids).toEqual(emails.ids);

    clock.shift += 20 * DAY_MS;
    const log = (): readonly string[] => readdirSync(join(maildir, 'mailfarm/log'));
    const first = log();
    await change(inbox, 'Archive');
    await two.remove('Old');
    await put(two, LETTERS, 800);
    expect(log().filter((name) => first.includes(name)).length).toBeLessThan(first.length);
    old.close();

    const after = await nodesOf(under, clock);
    const now = await all(after, 'Email', ['id']);
    const told = await caughtUp(after, 'Email', kept, 150);
    expect(told).toMatchObject({ state: now.state, ids: now.ids });
    expect(told.updated.size).toBe(100 + 300 + (LETTERS - QUIET - 500));
    expect(told.parts).toBeGreaterThan(10);
    const boxes = await caughtUp(after, 'Mailbox', mailboxes, 1);
    expect(boxes.ids).toEqual((await all(after, 'Mailbox', ['id'])).ids);
    await caughtUp(after, 'Thread', threads, 150);
    const [whole, query] = await Promise.all([
      after('Email/changes', { sinceState: kept.state }),
      after('Email/queryChanges', { sinceQueryState: emails.state }),
    ]);
    expect(whole['created']).toHaveLength(800);
    expect(whole['destroyed']).toHaveLength(101);
    expect(query['newQueryState']).toBe(now.state);
    inbox.close();
  },
);
