import { type Connection, GrammarError, LineStream, dataBytes } from './chat.ts';

export interface SmtpReply {
  readonly code: number;
  /** `2.1.5`, where the reply carries one (RFC 2034). */
  readonly enhanced: string | undefined;
  /** Texts of the lines, enhanced codes removed. */
  readonly lines: readonly string[];
  readonly text: string;
}

const REPLY_LINE_OCTETS_MAX = 512; // RFC 5321 §4.5.3.1.5, CRLF included.

/** An SMTP or LMTP client that checks every reply (RFC 5321 §4.2, RFC 2034, RFC 3463 §2). */
export class SmtpChat {
  readonly stream: LineStream;
  /** Keywords of the last EHLO or LHLO, in upper case, with their parameters. */
  readonly keywords = new Map<string, string>();

  constructor(stream: LineStream) {
    this.stream = stream;
  }

  /** Connects and reads the greeting. */
  static async open(to: Connection): Promise<{ chat: SmtpChat; greeting: SmtpReply }> {
    const chat = new SmtpChat(await LineStream.open(to));
    return { chat, greeting: await chat.reply() };
  }

  async reply(): Promise<SmtpReply> {
    const raw: string[] = [];
    const lines: string[] = [];
    let code = 0;
    let enhanced: string | undefined;
    for (;;) {
      const bytes = await this.stream.line();
      if (bytes === undefined) throw new Error(`closed instead of a reply; had ${raw.join('|')}`);
      const line = parseLine(bytes);
      if (raw.length > 0 && line.code !== code) throw new GrammarError('two codes', bytes);
      if (raw.length > 0 && line.enhanced !== enhanced) {
        throw new GrammarError('enhanced code changes between lines', bytes);
      }
      ({ code, enhanced } = line);
      raw.push(line.text);
      lines.push(line.text);
      if (line.last) return { code, enhanced, lines, text: lines.join('\n') };
    }
  }

  /** Sends one line and reads one reply. */
  async command(line: string): Promise<SmtpReply> {
    this.stream.write(`${line}\r\n`);
    return this.reply();
  }

  /** EHLO (or LHLO), keeping the keywords. */
  async hello(verb: 'EHLO' | 'LHLO' = 'EHLO', name = 'client.example'): Promise<SmtpReply> {
    const reply = await this.command(`${verb} ${name}`);
    this.keywords.clear();
    for (const line of reply.code === 250 ? reply.lines.slice(1) : []) {
      const [keyword = '', ...parameters] = line.split(' ');
      this.keywords.set(keyword.toUpperCase(), parameters.join(' '));
    }
    return reply;
  }

  /** All lines in one write, then all replies (RFC 2920). */
  async pipeline(lines: readonly string[]): Promise<SmtpReply[]> {
    this.stream.write(lines.map((line) => `${line}\r\n`).join(''));
    const replies: SmtpReply[] = [];
    for (const _ of lines) replies.push(await this.reply());
    return replies;
  }

  /** DATA and the message, dots doubled. @returns the reply to DATA if it is not 354. */
  async data(wire: Uint8Array): Promise<SmtpReply> {
    const go = await this.command('DATA');
    if (go.code !== 354) return go;
    this.stream.write(dataBytes(wire));
    return this.reply();
  }

  /** A whole transaction; stops at the first reply that is not positive. @returns the last. */
  async send(from: string, to: readonly string[], wire: Uint8Array): Promise<SmtpReply> {
    for (const line of [`MAIL FROM:<${from}>`, ...to.map((each) => `RCPT TO:<${each}>`)]) {
      const reply = await this.command(line);
      if (reply.code >= 300) return reply;
    }
    return this.data(wire);
  }

  async quit(): Promise<void> {
    await this.command('QUIT');
    await this.stream.closed();
  }
}

function parseLine(bytes: Buffer): {
  code: number;
  enhanced: string | undefined;
  text: string;
  last: boolean;
} {
  if (bytes.length + 2 > REPLY_LINE_OCTETS_MAX) throw new GrammarError('reply too long', bytes);
  const line = bytes.toString('latin1');
  const match = /^([2-5][0-5]\d)(?:([ -])([\t\x20-\x7e\x80-\xff]*))?$/.exec(line);
  if (match === null) throw new GrammarError('not a reply line', bytes);
  const [, digits = '', separator = ' ', rest = ''] = match;
  const code = /^([245]\.\d{1,3}\.\d{1,3})(?: (.*))?$/s.exec(rest);
  if (code?.[1] !== undefined && code[1][0] !== digits[0]) {
    throw new GrammarError('enhanced code of another class', bytes);
  }
  const text = Buffer.from(code === null ? rest : (code[2] ?? ''), 'latin1').toString('utf8');
  return { code: Number(digits), enhanced: code?.[1], text, last: separator === ' ' };
}
