/**
 * Bytes of one message on their way to the volumes: a buffer that grows to a limit, with the
 * count of line ends (W= in the name) taken on the way. Bytes are copied in, once: the caller's
 * chunk is free at once, and a small message is written from here without another copy.
 */
const SIZE_FIRST = 8192;
const LF = 10;

export class Piece {
  /** Room kept free at the start, for a header that is put there last. */
  readonly #room: number;
  readonly #max: number;
  #buffer: Buffer;
  #end: number;

  /**
   * @param room octets for the header; @param max octets of content; @param size octets to begin
   * with: little where the message may end soon, all where it is known to be large.
   */
  constructor(room: number, max: number, size = SIZE_FIRST) {
    this.#room = room;
    this.#max = max;
    this.#buffer = Buffer.allocUnsafe(room + Math.min(max, size));
    this.#end = room;
  }

  get length(): number {
    return this.#end - this.#room;
  }

  get isFull(): boolean {
    return this.length >= this.#max;
  }

  /** Takes in what fits. @returns octets taken */
  add(chunk: Uint8Array): number {
    const taken = Math.min(chunk.length, this.#max - this.length);
    const needed = this.#end + taken;
    if (needed > this.#buffer.length) this.#grow(needed);
    this.#buffer.set(taken === chunk.length ? chunk : chunk.subarray(0, taken), this.#end);
    this.#end = needed;
    return taken;
  }

  /**
   * The content with a header before it. `sole`: this is the only header asked for, so it may go
   * into the room before the content; else each gets a copy, for they are written at once.
   */
  withHeader(header: Uint8Array, use: 'sole' | 'one-of-many'): Buffer {
    const start = this.#room - header.length;
    if (use === 'one-of-many' || start < 0) return Buffer.concat([header, this.content()]);
    this.#buffer.set(header, start);
    return this.#buffer.subarray(start, this.#end);
  }

  content(): Buffer {
    return this.#buffer.subarray(this.#room, this.#end);
  }

  #grow(needed: number): void {
    const doubled = Math.max(needed, 2 * this.#buffer.length);
    const larger = Buffer.allocUnsafe(Math.min(this.#room + this.#max, doubled));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

/** Line ends in a chunk: each becomes CRLF on the wire. */
export function lineEnds(chunk: Uint8Array): number {
  let count = 0;
  for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) count += 1;
  return count;
}
