import { expect, test } from 'vitest';
import { DeadlineError } from '../base/deadline.ts';
import { systemClock } from '../base/clock.ts';
import { Bulkhead, type Task } from './bulkhead.ts';
import { StoreError } from './error.ts';
import { gate } from './testing/volumes.ts';

const task = <T>(run: () => Promise<T>, more: Partial<Task<T>> = {}): Task<T> => ({
  what: 'test',
  deadlineMs: 1000,
  run,
  ...more,
});

const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => value,
    (error: unknown) => (error instanceof StoreError ? error.kind : (error as Error).name),
  );

test('no more than the limit run at once, the others in order', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 2, waitingMax: 10 });
  const gates = [gate(), gate(), gate(), gate()];
  const started: number[] = [];
  const all = gates.map(({ closed }, index) =>
    bulkhead.run(
      task(async () => {
        started.push(index);
        await closed;
        return index;
      }),
    ),
  );
  expect(started).toEqual([0, 1]);
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([2, 2]);
  gates[1]?.open();
  expect(await all[1]).toBe(1);
  expect(started).toEqual([0, 1, 2]);
  for (const { open } of gates) open();
  expect(await Promise.all(all)).toEqual([0, 1, 2, 3]);
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([0, 0]);
});

test('at the edge of the queue: the last place waits, the one after is busy at once', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 1, waitingMax: 1 });
  const { closed, open } = gate();
  const first = bulkhead.run(task(() => closed));
  const second = bulkhead.run(task(async () => 'ran'));
  expect(await kindOf(bulkhead.run(task(async () => 'ran')))).toBe('volume-busy');
  open();
  await first;
  expect(await second).toBe('ran');
});

test('an operation that hangs fails in time, keeps its slot, and its late result is disposed of', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 1, waitingMax: 10 });
  const { closed, open } = gate();
  const late: string[] = [];
  let ran = false;
  const hung = bulkhead.run(
    task(() => closed.then(() => 'late'), {
      deadlineMs: 30,
      onLate: (value) => void late.push(value),
    }),
  );
  const behind = bulkhead.run(
    task(
      async () => {
        ran = true;
      },
      { deadlineMs: 30 },
    ),
  );
  expect(await kindOf(hung)).toBe(DeadlineError.name);
  // It never started, so it has no effect and is not "unknown".
  expect(await kindOf(behind)).toBe('volume-busy');
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([1, 0]);
  open();
  await systemClock.sleep(1);
  expect(late).toEqual(['late']);
  expect(bulkhead.inFlight).toBe(0);
  expect(ran).toBe(false);
});

test("a late failure is nobody's business", async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 1, waitingMax: 1 });
  const { closed, open } = gate();
  const late: unknown[] = [];
  const failing = closed.then(() => {
    throw new Error('too late');
  });
  const work = task(() => failing, { deadlineMs: 10, onLate: (value) => void late.push(value) });
  expect(await kindOf(bulkhead.run(work))).toBe(DeadlineError.name);
  open();
  await systemClock.sleep(1);
  expect(late).toEqual([]);
  expect(await bulkhead.run(task(async () => 'free again'))).toBe('free again');
});

test('those who wait can be refused, those who run go on', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 1, waitingMax: 5 });
  const { closed, open } = gate();
  const running = bulkhead.run(task(() => closed.then(() => 'done')));
  const waiting = [bulkhead.run(task(async () => 1)), bulkhead.run(task(async () => 2))];
  bulkhead.refuseWaiting(new StoreError('volume-down', 'down'));
  expect(await Promise.all(waiting.map(kindOf))).toEqual(['volume-down', 'volume-down']);
  open();
  expect(await running).toBe('done');
});

test('[N-02] a volume known to hang: those who run are given up too, and keep their slots', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 1, waitingMax: 5 });
  const { closed, open } = gate();
  const late: string[] = [];
  const onLate = (value: string): void => void late.push(value);
  const running = bulkhead.run(task(() => closed.then(() => 'late'), { onLate }));
  const waiting = bulkhead.run(task(async () => 'never'));
  bulkhead.giveUp(new StoreError('volume-down', 'down'));
  expect(await kindOf(waiting)).toBe('volume-down');
  const error = await running.catch((failed: unknown) => failed);
  // It may yet happen: whoever asks is not told that it did not.
  expect(error).toBeInstanceOf(DeadlineError);
  expect(String(error)).toContain('its result is unknown: down');
  expect([bulkhead.inFlight, bulkhead.overdue]).toEqual([1, 1]);
  open();
  await systemClock.sleep(1);
  expect(late).toEqual(['late']);
  expect([bulkhead.inFlight, bulkhead.overdue]).toEqual([0, 0]);
});

