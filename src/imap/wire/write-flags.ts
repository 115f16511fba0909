/**
 * Letters of Maildir names as flags of IMAP (RFC 9051 §2.3.2). P (passed) is `$Forwarded`; other
 * tools give that as a keyword, so either shows it.
 */
export const FLAG_OF_LETTER: Readonly<Record<string, string>> = {
  D: String.raw`\Draft`,
  F: String.raw`\Flagged`,
  P: '$Forwarded',
  R: String.raw`\Answered`,
  S: String.raw`\Seen`,
  T: String.raw`\Deleted`,
};

/**
 * Texts of FLAGS, made once for each combination: a folder of 50,000 messages has a dozen. The
 * arrays of keywords are shared by all messages that have the same, so identity finds them.
 */
export class FlagTexts {
  readonly #plain = new Map<string, string>();
  readonly #withKeywords = new WeakMap<readonly string[], Map<string, string>>();

  /** What stands between the brackets of FLAGS (…). */
  of(letters: string, keywords: readonly string[], recent: 'recent' | 'old'): string {
    const text = this.#of(letters, keywords);
    if (recent === 'old') return text;
    return text === '' ? String.raw`\Recent` : String.raw`${text} \Recent`;
  }

  #of(letters: string, keywords: readonly string[]): string {
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
