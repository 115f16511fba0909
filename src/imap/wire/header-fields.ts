/**
 * Picks fields of a header (RFC 9051 §6.4.5.1, HEADER.FIELDS and HEADER.FIELDS.NOT): those of the
 * names given, or all but those, as they stand, and the blank line at the end. The header comes in
 * pieces, of which nothing is kept but what is picked.
 */
export class FieldPicker {
  readonly #names: ReadonlySet<string>;
  readonly #which: 'fields' | 'fields-not';
  #picked = '';
  #held = ''; // The start of a line, too short to say which field it is.
  #within = false; // Of the line that comes now the start was seen.
  #taken = false;
  /** The blank line was seen. */
  ended = false;

  constructor(names: ReadonlySet<string>, which: 'fields' | 'fields-not') {
    this.#names = names;
    this.#which = which;
  }

  push(piece: string): void {
    this.#take(this.#held + piece, HELD_MAX);
  }

  /** What was picked, when all has come. */
  end(): string {
    this.#take(this.#held, 0);
    return `${this.#picked}\r\n`;
  }

  #take(text: string, held: number): void {
    this.#held = '';
    for (let at = 0; at < text.length && !this.ended;) {
      const lf = text.indexOf('\n', at);
      const end = lf < 0 ? text.length : lf + 1;
      if (!this.#within) {
        if (lf < 0 && end - at < held) {
          this.#held = text.slice(at);
          return;
        }
        this.#begin(text, at, end);
        if (this.ended) return;
      }
      if (this.#taken) this.#picked += text.slice(at, end);
      this.#within = lf < 0;
      at = end;
    }
  }

  #begin(text: string, at: number, end: number): void {
    const first = text.charCodeAt(at);
    if (first === CR && end === at + 2) this.ended = true;
    else if (first !== SPACE && first !== TAB) {
      this.#taken = this.#names.has(nameAt(text, at, end)) === (this.#which === 'fields');
    }
  }
}

/** No name of a field is longer. */
const HELD_MAX = 1_000;
const CR = 13;
const SPACE = 32;
const TAB = 9;

/** In lower case; '' for a line that is no field. Blanks before the colon were usual once. */
function nameAt(text: string, at: number, end: number): string {
  const colon = text.indexOf(':', at);
  if (colon < 0 || colon >= end) return '';
  return text.slice(at, colon).trimEnd().toLowerCase();
}
