/**
 * Encoded words (RFC 2047): reading those of strangers, writing ours.
 *
 * A word that is broken, or in a character set nobody knows, stays as it stands. What comes out of
 * a word may hold any character, line ends too: whoever shows it or writes it into a header cleans
 * it (`plainText`, `unstructured`); this module only decodes.
 */
import { decoderOf } from './mime/charset.ts';

const WORD = /=\?([\w.:+-]{1,40})(?:\*[\w-]{1,20})?\?([bBqQ])\?([!->@-~]*)\?=/g;
const WORD_LENGTH_MAX = 75; // RFC 2047 §2
const OCTETS_OF_B = 45; // 60 characters of base64 and the twelve around them.

interface Piece {
  readonly charset: string;
  readonly bytes: Buffer;
}

/** Text with its encoded words decoded; blanks between two of them are no text (§6.2). */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text;
  let out = '';
  let at = 0;
  let piece: Piece | undefined;
  const flush = (): void => {
    if (piece) out += decode(piece.charset, piece.bytes);
    piece = undefined;
  };
  for (const match of text.matchAll(WORD)) {
    const [whole, charset = '', encoding = '', data = ''] = match;
    const bytes = decodeBytes(encoding, data);
    if (bytes === undefined || decoderOf(charset) === undefined) continue;
    const between = text.slice(at, match.index);
    if (piece === undefined || /\S/.test(between)) {
      flush();
      out += between;
    } else if (piece.charset.toLowerCase() !== charset.toLowerCase()) flush();
    // A character may be split over two words, though it should not: they are joined first.
    piece = { charset, bytes: piece ? Buffer.concat([piece.bytes, bytes]) : bytes };
    at = match.index + whole.length;
  }
  flush();
  return out + text.slice(at);
}

function decodeBytes(encoding: string, data: string): Buffer | undefined {
  if (encoding.toLowerCase() === 'b') {
    return /^[A-Za-z0-9+/]*={0,2}$/.test(data) ? Buffer.from(data, 'base64') : undefined;
  }
  if (/=(?![0-9A-Fa-f]{2})/.test(data)) return undefined;
  const octets = data
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1');
}

/** In a character set that is known. */
const decode = (charset: string, bytes: Uint8Array): string =>
  decoderOf(charset)?.decode(bytes) ?? '';

/** The text as encoded words in UTF-8, none split within a character; '' gives none. */
export function encodeWords(text: string): string[] {
  const wellFormed = text.toWellFormed();
  const plain = wellFormed.match(/[A-Za-z0-9 ]/g)?.length ?? 0;
  // Readable in its source where most of it is plain; shorter as base64 where it is not.
  return plain * 3 > Array.from(wellFormed).length * 2
    ? words(wellFormed, Q)
    : words(wellFormed, B);
}

interface Form {
  readonly letter: string;
  readonly max: number;
  /** Length that a character takes of `max`. */
  length(character: string): number;
  encode(text: string): string;
}

const B: Form = {
  letter: 'B',
  max: OCTETS_OF_B,
  length: (character) => Buffer.byteLength(character),
  encode: (text) => Buffer.from(text).toString('base64'),
};

const Q: Form = {
  letter: 'Q',
  max: WORD_LENGTH_MAX - '=?UTF-8?Q??='.length,
  length: (character) => encodeQ(character).length,
  encode: encodeQ,
};

/** The strictest set, which may stand in a phrase too (§5). */
function encodeQ(text: string): string {
  return text.replace(/[^A-Za-z0-9!*+/-]+/gu, (run) =>
    Array.from(Buffer.from(run), (octet) =>
      octet === 0x20 ? '_' : `=${octet.toString(16).toUpperCase().padStart(2, '0')}`,
    ).join(''),
  );
}

function words(text: string, form: Form): string[] {
  const found: string[] = [];
  let word = '';
  let length = 0;
  const flush = (): void => {
    if (word !== '') found.push(`=?UTF-8?${form.letter}?${form.encode(word)}?=`);
  };
  for (const character of text) {
    const more = form.length(character);
    if (length + more > form.max) {
      flush();
      word = '';
      length = 0;
    }
    word += character;
    length += more;
  }
  flush();
  return found;
}
