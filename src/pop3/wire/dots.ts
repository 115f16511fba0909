const LF = 10;
const DOT = 46;
const LF_DOT = Buffer.from('\n.');

/**
 * Dot-stuffing (RFC 1939 §3) of a message that comes in pieces with CRLF line ends. A piece
 * without a line that begins with a dot, which is nearly every one, is searched at the speed of
 * memchr and returned as it is.
 */
export class DotStuffer {
  #atLineStart = true;

  /** The piece as it goes on the wire; it is `chunk` itself when nothing is to be stuffed. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const first = this.#atLineStart && chunk[0] === DOT ? 0 : chunk.indexOf(LF_DOT) + 1;
    const stuff = first > 0 || (this.#atLineStart && chunk[0] === DOT);
    this.#atLineStart = chunk[chunk.length - 1] === LF;
    return stuff ? stuffed(chunk, first) : chunk;
  }

  /** What ends the response: the final dot, after a CRLF where the message ends without one. */
  end(): string {
    return this.#atLineStart ? '.\r\n' : '\r\n.\r\n';
  }
}

/** Native search and copy win where dots are rare; in a message made of dots a plain loop does. */
const RARE_DOTS_MAX = 32;

/** `first` is the index of the first dot to double. */
function stuffed(chunk: Buffer, first: number): Buffer {
  // At worst every second octet is such a dot; the first may be one too.
  const out = Buffer.allocUnsafe(chunk.length + Math.ceil(chunk.length / 2) + 1);
  let from = 0;
  let to = 0;
  let dot = first;
  for (let found = 0; found < RARE_DOTS_MAX; found += 1) {
    to += chunk.copy(out, to, from, dot);
    out[to] = DOT;
    to += 1;
    from = dot;
    dot = chunk.indexOf(LF_DOT, from) + 1;
    if (dot === 0) return out.subarray(0, to + chunk.copy(out, to, from));
  }
  let before = 0;
  for (let at = from; at < chunk.length; at += 1) {
    const octet = chunk[at] ?? 0;
    if (octet === DOT && before === LF) {
      out[to] = DOT;
      to += 1;
    }
    out[to] = octet;
    to += 1;
    before = octet;
  }
  return out.subarray(0, to);
}
