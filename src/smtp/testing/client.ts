/**
 * A strict client. It fails on every reply that breaks the grammar (RFC 5321 §4.2): a line that
 * does not end in CR LF, an octet that is not printable ASCII, a continuation with another code, a
 * line over 512 octets, an enhanced code that is missing where one belongs or of another class
 * (RFC 2034 §4). So every test that speaks through it checks the grammar too.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { REPLY_LINE_BYTES_MAX } from '../options.ts';

export interface Reply {
  readonly code: number;
  /** '' where none belongs: greeting, hello, 354. */
  readonly enhanced: string;
  readonly lines: readonly string[];
}

export class StrictClient {
  #socket: Socket | TLSSocket;
  #input = '';
  #replies: Reply[] = [];
  #wake: (() => void) | undefined;
  #lines: string[] = [];
  /** The first reply that broke the grammar. */
  problem: Error | undefined;
  /** The server closed, or the connection broke. */
  ended = false;

  private constructor(socket: Socket | TLSSocket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  static async open(port: number): Promise<StrictClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const client = new StrictClient(socket);
    await once(socket, 'connect');
    return client;
  }

  /** Implicit TLS. */
  static async openTls(port: number): Promise<StrictClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const client = new StrictClient(socket);
    await once(socket, 'secureConnect');
    return client;
  }

  /** The TLS handshake after 220. Throws when the connection is or gets closed. */
  async startTls(servername: string): Promise<void> {
    if (this.ended) throw new Error('the server closed the connection');
    const raw = this.#socket;
    this.#socket.removeAllListeners('data');
    const options = { socket: this.#socket, servername, rejectUnauthorized: false };
    const socket = connectTls(options);
    this.#socket = socket;
    this.#listen(socket);
    const closed = once(raw, 'close').then(() => {
      throw new Error('the connection closed');
    });
    await Promise.race([once(socket, 'secureConnect'), closed]);
    closed.catch(() => {});
  }

  /** Octets as they are; resolves when the kernel has them or the connection is gone. */
  async send(bytes: Uint8Array | string): Promise<void> {
    if (this.#socket.destroyed || this.ended) return;
    const socket = this.#socket;
    if (socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.on('drain', done).on('close', done);
    });
  }

  /** One command line and its reply. */
  async command(line: string): Promise<Reply> {
    await this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Whether no reply waits to be read. */
  quietNow(): boolean {
    return this.#replies.length === 0;
  }

  /** Whether no reply came within `ms`. */
  async quiet(ms: number): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.quietNow();
  }

  /** The next reply. Throws on bad grammar, at the end of the connection, and after `ms`. */
  async reply(ms = 30_000): Promise<Reply> {
    const late = performance.now() + ms;
    for (;;) {
      if (this.problem) throw this.problem;
      const reply = this.#replies.shift();
      if (reply) return reply;
      if (this.ended) throw new Error('the server closed the connection');
      const left = late - performance.now();
      if (left <= 0) throw new Error(`no reply within ${ms} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Everything until the server closes. */
  async rest(): Promise<Reply[]> {
    const all: Reply[] = [];
    for (;;) {
      try {
        all.push(await this.reply());
      } catch (error) {
        if (this.ended && !this.problem) return all;
        throw error;
      }
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Ends our side only. */
  end(): void {
    this.#socket.end();
  }

  #listen(socket: Socket | TLSSocket): void {
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#end());
    socket.on('end', () => this.#end());
  }

  #end(): void {
    this.ended = true;
    this.#wake?.();
  }

  #take(text: string): void {
    this.#input += text;
    for (;;) {
      const end = this.#input.indexOf('\n');
      if (end < 0) break;
      const line = this.#input.slice(0, end + 1);
      this.#input = this.#input.slice(end + 1);
      try {
        this.#line(line);
      } catch (error) {
        this.problem ??= error as Error;
      }
    }
    this.#wake?.();
  }

  #line(raw: string): void {
    const fail = (why: string): never => {
      throw new Error(`bad reply line, ${why}: ${JSON.stringify(raw)}`);
    };
    if (!raw.endsWith('\r\n')) fail('no CR LF');
    if (raw.length > REPLY_LINE_BYTES_MAX) fail('too long');
    const line = raw.slice(0, -2);
    if (!/^[\t\x20-\x7e]*$/.test(line)) fail('not printable ASCII');
    const match = /^([2-5][0-5]\d)(?:([ -])(.*))?$/.exec(line) ?? fail('no code');
    const [, code = '', separator, text = ''] = match;
    const before = this.#lines[0]?.slice(0, 3);
    if (before !== undefined && before !== code) fail('another code in a continuation');
    this.#lines.push(`${code} ${text}`);
    if (separator === '-') return;
    const lines = this.#lines.map((one) => one.slice(4));
    this.#lines = [];
    this.#replies.push(toReply(Number(code), lines, fail));
  }
}

function toReply(code: number, lines: readonly string[], fail: (why: string) => never): Reply {
  const enhanced = lines.map((line) => /^(\d)\.\d{1,3}\.\d{1,3}(?= |$)/.exec(line)?.[0] ?? '');
  const first = enhanced[0] ?? '';
  if (enhanced.some((one) => one !== first)) fail('enhanced codes differ');
  if (first !== '' && first[0] !== String(code)[0]) fail('enhanced code of another class');
  // Greeting, hello and 354 have none (RFC 2034 §4); their texts start with a name or "End".
  const without = code === 354 || code === 334 || /^(?:[a-z0-9.-]+(?: |$)|$)/i.test(lines[0] ?? '');
  if (first === '' && !(without && [220, 250, 334, 354, 421].includes(code)))
    fail('no enhanced code');
  return { code, enhanced: first, lines };
}
