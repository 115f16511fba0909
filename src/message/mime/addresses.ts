/**
 * Addresses of a header field as a reader of mail wants them: everything that can be made of what
 * a stranger wrote, in linear time. What is no address for certain is given as it stands, with ''
 * for a domain. Whose mail a message claims to be is another question: `../head-addresses.ts`.
 */
import type { MailAddress } from './types.ts';

/** More are not shown. */
export const ADDRESSES_MAX = 10_000;
const COMMENT_DEPTH_MAX = 50;

const QUOTE = 0x22;
const OPEN = 0x28;
const COMMA = 0x2c;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const LESS = 0x3c;
const GREATER = 0x3e;
const BACKSLASH = 0x5c;

/** Characters that end a word: blanks and ( ) < > , : ; @ ". */
const ENDS = new Uint8Array(128);
for (const char of ' \t\r\n()<>,:;@"') ENDS[char.charCodeAt(0)] = 1;

const isBlank = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d);

/** RFC 5322 §3.4 with §4.4: an unfolded value as addresses, both ends of groups among them. */
export function mailAddresses(value: string): readonly MailAddress[] {
  return new Reader(value).all();
}

class Reader {
  readonly #text: string;
  #at = 0;
  #found: MailAddress[] = [];
  #inGroup = false;
  /** Words of the element that is read, and whether a blank stood before each. */
  #words: string[] = [];
  #spaced: boolean[] = [];
  #comment: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  all(): readonly MailAddress[] {
    const text = this.#text;
    let blank = false;
    while (this.#at < text.length && this.#found.length < ADDRESSES_MAX) {
      const code = text.charCodeAt(this.#at);
      if (isBlank(code)) {
        blank = true;
        this.#at += 1;
        continue;
      }
      this.#step(code, blank);
      blank = code === OPEN; // A comment is a blank (§3.2.2).
    }
    this.#bare();
    if (this.#inGroup) this.#groupEnds();
    return this.#found;
  }

  #step(code: number, blank: boolean): void {
    switch (code) {
      case OPEN:
        this.#comment = this.#readComment();
        return;
      case QUOTE:
        this.#word(this.#quoted(), blank);
        return;
      case LESS:
        this.#angle();
        return;
      case COMMA:
        this.#at += 1;
        this.#bare();
        return;
      case SEMICOLON:
        this.#at += 1;
        this.#bare();
        if (this.#inGroup) this.#groupEnds();
        return;
      case COLON:
        this.#at += 1;
        if (this.#inGroup || this.#words.length === 0) this.#word(':', blank);
        else this.#groupStarts();
        return;
      default:
        this.#word(this.#atom(code), blank);
    }
  }

  #word(word: string, blank: boolean): void {
    this.#words.push(word);
    this.#spaced.push(blank);
  }

  #clear(): void {
    this.#words = [];
    this.#spaced = [];
    this.#comment = undefined;
  }

