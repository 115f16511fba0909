/**
 * Reads the arguments of one command. A command is one text, one character per octet: lines and
 * literals in order, as they came. A literal's length stands before it, so nothing in it can be
 * taken for syntax; what a line calls a literal the transport has framed.
 */
import { decodeUtf7 } from '../../mailbox/utf7.ts';
import { LITERAL_MINUS_MAX } from '../options.ts';
import { decodeUtf8 } from './text.ts';

/** What the client sent is not the command's syntax: BAD (RFC 9051 §7.1.3). */
export class SyntaxFault extends Error {}

/** A literal whose octets are not here yet: APPEND takes them as they come. */
export interface LiteralHead {
  readonly octets: number;
  /** `{n}`: the client waits for a continuation; `{n+}`: the octets come anyway (RFC 7888). */
  readonly sends: 'when-told' | 'at-once';
  /** `~{n}`: may have NUL (RFC 3516 §4.4). */
  readonly binary: boolean;
}

export interface ArgsOptions {
  /** Mailbox names are UTF-8 (after ENABLE IMAP4rev2 or UTF8=ACCEPT), else modified UTF-7. */
  readonly utf8: boolean;
  /** The client's name of a folder into ours; undefined: there can be none of that name. */
  readonly folderName: (name: string) => string;
}

