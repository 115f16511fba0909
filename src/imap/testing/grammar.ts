/**
 * What a server may send (RFC 9051 §9 `response`), checked octet by octet: a client that fails on
 * everything that is not in the grammar. Written from the ABNF, without anything of the server's.
 */
export class GrammarError extends Error {}

// eslint-disable-next-line no-control-regex
const ATOM = /[^\u0000-\u001f\u007f-\u00ff(){ %*"\\\]]+/y;
// eslint-disable-next-line no-control-regex
const TAG = /[^\u0000-\u001f\u007f-\u00ff(){ %*"\\+]+/y;
// eslint-disable-next-line no-control-regex
const TEXT = /[^\u0000\r\n]*/y;
// eslint-disable-next-line no-control-regex
const FLAG = /\\?[^\u0000-\u001f\u007f-\u00ff(){ %*"\\\]]+|\\\*/y;
// eslint-disable-next-line no-control-regex
const QUOTED = /"(?:[^"\\\r\n\u0000]|\\["\\])*"/y;
const NUMBER = /\d{1,19}/y;
const SET = /[1-9]\d*(?::[1-9]\d*)?(?:,[1-9]\d*(?::[1-9]\d*)?)*/y;

/** One response, its last CRLF left out; literals are in it as they came. */
export class Checker {
  readonly #text: string;
  #at = 0;
  readonly #utf8: boolean;

  constructor(text: string, utf8: boolean) {
    this.#text = text;
    this.#utf8 = utf8;
  }

  fail(what: string): never {
    const here = this.#text.slice(Math.max(0, this.#at - 60), this.#at);
    throw new GrammarError(
      `${what} after ${JSON.stringify(here)} in ${JSON.stringify(this.#text.slice(0, 300))}`,
    );
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return this.fail(`${what} expected`);
    this.#at = pattern.lastIndex;
    return found[0];
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) this.fail(`${JSON.stringify(text)} expected`);
  }

  #end(): void {
    if (this.#at !== this.#text.length) this.fail('the end expected');
  }

  check(): void {
    if (this.#takes('+ ')) {
      this.#match(TEXT, 'text');
    } else if (this.#takes('* ')) {
      this.#untagged();
    } else {
      this.#match(TAG, 'a tag');
      this.#expect(' ');
      this.#status(this.#match(/OK|NO|BAD/y, 'OK, NO or BAD'));
    }
    this.#end();
  }

  #untagged(): void {
    if (/\d/.test(this.#text.charAt(this.#at))) return this.#numbered();
    const word = this.#match(/[A-Z]+/y, 'a response name');
    const rest = UNTAGGED[word];
    if (rest === undefined) this.fail(`${word} is no response`);
    rest(this, word);
  }

  #numbered(): void {
    const number = Number(this.#match(NUMBER, 'a number'));
    this.#expect(' ');
    const word = this.#match(/[A-Z]+/y, 'a response name');
    if (word === 'EXISTS' || word === 'RECENT') return;
    if (number === 0) this.fail('a message number above 0 expected');
    if (word === 'EXPUNGE') return;
    if (word !== 'FETCH') this.fail(`${word} is no response with a number`);
    this.#expect(' ');
    this.list(() => this.#fetchItem());
  }

  #status(_word: string): void {
    this.#expect(' ');
    if (this.#takes('[')) {
      const code = this.#match(ATOM, 'a response code');
      if (this.#takes(' ')) this.#match(/[^\]\r\n]+/y, `the value of ${code}`);
      this.#expect(']');
      if (this.#at === this.#text.length) return;
      this.#expect(' ');
    }
    const text = this.#match(TEXT, 'text');
    if (text === '') this.fail('a text for people expected');
    // eslint-disable-next-line no-control-regex
    if (!this.#utf8 && /[\u0080-\u00ff]/.test(text)) this.fail('ASCII expected');
  }

  status(word: string): void {
    this.#status(word);
  }

  words(): void {
    while (this.#takes(' ')) this.#match(ATOM, 'a word');
  }

  numbers(): void {
    while (this.#takes(' ')) {
      if (this.#takes('(MODSEQ ')) {
        this.#match(NUMBER, 'a number');
        this.#expect(')');
      } else this.#match(/[1-9]\d*/y, 'a number above 0');
    }
  }

  esearch(): void {
    if (this.#takes(' (TAG ')) {
      this.string();
      this.#expect(')');
    }
    this.#takes(' UID');
    while (this.#takes(' ')) {
      const item = this.#match(/MIN|MAX|ALL|COUNT|MODSEQ/y, 'an item of ESEARCH');
      this.#expect(' ');
      if (item === 'ALL') this.set();
      else this.#match(NUMBER, 'a number');
    }
  }

  set(): void {
    this.#match(SET, 'a sequence set');
  }

  threads(): void {
    if (!this.#takes(' ')) return;
    while (this.#text.charAt(this.#at) === '(') this.#thread();
  }

  #thread(): void {
    this.#expect('(');
    while (!this.#takes(')')) {
      if (this.#text.charAt(this.#at) === '(') this.#thread();
      else this.#match(/[1-9]\d*/y, 'a number above 0');
      this.#takes(' ');
    }
  }

  vanished(): void {
    this.#expect(' ');
    this.#takes('(EARLIER) ');
    this.set();
  }

  flags(): void {
    this.#expect(' ');
    this.list(() => this.#match(FLAG, 'a flag'));
  }

  mailboxList(): void {
    this.#expect(' ');
    this.list(() => this.#match(FLAG, 'an attribute'));
    this.#expect(' ');
    if (!this.#takes('NIL')) this.#match(/"[^"\\]"/y, 'a separator');
    this.#expect(' ');
    this.astring();
    if (this.#takes(' ')) this.value();
  }

  statusItems(): void {
    this.#expect(' ');
    this.astring();
    this.#expect(' ');
    this.list(() => {
      this.#match(/[A-Z-]+/y, 'an item of STATUS');
      this.#expect(' ');
      if (!this.#takes('NIL')) this.#match(NUMBER, 'a number');
    });
  }

  namespaces(): void {
    for (let part = 0; part < 3; part += 1) {
      this.#expect(' ');
      this.value();
    }
  }

  quota(): void {
    this.#expect(' ');
    this.astring();
    this.#expect(' ');
    this.list(() => this.#match(/[A-Z-]+ \d+ \d+/y, 'a resource'));
  }

  quotaRoot(): void {
    this.#expect(' ');
    this.astring();
    while (this.#takes(' ')) this.astring();
  }

  identity(): void {
    this.#expect(' ');
    this.value();
  }

  list(item: () => unknown): void {
    this.#expect('(');
    if (this.#takes(')')) return;
    do item();
    while (this.#takes(' '));
    this.#expect(')');
  }

  astring(): void {
    const next = this.#text.charAt(this.#at);
    if (next === '"' || next === '{') this.string();
    else this.#match(ATOM, 'an atom');
  }

  string(): void {
    if (this.#text.charAt(this.#at) !== '"') return this.#literal();
    const quoted = this.#match(QUOTED, 'a quoted string');
    // eslint-disable-next-line no-control-regex
    if (!this.#utf8 && /[\u0080-\u00ff]/.test(quoted)) this.fail('ASCII in quotes expected');
  }

  #literal(): void {
    this.#takes('~');
    const head = this.#match(/\{\d+\}\r\n/y, 'a literal');
    const octets = Number(head.slice(1, -3));
    if (this.#at + octets > this.#text.length) this.fail('all of a literal expected');
    this.#at += octets;
  }

  /** Anything that nests: strings, NIL, numbers, atoms, lists. Without spaces between lists too. */
  value(): void {
    const next = this.#text.charAt(this.#at);
    if (next === '(') {
      this.#expect('(');
      while (!this.#takes(')')) {
        this.value();
        if (!this.#takes(' ') && !/[()]/.test(this.#text.charAt(this.#at))) {
          this.fail('a space or a bracket expected');
        }
      }
    } else if (next === '"' || next === '{' || next === '~') this.string();
    else this.#match(ATOM, 'a value');
  }

  #nstring(): void {
    if (!this.#takes('NIL')) this.string();
  }

  #fetchItem(): void {
    const name = this.#match(/[A-Z0-9.]+/y, 'an item of FETCH');
    if (this.#text.charAt(this.#at) === '[') this.#section();
    this.#expect(' ');
    if (name === 'FLAGS') this.list(() => this.#match(FLAG, 'a flag'));
    else if (name === 'UID' || name === 'RFC822.SIZE') this.#match(NUMBER, 'a number');
    else if (name === 'BINARY.SIZE') this.#match(NUMBER, 'a number');
    else if (name === 'MODSEQ') this.#match(/\(\d+\)/y, 'a MODSEQ');
    else if (name === 'INTERNALDATE') this.#match(DATE_TIME, 'a date');
    else if (name === 'ENVELOPE') this.#envelope();
    else if (name === 'BODY' && this.#text.charAt(this.#at) === '(') this.value();
    else if (name === 'BODYSTRUCTURE') this.value();
    else if (/^(?:BODY|BINARY|PREVIEW|RFC822(?:\.(?:TEXT|HEADER))?)$/.test(name)) this.#nstring();
    else this.fail(`${name} is no item of FETCH`);
  }

  #section(): void {
    this.#expect('[');
    this.#match(/[A-Z0-9.]*/y, 'a section');
    if (this.#takes(' ')) this.list(() => this.astring());
    this.#expect(']');
    if (this.#takes('<')) {
      this.#match(NUMBER, 'an offset');
      this.#expect('>');
    }
  }

  #envelope(): void {
    this.#expect('(');
    for (let field = 0; field < 10; field += 1) {
      if (field > 0) this.#expect(' ');
      if (field < 2 || field > 7) this.#nstring();
      else if (!this.#takes('NIL')) this.#addresses();
    }
    this.#expect(')');
  }

  #addresses(): void {
    this.#expect('(');
    do {
      this.#expect('(');
      for (let part = 0; part < 4; part += 1) {
        if (part > 0) this.#expect(' ');
        this.#nstring();
      }
      this.#expect(')');
    } while (!this.#takes(')'));
  }
}

const DATE_TIME = /"[ \d]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"/y;

const UNTAGGED: Readonly<Record<string, (checker: Checker, word: string) => void>> = {
  OK: (checker, word) => checker.status(word),
  NO: (checker, word) => checker.status(word),
  BAD: (checker, word) => checker.status(word),
  BYE: (checker, word) => checker.status(word),
  CAPABILITY: (checker) => checker.words(),
  ENABLED: (checker) => checker.words(),
  FLAGS: (checker) => checker.flags(),
  LIST: (checker) => checker.mailboxList(),
  LSUB: (checker) => checker.mailboxList(),
  SEARCH: (checker) => checker.numbers(),
  SORT: (checker) => checker.numbers(),
  ESEARCH: (checker) => checker.esearch(),
  THREAD: (checker) => checker.threads(),
  STATUS: (checker) => checker.statusItems(),
  NAMESPACE: (checker) => checker.namespaces(),
  ID: (checker) => checker.identity(),
  QUOTA: (checker) => checker.quota(),
  QUOTAROOT: (checker) => checker.quotaRoot(),
  VANISHED: (checker) => checker.vanished(),
};
