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
    const safe = safeEnd(bytes);
    this.#held = Buffer.from(bytes.subarray(safe));
    return decodeQuoted(bytes.subarray(0, safe));
  }

  end(): Buffer {
    const last = decodeQuoted(this.#held);
    this.#held = NOTHING;
    return last;
  }
}

/** What comes after depends on octets that have not come: an escape, blanks, a line end. */
function safeEnd(bytes: Buffer): number {
  let end = bytes.length;
  const least = Math.max(0, end - HELD_MAX);
  while (end > least && isBlank(bytes[end - 1] as number)) end -= 1;
  for (let back = 1; back <= 2; back++) {
    if (bytes[end - back] === EQUALS) return end - back;
  }
  return end;
}

const isBlank = (octet: number): boolean => octet === 0x20 || octet === 0x09 || octet === CR;

function decodeQuoted(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let to = 0;
  /** Behind the last octet that is no blank at the end of a line. */
  let solid = 0;
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] as number;
    if (octet === LF) {
      to = solid;
      out[to++] = LF;
      solid = to;
    } else if (octet === EQUALS) {
      const high = hex(bytes[at + 1]);
      const low = hex(bytes[at + 2]);
      const soft = softEnd(bytes, at + 1);
      if (high >= 0 && low >= 0) {
        out[to++] = high * 16 + low;
        at += 2;
      } else if (soft > 0) at = soft - 1;
      else out[to++] = EQUALS;
      solid = to;
    } else {
      out[to++] = octet;
      if (!isBlank(octet)) solid = to;
    }
  }
  return out.subarray(0, to);
}

/** Behind a soft line break whose equals sign is before `start`, blanks after it or not; 0: none. */
function softEnd(bytes: Buffer, start: number): number {
  const most = Math.min(bytes.length, start + HELD_MAX);
  for (let at = start; at < most; at++) {
    const octet = bytes[at] as number;
    if (octet === LF) return at + 1;
    if (!isBlank(octet)) return 0;
  }
  return start === bytes.length ? start : 0;
}
