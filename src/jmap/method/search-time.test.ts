import { expect, test } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { openNodes } from '../testing/nodes.ts';
import { put } from '../testing/suite.ts';

/** Stands still until somebody says how long each look at it takes. */
class SlowClock implements Clock {
  #at = systemClock.now();
  tickMs = 0;

  now(): number {
    this.#at += this.tickMs;
    return this.#at;
  }

  async sleep(ms: number): Promise<void> {
    await systemClock.sleep(ms);
  }
}

test('a search answers in time what it found among the newest, and says how far it came', async () => {
  const clock = new SlowClock();
  const nodes = await openNodes('memory', clock);
  try {
    for (let at = 0; at < 600; at += 1) {
      const date = 1_700_000_000_000 + at * 1000;
      await put(nodes, `Subject: ${at}\n\nA needle in letter ${at}.\n`, { date });
    }
    const filter = { text: 'needle' };
    clock.tickMs = 10;
    const part = await nodes.ask('Email/query', { filter, calculateTotal: true });
    expect(part).toMatchObject({ canCalculateChanges: false, 'mailfarm:incomplete': true });
    const total = Number(part['total']);
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThan(600);
    // All that came later was searched, and nothing else is told.
    const backTo = 1_700_000_000_000 + (600 - total - 1) * 1000;
    expect(Date.parse(String(part['mailfarm:searchedBackTo']))).toBe(backTo);
    const since = { filter, sinceQueryState: part['queryState'] };
    expect(await nodes.ask('Email/queryChanges', since)).toMatchObject({
      type: 'cannotCalculateChanges',
    });
    clock.tickMs = 0;
    const all = await nodes.ask('Email/query', { filter, calculateTotal: true });
    expect(all).toMatchObject({ canCalculateChanges: true, total: 600 });
    expect(all).not.toHaveProperty('mailfarm:incomplete');
  } finally {
    await nodes.close();
  }
});
