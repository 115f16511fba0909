/** Content-Transfer-Encoding (RFC 2045 §6), in pieces, of whatever a stranger wrote. */

/** Octets of a body in pieces, without their encoding. */
export interface TransferDecoder {
  push(piece: Uint8Array): Buffer;
  end(): Buffer;
}

const NOTHING = Buffer.alloc(0);

/** 7bit, 8bit, binary and what nobody knows is as it is. */
export function transferDecoder(encoding: string): TransferDecoder {
  if (encoding === 'base64') return new Base64();
  if (encoding === 'quoted-printable') return new QuotedPrintable();
  return { push: viewOf, end: () => NOTHING };
}

const viewOf = (piece: Uint8Array): Buffer =>
  Buffer.from(piece.buffer, piece.byteOffset, piece.length);

/** A body in one piece, without its encoding. */
export function decodeTransfer(encoding: string, bytes: Uint8Array): Buffer {
  const decoder = transferDecoder(encoding);
  const first = decoder.push(bytes);
  const last = decoder.end();
  return last.length === 0 ? first : Buffer.concat([first, last]);
}

const PADDING = 0x3d;
const ALPHABET = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
  ALPHABET[char.charCodeAt(0)] = 1;
}

/**
 * What is not of the alphabet is left out (§6.8). After padding it begins anew, since some tools
 * put several encoded texts in a row.
 */
class Base64 implements TransferDecoder {
  #rest = '';

  push(piece: Uint8Array): Buffer {
    const kept = Buffer.allocUnsafe(piece.length);
    const out: Buffer[] = [];
    let length = 0;
    for (const octet of piece) {
      if (ALPHABET[octet] === 1) kept[length++] = octet;
      else if (octet === PADDING && (this.#rest !== '' || length > 0)) {
        out.push(this.#decode(this.#rest + kept.toString('latin1', 0, length)));
        this.#rest = '';
        length = 0;
      }
    }
    const text = this.#rest + kept.toString('latin1', 0, length);
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    out.push(this.#decode(text.slice(0, whole)));
    return out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out);
  }

  end(): Buffer {
    const last = this.#decode(this.#rest);
    this.#rest = '';
    return last;
  }

  #decode(text: string): Buffer {
    return text === '' ? NOTHING : Buffer.from(text, 'base64');
  }
}

const EQUALS = 0x3d;
const LF = 0x0a;
const CR = 0x0d;
const HELD_MAX = 1000;

const hex = (octet: number | undefined): number => {
  if (octet === undefined) return -1;
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
};

/** §6.7. Blanks at the end of a line go; an equals sign that means nothing stays as it is. */
class QuotedPrintable implements TransferDecoder {
  #held: Buffer = NOTHING;

  push(piece: Uint8Array): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, piece]) : viewOf(piece);
    const { out, used } = decodeQuoted(bytes, 'more');
    this.#held = Buffer.from(bytes.subarray(used));
    return out;
  }

  end(): Buffer {
    const { out } = decodeQuoted(this.#held, 'last');
    this.#held = NOTHING;
    return out;
  }
}

const isBlank = (octet: number): boolean => octet === 0x20 || octet === 0x09 || octet === CR;

/** `more`: what depends on octets that have not come is not used: an escape, blanks at the end. */
function decodeQuoted(
  bytes: Buffer,
  what: 'more' | 'last',
): { readonly out: Buffer; readonly used: number } {
  const out = Buffer.allocUnsafe(bytes.length);
  let to = 0;
  /** Behind the last octet that is no blank at the end of a line: here, and in `bytes`. */
  let solid = 0;
  let used = 0;
  for (let at = 0; at < bytes.length;) {
    const octet = bytes[at] as number;
    if (octet === EQUALS) {
      const next = escapeEnd(bytes, at + 1, what);
      if (next < 0) return { out: out.subarray(0, to), used: at };
      if (next === at + 1) {
        // The last octet of all breaks a line that does not come.
        if (next < bytes.length) out[to++] = EQUALS;
      } else if (next === at + 3 && hex(bytes[at + 1]) >= 0) {
        out[to++] = hex(bytes[at + 1]) * 16 + hex(bytes[at + 2]);
      }
      at = next;
    } else {
      if (octet === LF) {
        to = solid;
        if (bytes[at - 1] === CR) out[to++] = CR; // A line end stays what it was.
      }
      out[to++] = octet;
      at += 1;
      if (isBlank(octet)) continue;
    }
    solid = to;
    used = at;
  }
  if (what === 'last' || bytes.length - used > HELD_MAX) {
    return { out: out.subarray(0, to), used: bytes.length };
  }
  return { out: out.subarray(0, solid), used };
}

/**
 * Behind the escape whose equals sign is before `start`: two digits, a soft line break with blanks
 * before it or not, or nothing, when the sign means itself. -1: what comes will say.
 */
function escapeEnd(bytes: Buffer, start: number, what: 'more' | 'last'): number {
  const rest = bytes.length - start;
  if (hex(bytes[start]) >= 0) {
    if (hex(bytes[start + 1]) >= 0) return start + 2;
    return rest === 1 && what === 'more' ? -1 : start;
  }
  const most = Math.min(bytes.length, start + HELD_MAX);
  for (let at = start; at < most; at++) {
    const octet = bytes[at] as number;
    if (octet === LF) return at + 1;
    if (!isBlank(octet)) return start;
  }
  if (what === 'more' && rest < HELD_MAX) return -1;
  return start;
}
