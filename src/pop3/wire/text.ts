const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/; // NUL above all: it ends names elsewhere.
const ASCII = /^[\u0020-\u007e]*$/;

/**
 * A user name or password from octets given one per character. UTF-8 (RFC 6856 §2.2), no
 * control character. @returns undefined for anything else; what is valid comes back verbatim.
 */
export function decodeText(octets: string): string | undefined {
  if (ASCII.test(octets)) return octets;
  try {
    const text = decoder.decode(Buffer.from(octets, 'latin1'));
    return CONTROLS.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
