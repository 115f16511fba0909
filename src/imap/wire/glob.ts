/**
 * Patterns of LIST (RFC 9051 §6.3.9): `*` is anything, `%` is anything but the separator. All
 * places in the pattern that the name may be at are kept at once, so the time is the product of
 * both lengths, whatever the client writes; a regular expression would have no such bound.
 * INBOX, also as the first part, is in any case (RFC 9051 §5.1).
 */
export function matchesGlob(pattern: string, name: string, separator: string): boolean {
  if (pattern === '*') return true;
  const isInbox = name === INBOX || name.startsWith(INBOX + separator);
  const anyCase = isInbox ? INBOX.length : 0;
  let places = new Uint8Array(pattern.length + 1);
  let next = new Uint8Array(pattern.length + 1);
  places[0] = 1;
  for (let of = 0; of < name.length; of += 1) {
    const char = name[of]; // Half of what is beyond 16 bits, as in the pattern.
    next.fill(0);
    let any = false;
    for (let at = 0; at < pattern.length; at += 1) {
      if (places[at] === 0) continue;
      const wanted = pattern[at];
      if (isWild(wanted)) {
        places[at + 1] = 1; // It may stand for nothing.
        if (wanted === '%' && char === separator) continue;
        next[at] = 1;
      } else if (wanted === char) next[at + 1] = 1;
      else if (of < anyCase && wanted?.toUpperCase() === char) next[at + 1] = 1;
      else continue;
      any = true;
    }
    if (!any) return false;
    [places, next] = [next, places];
  }
  let end = places.lastIndexOf(1);
  while (isWild(pattern[end])) end += 1;
  return end === pattern.length;
}

const INBOX = 'INBOX';

const isWild = (char: string | undefined): boolean => char === '*' || char === '%';
