/**
 * Canonical forms of RFC 6376 §3.4, "relaxed" both: what a relay on the way may do to blanks and
 * folds without harm. From the stored form, where every LF stands for CRLF. A CR is an octet like
 * any other here; of a letter none gets here (sign.ts).
 */
import { createHash } from 'node:crypto';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const CRLFS = Buffer.from('\r\n'.repeat(512));

/**
 * SHA-256 of a body that comes in pieces (§3.4.4): blanks before a line end go, other runs of
 * blanks become one, empty lines at the end go, and what is left ends in CRLF. Nothing at all has
 * the hash of nothing.
 */
export class BodyHash {
  readonly #hash = createHash('sha256');
  /** Blanks that count only when something follows in the line. */
  #blank = false;
  /** Line ends that count only when something follows. */
  #lines = 0;
  #empty = true;
  #out = Buffer.allocUnsafe(65_536);

  push(piece: Uint8Array): void {
    // An octet becomes two at most (blank and itself), but for line ends, which #flush writes.
    if (this.#out.length < piece.length * 2 + 4)
      this.#out = Buffer.allocUnsafe(piece.length * 2 + 4);
    const out = this.#out;
    let blank = this.#blank;
    let lines = this.#lines;
    let to = 0;
    const length = piece.length;
    for (let from = 0; from < length;) {
      let octet = piece[from++] as number;
      if (octet > SPACE) {
        if (lines > 0) {
          if (lines === 1) {
            out[to++] = CR;
            out[to++] = LF;
          } else {
            this.#write(to, lines);
            to = 0;
          }
          lines = 0;
        }
        if (blank) {
          out[to++] = SPACE;
          blank = false;
        }
        out[to++] = octet;
        // The rest of the word in a loop of its own: twice as fast as all questions for each octet.
        while (from < length && (octet = piece[from] as number) > SPACE) {
          out[to++] = octet;
          from += 1;
        }
      } else if (octet === LF) {
        lines += 1;
        blank = false;
      } else if (octet === SPACE || octet === TAB) blank = true;
      else {
        // A control, seldom: written as any octet.
        this.#write(to, lines);
        to = 0;
        lines = 0;
        if (blank) out[to++] = SPACE;
        blank = false;
        out[to++] = octet;
      }
    }
    this.#write(to, 0);
    this.#blank = blank;
    this.#lines = lines;
  }

  /** Takes what is in the buffer, then so many line ends. */
  #write(octets: number, lines: number): void {
    if (octets > 0) {
      this.#hash.update(this.#out.subarray(0, octets));
      this.#empty = false;
    }
    for (let left = lines * 2; left > 0; left -= CRLFS.length) {
      this.#hash.update(left < CRLFS.length ? CRLFS.subarray(0, left) : CRLFS);
    }
  }

  /** Base64. Not to be used afterwards. */
  end(): string {
    if (!this.#empty) this.#hash.update('\r\n');
    return this.#hash.digest('base64');
  }
}

/** A field as it came, in latin1 with any line ends, in its relaxed form, without CRLF (§3.4.2). */
export function relaxedField(raw: string): string {
  const colon = raw.indexOf(':');
  const name = raw.slice(0, colon).trim().toLowerCase();
  const value = raw
    .slice(colon + 1)
    .replace(/\n(?=[ \t]|$)/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '');
  return `${name}:${value}`;
}
