import { expect, it, vi } from 'vitest';

import { settle } from '../testing/clock.ts';
import type { EventStream } from './push.ts';
import { browserPages, sharedStream, type Pages } from './shared-stream.ts';

type Hear = Parameters<Pages['listen']>[0];

/** Pages of one browser, with its lock and its channel. */
function browser() {
  const hears = new Set<Hear>();
  let last: Promise<void> = Promise.resolve();
  const streams: { state: number; listeners: Map<string, () => void>; isClosed: boolean }[] = [];
  const open = (): EventStream => {
    const stream = { state: 0, listeners: new Map<string, () => void>(), isClosed: false };
    streams.push(stream);
    return {
      get readyState() {
        return stream.state;
      },
      addEventListener: (told, listener) => void stream.listeners.set(told, listener),
      close: () => {
        stream.isClosed = true;
      },
    };
  };
  const page = () => {
    let mine: Hear | undefined;
    const stream = sharedStream(
      {
        alone: (run, signal) => {
          last = last.then(() => (signal.aborted ? undefined : run()));
        },
        tell: (said) => hears.forEach((hear) => hear !== mine && hear(said)),
        listen: (hear) => {
          mine = hear;
          hears.add(hear);
          return () => void hears.delete(hear);
        },
      },
      open,
    );
    const heard: string[] = [];
    for (const told of ['open', 'state', 'error'] as const) {
      stream.addEventListener(told, () => heard.push(told));
    }
    return { stream, heard };
  };
  const say = (told: 'open' | 'state' | 'error', state = 1): void => {
    const stream = streams.findLast((one) => !one.isClosed);
    if (stream) stream.state = state;
    stream?.listeners.get(told)?.();
  };
  return { page, streams, say, hears };
}

it('many pages have one stream, and each hears what it says', async () => {
  const { page, streams, say } = browser();
  const pages = Array.from({ length: 8 }, page);
  await settle();
  expect(streams).toHaveLength(1);
  say('open');
  say('state');
  for (const { heard, stream } of pages) {
    expect(heard).toEqual(['open', 'state']);
    expect(stream.readyState).toBe(1);
  }
});

it('a page that comes later knows that there is a stream', async () => {
  const { page, streams, say } = browser();
  page();
  await settle();
  say('open');
  const late = page();
  await settle();
  expect(late.stream.readyState).toBe(1);
  expect(streams).toHaveLength(1);
});

it('when the page that has it closes, another has one at once', async () => {
  const { page, streams, say } = browser();
  const [first, second, third] = [page(), page(), page()];
  await settle();
  say('open');
  first.stream.close();
  await settle();
  expect(streams.map(({ isClosed }) => isClosed)).toEqual([true, false]);
  say('open');
  say('state');
  expect(second.heard).toEqual(['open', 'open', 'state']);
  expect(third.heard).toEqual(['open', 'open', 'state']);
  expect(first.heard).toEqual(['open']);
});

it('a stream that is refused is closed to its own page, and to others one that may come', async () => {
  const { page, say } = browser();
  const [first, second] = [page(), page()];
  await settle();
  say('error', 2);
  expect(first.stream.readyState).toBe(2);
  expect(second.stream.readyState).toBe(0);
  expect(second.heard).toEqual(['error']);
});

it('a page that waits and closes takes no turn', async () => {
  const { page, streams } = browser();
  const [first, second] = [page(), page()];
  await settle();
  second.stream.close();
  first.stream.close();
  await settle();
  expect(streams).toHaveLength(1);
});

it('words of another release are not heard', async () => {
  const { page, hears } = browser();
  const [, second] = [page(), page()];
  await settle();
  for (const said of ['ping', 'constructor', '__proto__', undefined, {}]) {
    for (const hear of hears) hear(said as never);
  }
  expect(second.heard).toEqual([]);
  expect(second.stream.readyState).toBe(0);
});

it('a page whose turn comes after it has closed opens nothing, and takes nobody else his turn', async () => {
  const turns: (() => Promise<void>)[] = [];
  let opened = 0;
  const stream = sharedStream(
    { alone: (run) => void turns.push(run), tell: () => {}, listen: () => () => {} },
    () => {
      opened += 1;
      return { readyState: 1, addEventListener: () => {}, close: () => {} };
    },
  );
  stream.close();
  await turns[0]?.();
  expect(opened).toBe(0);
});

it('pages of two users in one browser share no stream', async () => {
  const request = vi.fn<() => Promise<void>>(() => Promise.resolve());
  vi.stubGlobal('navigator', { locks: { request } });
  try {
    const [alice, again, bob] = ['alice', 'alice', 'bob'].map((id) => browserPages(id));
    const heard: string[] = [];
    const deaf = [
      again?.listen((said) => heard.push(`alice ${said}`)),
      bob?.listen((said) => heard.push(`bob ${said}`)),
      alice?.listen(() => {}),
    ];
    alice?.tell('state');
    await vi.waitFor(() => expect(heard).toEqual(['alice state']));
    for (const one of [alice, bob]) one?.alone(() => Promise.resolve(), AbortSignal.timeout(1));
    const names = (request.mock.calls as unknown as readonly string[][]).map(([name]) => name);
    expect(new Set(names).size).toBe(2);
    for (const end of deaf) end?.();
  } finally {
    vi.unstubAllGlobals();
  }
});
