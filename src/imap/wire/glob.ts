/**
 * Patterns of LIST (RFC 9051 §6.3.9): `*` is anything, `%` is anything but the separator. All
 * places in the pattern that the name may be at are kept at once, so the time is the product of
 * both lengths at most, whatever the client writes; a regular expression would have no such bound.
 */
export function matchesGlob(pattern: string, name: string, separator: string): boolean {
  if (pattern === '*') return true;
  let places = new Set(closure(pattern, [0]));
  for (const char of name) {
    const next: number[] = [];
    for (const place of places) {
      const wanted = pattern.charAt(place);
      if (wanted === '*' || (wanted === '%' && char !== separator)) next.push(place);
      else if (wanted === char && wanted !== '%') next.push(place + 1);
    }
    if (next.length === 0) return false;
    places = new Set(closure(pattern, next));
  }
  return places.has(pattern.length);
}

/** A wildcard may stand for nothing. */
function closure(pattern: string, places: readonly number[]): number[] {
  const all: number[] = [];
  for (let place of places) {
    all.push(place);
    while (pattern[place] === '*' || pattern[place] === '%') all.push((place += 1));
  }
  return all;
}
