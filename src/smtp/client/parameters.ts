/** What a peer announced, and the lines of MAIL and RCPT that fit it. */
import { domainToASCII } from 'node:url';
import { isDomain, parseMailbox } from '../address.ts';
import { PATH_BYTES_MAX } from '../options.ts';
import type { ClientRecipient, ClientTransaction } from './types.ts';

/** Keywords of EHLO in upper case, each with its parameters. */
export type Extensions = ReadonlyMap<string, readonly string[]>;

const KEYWORDS_MAX = 100;
/** Without its brackets. */
const ADDRESS_BYTES_MAX = PATH_BYTES_MAX - 2;

/** Reads the lines of an EHLO reply behind the first (RFC 5321 §4.1.1.1). */
export function parseExtensions(lines: readonly string[]): Extensions {
  const found = new Map<string, readonly string[]>();
  for (const line of lines.slice(1, KEYWORDS_MAX + 1)) {
    // `AUTH=PLAIN LOGIN` is how servers of old announced it.
    const [keyword = '', ...parameters] = line
      .trim()
      .replace(/^AUTH=/i, 'AUTH ')
      .split(/\s+/);
    if (/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(keyword)) found.set(keyword.toUpperCase(), parameters);
  }
  return found;
}

/** SIZE that the peer takes (RFC 1870); undefined where it has no fixed limit. */
export function sizeLimit(extensions: Extensions): number | undefined {
  const [text = ''] = extensions.get('SIZE') ?? [];
  const limit = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  return limit > 0 ? limit : undefined;
}

// eslint-disable-next-line no-control-regex
const NON_ASCII = /[^\0-\x7f]/;

/**
 * As it goes over the wire: the domain in A-labels; '' is the null sender. Undefined for what is
 * not one address: an envelope may carry what somebody wrote into the directory, and what stands
 * behind the address would be parameters, or a command.
 */
export function wireAddress(address: string): string | undefined {
  if (address === '') return address;
  if (!address.isWellFormed() || Buffer.byteLength(address) > ADDRESS_BYTES_MAX) return undefined;
  const domain = parseMailbox(address)?.domain;
  if (domain === undefined) return /^postmaster$/i.test(address) ? address : undefined;
  if (!NON_ASCII.test(domain)) return address;
  const ascii = domainToASCII(domain);
  return isDomain(ascii) && !NON_ASCII.test(ascii)
    ? `${address.slice(0, -domain.length)}${ascii}`
    : undefined;
}

/** Whether only a peer with SMTPUTF8 understands it. */
export const isInternational = (wire: string): boolean => NON_ASCII.test(wire);

/** xtext of RFC 3461 §4. */
export const xtext = (text: string): string =>
  text.replace(
    /[^!-*,-<>-~]/g,
    (c) => `+${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );

/** MAIL with what the peer announced. */
export function mailLine(sender: string, letter: ClientTransaction, peer: Extensions): string {
  let line = `MAIL FROM:<${sender}>`;
  if (peer.has('SIZE')) line += ` SIZE=${letter.wireOctets}`;
  if (letter.eightBit && peer.has('8BITMIME')) line += ' BODY=8BITMIME';
  if (letter.smtpUtf8 && peer.has('SMTPUTF8')) line += ' SMTPUTF8';
  if (peer.has('DSN')) {
    if (letter.ret !== undefined) line += ` RET=${letter.ret.toUpperCase()}`;
    const { envid } = letter;
    if (envid !== undefined && !NON_ASCII.test(envid)) line += ` ENVID=${xtext(envid)}`;
  }
  return `${line}\r\n`;
}

/** RCPT with what the peer announced. */
export function rcptLine(wire: string, recipient: ClientRecipient, peer: Extensions): string {
  let line = `RCPT TO:<${wire}>`;
  if (peer.has('DSN')) {
    const { notify, original } = recipient;
    if (notify === 'never') line += ' NOTIFY=NEVER';
    else if (notify !== undefined && notify.length > 0) {
      line += ` NOTIFY=${notify.join(',').toUpperCase()}`;
    }
    const semicolon = original?.indexOf(';') ?? -1;
    if (original !== undefined && semicolon > 0 && !NON_ASCII.test(original)) {
      const type = original.slice(0, semicolon);
      if (/^[A-Za-z0-9-]+$/.test(type))
        line += ` ORCPT=${type};${xtext(original.slice(semicolon + 1))}`;
    }
  }
  return `${line}\r\n`;
}
