/** Sizes, times and counts as people read them. Programs get exact ones, by --json. */

const UNITS = ['KB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Octets with three digits: `0 B`, `999 B`, `1.5 GB`, `20 MB`. A KB is 1,000 octets. */
export function humanBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit]}`;
}

const STEPS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A length of time in its largest unit, rounded down: `3 d`, `5 min`, `0 s`. */
export function humanDuration(ms: number): string {
  const [unit, size] = STEPS.find(([, step]) => ms >= step) ?? ['s', 1_000];
  return `${Math.max(0, Math.floor(ms / size))} ${unit}`;
}

/** How long ago, to the minute of a clock on the wall: `5 min ago`; `now` within a second. */
export function humanAgo(at: number, now: number): string {
  return now - at < 1_000 ? 'now' : `${humanDuration(now - at)} ago`;
}

/** 1,234,567 */
export const humanCount = (count: number): string => count.toLocaleString('en-US');

/** `1 user`, `2 users`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${humanCount(count)} ${count === 1 ? one : many}`;

/** generalizedTime (RFC 4517 §3.3.13) in seconds and UTC, as our tools write it, in ms. */
export function parseGeneralizedTime(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/.exec(text);
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(at) ? undefined : at;
}

/** `2026-11-22 03:10 UTC`, from ms. */
export const humanMoment = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** `2026-11-22 03:10 UTC`, from generalizedTime; text that is none as it stands. */
export function humanTime(text: string): string {
  const at = parseGeneralizedTime(text);
  return at === undefined ? text : humanMoment(at);
}