  /** At least one character. */
  #atom(first: number): string {
    const text = this.#text;
    const start = this.#at;
    let at = start + 1;
    if (first >= 128 || ENDS[first] === 0) {
      while (at < text.length) {
        const code = text.charCodeAt(at);
        if (code < 128 && ENDS[code] === 1) break;
        at += 1;
      }
    }
    this.#at = at;
    return text.slice(start, at);
  }

  /** What stands between quotes; to the end where the second is missing. */
  #quoted(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let at = start;
    let escaped = false;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) {
        escaped = true;
        at += 1;
      } else if (code === QUOTE) break;
    }
    this.#at = Math.min(at + 1, text.length);
    const inside = text.slice(start, Math.min(at, text.length));
    return escaped ? inside.replace(/\\(.)/gs, '$1') : inside;
  }

  #readComment(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let depth = 0;
    let at = this.#at;
    for (; at < text.length; at++) {
      const char = text[at];
      if (char === '\\') at += 1;
      else if (char === '(') depth = Math.min(depth + 1, COMMENT_DEPTH_MAX);
      else if (char === ')' && --depth === 0) break;
    }
    this.#at = Math.min(at + 1, text.length);
    return text.slice(start, at).replace(/\\(.)/gs, '$1').trim();
  }

  /** `<` route address `>`; what stands before it is the name. */
  #angle(): void {
    const name = this.#joined(0, this.#words.length) || this.#comment || undefined;
    this.#clear();
    this.#at += 1;
    const close = this.#text.indexOf('>', this.#at);
    const inside = close < 0 ? undefined : this.#text.slice(this.#at, close);
    if (inside !== undefined && SIMPLE.test(inside)) {
      const at = inside.indexOf('@');
      this.#found.push({ name, local: inside.slice(0, at), domain: inside.slice(at + 1) });
      this.#at = close + 1;
    } else this.#strangeAngle(name);
    this.#skipToNext();
  }

  #strangeAngle(name: string | undefined): void {
    const text = this.#text;
    const words: string[] = [];
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === GREATER) break;
      if (isBlank(code)) this.#at += 1;
      else if (code === OPEN) this.#readComment();
      else words.push(code === QUOTE ? this.#quoted() : this.#atom(code));
    }
    // A route (§4.4) ends with a colon.
    if (words[0] === '@' && words.includes(':')) words.splice(0, words.indexOf(':') + 1);
    const at = words.lastIndexOf('@');
    const local = (at < 0 ? words : words.slice(0, at)).join('');
    const domain = at < 0 ? '' : words.slice(at + 1).join('');
    if (local !== '' || domain !== '' || name !== undefined) {
      this.#found.push({ name, local, domain });
    }
  }

  /** After `>`: what is no address goes, up to a comma or the end of a group. */
  #skipToNext(): void {
    const text = this.#text;
    if (text.charCodeAt(this.#at) === GREATER) this.#at += 1;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === COMMA) {
        this.#at += 1;
        return;
      }
      // The next address may follow without a comma.
      if (code === SEMICOLON || (!isBlank(code) && code !== OPEN && code !== GREATER)) return;
      if (code === OPEN) this.#readComment();
      else this.#at += 1;
    }
  }

  /** An element without angle brackets. */
  #bare(): void {
    const at = this.#words.lastIndexOf('@');
    const name = this.#comment || undefined;
    if (at > 0) {
      const first = this.#localStart(at);
      this.#found.push({
        name: this.#joined(0, first) || name,
        local: this.#words.slice(first, at).join(''),
        domain: this.#words.slice(at + 1).join(''),
      });
    } else if (this.#words.length > 0) {
      this.#found.push({ name, local: this.#joined(0, this.#words.length), domain: '' });
    }
    this.#clear();
  }

  /** `John Doe john@example.test`: only what stands beside the @ is of the address. */
  #localStart(at: number): number {
    if (this.#spaced[at] === true) return 0;
    let first = at - 1;
    while (first > 0 && this.#spaced[first] !== true) first -= 1;
    return first > 0 && this.#words[first - 1]?.endsWith('.') === true ? 0 : first;
  }

  #groupStarts(): void {
    const local = this.#joined(0, this.#words.length);
    this.#found.push({ name: undefined, local, domain: undefined });
    this.#inGroup = true;
    this.#clear();
  }

  #groupEnds(): void {
    this.#found.push({ name: undefined, local: undefined, domain: undefined });
    this.#inGroup = false;
  }

  /** Words as they stood, each run of blanks as one. */
  #joined(from: number, to: number): string {
    if (to - from === 1) return this.#words[from] ?? '';
    let out = '';
    for (let at = from; at < to; at++) {
      if (at > from && this.#spaced[at] === true) out += ' ';
      out += this.#words[at] ?? '';
    }
    return out;
  }
}

/** An address without blanks, quotes, comments or a route. */
const SIMPLE = /^[^\s"(),:;<>@\\]+@[^\s"(),:;<>@\\]+$/;
