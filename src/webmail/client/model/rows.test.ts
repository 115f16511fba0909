import fc from 'fast-check';
import { expect, it } from 'vitest';

import { KEPT_AROUND, PAGE, Rows } from './rows.ts';

const name = (n: number): string => `id${n}`;

it('what is known of a list is always what the server would say, whatever is asked and changed', () => {
  const change = fc.record({ at: fc.nat(400), remove: fc.boolean() });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('load' as const), at: fc.nat(400) }),
    fc.record({ kind: fc.constant('change' as const), change }),
    fc.record({ kind: fc.constant('forget' as const), at: fc.nat(400) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let truth = Array.from({ length: 300 }, (_, n) => name(n));
      let made = truth.length;
      let isStale = false;
      const rows = new Rows();
      for (const one of steps) {
        if (one.kind === 'change') {
          const { at, remove } = one.change;
          isStale = true;
          truth = remove
            ? truth.filter((_, n) => n !== at)
            : [...truth.slice(0, at), name((made += 1)), ...truth.slice(at)];
        } else if (one.kind === 'forget') rows.forgetFar(one.at, one.at + PAGE);
        else {
          const position = Math.floor(one.at / PAGE) * PAGE;
          const moved = rows.put(position, truth.slice(position, position + PAGE), truth.length);
          // A change that this page does not show is seen where it is looked at; length tells most.
          if (moved) isStale = false;
        }
        if (isStale) continue;
        expect(rows.length === truth.length || !rows.known).toBe(true);
        truth.forEach((id, at) => expect([id, undefined]).toContain(rows.at(at)));
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});

it('rows that an action took away come back to their places', () => {
  const rows = new Rows();
  rows.put(0, ['a', 'b', 'c', 'd', 'e'], 5);
  const places = rows.remove(new Set(['b', 'd']));
  expect(rows.slice(0, 9)).toEqual(['a', 'c', 'e']);
  rows.insert(places);
  rows.insert(places); // Twice is once.
  expect(rows.slice(0, 9)).toEqual(['a', 'b', 'c', 'd', 'e']);
});

it('what is far from the screen is forgotten, and asked for again', () => {
  const rows = new Rows();
  const total = 100_000;
  for (let at = 0; at < total; at += PAGE) {
    rows.put(
      at,
      Array.from({ length: PAGE }, (_, n) => name(at + n)),
      total,
    );
  }
  rows.forgetFar(50_000, 50_020);
  expect(rows.slice(0, total)).toHaveLength(2 * KEPT_AROUND + 20);
  expect(rows.missing(50_000, 50_020)).toEqual([]);
  expect(rows.missing(10, 20)).toEqual([0]);
});
