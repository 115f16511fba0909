import { expect, test } from 'vitest';
import { covers, serverState, together } from './state.ts';

const at = (second: number, server: string): string =>
  `202611220303${String(second).padStart(2, '0')}.000000Z#000000#${server}#000000`;

test('[N-10] states compare by server, not by time alone', () => {
  const one = serverState([at(1, '001'), at(9, '002')]);
  const two = serverState([at(5, '001'), at(2, '002')]);
  if (!one || !two) throw new Error('no state');
  expect(covers(one, two)).toBe(false);
  expect(covers(two, one)).toBe(false);
  const both = together(one, two);
  expect(covers(both, one) && covers(both, two)).toBe(true);
  expect([...both.values()].toSorted()).toEqual([at(5, '001'), at(9, '002')]);
  expect(together(both, one)).toBe(both);
  expect(together(one, both)).toBe(both);
});

test('a replica that lacks a server lacks its changes; an empty state is behind nothing', () => {
  const one = serverState([at(1, '001')]);
  const more = serverState([at(1, '001'), at(1, '00a')]);
  if (!one || !more) throw new Error('no state');
  expect(covers(one, more)).toBe(false);
  expect(covers(more, one)).toBe(true);
  expect(covers(one, new Map())).toBe(true);
});

test('what is no change number says nothing; of two of one server the newer counts', () => {
  expect(serverState([])).toBeUndefined();
  expect(serverState(['', 'x', `${at(1, '001')}x`])).toBeUndefined();
  expect([...(serverState([at(3, '001'), at(2, '001')])?.values() ?? [])]).toEqual([at(3, '001')]);
});
