import { connect, type Socket } from 'node:net';
import { parsePlace } from './options.ts';

/** The connection ended, was refused or stayed silent: the end of what was asked is unknown. */
export class Lost extends Error {}

/** A server that sends more than this in one answer is broken. */
const ANSWER_OCTETS_MAX = 64 * 1024 * 1024;
const LINE_OCTETS_MAX = 65_536;

/** Reads lines and dot-terminated blocks from a socket, for SMTP and POP3 alike. */
export class Wire {
  readonly #socket: Socket;
  #octets = Buffer.alloc(4096);
  #from = 0;
  #to = 0;
  #closed: string | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    socket.on('end', () => this.#end('closed by the server'));
    socket.on('close', () => this.#end('closed'));
  }

  /** @throws Lost when nobody accepts in time. */
  static open(place: string, ms: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect(parsePlace(place));
      const fail = (why: string): void => {
        socket.destroy();
        clearTimeout(timer);
        reject(new Lost(`${place}: ${why}`));
      };
      const timer = setTimeout(() => fail(`no connection in ${ms} ms`), ms);
      const refused = (error: NodeJS.ErrnoException): void => fail(error.code ?? error.message);
      socket.once('error', refused);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', refused);
        resolve(new Wire(socket));
      });
    });
  }

  write(data: string | Buffer): void {
    if (typeof data === 'string') this.#socket.write(data, 'latin1');
    else this.#socket.write(data);
  }

  /** Resolves when all that was written is with the kernel. @throws Lost when that takes long. */
  flushed(ms: number): Promise<void> {
    if (this.#closed !== undefined || this.#socket.writableLength === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Lost(`nothing taken for ${ms} ms`)), ms);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#socket.once('drain', done);
      this.#socket.once('close', done);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  async line(ms: number): Promise<string> {
    const end = await this.#find('\r\n', 2, ms, LINE_OCTETS_MAX);
    const text = this.#octets.toString('latin1', this.#from, end - 2);
    this.#from = end;
    return text;
  }

  /** An SMTP reply: its last line. */
  async reply(ms: number): Promise<string> {
    for (;;) {
      const line = await this.line(ms);
      if (line[3] !== '-') return line;
    }
  }

  /** A POP3 multi-line answer after its status line, dots undone; what it gives is a copy. */
  async block(ms: number): Promise<Buffer> {
    while (this.#to - this.#from < 3) await this.#more(ms);
    if (this.#octets.toString('latin1', this.#from, this.#from + 3) === '.\r\n') {
      this.#from += 3;
      return Buffer.alloc(0);
    }
    const end = await this.#find('\r\n.\r\n', 5, ms, ANSWER_OCTETS_MAX);
    const raw = this.#octets.subarray(this.#from, end - 3);
    this.#from = end;
    return undotted(raw);
  }

  /** @returns where the first `mark` ends. */
  async #find(mark: string, length: number, ms: number, max: number): Promise<number> {
    let looked = 0;
    for (;;) {
      const at = this.#octets.subarray(0, this.#to).indexOf(mark, this.#from + looked, 'latin1');
      if (at >= 0) return at + length;
      looked = Math.max(0, this.#to - this.#from - length);
      if (looked > max) throw new Lost(`more than ${max} octets without an end`);
      await this.#more(ms);
    }
  }

  #more(ms: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(new Lost(this.#closed));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake = undefined;
        reject(new Lost(`silent for ${ms} ms`));
      }, ms);
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #take(chunk: Buffer): void {
    if (this.#to + chunk.length > this.#octets.length) {
      const size = this.#to - this.#from + chunk.length;
      const room = size * 2 > this.#octets.length ? Buffer.alloc(size * 2) : this.#octets;
      this.#octets.copy(room, 0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
      this.#octets = room;
    }
    chunk.copy(this.#octets, this.#to);
    this.#to += chunk.length;
    this.#wake?.();
  }

  #end(why: string): void {
    this.#closed ??= why;
    this.#wake?.();
  }
}

function undotted(raw: Buffer): Buffer {
  const out = Buffer.alloc(raw.length);
  let from = raw[0] === 0x2e ? 1 : 0;
  let to = 0;
  for (let at = raw.indexOf('\r\n.', from); at >= 0; at = raw.indexOf('\r\n.', from)) {
    to += raw.copy(out, to, from, at + 2);
    from = at + 3;
  }
  to += raw.copy(out, to, from);
  return out.subarray(0, to);
}