const LITERAL = /(~?)\{(\d{1,19})(\+?)\}/y;
// eslint-disable-next-line no-control-regex
const ATOM = /[^\u0000-\u001f\u007f-\u00ff(){ %*"\\\]]+/y;
// eslint-disable-next-line no-control-regex
const ASTRING = /[^\u0000-\u001f\u007f-\u00ff(){ %*"\\]+/y;
// eslint-disable-next-line no-control-regex
const LIST_MAILBOX = /[^\u0000-\u001f\u007f-\u00ff(){ "\\]+/y;
const DIGITS = /\d{1,19}/y;
const SEQUENCE_SET = /[\d*:,]+|\$/y;
// eslint-disable-next-line no-control-regex
const FLAG = /\\?[^\u0000-\u001f\u007f-\u00ff(){ %*"\\\]]+|\\\*/y;
// eslint-disable-next-line no-control-regex
const PLAIN_QUOTED = /"([^"\\\r\n\u0000]*)"/y;

/** Of LITERAL- (RFC 7888 §5): what a client may not send without waiting. */
export const literalFault = ({ sends, octets }: LiteralHead): string | undefined =>
  sends === 'at-once' && octets > LITERAL_MINUS_MAX
    ? `A literal without waiting has at most ${LITERAL_MINUS_MAX} octets`
    : undefined;

/** Nesting of lists. Nobody needs more than a few; each level is a call on our stack. */
const LIST_DEPTH_MAX = 20;

export class Args {
  readonly #text: string;
  readonly #options: ArgsOptions;
  #at: number;
  #depth = 0;

  constructor(text: string, at: number, options: ArgsOptions) {
    this.#text = text;
    this.#at = at;
    this.#options = options;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The next character; '' at the end. */
  peek(): string {
    return this.#text.charAt(this.#at);
  }

  /** What is left, for who reads it in another way; nothing is left then. */
  rest(): string {
    const rest = this.#text.slice(this.#at);
    this.#at = this.#text.length;
    return rest;
  }

  /** More of the same command: what came after a literal that was streamed. */
  static continued(text: string, options: ArgsOptions): Args {
    return new Args(text, 0, options);
  }

  fail(text: string): never {
    throw new SyntaxFault(text);
  }

  /** Nothing may follow. Call it before anything happens. */
  end(): void {
    if (!this.atEnd) this.fail('Too many arguments');
  }

  space(): void {
    if (!this.takes(' ')) this.fail(this.atEnd ? 'An argument is missing' : 'Space expected');
  }

  /** Takes `text` when it is next; of it only the first `octets`, if said. */
  takes(text: string, octets: number = text.length): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += octets;
    return true;
  }

  expect(char: string): void {
    if (!this.takes(char)) this.fail(`${char} expected`);
  }

  /** Takes `word` in any case when it is the whole next atom. */
  takesWord(word: string): boolean {
    const end = this.#at + word.length;
    if (this.#text.slice(this.#at, end).toUpperCase() !== word) return false;
    if (!/^(?:[ ()[\]]|$)/.test(this.#text.slice(end, end + 1))) return false;
    this.#at = end;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found[0];
  }

  atom(): string {
    return this.#match(ATOM) ?? this.fail('An atom is missing');
  }

  /** An atom in upper case: names of commands and items. */
  word(): string {
    return this.atom().toUpperCase();
  }

  /** RFC 9051 §9 `astring`, one character per octet. */
  astring(): string {
    const next = this.peek();
    if (next === '"' || next === '{' || next === '~') {
      if (next !== '~' || this.#literalIsNext()) return this.string();
    }
    return this.#match(ASTRING) ?? this.fail('A string is missing');
  }

  /** RFC 9051 §9 `string`: quoted or literal, one character per octet. */
  string(): string {
    if (this.peek() === '"') return this.#quoted();
    const literal = this.#literal();
    if (literal === undefined) this.fail('A string is missing');
    return literal;
  }

  /** NIL or a string. */
  nstring(): string | undefined {
    return this.takesWord('NIL') ? undefined : this.string();
  }

  /** An astring that is UTF-8. */
  text(): string {
    return decodeUtf8(this.astring()) ?? this.fail('A string is not UTF-8');
  }

  #quoted(): string {
    PLAIN_QUOTED.lastIndex = this.#at;
    const plain = PLAIN_QUOTED.exec(this.#text);
    if (plain !== null) {
      this.#at = PLAIN_QUOTED.lastIndex;
      return plain[1] ?? '';
    }
    let value = '';
    for (let at = this.#at + 1; at < this.#text.length; at += 1) {
      const char = this.#text.charAt(at);
      if (char === '"') {
        this.#at = at + 1;
        return value;
      }
      if (char === '\r' || char === '\n' || char === '\0') break;
      if (char !== '\\') {
        value += char;
        continue;
      }
      at += 1;
      const escaped = this.#text.charAt(at);
      if (escaped !== '"' && escaped !== '\\') this.fail('Only " and \\ are escaped in a string');
      value += escaped;
    }
    return this.fail('A quoted string has no end');
  }

  #literalIsNext(): boolean {
    LITERAL.lastIndex = this.#at;
    return LITERAL.test(this.#text);
  }

  #literal(): string | undefined {
    const head = this.#literalHead();
    if (head === undefined) return undefined;
    if (!this.takes('\r\n')) this.fail('A literal is not at the end of its line');
    const value = this.#text.slice(this.#at, this.#at + head.octets);
    if (value.length < head.octets) this.fail('A literal is not whole');
    this.#at += head.octets;
    if (!head.binary && value.includes('\0')) this.fail('A literal has a NUL');
    return value;
  }

  #literalHead(): LiteralHead | undefined {
    LITERAL.lastIndex = this.#at;
    const found = LITERAL.exec(this.#text);
    if (found === null) return undefined;
    this.#at = LITERAL.lastIndex;
    return {
      octets: Number(found[2]),
      sends: found[3] === '+' ? 'at-once' : 'when-told',
      binary: found[1] === '~',
    };
  }

  /** The head of a literal that ends what is here; its octets are taken by the command itself. */
  streamed(): LiteralHead {
    const head = this.#literalHead();
    if (head === undefined) this.fail('A literal is missing');
    if (!this.atEnd) this.fail('A literal is not at the end of its line');
    const fault = literalFault(head);
    if (fault !== undefined) this.fail(`[TOOBIG] ${fault}`);
    return head;
  }

  /** 0 to 2³²-1 (RFC 9051 §9 `number`). */
  number(): number {
    const value = this.number64();
    if (value > 0xffff_ffff) this.fail('A number is too large');
    return value;
  }

  nzNumber(): number {
    const value = this.number();
    if (value === 0) this.fail('A number may not be 0');
    return value;
  }

  /** 0 to 2⁶³-1; above 2⁵³ it becomes 2⁵³-1, which no number of ours reaches. */
  number64(): number {
    const digits = this.#match(DIGITS) ?? this.fail('A number is missing');
    return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
  }

  /** The text of a sequence set or `$`; see wire/sequence.ts. */
  sequenceText(): string {
    return this.#match(SEQUENCE_SET) ?? this.fail('A sequence set is missing');
  }

  /** A name of a folder as Mail knows it (`/` between parts). */
  mailbox(): string {
    return this.#options.folderName(this.#name(this.astring()));
  }

  /** A pattern of LIST in Unicode, as the client wrote it: with its separator and prefix. */
  listMailbox(): string {
    const next = this.peek();
    const quoted = next === '"' || next === '{';
    const octets = quoted ? this.string() : this.#match(LIST_MAILBOX);
    return this.#name(octets ?? this.fail('A mailbox pattern is missing'));
  }

  #name(octets: string): string {
    const name = this.#options.utf8 ? decodeUtf8(octets) : decodeUtf7(octets);
    if (name !== undefined) return name;
    const form = this.#options.utf8 ? 'UTF-8' : 'modified UTF-7';
    return this.fail(`A mailbox name is not ${form}`);
  }

  /** `(a b c)`, maybe empty. */
  list<T>(item: () => T): T[] {
    this.expect('(');
    this.#depth += 1;
    if (this.#depth > LIST_DEPTH_MAX) this.fail('Lists are nested too deep');
    const items: T[] = [];
    if (!this.takes(')')) {
      do items.push(item());
      while (this.takes(' '));
      this.expect(')');
    }
    this.#depth -= 1;
    return items;
  }

  /** For who nests in another way than `list` (search keys): counts one level, checked. */
  nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > LIST_DEPTH_MAX) this.fail('It is nested too deep');
    const value = read();
    this.#depth -= 1;
    return value;
  }

  /** One flag as sent: `\Seen`, `$Forwarded`, `keyword`. */
  flag(): string {
    return this.#match(FLAG) ?? this.fail('A flag is missing');
  }

  /** RFC 9051 §9 `date-time`, quoted; in milliseconds since 1970. */
  dateTime(): number {
    const found = DATE_TIME.exec(this.#quotedOr('A date and time is missing'));
    const [, day, month, year, hours, minutes, seconds, sign, zoneHours, zoneMinutes] = found ?? [];
    const local = daysOf(Number(day), month ?? '', Number(year));
    const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1);
    const time = (Number(hours) * 60 + Number(minutes) - offset) * 60 + Number(seconds);
    if (found === null || local === undefined || Number(hours) > 23 || Number(minutes) > 59) {
      return this.fail('A date and time is not as "17-Jul-1996 02:44:25 -0700"');
    }
    return local + time * 1000;
  }

  #quotedOr(missing: string): string {
    return this.peek() === '"' ? this.#quoted() : this.fail(missing);
  }

  /** RFC 9051 §9 `date`: the day's begin in UTC, in milliseconds since 1970. */
  date(): number {
    const text = this.peek() === '"' ? this.#quoted() : this.atom();
    const [, day, month, year] = DATE.exec(text) ?? [];
    const at = daysOf(Number(day), month ?? '', Number(year));
    return at ?? this.fail('A date is not as 1-Feb-1994');
  }
}

const DATE = /^(\d{1,2})-([A-Za-z]{3})-(\d{4})$/;
const DATE_TIME =
  /^([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):([0-5]\d|60) ([+-])(\d\d)([0-5]\d)$/;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

function daysOf(day: number, month: string, year: number): number | undefined {
  const at = new Date(Date.UTC(2000, MONTHS.indexOf(month.toLowerCase()), day));
  at.setUTCFullYear(year, MONTHS.indexOf(month.toLowerCase()), day);
  const valid = MONTHS.includes(month.toLowerCase()) && at.getUTCDate() === day;
  return valid ? at.getTime() : undefined;
}
