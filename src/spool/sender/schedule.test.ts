import { expect, test } from 'vitest';
import type { Random } from '../../base/random.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import { LaneState } from './lane-state.ts';
import { SENDER_OPTIONS } from './options.ts';
import { isDelayDue, isExpired, nextTry } from './schedule.ts';

const options = defaults(SENDER_OPTIONS);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const none: Random = { bytes: (n) => new Uint8Array(n) };
const most: Random = { bytes: (n) => new Uint8Array(n).fill(255) };

test('a letter that nobody takes: first after 6 minutes, then seldom, told once, given up punctually', () => {
  for (const random of [none, most, systemRandom]) {
    const envelope = { acceptedAt: 0, tries: 0, delayTold: false };
    const tries: number[] = [];
    let toldAt = -1;
    for (let now = 0; !isExpired(envelope, now, options);) {
      tries.push(now);
      if (isDelayDue(envelope, now, options)) {
        envelope.delayTold = true;
        toldAt = now;
      }
      now = nextTry(envelope, now, { options, random });
      envelope.tries += 1;
      expect(now).toBeGreaterThan(tries.at(-1) ?? -1);
      if (isExpired(envelope, now, options)) expect(now).toBe(120 * HOUR);
    }
    const first = (tries[1] ?? 0) - (tries[0] ?? 0);
    expect(first).toBeGreaterThan(5 * MINUTE); // Greylists mostly want five.
    expect(first).toBeLessThan(10 * MINUTE);
    expect(toldAt).toBe(4 * HOUR);
    expect(tries.length).toBeGreaterThan(45);
    expect(tries.length).toBeLessThan(75);
  }
});

test('a destination that rests: one letter tries for all, rests grow, then letters are put off', () => {
  const lane = new LaneState('x.test', options);
  const trouble = { status: '4.4.1', text: 'refused' };
  expect(lane.room(0, 0, 0)).toBe(15);
  expect(lane.limit).toBe(3);
  let now = 0;
  const rests: number[] = [];
  for (let round = 0; round < 12; round++) {
    lane.unreachable(now, trouble, none);
    lane.unreachable(now, trouble, none); // Another of the same round.
    rests.push((lane.restUntil - now) / MINUTE);
    expect(lane.isPuttingOff(now)).toBe(round >= 3);
    expect(lane.room(0, 0, now)).toBe(round >= 3 ? 50 : 3);
    lane.probed(now);
    if (round < 3) expect(lane.room(0, 0, now + 2000)).toBe(0);
    now = lane.restUntil;
    expect(lane.room(0, 0, now)).toBe(1);
    expect(lane.room(1, 0, now)).toBe(0);
  }
  expect(rests).toEqual([1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120]);
  lane.putOff = true;
  expect(lane.succeeded()).toBe(true);
  expect(lane.isResting(now)).toBe(false);
});

test('concurrency grows with success to its most, and halves when the peer has enough', () => {
  const lane = new LaneState('x.test', options);
  for (let letter = 0; letter < 1000; letter++) lane.succeeded();
  expect(lane.limit).toBe(20);
  lane.slowDown();
  expect(lane.limit).toBe(10);
  for (let times = 0; times < 10; times++) lane.slowDown();
  expect(lane.limit).toBe(1);
});
