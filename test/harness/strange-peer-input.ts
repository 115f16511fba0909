import type { Socket } from 'node:net';
import { Buffer } from 'node:buffer';

const END = Buffer.from('\r\n.\r\n');

/** What a client says, for strange-peer.ts: lines, and content up to its final dot. */
export class PeerInput {
  readonly #socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#held = Buffer.concat([this.#held, chunk]);
    this.#wake();
  };
  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onEnd);
  }

  /** Others read this socket now (TLS). */
  stop(): void {
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd);
  }

  /** Without its line end. @returns undefined at the end */
  async line(): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.#held.indexOf('\n');
      if (at >= 0) {
        const line = this.#held.subarray(0, this.#held[at - 1] === 13 ? at - 1 : at);
        this.#held = this.#held.subarray(at + 1);
        return line;
      }
      if (!(await this.#more())) return undefined;
    }
  }

  /** Waits until something is there. */
  async some(): Promise<void> {
    while (this.#held.length === 0 && (await this.#more()));
  }

  /** After 354: the message, dots undone. @returns undefined when it ended before its final dot */
  async content(): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    for (;;) {
      const line = await this.#whole();
      if (line === undefined) return undefined;
      if (line.equals(END.subarray(2))) return Buffer.concat(pieces);
      pieces.push(line[0] === 0x2e ? line.subarray(1) : line);
    }
  }

  /** With its CRLF; a bare LF ends no line. */
  async #whole(): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.#held.indexOf('\r\n');
      if (at >= 0) {
        const line = this.#held.subarray(0, at + 2);
        this.#held = this.#held.subarray(at + 2);
        return line;
      }
      if (!(await this.#more())) return undefined;
    }
  }

  /** @returns false at the end */
  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return true;
  }
}
