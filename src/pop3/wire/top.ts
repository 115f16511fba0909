const LF = 10;
const CR = 13;

/**
 * Cuts a message after its header, the empty line and `lines` lines of the body (RFC 1939 §7,
 * TOP). The message comes in pieces with CRLF line ends.
 */
export class TopCutter {
  #left: number;
  #inHeader = true;
  #lineBytes = 0;
  #done = false;

  constructor(lines: number) {
    this.#left = lines;
  }

  /** True when the rest of the message is not wanted. */
  get done(): boolean {
    return this.#done;
  }

  /** The part of the piece that belongs to the answer. */
  push(chunk: Buffer): Buffer {
    let start = 0;
    while (!this.#done) {
      const lf = chunk.indexOf(LF, start);
      if (lf < 0) {
        this.#lineBytes += chunk.length - start;
        return chunk;
      }
      const length = this.#lineBytes + lf - start;
      // A CR that came at the end of the piece before was counted in lineBytes.
      const empty = length === 0 || (length === 1 && (lf === 0 || chunk[lf - 1] === CR));
      this.#lineBytes = 0;
      start = lf + 1;
      this.#lineEnded(empty);
    }
    return chunk.subarray(0, start);
  }

  #lineEnded(empty: boolean): void {
    if (!this.#inHeader) this.#left -= 1;
    else if (empty) this.#inHeader = false;
    if (!this.#inHeader && this.#left <= 0) this.#done = true;
  }
}
