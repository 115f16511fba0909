import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { Folder, Numbered } from '../../mailbox/mail.ts';
import type { FolderView, MailVersion, Threads } from '../../mailbox/view.ts';
import { StoreError } from '../../volumes/error.ts';
import { arrivedIn } from './arrivals.ts';
import { newestOfThreads, threadsCounted, type Known } from './conversations.ts';
import { differenceOf } from './kept.ts';
import { unreadIn } from './unread.ts';

/** A folder whose messages count how often they are looked at. */
class Box {
  looked = 0;
  messages: readonly Numbered[] = [];
  journalId = 'journal';
  /** By email; what is not there is not known. */
  readonly threads = new Map<string, string>();
  /** Seconds that names do not say, by UID; -1: it is gone when somebody asks. */
  readonly foreign = new Map<number, number>();
  #folder = this.#opened();

  /** As whoever knows nothing of before sees it. */
  reopened(): void {
    this.#folder = this.#opened();
  }

  message(uid: number, { second, flags = '' }: { second: number; flags?: string }): Numbered {
    const looked = (): void => void (this.looked += 1);
    const key = `${second}.M1P1Q1R${uid.toString(16).padStart(16, '0')}.host`;
    return {
      uid,
      get key() {
        looked();
        return key;
      },
      get flags() {
        looked();
        return flags;
      },
      entry: { directory: 'cur', name: key },
      keywords: [],
      modseq: 1,
    };
  }

  view(): FolderView {
    const { messages, journalId } = this;
    const state = { journalId, messages, uidNext: 1e9 } as unknown as FolderView['state'];
    const info = { name: 'INBOX', use: undefined, subscribed: true };
    return { id: 'inbox', info, folder: this.#folder, state };
  }

  known(): Known {
    const view = this.view();
    const places = new Map(view.state.messages.map((message) => [idOf(message), message]));
    const members = new Map<string, string[]>();
    for (const id of places.keys()) {
      const thread = this.threads.get(id) ?? '';
      members.set(thread, [...(members.get(thread) ?? []), id]);
    }
    this.looked = 0;
    const version: Pick<MailVersion, 'places'> = {
      places: (id) => {
        const message = places.get(id);
        return message ? [{ in: view, message }] : [];
      },
    };
    const threads: Threads = {
      threadOf: (id) => this.threads.get(id),
      emailsOf: (thread) => members.get(thread) ?? [],
    };
    return { version: version as MailVersion, threads };
  }

  #opened(): Folder {
    const date = (message: Numbered): number | Promise<number> => {
      this.looked += 1;
      const foreign = this.foreign.get(message.uid);
      if (foreign === undefined) return Number.parseInt(message.entry.name, 10) * 1000;
      if (foreign < 0) return Promise.reject(new StoreError('message-gone', 'gone'));
      return Promise.resolve(foreign * 1000);
    };
    return { date } as Folder;
  }
}

const idOf = ({ uid }: Numbered): string => `e${uid.toString(16).padStart(16, '0')}`;

/** All that lists are made of. */
async function digest(view: FolderView, known: Known): Promise<object> {
  const [arrived, heads] = [await arrivedIn(view), await newestOfThreads(view, known)];
  const { totalThreads, unreadThreads } = await threadsCounted(view, known);
  const order = arrived.newestFirst.map(({ uid }) => uid);
  expect(arrived.newestFirst.map((message) => arrived.indexOf(message))).toEqual([...order.keys()]);
  return {
    order,
    heads: heads.map(({ uid }) => uid),
    unread: await unreadIn(view),
    totalThreads,
    unreadThreads,
  };
}

/** The same by the definition of each. */
function defined(view: FolderView, box: Box): object {
  const second = ({ uid, entry }: Numbered): number =>
    Math.max(0, box.foreign.get(uid) ?? Number.parseInt(entry.name, 10));
  const order = view.state.messages.toSorted((a, b) => second(b) - second(a) || b.uid - a.uid);
  const threadOf = (one: Numbered): string => box.threads.get(idOf(one)) ?? idOf(one);
  const isUnread = ({ flags }: Numbered): boolean => !/[SD]/.test(flags);
  const threads = order.map(threadOf);
  const unread = order.filter(isUnread);
  return {
    order: order.map(({ uid }) => uid),
    heads: order.filter((_, at) => threads.indexOf(threads[at] ?? '') === at).map(({ uid }) => uid),
    unread: unread.length,
    totalThreads: new Set(threads).size,
    unreadThreads: new Set(unread.map(threadOf)).size,
  };
}

const anAct = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('come' as const),
      second: fc.integer({ min: 0, max: 9 }),
      thread: fc.nat(5),
      how: fc.constantFrom('name', 'name', 'name', 'file', 'gone', 'threadless'),
    }),
  },
  fc.record({ what: fc.constantFrom('go', 'flag', 'flag', 'thread' as const), at: fc.nat(30) }),
  fc.record({ what: fc.constantFrom('look', 'look', 'back', 'journal' as const) }),
);
type Act = typeof anAct extends fc.Arbitrary<infer T> ? T : never;

/** One act; a new array of messages each time, as the journal makes it. */
function play(box: Box, act: Act, uid: number): void {
  const { messages } = box;
  if (act.what === 'come') {
    const made = box.message(uid, { second: act.second });
    if (act.how === 'file') box.foreign.set(uid, act.second);
    if (act.how === 'gone') box.foreign.set(uid, -1);
    if (act.how !== 'threadless') box.threads.set(idOf(made), `t${act.thread}`);
    box.messages = [...messages, made];
  }
  const one = 'at' in act ? messages[act.at % Math.max(1, messages.length)] : undefined;
  if (one === undefined) return;
  if (act.what === 'go') box.messages = messages.filter((other) => other !== one);
  if (act.what === 'thread') {
    for (const other of messages.filter((each) => !box.threads.has(idOf(each)))) {
      box.threads.set(idOf(other), box.threads.get(idOf(one)) ?? 't0');
    }
  }
  if (act.what === 'flag') {
    const flags = one.flags === '' ? 'S' : '';
    const now = box.message(one.uid, { second: Number.parseInt(one.entry.name, 10), flags });
    box.messages = messages.map((other) => (other === one ? now : other));
  }
}

