import { describe, expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { HintExchange, HINTS_MAX } from './hints.ts';
import { Watcher, type Watched } from './watching.ts';

/** Time that goes on when the test says so; all that is due then happens in order. */
class HeldClock implements Clock {
  at = 0;
  #sleepers: { readonly until: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.at;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ until: this.at + ms, wake });
    });
  }

  get sleeping(): number {
    return this.#sleepers.length;
  }

  async pass(ms: number): Promise<void> {
    const end = this.at + ms;
    for (;;) {
      await settled();
      const due = this.#sleepers.filter(({ until }) => until <= end);
      const [next] = due.toSorted((a, b) => a.until - b.until);
      if (next === undefined) break;
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== next);
      this.at = Math.max(this.at, next.until);
      next.wake();
    }
    this.at = end;
    await settled();
  }
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

const OPTIONS = { minMs: 1000, maxMs: 30_000, gapMs: 200, parallel: 2 };

class Looked implements Watched {
  readonly hint;
  looks: number[] = [];
  changed = false;
  /** Set: looks wait for it. */
  hangs: Promise<void> | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock, folder = 'INBOX') {
    this.hint = { account: 'alice', folder };
    this.#clock = clock;
  }

  async look(): Promise<'changed' | 'same'> {
    this.looks.push(this.#clock.now());
    await this.hangs;
    const found = this.changed ? 'changed' : 'same';
    this.changed = false;
    return found;
  }
}

function open(options = OPTIONS): { clock: HeldClock; hints: HintExchange; watcher: Watcher } {
  const clock = new HeldClock();
  const hints = new HintExchange(clock);
  return { clock, hints, watcher: new Watcher({ clock, hints, options }) };
}

