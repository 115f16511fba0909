import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw } from 'node:zlib';
import { Checker } from './grammar.ts';

const LITERAL_END = /\{(\d+)\}$/;
const HANGS_MS = 60_000;

/** How the octets of the client are cut. */
export type Pieces = 1 | 3 | 17 | 'whole';

/**
 * A client that takes nothing on trust: each response is held against the grammar, message numbers
 * against EXISTS and EXPUNGE. What it sends can be cut into pieces of any size.
 */
export class StrictClient {
  #socket: Socket;
  readonly #pieces: Pieces;
  #bytes: Buffer[] = [];
  #text = ''; // One character per octet; what was not read yet.
  #ended = false;
  #wake: (() => void) | undefined;
  #deflate: DeflateRaw | undefined;
  /** Messages of the selected folder, as told; undefined: none is selected. */
  exists: number | undefined;
  /** Quoted strings may have UTF-8. */
  utf8 = false;
  /** Message numbers are counted along. */
  counts = true;
  /** Checked with every response; a test that breaks the rules on purpose sets it. */
  strict = true;

  private constructor(socket: Socket, pieces: Pieces) {
    this.#socket = socket;
    this.#pieces = pieces;
    this.#attach(socket);
  }

  static async connect(port: number, pieces: Pieces = 'whole'): Promise<StrictClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new StrictClient(socket, pieces);
  }

  #attach(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#over());
    socket.on('end', () => this.#over());
  }

  #take(chunk: Buffer): void {
    this.#bytes.push(chunk);
    this.#wake?.();
  }

  #over(): void {
    this.#ended = true;
    this.#wake?.();
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** The handshake, after the OK of STARTTLS. */
  async startTls(): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close');
    const socket = connectTls({ socket: plain, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    this.#socket = socket;
    this.#attach(socket);
  }

  /** From here on both directions are deflated (RFC 4978). */
  startCompression(): void {
    const inflate = createInflateRaw({ finishFlush: constants.Z_SYNC_FLUSH });
    this.#deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH });
    this.#deflate.on('data', (piece: Buffer) => this.#socket.write(piece));
    this.#socket.removeAllListeners('data');
    this.#socket.on('data', (piece: Buffer) => inflate.write(piece));
    inflate.on('data', (piece: Buffer) => this.#take(piece));
    // What came before the end is inflated later than the end is seen.
    this.#socket.removeAllListeners('end').removeAllListeners('close');
    this.#socket.on('end', () => inflate.end());
    this.#socket.on('close', () => inflate.end());
    inflate.on('end', () => this.#over());
    inflate.on('error', () => this.#over());
  }

  /** Sends octets as they are, in the pieces of this client. */
  write(octets: string | Buffer): void {
    const bytes = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
    if (this.#deflate !== undefined) return void this.#deflate.write(bytes);
    if (this.#pieces === 'whole') return void this.#socket.write(bytes);
    for (let at = 0; at < bytes.length; at += this.#pieces) {
      this.#socket.write(bytes.subarray(at, at + this.#pieces));
    }
  }

  /** Sends a line; CRLF is added. */
  line(text: string): void {
    this.write(`${text}\r\n`);
  }

  /** The next response without its last CRLF; undefined: the server closed. */
  async response(): Promise<string | undefined> {
    let from = 0;
    for (;;) {
      const end = this.#text.indexOf('\r\n', from);
      if (end < 0) {
        if (!(await this.#more())) {
          if (this.#text !== '') throw new Error(`half a response: ${this.#text.slice(0, 200)}`);
          return undefined;
        }
        continue;
      }
      const literal = LITERAL_END.exec(this.#text.slice(Math.max(from, end - 12), end));
      if (literal !== null) {
        const after = end + 2 + Number(literal[1]);
        while (this.#text.length < after) {
          if (!(await this.#more())) throw new Error('the end came within a literal');
        }
        from = after;
        continue;
      }
      const text = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#check(text);
      return text;
    }
  }

  /** Responses up to the one that is tagged, a continuation or the end; that is the last. */
  async until(tag: string): Promise<string[]> {
    const responses: string[] = [];
    for (;;) {
      const response = await this.response();
      if (response === undefined) return [...responses, 'closed'];
      responses.push(response);
      if (response.startsWith(`${tag} `) || response.startsWith('+ ')) return responses;
    }
  }

  /** A whole command without literals. */
  async command(text: string): Promise<string[]> {
    this.line(text);
    return this.until(text.slice(0, text.indexOf(' ')));
  }

  /** As `command`; fails when it is not OK. */
  async ok(text: string): Promise<string[]> {
    const responses = await this.command(text);
    if (!/^\S+ OK /.test(responses.at(-1) ?? '')) {
      throw new Error(`${text.slice(0, 100)}: ${responses.at(-1)}`);
    }
    return responses;
  }

  /** Responses until one matches. */
  async waitFor(pattern: RegExp): Promise<string[]> {
    const responses: string[] = [];
    for (;;) {
      const response = await this.response();
      if (response === undefined) throw new Error(`closed before ${String(pattern)}`);
      responses.push(response);
      if (pattern.test(response)) return responses;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #check(text: string): void {
    if (!this.strict) return;
    new Checker(text, this.utf8).check();
    if (!this.counts) return;
    const [, number, word] = /^\* (\d+) (EXISTS|EXPUNGE|FETCH)/.exec(text) ?? [];
    if (word === 'EXISTS') this.exists = Number(number);
    if (text.startsWith('* OK [CLOSED]')) this.exists = undefined;
    if (word === 'EXPUNGE' || word === 'FETCH') {
      if (Number(number) > (this.exists ?? 0)) throw new Error(`no such number: ${text}`);
      if (word === 'EXPUNGE') this.exists = (this.exists ?? 0) - 1;
    }
    const vanished = /^\* VANISHED (?!\(EARLIER\))(.*)$/.exec(text)?.[1];
    for (const part of vanished?.split(',') ?? []) {
      const [from = 0, to = from] = part.split(':').map(Number);
      this.exists = (this.exists ?? 0) - (to - from + 1);
    }
  }

  async #more(): Promise<boolean> {
    if (this.#bytes.length === 0 && !this.#ended) {
      let hangs = false;
      const timer = setTimeout(() => {
        hangs = true;
        this.#socket.destroy();
      }, HANGS_MS);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      clearTimeout(timer);
      if (hangs) throw new Error(`no response in ${HANGS_MS} ms`);
    }
    if (this.#bytes.length === 0) return false;
    this.#text += Buffer.concat(this.#bytes).toString('latin1');
    this.#bytes = [];
    return true;
  }
}
