/**
 * The lightest IMAP client: raw sockets, a tag at the beginning of the last line ends a command,
 * octets are counted and nothing is parsed. The load must not be what is measured.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Enough for the longest line that ends a command. */
const TAIL_OCTETS = 600;
const NEWLINE = 10;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls?: boolean;
  /** A client's own address, where the server counts by address. */
  readonly from?: string;
}

export class RawImap {
  octets = 0;
  /** Lines of answers, counted where `countLines` is set. */
  lines = 0;
  countLines = false;
  /** Is given every chunk of a connection that waits in IDLE. */
  onIdle: ((chunk: Buffer) => void) | undefined;
  readonly #socket: Socket;
  #tail = '';
  #tag = 0;
  #end = '* ';
  #done: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail?.(error));
    socket.on('close', () => this.#fail?.(new Error('connection closed')));
  }

  /** Connects and waits for the greeting. */
  static async open(to: Endpoint): Promise<RawImap> {
    const where = {
      host: to.host,
      port: to.port,
      ...(to.from === undefined ? {} : { localAddress: to.from }),
    };
    const socket =
      to.tls === true ? connectTls({ ...where, rejectUnauthorized: false }) : connectPlain(where);
    const client = new RawImap(socket);
    await client.#wait('* ');
    return client;
  }

  #take(chunk: Buffer): void {
    this.octets += chunk.length;
    if (this.countLines) {
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) {
        this.lines += 1;
      }
    }
    if (this.onIdle !== undefined) return this.onIdle(chunk);
    const from = Math.max(0, chunk.length - TAIL_OCTETS);
    const tail =
      from > 0
        ? chunk.toString('latin1', from)
        : (this.#tail + chunk.toString('latin1')).slice(-TAIL_OCTETS);
    this.#tail = tail;
    if (!tail.endsWith('\r\n')) return;
    const before = tail.lastIndexOf('\r\n', tail.length - 3);
    const last = before < 0 ? tail : tail.slice(before + 2);
    if (!last.startsWith(this.#end)) {
      // Refused instead of asked for more.
      if (last.startsWith(`a${this.#tag} `)) this.#fail?.(new Error(last.slice(0, 200)));
      return;
    }
    this.#tail = '';
    const good = this.#end.length < 3 || last.startsWith('OK', this.#end.length);
    if (good) this.#done?.();
    else this.#fail?.(new Error(last.slice(0, 200)));
  }

  #wait(end: string): Promise<void> {
    this.#end = end;
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
    });
  }

  /** Sends a command and waits for its OK. @throws Error with the line on NO and BAD */
  command(text: string): Promise<void> {
    const tag = `a${++this.#tag} `;
    const done = this.#wait(tag);
    this.#socket.write(`${tag}${text}\r\n`);
    return done;
  }

  /** APPEND with a literal that waits for the server's `+`. */
  async append(folder: string, message: Buffer): Promise<void> {
    const tag = `a${++this.#tag} `;
    const asked = this.#wait('+ ');
    this.#socket.write(`${tag}APPEND ${folder} {${message.length}}\r\n`);
    await asked;
    const done = this.#wait(tag);
    this.#socket.write(message);
    this.#socket.write('\r\n');
    await done;
  }

  async login(user: string, password: string): Promise<void> {
    await this.command(`LOGIN ${user} ${password}`);
  }

  /** Sends IDLE and waits for `+`; from then on `onIdle` hears. */
  async idle(onIdle: (chunk: Buffer) => void): Promise<void> {
    const asked = this.#wait('+ ');
    this.#socket.write(`a${++this.#tag} IDLE\r\n`);
    await asked;
    this.onIdle = onIdle;
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }
}