describe('watching', () => {
  test('looks get seldom while nothing changes, and frequent again with a change', async () => {
    const { clock, watcher } = open();
    const folder = new Looked(clock);
    watcher.watch(folder);
    await clock.pass(3_600_000);
    const perHour = folder.looks.length;
    expect(perHour).toBeGreaterThan(110);
    expect(perHour).toBeLessThan(160);
    const pauses = folder.looks.map((at, index) => at - (folder.looks[index - 1] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(OPTIONS.maxMs * 1.2 + 250);
    folder.changed = true;
    await clock.pass(40_000);
    const after = folder.looks.slice(perHour);
    expect((after[1] as number) - (after[0] as number)).toBeLessThanOrEqual(1500);
  });

  test('two folders of one name, an old one and a new: both are looked at, hints are for both', async () => {
    const { clock, hints, watcher } = open();
    const [old, now] = [new Looked(clock), new Looked(clock)];
    const leaveOld = watcher.watch(old);
    await clock.pass(5_000);
    const leaveNow = watcher.watch(now);
    expect(watcher.size).toBe(2);
    const before = [old.looks.length, now.looks.length];
    await clock.pass(60_000);
    expect(old.looks.length).toBeGreaterThan(before[0] as number);
    expect(now.looks.length).toBeGreaterThan(before[1] as number);
    const counts = (): number[] => [old.looks.length, now.looks.length];
    const [first = 0, second = 0] = counts();
    hints.note([{ account: 'alice', folder: 'INBOX' }]);
    await clock.pass(1);
    expect(counts()).toEqual([first + 1, second + 1]);
    leaveNow();
    leaveNow();
    hints.note([{ account: 'alice', folder: 'INBOX' }]);
    await clock.pass(OPTIONS.gapMs);
    expect(counts()).toEqual([first + 2, second + 1]);
    leaveOld();
    expect(watcher.size).toBe(0);
    await clock.pass(120_000);
    expect(counts()).toEqual([first + 2, second + 1]);
  });

  test('a hint is looked at now, a burst of them a few times, the last one always', async () => {
    const { clock, hints, watcher } = open();
    const folder = new Looked(clock);
    watcher.watch(folder);
    await clock.pass(600_000);
    const before = folder.looks.length;
    for (let i = 0; i < 100; i++) {
      hints.note([{ account: 'alice', folder: 'INBOX' }]);
      await clock.pass(10);
    }
    const last = clock.at - 10;
    await clock.pass(OPTIONS.gapMs);
    const looks = folder.looks.slice(before);
    expect(looks[0]).toBeLessThanOrEqual(last - 980);
    expect(looks.length).toBeLessThanOrEqual(8);
    expect(looks.at(-1)).toBeGreaterThanOrEqual(last);
    hints.note([
      { account: 'bob', folder: 'INBOX' },
      { account: 'alice', folder: 'a' },
    ]);
    await clock.pass(10);
    expect(folder.looks.length).toBe(before + looks.length);
  });

  test('looks get frequent again with a hint, though the first shows nothing yet', async () => {
    const { clock, hints, watcher } = open();
    const folder = new Looked(clock);
    watcher.watch(folder);
    await clock.pass(600_000);
    const before = folder.looks.length;
    hints.note([folder.hint]);
    const at = clock.at;
    await clock.pass(16_000);
    const since = folder.looks.slice(before).map((look) => look - at);
    expect(since.filter((ms) => ms < 1_000)).toEqual([0]);
    expect(since.some((ms) => ms > 10_000)).toBe(true);
    expect(since.length).toBeLessThan(9);
  });

  test('a hint during a look brings another: the first may have listed before the change', async () => {
    const { clock, hints, watcher } = open();
    const folder = new Looked(clock);
    let go = (): void => {};
    folder.hangs = new Promise((resolve) => (go = resolve));
    watcher.watch(folder);
    await clock.pass(2000);
    expect(folder.looks).toHaveLength(1);
    hints.note([folder.hint]);
    await clock.pass(5000);
    expect(folder.looks).toHaveLength(1);
    folder.hangs = undefined;
    go();
    await clock.pass(OPTIONS.gapMs + 10);
    expect(folder.looks).toHaveLength(2);
  });

  test('so many looks at a time; those of hints come first', async () => {
    const { clock, hints, watcher } = open();
    let go = (): void => {};
    const hangs = new Promise<void>((resolve) => (go = resolve));
    const folders = Array.from({ length: 20 }, (_, at) => new Looked(clock, `f${at}`));
    for (const folder of folders) {
      folder.hangs = hangs;
      watcher.watch(folder);
    }
    await clock.pass(2000);
    const begun = (): Looked[] => folders.filter(({ looks }) => looks.length > 0);
    expect(begun()).toHaveLength(OPTIONS.parallel);
    const waiting = folders.filter(({ looks }) => looks.length === 0);
    const hinted = waiting.at(-1) as Looked;
    hints.note([hinted.hint]);
    const order: string[] = [];
    for (const folder of waiting) {
      folder.hangs = undefined;
      const { look } = folder;
      folder.look = () => {
        order.push(folder.hint.folder);
        return look.call(folder);
      };
    }
    go();
    await clock.pass(10);
    expect(order[0]).toBe(hinted.hint.folder);
    expect(begun()).toHaveLength(20);
  });

  test('who leaves is looked at no more; when nobody watches, nothing runs', async () => {
    const { clock, hints, watcher } = open();
    const folder = new Looked(clock);
    let go = (): void => {};
    folder.hangs = new Promise((resolve) => (go = resolve));
    const unwatch = watcher.watch(folder);
    await clock.pass(2000);
    unwatch(); // While it is looked at.
    hints.note([folder.hint]);
    go();
    await clock.pass(100_000);
    expect(folder.looks).toHaveLength(1);
    expect([watcher.size, clock.sleeping]).toEqual([0, 0]);
    const again = new Looked(clock);
    watcher.watch(again);
    await clock.pass(2000);
    expect(again.looks.length).toBeGreaterThan(0);
  });

  test('a thousand that begin at once do not look at once for ever', async () => {
    const { clock, watcher } = open({ ...OPTIONS, parallel: 10_000 });
    const folders = Array.from({ length: 1000 }, (_, at) => new Looked(clock, `f${at}`));
    for (const folder of folders) watcher.watch(folder);
    await clock.pass(300_000);
    const lookers = new Map<number, number>();
    for (const { looks } of folders) {
      for (const at of looks.filter((time) => time > 200_000)) {
        lookers.set(at, (lookers.get(at) ?? 0) + 1);
      }
    }
    expect(Math.max(...lookers.values())).toBeLessThan(60);
  });
});

describe('hints', () => {
  test('are heard here at once, and leave together, each folder once', async () => {
    const { clock, hints } = open();
    const heard: string[] = [];
    const left: (readonly { readonly folder: string }[])[] = [];
    hints.onHint(({ account, folder }) => void heard.push(`${account} ${folder}`));
    hints.onTell((some) => void left.push(some));
    hints.tell('alice', 'a');
    hints.tell('alice', 'a');
    hints.tell('bob', 'a');
    expect(heard).toEqual(['alice a', 'alice a', 'bob a']);
    expect(left).toEqual([]);
    await clock.pass(100);
    expect(left).toEqual([
      [
        { account: 'alice', folder: 'a' },
        { account: 'bob', folder: 'a' },
      ],
    ]);
  });

  test('those of others are not passed on, and what is too much is dropped', async () => {
    const { clock, hints } = open();
    const left: number[] = [];
    hints.onTell((some) => void left.push(some.length));
    hints.note([{ account: 'alice', folder: 'a' }]);
    await clock.pass(100);
    expect(left).toEqual([]);
    for (let i = 0; i < HINTS_MAX + 10; i++) hints.tell('alice', `f${i}`);
    await clock.pass(100);
    expect(left).toEqual([HINTS_MAX]);
  });
});