test('[N-02] a mailbox that hangs while its volume is well has a quarter of it, then nothing', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 8, waitingMax: 100 });
  const { closed, open } = gate();
  const stale = Array.from({ length: 20 }, () =>
    kindOf(bulkhead.run(task(() => closed, { key: 'stale', deadlineMs: 50 }))),
  );
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([2, 18]);
  // Those of others overtake the queue of the one.
  const others = ['a', 'b', 'c'].map((key) => bulkhead.run(task(async () => key, { key })));
  expect(await Promise.all(others)).toEqual(['a', 'b', 'c']);
  const kinds = await Promise.all(stale);
  expect(kinds.filter((kind) => kind === DeadlineError.name)).toHaveLength(2);
  expect(kinds.filter((kind) => kind === 'volume-busy')).toHaveLength(18);
  // From now on it costs nobody a slot, and itself no time.
  expect([bulkhead.inFlight, bulkhead.overdue, bulkhead.waiting]).toEqual([2, 2, 0]);
  const refused = bulkhead.run(task(async () => 'ran', { key: 'stale' }));
  expect(await kindOf(refused)).toBe('volume-busy');
  open();
  await systemClock.sleep(1);
  expect(await bulkhead.run(task(async () => 'ran', { key: 'stale' }))).toBe('ran');
});

test('[N-02] what disposes of a late result holds the slot, and its mailbox, until it has ended', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 4, waitingMax: 10 });
  const [hung, disposing] = [gate(), gate()];
  const onLate = (): Promise<void> => disposing.closed;
  const work = task(() => hung.closed, { deadlineMs: 10, onLate, key: 'one' });
  expect(await kindOf(bulkhead.run(work))).toBe(DeadlineError.name);
  hung.open();
  await systemClock.sleep(1);
  // Else a volume that comes and goes would take more threads each time.
  expect([bulkhead.inFlight, bulkhead.overdue]).toEqual([1, 1]);
  expect(await kindOf(bulkhead.run(task(async () => 'ran', { key: 'one' })))).toBe('volume-busy');
  disposing.open();
  await systemClock.sleep(1);
  expect([bulkhead.inFlight, bulkhead.overdue]).toEqual([0, 0]);
});

test('what disposes of a late result may fail', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 2, waitingMax: 10 });
  const { closed, open } = gate();
  const failing: readonly (() => Promise<void>)[] = [
    () => Promise.reject(new Error('no disposal')),
    () => {
      throw new Error('no disposal');
    },
  ];
  const all = failing.map((onLate) =>
    kindOf(bulkhead.run(task(() => closed, { deadlineMs: 10, onLate }))),
  );
  expect(await Promise.all(all)).toEqual(Array(2).fill(DeadlineError.name));
  open();
  await systemClock.sleep(1);
  expect([bulkhead.inFlight, bulkhead.overdue]).toEqual([0, 0]);
});

test('a burst to one mailbox is served: it takes its turns and refuses nobody', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 16, waitingMax: 2000 });
  const turn = task(() => systemClock.sleep(0), { key: 'one', deadlineMs: 10_000 });
  const burst = Array.from({ length: 900 }, () => kindOf(bulkhead.run(turn)));
  expect((await Promise.all(burst)).filter((kind) => kind !== undefined)).toEqual([]);
});

test('[N-02] one mailbox fills half of the queue; at the edge the next is busy at once', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 4, waitingMax: 8 });
  const { closed, open } = gate();
  const own = Array.from({ length: 5 }, () => bulkhead.run(task(() => closed, { key: 'one' })));
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([1, 4]);
  expect(await kindOf(bulkhead.run(task(() => closed, { key: 'one' })))).toBe('volume-busy');
  expect(await bulkhead.run(task(async () => 'ran', { key: 'other' }))).toBe('ran');
  open();
  await Promise.all(own);
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([0, 0]);
});

test('with fewer slots those that run go on, with more of them those that wait begin', async () => {
  const bulkhead = new Bulkhead({ inFlightMax: 4, waitingMax: 8 });
  const { closed, open } = gate();
  const all = Array.from({ length: 6 }, () => bulkhead.run(task(() => closed)));
  bulkhead.resize({ inFlightMax: 1, waitingMax: 8 });
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([4, 2]);
  bulkhead.resize({ inFlightMax: 5, waitingMax: 8 });
  expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([5, 1]);
  open();
  await Promise.all(all);
});
