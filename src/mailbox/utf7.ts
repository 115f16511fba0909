/**
 * Modified UTF-7 (RFC 3501 §5.1.3): how IMAP4rev1 and Maildir++ write names that are not ASCII.
 * Printable ASCII stands for itself, `&` is `&-`, all else is UTF-16 in base64 with `,` for `/`
 * between `&` and `-`.
 */
const isPlain = (code: number): boolean => code >= 0x20 && code <= 0x7e && code !== 0x26;

/** @param shifted ASCII characters that are to be written in base64 too */
export function encodeUtf7(text: string, shifted = ''): string {
  let out = '';
  let run = '';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    const code = text.charCodeAt(at);
    const plain = isPlain(code) && !shifted.includes(char);
    if (!plain && code !== 0x26) {
      run += char;
      continue;
    }
    // An `&` beside what is shifted anyway could go along; every other writer gives it its own.
    out += `${shift(run)}${plain ? char : '&-'}`;
    run = '';
  }
  return out + shift(run);
}

function shift(run: string): string {
  if (run === '') return '';
  const base64 = Buffer.from(run, 'utf16le').swap16().toString('base64');
  return `&${base64.replaceAll('=', '').replaceAll('/', ',')}-`;
}

/**
 * The text, or undefined for what is not modified UTF-7 at all. That something else could have
 * been written shorter, or need not have been shifted, is let pass.
 */
export function decodeUtf7(text: string): string | undefined {
  let out = '';
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isPlain(code)) {
      out += text.charAt(at);
      continue;
    }
    if (code !== 0x26) return undefined;
    const end = text.indexOf('-', at);
    if (end < 0) return undefined;
    const run = end === at + 1 ? '&' : unshift(text.slice(at + 1, end));
    if (run === undefined) return undefined;
    out += run;
    at = end;
  }
  return out.isWellFormed() ? out : undefined;
}

function unshift(base64: string): string | undefined {
  if (!/^[A-Za-z0-9+,]+$/.test(base64)) return undefined;
  const octets = Buffer.from(base64.replaceAll(',', '/'), 'base64');
  if (octets.length === 0 || octets.length % 2 !== 0) return undefined;
  return octets.swap16().toString('utf16le');
}
