/** Keywords of RFC 8621 §4.1.1 and the letters of Maildir names that say the same. */
const LETTERS: Readonly<Record<string, string>> = {
  $draft: 'D',
  $flagged: 'F',
  $forwarded: 'P',
  $answered: 'R',
  $seen: 'S',
};
const KEYWORD_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(LETTERS).map(([keyword, letter]) => [letter, keyword]),
);

/** As files and journals keep them. */
export interface Flags {
  readonly letters: string;
  readonly keywords: readonly string[];
}

/**
 * §4.1.1: 1 to 255 of ASCII without ( ) { ] % * " \ and blanks. Nor `__proto__`: an object of
 * ours does not hold it, so it would be told as set and never be seen.
 */
const KEYWORD = /^[!#$&'+-Z[^-z|}~]{1,255}$/;
export const isKeyword = (text: string): boolean =>
  KEYWORD.test(text) && keywordName(text) !== '__proto__';

/** The keyword that another one is stored as: case does not distinguish them (§4.1.1). */
export const keywordName = (keyword: string): string => keyword.toLowerCase();

/** What a list of keywords is kept as. */
export function flagsOf(keywords: Iterable<string>): Flags {
  const letters = new Set<string>();
  const others = new Set<string>();
  for (const keyword of keywords) {
    const name = keywordName(keyword);
    const letter = Object.hasOwn(LETTERS, name) ? LETTERS[name] : undefined;
    if (letter === undefined) others.add(name);
    else letters.add(letter);
  }
  return { letters: [...letters].toSorted().join(''), keywords: [...others].toSorted() };
}

/** Keywords of a message; \Deleted of IMAP is none (§4.1.1). */
export function keywordsOf(message: {
  readonly flags: string;
  readonly keywords: readonly string[];
}): Readonly<Record<string, true>> {
  const shown: Record<string, true> = {};
  for (const letter of message.flags) {
    const keyword = KEYWORD_OF.get(letter);
    if (keyword !== undefined) shown[keyword] = true;
  }
  for (const keyword of message.keywords) {
    // Another tool may have written what no keyword may be, `__proto__` among it.
    if (isKeyword(keyword)) shown[keywordName(keyword)] = true;
  }
  return shown;
}

export const hasKeyword = (
  message: { readonly flags: string; readonly keywords: readonly string[] },
  keyword: string,
): boolean => {
  const name = keywordName(keyword);
  const letter = Object.hasOwn(LETTERS, name) ? (LETTERS[name] ?? '') : undefined;
  if (letter !== undefined && message.flags.includes(letter)) return true;
  return message.keywords.some((one) => keywordName(one) === name);
};

/** Neither read nor written by the user (RFC 8621 §2, `unreadEmails`). */
export const isUnread = ({ flags }: { readonly flags: string }): boolean =>
  !flags.includes('S') && !flags.includes('D');