/** The same UIDs are other messages. */
function anotherJournal(box: Box): void {
  box.journalId += '+';
  box.foreign.clear();
  box.messages = box.messages.map(({ uid }) => {
    box.foreign.set(uid, uid % 5);
    return box.message(uid, { second: uid % 3 });
  });
}

test('what was brought up to date is what would be made anew, over any history', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anAct, { maxLength: 60 }), async (acts) => {
      const box = new Box();
      // So many that one change is worth following.
      for (let uid = 1; uid <= 40; uid++) {
        play(box, { what: 'come', second: uid % 7, thread: uid % 9, how: 'name' }, uid);
      }
      let before: { view: FolderView; known: Known; told: object } | undefined;
      for (const [at, act] of acts.entries()) {
        play(box, act, 100 + at);
        if (act.what === 'journal') anotherJournal(box);
        if (act.what === 'back' && before) {
          expect(await digest(before.view, before.known)).toEqual(before.told);
        }
        if (act.what !== 'look') continue;
        const [view, known] = [box.view(), box.known()];
        const told = await digest(view, known);
        const isSure = view.state.messages.every((one) => box.threads.has(idOf(one)));
        if (isSure) expect(told).toEqual(defined(view, box));
        else expect(told).toMatchObject({ order: (defined(view, box) as { order: [] }).order });
        before = { view, known, told };
      }
      const told = await digest(box.view(), box.known());
      box.reopened();
      box.messages = [...box.messages];
      const anew = await digest(box.view(), box.known());
      expect(told).toEqual(anew);
      expect(anew).toEqual(defined(box.view(), box));
    }),
    { numRuns: Number(process.env['MAILFARM_TEST_RUNS'] ?? 60) },
  );
});

const MANY = 20_000;

function filled(): Box {
  const box = new Box();
  box.messages = Array.from({ length: MANY }, (_, at) => box.message(at + 1, { second: at }));
  for (const one of box.messages) box.threads.set(idOf(one), `t${one.uid >> 2}`);
  return box;
}

test('a change of a large folder costs what changed: a letter, a flag, an expunge', async () => {
  const box = filled();
  await digestOnce(box);
  expect(box.looked).toBeGreaterThan(MANY); // What is counted is what is looked at.
  const [uid, second] = [MANY + 1, MANY];
  const changes: (() => void)[] = [
    () => (box.messages = [...box.messages, box.message(uid, { second })]),
    () => (box.messages = box.messages.with(77, box.message(78, { second: 77, flags: 'S' }))),
    () => (box.messages = box.messages.filter((one) => one.uid !== 9_999)),
  ];
  box.threads.set(idOf({ uid } as Numbered), 't20');
  for (const change of changes) {
    change();
    await digestOnce(box);
    // Four halvings of 20,000 at two looks a step, and a thread of five.
    expect(box.looked).toBeLessThan(500);
  }
});

async function digestOnce(box: Box): Promise<void> {
  const [view, known] = [box.view(), box.known()];
  await arrivedIn(view);
  await newestOfThreads(view, known);
  await threadsCounted(view, known);
  await unreadIn(view);
}

test('asked for a state while that of before is made: one making, one change', async () => {
  const box = filled();
  const [first, known] = [box.view(), box.known()];
  const making = arrivedIn(first);
  box.messages = [...box.messages, box.message(MANY + 1, { second: MANY })];
  const [one, other] = await Promise.all([making, arrivedIn(box.view()), arrivedIn(first)]);
  expect(other.newestFirst).toHaveLength(one.newestFirst.length + 1);
  expect(box.looked).toBeLessThan(MANY + 500);
  expect(await newestOfThreads(first, known)).toHaveLength((MANY >> 2) + 1);
});

test('making fails: it is told, and tried again', async () => {
  const box = new Box();
  box.messages = [box.message(1, { second: 1 })];
  const view = box.view();
  const { date } = view.folder;
  view.folder.date = () => Promise.reject(new StoreError('volume-down', 'away'));
  await expect(arrivedIn(view)).rejects.toThrow('away');
  view.folder.date = date;
  expect((await arrivedIn(view)).newestFirst).toEqual(box.messages);
});

test('a message whose thread nobody could tell is counted with it when somebody can', async () => {
  const box = new Box();
  box.messages = [1, 2].map((uid) => box.message(uid, { second: uid }));
  box.threads.set(idOf({ uid: 1 } as Numbered), 't');
  expect(await digest(box.view(), box.known())).toMatchObject({ totalThreads: 2, heads: [2, 1] });
  for (const uid of [2, 3]) box.threads.set(idOf({ uid } as Numbered), 't');
  box.messages = [...box.messages, box.message(3, { second: 3 })];
  expect(await digest(box.view(), box.known())).toEqual(defined(box.view(), box));
});

test('too much has changed to follow it', () => {
  const box = filled();
  const after = box.messages.map(({ uid }) => box.message(uid, { second: uid }));
  expect(differenceOf(box.messages, after)).toBeUndefined();
  expect(emailIdOf((after[0] as Numbered).key)).toBe(idOf(after[0] as Numbered));
});
