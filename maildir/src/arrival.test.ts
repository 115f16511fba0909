import { expect, test } from 'vitest';
import { arrivalOf, byArrival } from './arrival.ts';

test('arrival: seconds, then microseconds; unpadded, from any tool', () => {
  expect(arrivalOf('1700000000.M5P1.h')).toBe(1_700_000_000_000_005);
  expect(arrivalOf('1700000000.1234_1.h')).toBe(1_700_000_000_000_000);
  for (const name of ['x', '', '12', '1700000000', '9'.repeat(20), '-1.M1']) {
    expect(arrivalOf(name)).toBe(0);
  }
  const names = ['2.M10P.h', '2.M9P.h', 'foreign', '10.M1P.h', '2.M9P.a'];
  expect(byArrival(names.map((name) => ({ name }))).map(({ name }) => name)).toEqual([
    'foreign',
    '2.M9P.h',
    '2.M9P.a',
    '2.M10P.h',
    '10.M1P.h',
  ]);
});
