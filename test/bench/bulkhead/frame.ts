/** Frames of variant C: lengths of head and bytes, the head as JSON, the bytes as they are. */
const PREFIX = 8;

export function frame(head: unknown, bytes: Uint8Array | undefined): Buffer[] {
  const json = JSON.stringify(head);
  const length = Buffer.byteLength(json);
  const start = Buffer.allocUnsafe(PREFIX + length);
  start.writeUInt32BE(length, 0);
  start.writeUInt32BE(bytes?.byteLength ?? 0, 4);
  start.write(json, PREFIX);
  if (bytes === undefined) return [start];
  return [start, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)];
}

/** Takes what a socket brings and gives each frame once it is whole. */
export class FrameReader {
  readonly #onFrame: (head: unknown, bytes: Buffer | undefined) => void;
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted = PREFIX;

  constructor(onFrame: (head: unknown, bytes: Buffer | undefined) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return;
    let all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    for (;;) {
      const whole = this.#take(all);
      if (whole === 0) break;
      all = all.subarray(whole);
    }
    this.#chunks = [all];
    this.#length = all.length;
  }

  /** @returns octets of one whole frame that was given out, 0 when it is not whole. */
  #take(all: Buffer): number {
    this.#wanted = PREFIX;
    if (all.length < PREFIX) return 0;
    const head = PREFIX + all.readUInt32BE(0);
    const size = all.readUInt32BE(4);
    this.#wanted = head + size;
    if (all.length < head + size) return 0;
    const bytes = size === 0 ? undefined : all.subarray(head, head + size);
    this.#onFrame(JSON.parse(all.toString('utf8', PREFIX, head)), bytes);
    return head + size;
  }
}
