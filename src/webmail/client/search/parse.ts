/**
 * What a user types into the search field, as a tree. Pure: folders and dates are looked up later
 * (`filter.ts`). Nothing that can be typed is an error: a field that we do not know is a word, a
 * quotation mark or parenthesis that is never closed ends with the text.
 *
 * ```
 * query = group *( "OR" group )      group = 1*term
 * term  = [ "-" ] ( "(" query ")" / [ field ":" ] value )
 * value = <"> text <"> / text without blanks
 * ```
 */

/** Fields that take text. */
const TEXT_FIELDS = ['from', 'to', 'cc', 'bcc', 'subject', 'body'] as const;
/** Fields with values of their own. */
const OTHER_FIELDS = ['has', 'is', 'in', 'before', 'after', 'larger', 'smaller'] as const;
export const FIELDS = [...TEXT_FIELDS, ...OTHER_FIELDS] as const;

export type Field = (typeof FIELDS)[number];

export type Query =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Query[] }
  | { readonly kind: 'not'; readonly part: Query }
  | { readonly kind: 'words'; readonly text: string }
  | { readonly kind: 'field'; readonly field: Field; readonly value: string };

/** Brackets within brackets that are followed; deeper ones are words. */
const DEPTH_MAX = 8;

const isField = (name: string): name is Field => (FIELDS as readonly string[]).includes(name);

/** undefined: nothing is asked for. */
export function parseQuery(text: string): Query | undefined {
  return new Parser(text).query(0);
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  query(depth: number): Query | undefined {
    const groups: Query[] = [];
    let terms: Query[] = [];
    const endGroup = (): void => {
      const group = join('and', terms);
      if (group) groups.push(group);
      terms = [];
    };
    for (;;) {
      this.#blanks();
      if (this.#at >= this.#text.length) break;
      if (depth > 0 && this.#take(')')) break;
      if (this.#takeOr()) endGroup();
      else {
        const term = this.#term(depth);
        if (term) terms.push(term);
      }
    }
    endGroup();
    return join('or', groups);
  }

  #term(depth: number): Query | undefined {
    const negated = /^-[^\s-]/.test(this.#text.slice(this.#at, this.#at + 2)) && this.#take('-');
    const found = this.#positive(depth);
    return negated && found ? { kind: 'not', part: found } : found;
  }

  #positive(depth: number): Query | undefined {
    if (depth < DEPTH_MAX && this.#take('(')) return this.query(depth + 1);
    const name = /^([a-z]+):/i.exec(this.#text.slice(this.#at, this.#at + 12))?.[1]?.toLowerCase();
    if (name !== undefined && isField(name)) {
      this.#at += name.length + 1;
      const value = this.#value(depth);
      return value === '' ? undefined : { kind: 'field', field: name, value };
    }
    const text = this.#value(depth);
    return text === '' ? undefined : { kind: 'words', text };
  }

  #value(depth: number): string {
    if (this.#take('"')) {
      const end = this.#text.indexOf('"', this.#at);
      const value = this.#text.slice(this.#at, end < 0 ? undefined : end);
      this.#at = end < 0 ? this.#text.length : end + 1;
      return value.trim().replace(/\s+/g, ' ');
    }
    const word = (depth > 0 ? /^[^\s)]*/ : /^\S*/).exec(this.#text.slice(this.#at))?.[0] ?? '';
    this.#at += word.length;
    return word;
  }

  #takeOr(): boolean {
    if (!/^OR(\s|$)/.test(this.#text.slice(this.#at, this.#at + 3))) return false;
    this.#at += 2;
    return true;
  }

  #take(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #blanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }
}

function join(kind: 'and' | 'or', parts: readonly Query[]): Query | undefined {
  return parts.length > 1 ? { kind, parts } : parts[0];
}
