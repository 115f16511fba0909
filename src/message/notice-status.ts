/**
 * The report for programs: message/delivery-status (RFC 3464), and message/global-delivery-status
 * (RFC 6533) where addresses are in UTF-8. One line for each field, none over 998 octets.
 */
import { dateTime } from './date.ts';
import type { NoticeFacts, Reported } from './notice.ts';
import { asciiOnly, hostText, isAscii, plainText } from './plain.ts';

const ADDRESS_MAX = 320;
/** A field of a stranger's text: with its name and every character as four octets under 998. */
const TEXT_MAX = 200;
/** An ASCII text, which has the room of a line. */
const ASCII_TEXT_MAX = 900;

/** Fields of the message, then those of each recipient, each block after an empty line. */
export function deliveryStatus(facts: NoticeFacts, utf8: boolean): string {
  const write = (text: string): string => inert(utf8 ? text : asciiOnly(text));
  const envid = plainText(facts.envid ?? '', 100);
  return (
    (envid === '' ? '' : `Original-Envelope-Id: ${write(envid)}\n`) +
    `Reporting-MTA: dns; ${write(plainText(facts.host, 255))}\n` +
    `Arrival-Date: ${dateTime(facts.acceptedAt)}\n` +
    facts.recipients.map((one) => `\n${recipient(one, facts, write)}`).join('')
  );
}

/** Some readers decode encoded words here too, and what is in them was never cleaned. */
const inert = (text: string): string => text.replaceAll('=?', '=\\x{3F}');

function recipient(one: Reported, facts: NoticeFacts, write: (text: string) => string): string {
  const original = originalRecipient(one.original, write);
  const delayed = one.event === 'delayed' && facts.expiresAt !== undefined;
  return (
    (original === undefined ? '' : `Original-Recipient: ${original}\n`) +
    `Final-Recipient: ${typed(one.address, write)}\n` +
    `Action: ${one.event}\n` +
    `Status: ${/^[245]\.\d{1,3}\.\d{1,3}$/.test(one.status) ? one.status : UNKNOWN[one.event]}\n` +
    (one.remote === undefined ? '' : remoteMta(one.remote, write)) +
    diagnostic(one, write) +
    (one.triedAt === undefined ? '' : `Last-Attempt-Date: ${dateTime(one.triedAt)}\n`) +
    (delayed ? `Will-Retry-Until: ${dateTime(facts.expiresAt ?? 0)}\n` : '')
  );
}

const UNKNOWN = {
  failed: '5.0.0',
  delayed: '4.0.0',
  delivered: '2.0.0',
  relayed: '2.0.0',
  expanded: '2.0.0',
} as const;

/** RFC 6533 §3: an address that is not ASCII is of the type utf-8. */
function typed(address: string, write: (text: string) => string): string {
  const clean = plainText(address, ADDRESS_MAX);
  return isAscii(clean) ? `rfc822; ${write(clean)}` : `utf-8; ${bounded(write(clean))}`;
}

function originalRecipient(
  original: string | undefined,
  write: (text: string) => string,
): string | undefined {
  const match = /^([A-Za-z0-9-]{1,40});\s*(.+)$/su.exec(
    plainText(original ?? '', ADDRESS_MAX + 41),
  );
  const [, type = '', address = ''] = match ?? [];
  return match ? `${type}; ${bounded(write(address))}` : undefined;
}

const bounded = (text: string): string =>
  Buffer.byteLength(text) <= 900 ? text : asciiOnly(text).slice(0, 900);

function remoteMta(
  remote: { readonly host: string; readonly address?: string | undefined },
  write: (text: string) => string,
): string {
  const host = bounded(write(hostText(remote.host)));
  const address = (remote.address ?? '').replace(/[^0-9A-Fa-f:.]/g, '').slice(0, 45);
  if (host === '' && address === '') return '';
  const name = host === '' ? `[${address}]` : host;
  return `Remote-MTA: dns; ${name}${address === '' || host === '' ? '' : ` (${address})`}\n`;
}

/** What the other host said is of the type smtp; what we saw ourselves is of a type of ours. */
function diagnostic(one: Reported, write: (text: string) => string): string {
  const [type, text] =
    one.reply === undefined || one.reply === ''
      ? ['x-mailfarm', one.text ?? '']
      : ['smtp', one.reply];
  const clean = plainText(text, isAscii(text) ? ASCII_TEXT_MAX : TEXT_MAX);
  return clean === '' ? '' : `Diagnostic-Code: ${type}; ${bounded(write(clean))}\n`;
}
