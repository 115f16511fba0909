/**
 * Messages in the order of their arrival, by the time in their names: seconds, then microseconds
 * where the name has them (`1700000000.M123456P…`). A message keeps its place when another
 * client moves it from new/ to cur/. Names without a time come first; equal times keep the order
 * given (by name).
 */
const ZERO = 48;
const DOT = 46;
const M = 77;
const MICROS_MAX = 1_000_000;

/** Microseconds since 1970 by the name; 0 without. */
export function arrivalOf(name: string): number {
  let at = 0;
  let seconds = 0;
  for (; at < name.length; at++) {
    const digit = name.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) break;
    seconds = seconds * 10 + digit;
  }
  if (at === 0 || at > 12 || name.charCodeAt(at) !== DOT) return 0;
  let micros = 0;
  if (name.charCodeAt(at + 1) === M) {
    for (at += 2; at < name.length; at++) {
      const digit = name.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      micros = micros * 10 + digit;
    }
  }
  return seconds * MICROS_MAX + (micros < MICROS_MAX ? micros : 0);
}

/**
 * The entries sorted by arrival; the same array when they are already. Plain loops, and the sort
 * that is quick on what is nearly sorted: listings come sorted by name, which is by second.
 */
export function byArrival<T extends { readonly name: string }>(
  entries: readonly T[],
): readonly T[] {
  const { length } = entries;
  const times = new Float64Array(length);
  let sorted = true;
  let previous = 0;
  for (let at = 0; at < length; at++) {
    const time = arrivalOf((entries[at] as T).name);
    times[at] = time;
    sorted &&= previous <= time;
    previous = time;
  }
  if (sorted) return entries;
  const order = Array.from(times.keys());
  order.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b);
  return order.map((index) => entries[index] as T);
}
