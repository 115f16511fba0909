import { SyntaxFault } from './args.ts';
import { FLAG_OF_LETTER } from './write-flags.ts';

const LETTER_OF_FLAG: ReadonlyMap<string, string> = new Map(
  Object.entries(FLAG_OF_LETTER).map(([letter, flag]) => [flag.toLowerCase(), letter]),
);

/** Octets of a keyword. */
export const KEYWORD_OCTETS_MAX = 255;
/** Keywords in one command; a message with more would be read by nobody. */
export const KEYWORDS_MAX = 100;

export interface FlagList {
  /** Of D F P R S T, sorted. */
  readonly letters: string;
  readonly keywords: readonly string[];
}

/** The letter of a flag or keyword that has one, in any case. */
export const letterOf = (flag: string): string | undefined =>
  LETTER_OF_FLAG.get(flag.toLowerCase());

/**
 * Flags that a client sent. \Recent is left out: programs send it along with what they copy, and
 * nobody can set it. @throws SyntaxFault for a system flag that is none
 */
export function flagList(flags: readonly string[]): FlagList {
  const letters = new Set<string>();
  const keywords = new Map<string, string>();
  for (const flag of flags) {
    const letter = letterOf(flag);
    if (letter !== undefined) letters.add(letter);
    else if (!flag.startsWith('\\')) keywords.set(flag.toLowerCase(), flag);
    else if (flag.toLowerCase() !== String.raw`\recent`) {
      throw new SyntaxFault('There is no such system flag');
    }
    if (flag.length > KEYWORD_OCTETS_MAX) throw new SyntaxFault('A keyword is too long');
  }
  if (keywords.size > KEYWORDS_MAX) throw new SyntaxFault('These are too many keywords');
  return { letters: [...letters].toSorted().join(''), keywords: [...keywords.values()] };
}
