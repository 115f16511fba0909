import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressRanges, NO_ADDRESSES } from './address.ts';
import { createAdmission, type AdmissionLimits, type Admitted } from './admission.ts';
import { createSeldom } from './seldom.ts';

const LIMITS: AdmissionLimits = {
  total: 10,
  perAddress: 3,
  ratePerMinute: 6,
  exempt: addressRanges(['10.0.0.0/8']),
};

function open(limits: Partial<AdmissionLimits> = {}) {
  const time = { now: 0 };
  const clock = { now: () => time.now, sleep: () => Promise.resolve() };
  return { admission: createAdmission({ ...LIMITS, ...limits }, clock), time };
}

const kind = (verdict: Admitted | string): string => (typeof verdict === 'string' ? verdict : 'ok');

test('at the edge of each limit one more is refused, one less is not', () => {
  const { admission } = open();
  const take = (address: string): string => kind(admission.admit(address));
  expect([1, 2, 3, 4].map(() => take('192.0.2.1'))).toEqual(['ok', 'ok', 'ok', 'address']);
  expect([1, 2, 3, 4, 5, 6, 7].map(() => take('10.0.0.1'))).toEqual(Array(7).fill('ok'));
  expect([take('10.0.0.1'), take('192.0.2.2')]).toEqual(['total', 'total']);
  expect(admission.open).toBe(10);
});

test('the rate allows a burst, then as many as the minute gives', () => {
  const { admission, time } = open();
  const takeAndEnd = (): string => {
    const verdict = admission.admit('192.0.2.1');
    if (typeof verdict !== 'string') verdict.release();
    return kind(verdict);
  };
  expect(Array.from({ length: 7 }, takeAndEnd)).toEqual([...Array(6).fill('ok'), 'rate']);
  time.now += 9_999;
  expect(takeAndEnd()).toBe('rate');
  time.now += 1;
  expect([takeAndEnd(), takeAndEnd()]).toEqual(['ok', 'rate']);
  time.now -= 5_000_000; // A clock that goes back neither fills nor empties.
  expect(takeAndEnd()).toBe('rate');
});

test('a /64 of IPv6 counts as one address, its neighbour as another', () => {
  const { admission } = open({ perAddress: 1 });
  const take = (address: string): string => kind(admission.admit(address));
  expect(take('2001:db8::1')).toBe('ok');
  expect(take('2001:db8::ffff:2')).toBe('address');
  expect(take('2001:db8:0:1::1')).toBe('ok');
  expect(take('::ffff:192.0.2.1')).toBe('ok');
  expect(take('192.0.2.1')).toBe('address');
});

test('addresses are forgotten when they are idle and their bucket is full', () => {
  const { admission, time } = open({ total: 1e6 });
  for (let i = 0; i < 1000; i++) {
    const verdict = admission.admit(`192.0.${i >> 8}.${i & 255}`);
    if (typeof verdict !== 'string' && i > 0) verdict.release();
  }
  expect(admission.addresses).toBe(1000);
  time.now += 60_000;
  admission.admit('198.51.100.1');
  expect(admission.addresses).toBe(2); // The one that is still connected, and the new one.
});

test('memory is bounded, and those it does not know are still counted in the total', () => {
  const { admission } = open({ total: 1e6, exempt: NO_ADDRESSES });
  for (let i = 0; i < 110_000; i++) admission.admit(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  expect(admission.addresses).toBe(100_000);
  expect(admission.open).toBe(110_000);
});

test('whatever comes and goes, counts add up and return to zero', () => {
  const step = fc.tuple(fc.constantFrom('192.0.2.1', '192.0.2.2', '10.0.0.1'), fc.boolean());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const { admission } = open({ ratePerMinute: 1000 });
      const held: Admitted[] = [];
      for (const [address, leave] of steps) {
        const verdict = leave ? held.pop() : admission.admit(address);
        if (leave && typeof verdict === 'object') [verdict, verdict].map((v) => v.release());
        else if (typeof verdict === 'object') held.push(verdict);
        expect(admission.open).toBe(held.length);
      }
      for (const one of held) one.release();
      expect(admission.open).toBe(0);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('a flood of events is said once in ten seconds, with the count', () => {
  const time = { now: 0 };
  const seldom = createSeldom({ now: () => time.now, sleep: () => Promise.resolve() });
  expect([seldom('a'), seldom('a'), seldom('a'), seldom('b')]).toEqual([
    1,
    undefined,
    undefined,
    1,
  ]);
  time.now += 10_000;
  expect([seldom('a'), seldom('a')]).toEqual([3, undefined]);
});
