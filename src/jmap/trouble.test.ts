/** Trouble, and the work of others, in the middle of a call: what was done is told as done. */
import { afterEach, expect, test } from 'vitest';
import type { Folder, FolderState, Mail } from '../mailbox/mail.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { StoreError } from '../volumes/error.ts';
import { startJmap, type TestJmap, type TestJmapOptions } from './testing/server.ts';

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

const LETTER = Buffer.from('From: a@x.test\nTo: b@x.test\nSubject: one\n\nhello\n');

/** A store whose volume goes away when it is told to, and that tells of each folder made. */
class Stumbling extends MemoryStore {
  isAway = false;
  onCreate = (): void => {};
  onAppended = (): void => {};

  override async openMail(account: Parameters<MemoryStore['openMail']>[0]): Promise<Mail> {
    const mail = await super.openMail(account);
    const guarded = <T extends object>(target: T, names: readonly string[]): T =>
      new Proxy(target, {
        get: (_, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (name === 'facts') return guarded(mail.facts, ['list', 'read', 'put', 'remove']);
          if (typeof value !== 'function') return value;
          return async (...args: unknown[]): Promise<unknown> => {
            if (name === 'create') this.onCreate();
            if (this.isAway && names.includes(String(name))) {
              throw new StoreError('volume-down', 'the volume is away');
            }
            const result: unknown = await Reflect.apply(value, target, args);
            if (name === 'append') this.onAppended();
            return name === 'open' ? this.#stumbling(result as Folder) : result;
          };
        },
      });
    return guarded(mail, ['folders']);
  }

  #stumbling(folder: Folder): Folder {
    const refresh = (): Promise<FolderState> =>
      this.isAway
        ? Promise.reject(new StoreError('volume-down', 'the volume is away'))
        : folder.refresh();
    return new Proxy(folder, {
      get: (_, name) => {
        const value: unknown = Reflect.get(folder, name, folder);
        if (name === 'refresh') return refresh;
        return typeof value === 'function' ? (value.bind(folder) as unknown) : value;
      },
    });
  }
}

async function start(options: TestJmapOptions = {}) {
  const store = new Stumbling();
  const jmap = await startJmap({ store, ...options });
  clean.push(() => jmap.close());
  return { store, jmap, accountId: jmap.account.id };
}

async function one(jmap: TestJmap, name: string, args: object): Promise<Record<string, unknown>> {
  const [answer] = await jmap.calls([name, { accountId: jmap.account.id, ...args }]);
  return answer?.[1] ?? {};
}

const idsOf = async (jmap: TestJmap): Promise<readonly string[]> =>
  (await one(jmap, 'Email/query', {}))['ids'] as string[];

test('a letter that was accepted is told as sent, though the volume goes away in that moment', async () => {
  const { store, jmap } = await start({
    submitter: {
      submit: () => {
        store.isAway = true;
        const reply = { code: 250, enhanced: '2.6.0', text: 'Taken' };
        return Promise.resolve({ kind: 'accepted', reply });
      },
    },
  });
  store.deliver(jmap.account, LETTER);
  const [emailId] = await idsOf(jmap);
  const { list } = await one(jmap, 'Identity/get', {});
  const [{ id: identityId }] = list as [{ id: string }];
  const answer = await one(jmap, 'EmailSubmission/set', {
    create: { s: { emailId, identityId } },
    onSuccessUpdateEmail: { '#s': { 'keywords/$seen': true } },
  });
  expect(answer).toMatchObject({ created: { s: { undoStatus: 'final' } }, notCreated: null });
});

test('what an Email/set made is told although a look for another email fails', async () => {
  const { store, jmap } = await start();
  await idsOf(jmap);
  store.onCreate = () => {
    store.isAway = true;
  };
  const [, answer] = await jmap.calls(
    ['Mailbox/set', { accountId: jmap.account.id, create: { a: { name: 'a' } } }],
    [
      'Email/set',
      {
        accountId: jmap.account.id,
        create: { e: { mailboxIds: { inbox: true }, subject: 'draft' } },
        update: { Enowhere: { 'keywords/$seen': true } },
        destroy: ['Enowhere2'],
      },
    ],
  );
  expect(answer?.[1]).toMatchObject({
    created: { e: {} },
    notUpdated: { Enowhere: { type: 'serverUnavailable' } },
    notDestroyed: { Enowhere2: { type: 'serverUnavailable' } },
  });
});

test('an email that was stored is told as created, though the volume goes away in that moment', async () => {
  const { store, jmap } = await start();
  await idsOf(jmap);
  store.onAppended = () => {
    store.isAway = true;
  };
  const create = { e: { mailboxIds: { inbox: true }, subject: 'draft' } };
  const answer = await one(jmap, 'Email/set', { create });
  expect(answer).toMatchObject({ created: { e: { id: expect.any(String) } }, notCreated: null });
  store.isAway = false;
  const { id } = (answer['created'] as { e: { id: string } }).e;
  expect(await idsOf(jmap)).toEqual([id]);
  const told = await one(jmap, 'Email/changes', { sinceState: answer['newState'] });
  expect(told['created']).toEqual([id]);
});

test('the new state of a Mailbox/set keeps no client from mail that came meanwhile', async () => {
  const { store, jmap } = await start();
  const { state } = await one(jmap, 'Mailbox/get', {});
  store.onCreate = () => store.deliver(jmap.account, LETTER);
  const made = await one(jmap, 'Mailbox/set', { create: { a: { name: 'a' } } });
  expect(made['oldState']).toBe(state);
  const changes = await one(jmap, 'Mailbox/changes', { sinceState: made['newState'] });
  expect(changes['updated']).toContain('inbox');
});

test('a Mailbox/set that nothing came between has the state of now', async () => {
  const { jmap } = await start();
  const made = await one(jmap, 'Mailbox/set', { create: { a: { name: 'a' } } });
  expect(made['newState']).toBe((await one(jmap, 'Mailbox/get', {}))['state']);
});

test('mailboxes below one that is renamed stay subscribed to', async () => {
  const { jmap } = await start();
  const made = await one(jmap, 'Mailbox/set', {
    create: {
      a: { name: 'a', isSubscribed: true },
      b: { name: 'b', parentId: '#a', isSubscribed: true },
    },
  });
  const { a, b } = made['created'] as Record<'a' | 'b', { id: string }>;
  await one(jmap, 'Mailbox/set', { update: { [a.id]: { name: 'c' } } });
  const { list } = await one(jmap, 'Mailbox/get', { ids: [b.id] });
  expect(list).toMatchObject([{ parentId: a.id, isSubscribed: true }]);
});
