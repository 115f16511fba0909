/**
 * Long work in short turns: a generator yields where others may go on, every so many items, and
 * nothing is lost when it is left there. SORT of 100,000 messages in one turn would stop every
 * session of the process for seconds.
 */
import { setImmediate } from 'node:timers/promises';

/** Work that yields now and then, and what comes of it. */
export type Turns<T> = Generator<void, T>;

export async function inTurns<T>(work: Turns<T>): Promise<T> {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    await setImmediate();
  }
}

/** So many are sorted, or merged, in one turn. */
const SORTED_AT_ONCE = 1024;
const MERGED_AT_ONCE = 8192;

/** A sorted copy, as `toSorted` would make it: what compares equal stays in order. */
export function* sortInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number): Turns<T[]> {
  if (items.length <= SORTED_AT_ONCE) return items.toSorted(compare);
  let from: T[] = [];
  for (let at = 0; at < items.length; at += SORTED_AT_ONCE) {
    for (const item of items.slice(at, at + SORTED_AT_ONCE).sort(compare)) from.push(item);
    yield;
  }
  let to = from.slice();
  for (let width = SORTED_AT_ONCE; width < items.length; width *= 2) {
    for (let start = 0; start < items.length; start += 2 * width) {
      const middle = Math.min(start + width, items.length);
      const end = Math.min(start + 2 * width, items.length);
      let [left, right] = [start, middle];
      for (let at = start; at < end; at++) {
        const isLeft =
          right >= end || (left < middle && compare(from[left] as T, from[right] as T) <= 0);
        to[at] = from[isLeft ? left++ : right++] as T;
        if (at % MERGED_AT_ONCE === 0) yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
