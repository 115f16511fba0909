import { domainToASCII, domainToUnicode } from 'node:url';

/**
 * Addresses as the directory compares them. Everything a peer can send comes through here before
 * it is looked up; what cannot be an address of ours has no key and is never asked for.
 *
 * Compared are NFC and lower case, without quotes around the local part, and the domain as
 * A-label (RFC 5890 §2.3.2.1), so that `"Alice"@EXAMPLE.test` and `alice@example.test` are one.
 */
export interface AddressKey {
  /** Unquoted, NFC, lower case; empty for a bare domain is impossible. */
  readonly local: string;
  /** A-labels, lower case; undefined for a name without a domain. */
  readonly domain: string | undefined;
}

/** Longest address looked up, in UTF-8 octets (RFC 5321 §4.5.3.1 allows 64 + 1 + 255). */
export const ADDRESS_BYTES_MAX = 512;

/**
 * Control characters, and those that nobody sees or that turn around what people read: a detail
 * (`user+…`) could else show another address (UTR #36 §3.7). Joiners are letters of languages.
 */
const CONTROL =
  // oxlint-disable-next-line no-control-regex -- control characters are what must not pass.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;
const ASCII_DOMAIN = /^[a-z0-9._-]+$/;
/** What URLs give a meaning to, also in its full-width forms: `b/c` would be read as `b`. */
const NOT_IN_DOMAIN = /(?![a-z0-9._-])[\u0000-\u007f]/;

/** How nearly every address is written: its key is what it says. Asked three times a login. */
const PLAIN = /^[a-z0-9._+-]+@(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/;
const PLAIN_LENGTH_MAX = 255;

/** The key of an address or login, or undefined for what cannot be one. */
export function addressKey(address: string): AddressKey | undefined {
  if (address.length <= PLAIN_LENGTH_MAX && PLAIN.test(address)) {
    const at = address.indexOf('@');
    return { local: address.slice(0, at), domain: address.slice(at + 1) };
  }
  if (address.length > ADDRESS_BYTES_MAX || CONTROL.test(address)) return undefined;
  if (!address.isWellFormed() || Buffer.byteLength(address) > ADDRESS_BYTES_MAX) return undefined;
  const text = address.normalize('NFC').toLowerCase();
  const at = text.lastIndexOf('@');
  const local = unquote(at < 0 ? text : text.slice(0, at));
  if (!local) return undefined;
  if (at < 0) return { local, domain: undefined };
  const domain = domainKey(text.slice(at + 1));
  return domain === undefined ? undefined : { local, domain };
}

/** A domain as A-labels in lower case, without a final dot; undefined for what cannot be one. */
export function domainKey(domain: string): string | undefined {
  const text = domain.replace(/\.$/, '').normalize('NFC').toLowerCase();
  if (text.length === 0 || text.length > 255) return undefined;
  // The URL parser reads `127.1` as an IPv4 address; plain names never go through it.
  if (NOT_IN_DOMAIN.test(text.normalize('NFKC').toLowerCase())) return undefined;
  const ascii = ASCII_DOMAIN.test(text) ? text : domainToASCII(text);
  if (ascii.length === 0 || ascii.length > 255 || !ASCII_DOMAIN.test(ascii)) return undefined;
  return ascii.split('.').every((label) => label.length > 0 && label.length <= 63)
    ? ascii
    : undefined;
}

/** The ways a domain may be written in an entry: A-labels, and U-labels where they differ. */
export function domainSpellings(key: string): readonly string[] {
  const unicode = key.includes('xn--') ? domainToUnicode(key).normalize('NFC').toLowerCase() : '';
  return unicode !== '' && unicode !== key ? [key, unicode] : [key];
}

/** The ways an address may be written in an entry. */
export function addressSpellings(key: AddressKey): readonly string[] {
  if (key.domain === undefined) return [key.local];
  return domainSpellings(key.domain).map((domain) => `${key.local}@${domain}`);
}

/** One string for a key, for maps. */
export const keyText = (key: AddressKey): string =>
  key.domain === undefined ? key.local : `${key.local}@${key.domain}`;

/** The address without its detail (`user+detail` is `user`), or undefined where there is none. */
export function withoutDetail(key: AddressKey): AddressKey | undefined {
  const plus = key.local.indexOf('+');
  return plus > 0 ? { local: key.local.slice(0, plus), domain: key.domain } : undefined;
}

/** RFC 5321 §4.1.2: Quoted-string and Dot-string of the same characters are the same mailbox. */
function unquote(local: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/su.exec(local);
  return quoted ? (quoted[1] ?? '').replace(/\\(.)/gsu, '$1') : local;
}
