import { afterEach, expect, test } from 'vitest';
import { TEST_ACCOUNT } from '../auth/testing.ts';
import { systemClock } from '../base/clock.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { openMaildirMail } from '../mailbox/testing/maildir-mail.ts';
import { OpenMailViews } from '../mailbox/views.ts';
import { EVENT_GATHER_MS } from './options.ts';
import { Teller } from './route/events.ts';
import { startJmap, type TestJmap, type TestJmapOptions } from './testing/server.ts';

type Shared = ConstructorParameters<typeof Teller>[0];
type About = ConstructorParameters<typeof Teller>[1];

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

async function twoNodes(options: TestJmapOptions = {}) {
  const under = await openMaildirMail();
  clean.push(() => under.close());
  const { account, stores } = under;
  const nodes = await Promise.all(stores.map((store) => startJmap({ account, store, ...options })));
  const [one, two] = nodes as [TestJmap, TestJmap];
  clean.push(
    () => one.close(),
    () => two.close(),
  );
  return { under, one, two };
}

interface Event {
  readonly name: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

interface Listening {
  readonly status: number;
  /** Waits for the next event; undefined: the stream has ended. */
  next(): Promise<Event | undefined>;
  readonly retry: () => string | undefined;
  stop(): void;
}

const fieldsOf = (block: string): ReadonlyMap<string, string> =>
  new Map(
    block.split('\n').map((line) => {
      const [, name = '', value = ''] = /^(\w+): (.*)$/.exec(line) ?? [];
      return [name, value];
    }),
  );

async function listen(node: TestJmap, query = '', lastId?: string): Promise<Listening> {
  const abort = new AbortController();
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
  const url = `${node.base}/jmap/events${query}`;
  const reply = await fetch(url, { headers, signal: abort.signal });
  clean.push(() => abort.abort());
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let retry: string | undefined;
  const read = async (): Promise<boolean> => {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    text += value ?? '';
    return !done;
  };
  return {
    status: reply.status,
    retry: () => retry,
    stop: () => abort.abort(),
    next: async () => {
      for (;;) {
        const [block, ...rest] = text.split('\n\n');
        if (block !== undefined && rest.length > 0) {
          text = rest.join('\n\n');
          const fields = fieldsOf(block);
          retry = fields.get('retry') ?? retry;
          const name = fields.get('event');
          if (name === undefined) continue;
          return {
            name,
            id: fields.get('id'),
            data: JSON.parse(fields.get('data') ?? '') as Event['data'],
          };
        }
        if (!(await read())) return undefined;
      }
    },
  };
}

function statesIn(event: Event | undefined, node: TestJmap): Record<string, string> {
  const changed = event?.data['changed'] as Record<string, Record<string, string>> | undefined;
  return changed?.[node.account.id] ?? {};
}

test('[N-17] what one node changed is told by the stream of another', async () => {
  const { one, two, under } = await twoNodes();
  const events = await listen(two);
  const first = await events.next();
  expect(first).toMatchObject({ name: 'state', data: { '@type': 'StateChange' } });
  const before = statesIn(first, two);
  expect(Object.keys(before).toSorted()).toEqual(['Email', 'EmailDelivery', 'Mailbox', 'Thread']);
  await under.deliver('Subject: new\n\nx\n');
  const accountId = one.account.id;
  const [, [, got] = []] = await one.calls(
    ['Email/query', { accountId }],
    ['Email/get', { accountId, ids: [] }],
  );
  const after = statesIn(await events.next(), two);
  expect(after['Email']).not.toBe(before['Email']);
  expect(after['EmailDelivery']).not.toBe(before['EmailDelivery']);
  expect(after['Email']).toBe(got?.['state']);
});

test('the state of the beginning is told, unless the client says that it has it', async () => {
  const { one, two, under } = await twoNodes();
  const first = await (await listen(one)).next();
  const again = await listen(two, '', first?.id);
  await under.deliver('Subject: new\n\nx\n');
  const next = await again.next(); // The first of this stream tells what came, not what was known.
  expect(statesIn(next, two)).not.toEqual(statesIn(first, one));
  const third = await (await listen(one, '', first?.id)).next();
  expect(third?.id).toBe(next?.id);
});

test('types, and closeafter=state', async () => {
  const { one } = await twoNodes();
  const events = await listen(one, '?types=Mailbox,Foo&closeafter=state');
  expect(Object.keys(statesIn(await events.next(), one))).toEqual(['Mailbox']);
  expect(await events.next()).toBeUndefined();
});

test.each(['?closeafter=x', '?ping=-1', '?ping=x', '?types=a&types=b'])(
  '%s is refused',
  async (query) => {
    const { one } = await twoNodes();
    const reply = await fetch(`${one.base}/jmap/events${query}`);
    expect(reply.status).toBe(400);
  },
);

test('a stream ends when its sign-in does, and goes on while the directory is away', async () => {
  const { one, under } = await twoNodes({ values: { 'jmap.events.recheck': 100 } });
  const events = await listen(one);
  await events.next();
  one.verdict = { kind: 'unavailable' };
  const before = one.asked;
  await expect.poll(() => one.asked).toBeGreaterThan(before + 2);
  await under.deliver('Subject: new\n\nx\n');
  expect(await events.next()).toMatchObject({ name: 'state' });
  one.verdict = { kind: 'unknown' };
  expect(await events.next()).toBeUndefined();
});

test('so many streams of a user and no more; one that ends makes room', async () => {
  const { one } = await twoNodes({ values: { 'jmap.events.streams': 2 } });
  const first = await listen(one);
  await first.next();
  expect((await listen(one)).status).toBe(200);
  expect((await listen(one)).status).toBe(429);
  first.stop();
  await expect.poll(async () => (await listen(one)).status).toBe(200);
});

test('a node that drains ends its streams, and says when to come to another', async () => {
  const { one } = await twoNodes();
  const events = await listen(one);
  await events.next();
  const drained = one.web.service.drain(60_000);
  expect(await events.next()).toBeUndefined();
  expect(Number(events.retry())).toBeGreaterThanOrEqual(500);
  await drained;
});

test('a stream ends when its mailbox was moved to another volume: the next one hears of changes', async () => {
  const { one } = await twoNodes({ values: { 'jmap.events.recheck': 1_000 } });
  const stream = await listen(one);
  await stream.next();
  const account = { ...one.account, quotaBytes: one.account.quotaBytes + 1 };
  const { login } = account;
  one.verdict = {
    kind: 'known',
    user: { account, login, session: undefined, password: undefined },
  };
  expect(await stream.next()).toBeUndefined();
  expect(stream.retry()).toBeDefined();
});

test('to a reader that takes nothing nothing more is sent; it is told the newest when it has', async () => {
  const clock = systemClock;
  const store = new MemoryStore();
  const views = new OpenMailViews({ store, clock });
  clean.push(() => views.close());
  const view = await views.of(TEST_ACCOUNT);
  const sent: string[] = [];
  let taken = (): void => {};
  let close = (): void => {};
  const stream = {
    stuck: false,
    send: ({ data }: { readonly data: string }) => void sent.push(data),
    end: () => close(),
    onTaken: (listener: () => void) => {
      taken = listener;
    },
    destroy: () => close(),
    closed: new Promise<void>((resolve) => {
      close = resolve;
    }),
  };
  const shared = { parts: { onDrain: () => () => {} }, values: { 'jmap.events.recheck': 60_000 } };
  const asked = { types: ['Email'], closeAfter: 'no', ping: 0, lastId: undefined } as const;
  const about = { accountId: TEST_ACCOUNT.id, view, asked };
  const teller = new Teller(shared as unknown as Shared, about as unknown as About);
  const telling = teller.tell(() => stream);
  await expect.poll(() => sent.length).toBe(1);
  stream.stuck = true;
  for (let n = 0; n < 3; n += 1) {
    store.deliver(TEST_ACCOUNT, Buffer.from('Subject: x\n\n'));
    await view.refresh();
    await new Promise((resolve) => setTimeout(resolve, 2 * EVENT_GATHER_MS));
  }
  expect(sent).toHaveLength(1);
  stream.stuck = false;
  taken();
  expect(sent).toHaveLength(2);
  expect(sent[1]).toContain(view.version.emailState);
  close();
  await telling;
});
