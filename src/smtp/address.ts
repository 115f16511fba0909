/**
 * Addresses of MAIL and RCPT: RFC 5321 §4.1.2 with the UTF-8 of RFC 6531 §3.3. One pass, no regular
 * expression over the whole, every octet accounted for.
 *
 * Looser than the grammar in one thing: dots may stand anywhere in a local part. Such senders exist
 * in the millions (`user..name@`, `name.@`), and as a recipient such an address is simply unknown.
 *
 * A source route is accepted and ignored (RFC 5321 Appendix C): `<@a,@b:user@c>` is `user@c`.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { PATH_BYTES_MAX } from './options.ts';

export interface Mailbox {
  /** As it stands in headers and goes to the directory: minimal quoting, no source route. */
  readonly address: string;
  /** Local part without quotes. */
  readonly local: string;
  /** undefined for `<postmaster>` (RFC 5321 §4.1.1.3), which only RCPT may use. */
  readonly domain: string | undefined;
  /** `user@[192.0.2.1]` (RFC 5321 §4.1.3). */
  readonly literal: boolean;
  /** Needs SMTPUTF8. */
  readonly international: boolean;
}

export type Path =
  | { readonly kind: 'null'; readonly end: number }
  | { readonly kind: 'mailbox'; readonly mailbox: Mailbox; readonly end: number };

const ATEXT = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]+$/u;
// Invisible and directional characters only make one address look like another.
const UNSAFE =
  /[\0-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffd]/u;
const LABEL = /^(?!-)[A-Za-z0-9_\-\u0080-\u{10ffff}]+(?<!-)$/u;
const NON_ASCII = /[^\0-\x7f]/;

/**
 * Reads `<...>` at the start of `text`.
 * @returns what it is and where it ends, or undefined when it is neither `<>` nor a mailbox.
 */
export function parsePath(text: string): Path | undefined {
  if (text[0] !== '<') return undefined;
  if (text[1] === '>') return { kind: 'null', end: 2 };
  const start = skipSourceRoute(text);
  if (start === undefined) return undefined;
  const end = closingBracket(text, start);
  if (end === undefined || Buffer.byteLength(text.slice(start, end)) + 2 > PATH_BYTES_MAX) {
    return undefined;
  }
  const mailbox = parseMailbox(text.slice(start, end));
  return mailbox && { kind: 'mailbox', mailbox, end: end + 1 };
}

/** A mailbox without brackets, or undefined. */
export function parseMailbox(text: string): Mailbox | undefined {
  if (UNSAFE.test(text)) return undefined;
  const at = text.startsWith('"') ? endOfQuoted(text) : text.indexOf('@');
  if (at < 0) return postmaster(text);
  const local = text.startsWith('"') ? unquote(text.slice(1, at - 1)) : text.slice(0, at);
  const domain = text.slice(at + 1);
  if (text[at] !== '@' || local === undefined) return undefined;
  if (!text.startsWith('"') && !ATEXT.test(local)) return undefined;
  const literal = domain.startsWith('[');
  if (literal ? !isLiteral(domain) : !isDomain(domain)) return undefined;
  return {
    address: `${quoteIfNeeded(local)}@${domain}`,
    local,
    domain,
    literal,
    international: NON_ASCII.test(text),
  };
}

function postmaster(text: string): Mailbox | undefined {
  if (text.toLowerCase() !== 'postmaster') return undefined;
  return { address: text, local: text, domain: undefined, literal: false, international: false };
}

/** Index of the mailbox after `<` and an optional source route; undefined for a broken route. */
function skipSourceRoute(text: string): number | undefined {
  if (text[1] !== '@') return 1;
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const hops = text.slice(1, colon).split(',');
  const valid = hops.every((hop) => hop.startsWith('@') && isHop(hop.slice(1)));
  return valid ? colon + 1 : undefined;
}

const isHop = (hop: string): boolean => isDomain(hop) || isLiteral(hop);

/** Index of the `>` that closes, quoted strings skipped. */
function closingBracket(text: string, start: number): number | undefined {
  let from = start;
  if (text[start] === '"') {
    const at = endOfQuoted(text.slice(start));
    if (at < 0) return undefined;
    from = start + at;
  }
  const end = text.indexOf('>', from);
  return end < 0 ? undefined : end;
}

/** Index after the closing quote of a quoted string at 0; -1 when it does not close. */
function endOfQuoted(text: string): number {
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i + 1;
  }
  return -1;
}

/** The characters a quoted string stands for; undefined when it is empty. */
const unquote = (inner: string): string | undefined =>
  inner === '' ? undefined : inner.replace(/\\(.)/gsu, '$1');

/** RFC 5321 §4.1.2: quotes should stand only where they are needed. */
function quoteIfNeeded(local: string): string {
  return ATEXT.test(local) ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
}

/** A domain name of labels; underscores pass, since hosts have them. */
export function isDomain(text: string): boolean {
  if (text.length === 0 || Buffer.byteLength(text) > 255) return false;
  return text.split('.').every((label) => label.length <= 63 && LABEL.test(label));
}

/** An address literal (RFC 5321 §4.1.3). */
export function isLiteral(text: string): boolean {
  if (!text.startsWith('[') || !text.endsWith(']')) return false;
  const inner = text.slice(1, -1);
  if (/^IPv6:/i.test(inner)) return isIPv6(inner.slice(5));
  return isIPv4(inner);
}
