/**
 * An IMAP connection that reads every response to its last octet, parses it and notes when it came.
 * What does not parse is an error at once.
 */
import { type Connection, GrammarError, LineStream } from '../../harness/chat.ts';

/** A list is an array; NIL, numbers and atoms are their text; strings and literals are theirs. */
export type Value = string | readonly Value[];

export interface Response {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Words and lists after `* ` or the tag. */
  readonly values: readonly Value[];
  /** The line, `{5}` where a literal was, and the literals in order. */
  readonly text: string;
  readonly literals: readonly string[];
}

export interface Answer {
  /** What was sent, without its tag. */
  readonly command: string;
  readonly sentAt: number;
  readonly doneAt: number;
  readonly status: 'OK' | 'NO' | 'BAD';
  readonly text: string;
  readonly untagged: readonly Response[];
}

interface Line {
  readonly line: string;
  readonly literals: readonly string[];
}

const now = (): number => performance.timeOrigin + performance.now();

export class ImapWire {
  readonly #stream: LineStream;
  #tag = 0;

  private constructor(stream: LineStream) {
    this.#stream = stream;
  }

  static async open(to: Connection): Promise<ImapWire> {
    const wire = new ImapWire(await LineStream.open(to));
    await wire.#line();
    return wire;
  }

  /** One whole response: a literal follows its line in `literals`, in order. */
  async #line(): Promise<Line> {
    const literals: string[] = [];
    let line = '';
    for (;;) {
      const part = await this.#stream.line();
      if (part === undefined) throw new Error(`the connection ended after ${line}`);
      line += part.toString('latin1');
      const size = /\{(\d+)\}$/.exec(line)?.[1];
      if (size === undefined) return { line, literals };
      literals.push((await this.#stream.octets(Number(size))).toString('latin1'));
    }
  }

  /** Sends a command, its literal when the server asks for it, and reads to the tagged answer. */
  async command(text: string, literal?: Buffer): Promise<Answer> {
    const tag = `w${++this.#tag}`;
    const size = literal === undefined ? '' : ` {${literal.length}}`;
    const sentAt = now();
    this.#stream.write(`${tag} ${text}${size}\r\n`);
    const untagged: Response[] = [];
    for (;;) {
      const { line, literals } = await this.#answerTo(text);
      if (line.startsWith('+ ') && literal !== undefined) {
        this.#stream.write(Buffer.concat([literal, Buffer.from('\r\n')]));
        continue;
      }
      if (!line.startsWith(`${tag} `)) {
        untagged.push({ at: now(), values: parse(line, literals), text: line, literals });
        continue;
      }
      const [, status, rest = ''] = /^\S+ (OK|NO|BAD) ?(.*)$/.exec(line) ?? [];
      if (status === undefined) throw new GrammarError('no status', Buffer.from(line));
      const answered = { status: status as Answer['status'], text: rest };
      return { command: text, sentAt, doneAt: now(), ...answered, untagged };
    }
  }

  async #answerTo(text: string): Promise<Line> {
    try {
      return await this.#line();
    } catch (error) {
      throw new Error(`in answer to ${text}: ${String(error)}`, { cause: error });
    }
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** The words of an untagged response; texts for people (OK, NO, BAD, BYE) stay whole. */
export function parse(line: string, literals: readonly string[]): readonly Value[] {
  if (!line.startsWith('* '))
    throw new GrammarError('neither untagged nor ours', Buffer.from(line));
  const text = /^\* (OK|NO|BAD|BYE|PREAUTH) (.*)$/s.exec(line);
  if (text !== null) return [text[1] ?? '', text[2] ?? ''];
  const rest = [...literals];
  let at = 2;
  const fail = (why: string): never => {
    throw new GrammarError(`${why} at ${at}`, Buffer.from(line));
  };
  const list = (end: string): Value[] => {
    const values: Value[] = [];
    for (;;) {
      if (line[at] === end) break;
      if (at >= line.length) return end === '' ? values : fail('a list does not end');
      if (values.length > 0 && line[at - 1] !== ')' && line[at] !== ' ') return fail('no space');
      if (line[at] === ' ') at += 1;
      if (at >= line.length) return end === '' ? values : fail('a list does not end');
      values.push(value());
    }
    at += 1;
    return values;
  };
  const value = (): Value => {
    const first = line[at];
    if (first === '(') {
      at += 1;
      return list(')');
    }
    if (first === '"') return quoted();
    const literal = /^\{\d+\}/.exec(line.slice(at))?.[0];
    if (literal !== undefined) {
      at += literal.length;
      return rest.shift() ?? fail('a literal is missing');
    }
    const atom = /^[^\s()"{[\]]+(\[[^\]]*\](<\d+>)?)?/.exec(line.slice(at))?.[0];
    if (atom === undefined) return fail('no atom');
    at += atom.length;
    return atom;
  };
  const quoted = (): string => {
    const match = /^"((?:[^"\\]|\\["\\])*)"/.exec(line.slice(at));
    if (match === null) return fail('a string does not end');
    at += match[0].length;
    return (match[1] ?? '').replace(/\\(.)/g, '$1');
  };
  return list('');
}
