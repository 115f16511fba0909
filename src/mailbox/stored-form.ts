/**
 * From wire form to stored form, piece by piece: CRLF becomes LF, and a bare LF stays one, which
 * comes out as CRLF. A bare CR is kept. The reverse of `wire.ts` but for bare LF.
 */
const CR = 13;
const LF = 10;

export class StoredForm {
  /** Stored, so far. */
  octets = 0;
  /** As the wire will get it, so far. */
  wireOctets = 0;
  #heldCr = false;

  /** The piece in memory of its own; it may be shorter or, by an octet, longer. */
  convert(piece: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(piece.length + 1);
    let to = 0;
    let from = 0;
    if (this.#heldCr && piece.length > 0) {
      if (piece[0] !== LF) out[to++] = CR;
      this.#heldCr = false;
    }
    let lines = 0;
    for (let lf = piece.indexOf(LF); lf >= 0; lf = piece.indexOf(LF, from)) {
      lines += 1;
      const end = lf > from && piece[lf - 1] === CR ? lf - 1 : lf;
      to = copy(piece, from, end, out, to);
      out[to++] = LF;
      from = lf + 1;
    }
    let { length } = piece;
    if (length > from && piece[length - 1] === CR) {
      this.#heldCr = true;
      length -= 1;
    }
    to = copy(piece, from, length, out, to);
    this.octets += to;
    this.wireOctets += to + lines;
    return out.subarray(0, to);
  }

  /** What was held back until the end was known. */
  end(): Buffer {
    if (!this.#heldCr) return Buffer.alloc(0);
    this.#heldCr = false;
    this.octets += 1;
    this.wireOctets += 1;
    return Buffer.of(CR);
  }
}

/** Short lines octet by octet: a call costs more. */
const SHORT = 24;

function copy(piece: Uint8Array, from: number, end: number, out: Buffer, to: number): number {
  if (end - from > SHORT) {
    out.set(piece.subarray(from, end), to);
    return to + end - from;
  }
  for (let at = from; at < end; at++) out[to++] = piece[at] as number;
  return to;
}
