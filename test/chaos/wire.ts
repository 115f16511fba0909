import { connect, type Socket } from 'node:net';

/** Thrown when the connection ends or stays silent: the end of what was asked is unknown. */
export class ConnectionLost extends Error {}

const SILENCE_MS = 30_000;

/** Reads lines and dot-terminated blocks from a socket, for SMTP and POP3 alike. */
export class Wire {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(port: number, host = '127.0.0.1') {
    this.#socket = connect(port, host);
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(SILENCE_MS, () => this.#socket.destroy());
    this.#socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#wake?.();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  write(data: string | Buffer): void {
    this.#socket.write(data);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(mark: Buffer): Promise<Buffer> {
    for (;;) {
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      this.#chunks = all.length > 0 ? [all] : [];
      const at = all.indexOf(mark);
      if (at >= 0) {
        this.#chunks = [all.subarray(at + mark.length)];
        return all.subarray(0, at + mark.length);
      }
      if (this.#closed) throw new ConnectionLost('connection closed');
      const length = this.#chunks.length;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#chunks.length !== length || this.#closed) resolve();
      });
    }
  }

  async line(): Promise<string> {
    return (await this.#until(Buffer.from('\r\n'))).toString('latin1').trimEnd();
  }

  /** A POP3 multi-line body after its status line, unstuffed. */
  async block(): Promise<Buffer> {
    if (this.#chunks[0]?.subarray(0, 3).toString('latin1') === '.\r\n') {
      this.#chunks[0] = this.#chunks[0].subarray(3);
      return Buffer.alloc(0);
    }
    const raw = await this.#until(Buffer.from('\r\n.\r\n'));
    const body = raw.subarray(0, raw.length - 3);
    if (!body.includes('\r\n..') && body[0] !== 0x2e) return body;
    return Buffer.from(body.toString('latin1').replace(/(^|\r\n)\.\./g, '$1.'), 'latin1');
  }

  /** The last line of an SMTP reply. */
  async reply(): Promise<string> {
    for (;;) {
      const line = await this.line();
      if (line[3] !== '-') return line;
    }
  }
}
