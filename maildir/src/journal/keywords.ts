/** The keyword that Maildir has a letter for: P, passed. */
export const FORWARDED = '$Forwarded';
const PASSED = 'P';
/** Lists of keywords that are kept to be shared; clients choose them. */
const LISTS_MAX = 10_000;

/**
 * Keywords of a folder. One array serves all messages that have the same. What is shown is what
 * the journal holds, $Forwarded for the letter P, and for letters a to z the names that
 * `dovecot-keywords` gives them. Names are the same without regard to case, and are shown as
 * their first writer spelled them.
 */
export class Keywords {
  /** Names of the letters a, b, … by `dovecot-keywords`. */
  letters: readonly (string | undefined)[] = [];
  readonly #lists = new Map<string, readonly string[]>();
  readonly #spelled = new Map<string, string>([[FORWARDED.toLowerCase(), FORWARDED]]);

  constructor(letters: readonly (string | undefined)[]) {
    this.rename(letters);
  }

  /** Takes over other names of letters. @returns whether they are others */
  rename(letters: readonly (string | undefined)[]): 'same' | 'other' {
    const isSame = letters.join() === this.letters.join();
    if (isSame) return 'same';
    this.letters = letters;
    for (const name of letters) if (name !== undefined) this.spell(name);
    return 'other';
  }

  /** The spelling of the folder's first writer. */
  spell(name: string): string {
    const folded = name.toLowerCase();
    const known = this.#spelled.get(folded);
    if (known !== undefined) return known;
    if (this.#spelled.size < LISTS_MAX) this.#spelled.set(folded, name);
    return name;
  }

  /** The shared array of these names, sorted, each once. */
  intern(names: readonly string[]): readonly string[] {
    const joined = names.join(' ');
    const known = this.#lists.get(joined);
    if (known !== undefined) return known;
    const list = [...new Set(names.map((name) => this.spell(name)))].toSorted();
    if (this.#lists.size >= LISTS_MAX) this.#lists.clear();
    this.#lists.set(joined, list);
    return list;
  }

  /** What a message with these keywords and letters shows. */
  shown(own: readonly string[], letters: string): readonly string[] {
    let more: string[] | undefined;
    for (let index = 0; index < letters.length; index++) {
      const name = this.nameOf(letters.charAt(index));
      if (name !== undefined && !own.includes(name)) (more ??= []).push(name);
    }
    return more === undefined ? own : this.intern([...own, ...more].toSorted());
  }

  /** The keyword that a letter stands for. */
  nameOf(letter: string): string | undefined {
    if (letter === PASSED) return FORWARDED;
    const index = letter.charCodeAt(0) - 0x61;
    const name = index >= 0 && index < 26 ? this.letters[index] : undefined;
    return name === undefined ? undefined : this.spell(name);
  }

  /** What is asked for as the journal's own keywords and as letters. */
  split(names: readonly string[]): { readonly own: readonly string[]; readonly letters: string } {
    const own = names.map((name) => this.spell(name)).filter((name) => name !== FORWARDED);
    return { own, letters: own.length < names.length && hasForwarded(names) ? PASSED : '' };
  }
}

const hasForwarded = (names: readonly string[]): boolean =>
  names.some((name) => name.toLowerCase() === FORWARDED.toLowerCase());

/** The file `dovecot-keywords`: lines of a number and a name. */
export function parseDovecotKeywords(text: string): readonly (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d{1,2}) ([!-~]{1,200})$/.exec(line);
    if (match !== null && Number(match[1]) < 26) names[Number(match[1])] = match[2];
  }
  return names;
}
