import { expect, test } from 'vitest';
import { ChangeNumbers, csnOfTimestamp } from './csn.ts';

const clockAt = (clock: { ms: number }) => ({ now: () => clock.ms, sleep: async () => {} });
const at = { ms: Date.UTC(2026, 10, 22, 3, 2, 32) + 123.456 };

test('a number has the form of OpenLDAP and the time in microseconds', () => {
  expect(new ChangeNumbers(clockAt(at)).next()).toMatch(
    /^20261122030232\.12345[56]Z#000000#000#000000$/,
  );
});

test('numbers rise also within one microsecond, when the clock goes back, and past the count', () => {
  const clock = { ...at };
  const numbers = new ChangeNumbers(clockAt(clock));
  let last = '';
  for (let n = 0; n < 1_000; n += 1) {
    if (n === 500) clock.ms -= 86_400_000;
    const next = numbers.next();
    expect(next > last).toBe(true);
    last = next;
  }
  numbers.saw('20261231235959.999999Z#ffffff#001#000000');
  expect(numbers.next()).toBe('20270101000000.000000Z#000000#000#000000');
  expect(numbers.next()).toBe('20270101000000.000000Z#000001#000#000000');
});

test('what was seen counts, what is no number does not', () => {
  const numbers = new ChangeNumbers(clockAt(at));
  for (const nonsense of ['', 'zzz', '99999999999999Z', '20990101000000.000000Z#0#0#0']) {
    numbers.saw(nonsense);
  }
  expect(numbers.last).toBe('');
  numbers.saw('20990101000000.000000Z#00000a#000#000000');
  expect(numbers.next()).toBe('20990101000000.000000Z#00000b#000#000000');
});

test('an entry of before there were numbers has the same one each time', () => {
  expect(csnOfTimestamp('20250102030405Z')).toBe('20250102030405.000000Z#000000#000#000000');
  expect(csnOfTimestamp(undefined)).toBe('19700101000000.000000Z#000000#000#000000');
  expect(csnOfTimestamp('nonsense')).toBe(csnOfTimestamp(undefined));
});
