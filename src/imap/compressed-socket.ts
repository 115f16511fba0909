/**
 * A socket under COMPRESS=DEFLATE (RFC 4978): what is written goes out deflated, what comes is
 * inflated. Memory is bounded: zlib gets small windows, and pieces pass one at a time, so a bomb
 * inflates no faster than its reader takes it.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  type InflateRaw,
} from 'node:zlib';

/** Of our side: 16 KiB each of window and hash, where zlib takes 128 by itself. */
const DEFLATE = { windowBits: 12, memLevel: 5, level: 5, flush: constants.Z_SYNC_FLUSH };
/** The other side may use the whole window of 32 KiB. */
const INFLATE = { windowBits: 15, chunkSize: 16_384, finishFlush: constants.Z_SYNC_FLUSH };

export class CompressedSocket extends Duplex {
  readonly #plain: Socket;
  readonly #deflate: DeflateRaw;
  readonly #inflate: InflateRaw;
  #written: ((error?: Error | null) => void) | undefined;

  private constructor(plain: Socket) {
    super({ allowHalfOpen: true });
    this.#plain = plain;
    this.#deflate = createDeflateRaw(DEFLATE);
    this.#inflate = createInflateRaw(INFLATE);
    this.#deflate.on('data', (piece: Buffer) => {
      if (!plain.write(piece)) this.#deflate.pause();
    });
    plain.on('drain', () => this.#deflate.resume());
    plain.on('data', (piece: Buffer) => {
      if (!this.#inflate.write(piece)) plain.pause();
    });
    this.#inflate.on('drain', () => plain.resume());
    this.#inflate.on('data', (piece: Buffer) => {
      if (!this.push(piece)) this.#inflate.pause();
    });
    // What came before the end is still to be inflated and read.
    plain.on('end', () => this.#inflate.end());
    this.#inflate.on('end', () => this.push(null));
    const fail = (error: Error): void => void this.destroy(error);
    this.#inflate.on('error', fail);
    this.#deflate.on('error', fail);
    plain.on('error', fail);
    plain.on('close', () => this.destroy());
    plain.resume();
  }

  /** In the place of `plain`: it has all of a socket that a session uses. */
  static over(plain: Socket): Socket {
    return new CompressedSocket(plain) as unknown as Socket;
  }

  setNoDelay(): void {
    this.#plain.setNoDelay(true);
  }

  override _read(): void {
    this.#inflate.resume();
  }

  override _write(piece: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#written = done;
    this.#deflate.write(piece, () => {
      const written = this.#written;
      this.#written = undefined;
      if (!this.#plain.writableNeedDrain) return written?.();
      this.#plain.once('drain', () => written?.());
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    // Done when all has gone: after that this is destroyed, and the socket with it.
    this.#deflate.once('end', () => this.#plain.end(() => done()));
    this.#deflate.end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#deflate.destroy();
    this.#inflate.destroy();
    this.#plain.destroy();
    done(error);
  }
}
