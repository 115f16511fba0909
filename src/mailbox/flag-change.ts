import type { FlagChange } from '#maildir';

/** Letters that clients name; `replace` leaves others, which other tools gave, alone. */
const NAMED = 'DFPRST';

/** Letters after the change, sorted. */
export function changeLetters(letters: string, change: FlagChange): string {
  if (change.how === 'add') return sorted(letters + change.letters);
  const gone = change.how === 'remove' ? change.letters : NAMED;
  const left = without(letters, gone);
  return change.how === 'remove' ? left : sorted(left + change.letters);
}

/** Keywords after the change; case does not distinguish them, the first spelling stays. */
export function changeKeywords(
  keywords: readonly string[],
  change: Pick<FlagChange, 'how' | 'keywords'>,
): readonly string[] {
  if (change.keywords.length === 0) return change.how === 'replace' ? [] : keywords;
  const asked = new Map(change.keywords.map((keyword) => [keyword.toLowerCase(), keyword]));
  const had = new Map(keywords.map((keyword) => [keyword.toLowerCase(), keyword]));
  const kept = [...had].filter(([key]) => {
    if (change.how === 'add') return true;
    return asked.has(key) === (change.how === 'replace');
  });
  const added = change.how === 'remove' ? [] : [...asked].filter(([key]) => !had.has(key));
  return [...kept, ...added].map(([, keyword]) => keyword).toSorted();
}

/** Letters but for those of `gone`. */
export const without = (letters: string, gone: string): string =>
  letters
    .split('')
    .filter((letter) => !gone.includes(letter))
    .join('');

const sorted = (letters: string): string => [...new Set(letters.split(''))].toSorted().join('');
