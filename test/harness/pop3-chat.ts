import { type Connection, GrammarError, LineStream } from './chat.ts';

export interface Pop3Reply {
  readonly ok: boolean;
  /** `SYS/TEMP`, where the reply carries one (RFC 2449 §8). */
  readonly code: string | undefined;
  readonly text: string;
}

const REPLY_LINE_OCTETS_MAX = 512; // RFC 2449 §4, CRLF included.

/** A POP3 client that checks every reply (RFC 1939 §3, RFC 2449 §8). */
export class Pop3Chat {
  readonly stream: LineStream;

  constructor(stream: LineStream) {
    this.stream = stream;
  }

  /** Connects and reads the greeting. */
  static async open(to: Connection): Promise<{ chat: Pop3Chat; greeting: Pop3Reply }> {
    const chat = new Pop3Chat(await LineStream.open(to));
    return { chat, greeting: await chat.reply() };
  }

  /** Connects and signs in. @throws Error when refused. */
  static async login(to: Connection, user: string, password: string): Promise<Pop3Chat> {
    const { chat } = await Pop3Chat.open(to);
    await chat.expect(`USER ${user}`);
    await chat.expect(`PASS ${password}`);
    return chat;
  }

  async reply(): Promise<Pop3Reply> {
    const bytes = await this.stream.line();
    if (bytes === undefined) throw new Error('closed instead of a reply');
    if (bytes.length + 2 > REPLY_LINE_OCTETS_MAX) throw new GrammarError('too long', bytes);
    const match = /^(\+OK|-ERR)(?: ([^\r\0]*))?$/.exec(bytes.toString('utf8'));
    if (match === null) throw new GrammarError('neither +OK nor -ERR', bytes);
    const rest = match[2] ?? '';
    const code = /^\[([\x21-\x5c\x5e-\x7e]+)\](?: |$)/.exec(rest);
    if (rest.startsWith('[') && code === null) throw new GrammarError('broken code', bytes);
    const ok = match[1] === '+OK';
    return { ok, code: code?.[1], text: code === null ? rest : rest.slice(code[0].length) };
  }

  async command(line: string): Promise<Pop3Reply> {
    this.stream.write(`${line}\r\n`);
    return this.reply();
  }

  /** As `command`. @throws Error when the answer is -ERR. */
  async expect(line: string): Promise<Pop3Reply> {
    const reply = await this.command(line);
    if (!reply.ok) throw new Error(`${line.split(' ')[0]}: -ERR ${reply.code} ${reply.text}`);
    return reply;
  }

  /** All lines in one write, then all one-line replies (RFC 2449 §6.6). */
  async pipeline(lines: readonly string[]): Promise<Pop3Reply[]> {
    this.stream.write(lines.map((line) => `${line}\r\n`).join(''));
    const replies: Pop3Reply[] = [];
    for (const _ of lines) replies.push(await this.reply());
    return replies;
  }

  /** Lines up to the final dot, dots undone, without CRLF. */
  async lines(): Promise<Buffer[]> {
    const lines: Buffer[] = [];
    for (;;) {
      const line = await this.stream.line();
      if (line === undefined) throw new Error('closed before the final dot');
      if (line[0] !== 46) {
        lines.push(line);
        continue;
      }
      if (line.length === 1) return lines;
      // A server that doubles dots sends none alone at the start of a line (RFC 1939 §3).
      if (line[1] !== 46) throw new GrammarError('a dot that was not doubled', line);
      lines.push(line.subarray(1));
    }
  }

  /** A command with a multi-line answer. @throws Error when the answer is -ERR. */
  async multiline(command: string): Promise<Buffer[]> {
    await this.expect(command);
    return this.lines();
  }

  /** RETR: the message as it was sent, CRLF line ends. `number` counts from 1. */
  async retrieve(number: number): Promise<Buffer> {
    const lines = await this.multiline(`RETR ${number}`);
    return Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\r\n')]));
  }

  /** LIST or UIDL of all: number → size or unique id. Numbers must ascend. */
  async listing(command: 'LIST' | 'UIDL'): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    let last = 0;
    for (const line of await this.multiline(command)) {
      const pattern = command === 'LIST' ? /^(\d+) (\d+)$/ : /^(\d+) ([\x21-\x7e]{1,70})$/;
      const match = pattern.exec(line.toString('latin1'));
      if (match === null || Number(match[1]) <= last) throw new GrammarError(command, line);
      last = Number(match[1]);
      found.set(last, match[2] ?? '');
    }
    return found;
  }

  async quit(): Promise<Pop3Reply> {
    const reply = await this.command('QUIT');
    await this.stream.closed();
    return reply;
  }
}
