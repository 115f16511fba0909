/**
 * DATA: from the wire to the stored form, in one pass and in place.
 *
 * On the wire lines end in CR LF, a line that starts with a dot has one dot more (RFC 5321 §4.5.2),
 * and the end is CR LF . CR LF and nothing else. Stored lines end in LF.
 *
 * Invariant: every octet of the message is kept, but CR LF becomes LF. A bare CR stays (CR CR LF is
 * stored as CR LF), NUL and 8-bit octets stay, lines may have any length. The one thing with no
 * stored form is an LF without a CR before it, since it would come out as CR LF: such a message
 * is refused (RFC 5321 §2.3.8), which also takes the ground from SMTP smuggling. Only a CR LF
 * starts a line here: neither LF . LF nor LF . CR LF nor CR . CR ends anything, nor is a dot
 * removed there.
 *
 * Why not the library's data stream: it takes LF .. for a stuffed dot and so loses an octet, it
 * looks at every octet in JavaScript, and each stuffed dot costs a turn of the event loop.
 *
 * Why in place: the result is never longer than the input, and the chunk is ours. The one octet
 * that has no room is a CR held back at the end of the chunk before: `push` says so by `heldCr`.
 */
const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const RECEIVED = Buffer.from('received:');

/** Where in a line the next octet is. */
type State =
  | 'line-start' // After CR LF, or at the very start: a dot means something.
  | 'text'
  | 'cr' // A CR in the text is held back: it may be half of a line end.
  | 'dot' // A dot at the start of a line is held back.
  | 'dot-cr'; // And a CR after it.

export interface Decoded {
  /** Index after the last octet consumed. */
  readonly next: number;
  /** Stored-form octets, a view of the chunk. */
  readonly bytes: Buffer;
  /** A CR comes before `bytes`, held back from the last chunk. */
  readonly heldCr: boolean;
  /** The end of data was found; what follows `next` is commands. */
  readonly ended: boolean;
}

export class ContentDecoder {
  /** An LF without CR was seen. */
  bareLf = false;
  /** Octets on the wire without dot-stuffing and the end of data (RFC 1870 §4). */
  octets = 0;
  /** `Received:` lines in the header: hops (RFC 5321 §6.3). */
  hops = 0;
  /** True: only the end is looked for, nothing is decoded. Set it once the message is refused. */
  discard = false;
  #state: State = 'line-start';
  #inHeader = true;
  /** Octets of `received:` that matched in this line; -1 when one did not. */
  #matched = 0;
  /** Content octets of this line so far; kept in the header only, whose end is an empty line. */
  #lineOctets = 0;

  /** Decodes `chunk` from `start`, up to the end of data at most. Overwrites the chunk. */
  push(chunk: Buffer, start: number): Decoded {
    const length = chunk.length;
    let read = start;
    let write = start;
    let heldCr = false;
    while (read < length) {
      switch (this.#state) {
        case 'line-start':
          if (chunk[read] === DOT) {
            this.#state = 'dot';
            read += 1;
          } else this.#state = 'text';
          break;
        case 'dot':
          if (chunk[read] === CR) {
            this.#state = 'dot-cr';
            read += 1;
          } else this.#state = 'text'; // The dot was stuffing: dropped.
          break;
        case 'dot-cr':
        case 'cr':
          if (chunk[read] === LF) {
            read += 1;
            if (this.#state === 'dot-cr') {
              return { bytes: chunk.subarray(start, write), next: read, heldCr, ended: true };
            }
            write = this.#lineEnd(chunk, write);
          } else {
            this.#state = 'text';
            this.#count(1);
            if (write < read) chunk[write++] = CR;
            else heldCr = true;
          }
          break;
        case 'text': {
          const from = read;
          const lf = chunk.indexOf(LF, read);
          const stop = lf < 0 ? length : lf;
          const crBefore = stop > from && chunk[stop - 1] === CR;
          const end = crBefore ? stop - 1 : stop;
          write = this.#text(chunk, from, end, write);
          read = lf < 0 ? length : lf + 1;
          if (lf < 0) {
            if (crBefore) this.#state = 'cr';
          } else if (crBefore) write = this.#lineEnd(chunk, write);
          else this.bareLf = true;
          break;
        }
      }
    }
    return { bytes: chunk.subarray(start, write), next: read, heldCr, ended: false };
  }

  #text(chunk: Buffer, from: number, end: number, write: number): number {
    if (end === from) return write;
    this.#count(end - from);
    if (this.#inHeader) this.#scan(chunk, from, end);
    if (this.discard) return write;
    if (write !== from) chunk.copyWithin(write, from, end);
    return write + end - from;
  }

  #lineEnd(chunk: Buffer, write: number): number {
    this.octets += 2;
    if (this.#inHeader && this.#lineOctets === 0) this.#inHeader = false;
    this.#lineOctets = 0;
    this.#matched = 0;
    this.#state = 'line-start';
    if (this.discard) return write;
    chunk[write] = LF;
    return write + 1;
  }

  #count(octets: number): void {
    this.octets += octets;
    this.#lineOctets += octets;
  }

  /** Goes on matching `received:` at the start of a header line, over chunk borders. */
  #scan(chunk: Buffer, from: number, end: number): void {
    for (let i = from; i < end && this.#matched >= 0; i++) {
      if (((chunk[i] ?? 0) | 0x20) !== ((RECEIVED[this.#matched] ?? 0) | 0x20)) this.#matched = -1;
      else if (++this.#matched === RECEIVED.length) {
        this.hops += 1;
        this.#matched = -1;
      }
    }
  }
}
