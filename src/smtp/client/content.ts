/**
 * Stored form (LF) to what follows 354: CR LF at the end of each line, a dot before each line that
 * begins with one, CR LF . CR LF at the end (RFC 5321 §4.5.2).
 *
 * A CR that stands alone is sent as a space: clients must not send one (RFC 5321 §2.3.8), and some
 * servers take CR . CR for the end, behind which a second message could be smuggled.
 */
const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** One message; pieces go in as they are read. */
export class WireContent {
  #atLineStart = true;

  /** The wire form of a piece, with the end of data behind it where it is the `last`. */
  encode(piece: Uint8Array, last: boolean): Buffer {
    const source = withoutCr(piece);
    // Every octet may become two, and the end is five.
    const out = Buffer.allocUnsafe(source.length * 2 + 5);
    let at = 0;
    for (let start = 0; start < source.length;) {
      const lf = source.indexOf(LF, start);
      const end = lf < 0 ? source.length : lf;
      if (this.#atLineStart && source[start] === DOT) out[at++] = DOT;
      at += source.copy(out, at, start, end);
      this.#atLineStart = lf >= 0;
      if (lf >= 0) {
        out[at++] = CR;
        out[at++] = LF;
      }
      start = end + 1;
    }
    return last ? this.#end(out, at) : out.subarray(0, at);
  }

  #end(out: Buffer, from: number): Buffer {
    let at = from;
    if (!this.#atLineStart) {
      out[at++] = CR;
      out[at++] = LF;
    }
    out[at++] = DOT;
    out[at++] = CR;
    out[at++] = LF;
    return out.subarray(0, at);
  }
}

const SPACE = 0x20;

/** The piece, or a copy of it where it has a CR. */
function withoutCr(piece: Uint8Array): Buffer {
  const whole = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  if (!whole.includes(CR)) return whole;
  return Buffer.from(whole.map((octet) => (octet === CR ? SPACE : octet)));
}
