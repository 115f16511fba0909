const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// eslint-disable-next-line no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;

/** Octets given one per character, as Unicode; undefined when they are not UTF-8. */
export function decodeUtf8(octets: string): string | undefined {
  if (ASCII.test(octets)) return octets;
  try {
    return decoder.decode(Buffer.from(octets, 'latin1'));
  } catch {
    return undefined;
  }
}

/** Unicode as UTF-8, one character per octet: what `say` takes. */
export const encodeUtf8 = (text: string): string =>
  ASCII.test(text) ? text : Buffer.from(text).toString('latin1');

// eslint-disable-next-line no-control-regex
const QUOTABLE = /^[\u0001-\u0009\u000b\u000c\u000e-\u007f]*$/;
// eslint-disable-next-line no-control-regex
const ATOM = /^[^\u0000-\u001f\u007f-\uffff(){ %*"\\\]]+$/;
const QUOTED_MAX = 1024;

/**
 * A string of a response (RFC 9051 §4.3) from octets given one per character: quoted where that
 * can be, else a literal.
 */
export function string(octets: string): string {
  if (octets.length <= QUOTED_MAX && QUOTABLE.test(octets)) return quoted(octets);
  return `{${octets.length}}\r\n${octets}`;
}

export const nstring = (octets: string | undefined): string =>
  octets === undefined ? 'NIL' : string(octets);

/** An astring: an atom where it is one. */
export const astring = (octets: string): string =>
  ATOM.test(octets) && octets.toUpperCase() !== 'NIL' ? octets : string(octets);

const SPECIAL = /["\\]/g;
/** Quoted; the caller knows that nothing in it breaks the line. */
export const quoted = (text: string): string =>
  text.includes('"') || text.includes('\\')
    ? `"${text.replaceAll(SPECIAL, String.raw`\$&`)}"`
    : `"${text}"`;
