import { expect, it } from 'vitest';

import { TestClock } from '../testing/clock.ts';
import { POLL_MS, Push, type EventStream } from './push.ts';

type Told = Parameters<EventStream['addEventListener']>[0];

function pushed() {
  const clock = new TestClock();
  const streams: { state: number; say: (told: Told) => void }[] = [];
  const open = (): EventStream => {
    const listeners = new Map<Told, () => void>();
    const stream = { state: 0, say: (told: Told) => listeners.get(told)?.() };
    streams.push(stream);
    return {
      get readyState() {
        return stream.state;
      },
      addEventListener: (told, listener) => void listeners.set(told, listener),
      close: () => undefined,
    };
  };
  const seen = { changes: 0 };
  const onChange = (): void => void (seen.changes += 1);
  return { clock, streams, seen, push: new Push('/events', { clock, open, onChange }) };
}

it('a stream that a server refuses is a reason to look at once: the sign-in may have ended', () => {
  const { streams, seen } = pushed();
  const [stream] = streams;
  if (!stream) throw new Error('There is no stream');
  stream.state = 1;
  stream.say('open');
  stream.state = 0;
  stream.say('error'); // Cut: the browser itself comes back.
  expect(seen.changes).toBe(1);
  stream.state = 2;
  stream.say('error'); // Refused: it does not.
  expect(seen.changes).toBe(2);
});

it('while there is no stream it looks now and then, and opens another one', async () => {
  const { clock, streams, seen, push } = pushed();
  const [stream] = streams;
  if (!stream) throw new Error('There is no stream');
  stream.state = 2;
  stream.say('error');
  const before = seen.changes;
  await clock.pass(2 * POLL_MS);
  expect(seen.changes).toBe(before + 2);
  expect(streams).toHaveLength(2);
  push.end();
  await clock.pass(10 * POLL_MS);
  expect(streams).toHaveLength(2);
});
