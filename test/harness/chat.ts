/**
 * Line clients for SMTP (and LMTP) and POP3 that believe nothing: every reply is checked against
 * the grammar of its protocol, so that each test that talks also tests what it is told. For speed
 * and for tolerance there are the real clients in clients.ts.
 */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

const REPLY_MS = 60_000;
const CRLF = Buffer.from('\r\n');

/** The server broke its protocol's grammar. */
export class GrammarError extends Error {
  constructor(message: string, line: Buffer) {
    super(`${message}: ${JSON.stringify(line.toString('latin1'))}`);
    this.name = 'GrammarError';
  }
}

export interface Connection {
  readonly port: number;
  readonly host?: string;
  /** Local address, for limits that count by client. */
  readonly from?: string;
  /** TLS from the first byte. */
  readonly tls?: ConnectionOptions;
}

/** Bytes in, lines out; a line ends with CRLF and nothing else. */
export class LineStream {
  #socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: (() => void) | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach();
  }

  static async open(to: Connection): Promise<LineStream> {
    const host = to.host ?? '127.0.0.1';
    const at = { port: to.port, host, ...(to.from === undefined ? {} : { localAddress: to.from }) };
    const socket = to.tls === undefined ? connect(at) : connectTls({ ...at, ...to.tls });
    await once(socket, to.tls === undefined ? 'connect' : 'secureConnect');
    return new LineStream(socket);
  }

  #attach(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    this.#socket.on('error', () => this.#end());
    this.#socket.on('close', () => this.#end());
    this.#socket.on('end', () => this.#end());
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Local port and address, as the server sees them. */
  get local(): { readonly address: string; readonly port: number } {
    return { address: this.#socket.localAddress ?? '', port: this.#socket.localPort ?? 0 };
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes);
  }

  /** The next line without its CRLF, or undefined at the end of the stream. */
  async line(ms = REPLY_MS): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(10);
      if (at >= 0) {
        const line = this.#buffer.subarray(0, at + 1);
        this.#buffer = this.#buffer.subarray(at + 1);
        if (at === 0 || line[at - 1] !== 13) throw new GrammarError('line ends with bare LF', line);
        return line.subarray(0, -CRLF.length);
      }
      if (this.#ended) {
        if (this.#buffer.length > 0) throw new GrammarError('cut inside a line', this.#buffer);
        return undefined;
      }
      await this.#more(ms);
    }
  }

  /** The next `count` octets. @throws Error when the stream ends before. */
  async octets(count: number, ms = REPLY_MS): Promise<Buffer> {
    while (this.#buffer.length < count) {
      if (this.#ended) throw new Error(`closed with ${this.#buffer.length} of ${count} octets`);
      await this.#more(ms);
    }
    const octets = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return octets;
  }

  /** Resolves when the server closed; true when nothing came before. */
  async closed(ms = REPLY_MS): Promise<boolean> {
    while (!this.#ended) await this.#more(ms);
    return this.#buffer.length === 0;
  }

  #more(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new Error(`nothing came for ${ms} ms`));
      const timer = setTimeout(late, ms);
      this.#waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** TLS from here on (STARTTLS, STLS). @throws GrammarError when bytes already wait in clear. */
  async secure(options: ConnectionOptions): Promise<void> {
    if (this.#buffer.length > 0) throw new GrammarError('bytes before TLS', this.#buffer);
    const plain = this.#socket;
    plain.removeAllListeners();
    const socket = connectTls({ ...options, socket: plain });
    plain.on('error', () => undefined);
    await once(socket, 'secureConnect');
    this.#socket = socket;
    this.#attach();
  }

  /** Half-closes: the server sees the end and may still answer. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** Doubles the dot at the start of lines (RFC 5321 §4.5.2, RFC 1939 §3). */
export function dotStuff(wire: Uint8Array): Buffer {
  const text = Buffer.from(wire).toString('latin1');
  return Buffer.from(text.replace(/(^|\n)\./g, '$1..'), 'latin1');
}

/** The DATA phase's bytes: CRLF at the end where it is missing, dots doubled, the final dot. */
export function dataBytes(wire: Uint8Array): Buffer {
  const end = Buffer.from(wire.subarray(-2));
  const whole = wire.length === 0 || end.equals(CRLF);
  return Buffer.concat([dotStuff(wire), whole ? Buffer.alloc(0) : CRLF, Buffer.from('.\r\n')]);
}
