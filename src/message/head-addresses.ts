/**
 * Addresses of a header field: mailbox-list and address-list of RFC 5322 §3.4, with comments,
 * groups, quoted strings and the routes of old (§4.4). What is asked is whose mail it claims to be,
 * so it errs to one side: text that some reader could take for an address counts as one
 * (`ceo@bank.test <me@farm.test>` has two), and what cannot be read for certain has no answer.
 */

/** Addresses of a field; more are not what people write From lines of. */
const ADDRESSES_MAX = 1000;
/** Comments within comments. */
const COMMENT_DEPTH_MAX = 20;

type Token =
  | { readonly kind: 'word' | 'quoted' | 'literal'; readonly text: string }
  | { readonly kind: '<' | '>' | ',' | ';' | ':' | '@' | '.'; readonly text: string };

/** What ends an atom (RFC 5322 §3.2.3). */
const SPECIALS = new Set('()<>[]:;@\\,."');
/** What stands in brackets is an address of a host, or it is none. */
const LITERAL = /^\[[A-Za-z0-9.:-]{1,64}\]$/;
const MARKS = new Set<string>(['<', '>', ',', ';', ':', '@', '.']);
// oxlint-disable-next-line no-control-regex -- control characters are what must not pass.
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\ufffd]/u;

/**
 * The addresses in an unfolded value, in order, comments and blanks taken out, local parts quoted
 * as they were; [] for groups of nobody.
 * @returns undefined for what is no list of addresses
 */
export function addressesOf(value: string): readonly string[] | undefined {
  if (CONTROLS.test(value)) return undefined;
  const tokens = tokensOf(value);
  return tokens && new Reader(tokens).list();
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #found: string[] = [];
  #at = 0;
  #inGroup = false;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  list(): readonly string[] | undefined {
    while (this.#at < this.#tokens.length) {
      if (!this.#element() || this.#found.length > ADDRESSES_MAX) return undefined;
    }
    return this.#inGroup ? undefined : this.#found;
  }

  /** One mailbox, the start or the end of a group, or nothing between two commas. */
  #element(): boolean {
    const words: Token[] = [];
    for (;;) {
      const token = this.#tokens[this.#at++];
      if (!token) return this.#bare(words);
      switch (token.kind) {
        case ',':
          return this.#bare(words);
        case ';':
          if (!this.#inGroup || !this.#bare(words)) return false;
          this.#inGroup = false;
          return this.#ends();
        case ':':
          if (this.#inGroup || words.length === 0 || !this.#named(words)) return false;
          this.#inGroup = true;
          return true;
        case '<':
          return this.#named(words) && this.#angle();
        case '>':
          return false;
        default:
          words.push(token);
      }
    }
  }

  /** A comma, the end of the group or of all must come now. */
  #ends(): boolean {
    const next = this.#tokens[this.#at]?.kind;
    if (next === ',') this.#at += 1;
    return next === undefined || next === ',' || (next === ';' && this.#inGroup);
  }

  #bare(words: readonly Token[]): boolean {
    return words.length === 0 || this.#add(words);
  }

  /** A display name. An address in it that is not quoted counts. */
  #named(words: readonly Token[]): boolean {
    return words.some(({ kind }) => kind === '@') ? this.#add(words) : true;
  }

  /** After `<`: a route perhaps, an address, `>`. */
  #angle(): boolean {
    const end = this.#tokens.findIndex(({ kind }, at) => at >= this.#at && kind === '>');
    if (end < 0) return false;
    let inside = this.#tokens.slice(this.#at, end);
    this.#at = end + 1;
    if (inside[0]?.kind === '@') {
      const colon = inside.findIndex(({ kind }) => kind === ':');
      if (colon < 0) return false;
      inside = inside.slice(colon + 1);
    }
    return this.#add(inside) && this.#ends();
  }

  /** local-part "@" domain, and nothing else. */
  #add(words: readonly Token[]): boolean {
    const at = words.findIndex(({ kind }) => kind === '@');
    const local = words.slice(0, at);
    const domain = words.slice(at + 1);
    if (at <= 0 || !isDotted(local, 'quoted') || !isDomain(domain)) return false;
    this.#found.push(`${joined(local)}@${joined(domain)}`);
    return true;
  }
}

const joined = (tokens: readonly Token[]): string => tokens.map(({ text }) => text).join('');

/** Words with dots between; dots anywhere, as programs write them, but no two words in a row. */
function isDotted(tokens: readonly Token[], other: 'quoted' | 'word'): boolean {
  return tokens.every(
    ({ kind }, at) =>
      kind === '.' ||
      ((kind === 'word' || kind === other) && (at === 0 || tokens[at - 1]?.kind === '.')),
  );
}

const isDomain = (tokens: readonly Token[]): boolean =>
  tokens.length > 0 &&
  ((tokens.length === 1 && LITERAL.test(tokens[0]?.text ?? '')) || isDotted(tokens, 'word'));

function tokensOf(value: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  let at = 0;
  while (at < value.length) {
    const char = value[at] ?? '';
    if (char === ' ' || char === '\t') at += 1;
    else if (char === '(') {
      const end = commentEnd(value, at);
      if (end === undefined) return undefined;
      at = end;
    } else if (char === '"' || char === '[') {
      const end = closing(value, at, char === '"' ? '"' : ']');
      if (end === undefined) return undefined;
      const text = value.slice(at, end);
      tokens.push({ kind: char === '"' ? 'quoted' : 'literal', text });
      at = end;
    } else if (MARKS.has(char)) {
      tokens.push({ kind: char as '<', text: char });
      at += 1;
    } else if (SPECIALS.has(char)) return undefined;
    else {
      const end = wordEnd(value, at);
      tokens.push({ kind: 'word', text: value.slice(at, end) });
      at = end;
    }
  }
  return tokens;
}

function wordEnd(value: string, start: number): number {
  let at = start;
  while (at < value.length && !SPECIALS.has(value[at] ?? '') && !/[ \t]/.test(value[at] ?? '')) {
    at += 1;
  }
  return at;
}

/** Index after the character that closes what begins at `start`; a backslash escapes. */
function closing(value: string, start: number, close: string): number | undefined {
  for (let at = start + 1; at < value.length; at++) {
    if (value[at] === '\\') at += 1;
    else if (value[at] === close) return at + 1;
  }
  return undefined;
}

function commentEnd(value: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    const char = value[at];
    if (char === '\\') at += 1;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    if (depth > COMMENT_DEPTH_MAX) return undefined;
    if (depth === 0) return at + 1;
  }
  return undefined;
}
