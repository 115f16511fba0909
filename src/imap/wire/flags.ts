import { SyntaxFault } from './args.ts';

/**
 * Letters of Maildir names as flags of IMAP (RFC 9051 §2.3.2). P (passed) is `$Forwarded`; other
 * tools give that as a keyword, so either shows it.
 */
const FLAG_OF_LETTER: Readonly<Record<string, string>> = {
  D: String.raw`\Draft`,
  F: String.raw`\Flagged`,
  P: '$Forwarded',
  R: String.raw`\Answered`,
  S: String.raw`\Seen`,
  T: String.raw`\Deleted`,
};
const LETTER_OF_FLAG: ReadonlyMap<string, string> = new Map(
  Object.entries(FLAG_OF_LETTER).map(([letter, flag]) => [flag.toLowerCase(), letter]),
);

/** Octets of a keyword. */
const KEYWORD_OCTETS_MAX = 255;
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
    else if (!flag.startsWith('\\')) {
      if (!keywords.has(flag.toLowerCase())) keywords.set(flag.toLowerCase(), flag);
    } else if (flag.toLowerCase() !== String.raw`\recent`) {
      throw new SyntaxFault('There is no such system flag');
    }
    if (flag.length > KEYWORD_OCTETS_MAX) throw new SyntaxFault('A keyword is too long');
  }
  if (keywords.size > KEYWORDS_MAX) throw new SyntaxFault('These are too many keywords');
  return { letters: [...letters].toSorted().join(''), keywords: [...keywords.values()] };
}

/**
 * Texts of FLAGS, made once for each combination: a folder of 50,000 messages has a dozen. The
 * arrays of keywords are shared by all messages that have the same, so identity finds them.
 */
class FlagTexts {
  readonly #plain = new Map<string, string>();
  readonly #withKeywords = new WeakMap<readonly string[], Map<string, string>>();

  of(letters: string, keywords: readonly string[]): string {
    let texts: Map<string, string> | undefined = this.#plain;
    if (keywords.length > 0) {
      texts = this.#withKeywords.get(keywords);
      if (texts === undefined) {
        texts = new Map<string, string>();
        this.#withKeywords.set(keywords, texts);
      }
    }
    let text = texts.get(letters);
    if (text === undefined) {
      text = textOf(letters, keywords);
      texts.set(letters, text);
    }
    return text;
  }
}

const texts = new FlagTexts();

/** What stands between the brackets of FLAGS (…). */
export function flagsText(
  message: { readonly flags: string; readonly keywords: readonly string[] },
  recent: boolean,
): string {
  const text = texts.of(message.flags, message.keywords);
  if (!recent) return text;
  return text === '' ? String.raw`\Recent` : String.raw`${text} \Recent`;
}

function textOf(letters: string, keywords: readonly string[]): string {
  const flags = new Map<string, string>();
  for (const letter of letters) {
    const flag = Object.hasOwn(FLAG_OF_LETTER, letter) ? FLAG_OF_LETTER[letter] : undefined;
    if (flag !== undefined) flags.set(flag.toLowerCase(), flag);
  }
  for (const keyword of keywords) {
    if (!flags.has(keyword.toLowerCase())) flags.set(keyword.toLowerCase(), keyword);
  }
  return [...flags.values()].join(' ');
}
