import { isIP } from 'node:net';
import { formatHostPort } from '../net/address.ts';
import { domainKey } from './address.ts';
import { fromTime } from './time.ts';
import type { Transport, Vacation } from './types.ts';

const HOST = /^(?:(lmtp):)?(?:\[([0-9A-Fa-f:.]{2,45})\]|([^:[\]]+)):(\d{1,5})$/;

/**
 * `mx`, `HOST:PORT` or `lmtp:HOST:PORT`, an IPv6 address in brackets; undefined for what is none.
 */
export function parseTransport(text: string): Transport | undefined {
  const given = text.trim();
  if (given.toLowerCase() === 'mx') return { kind: 'mx' };
  const [, lmtp, literal, name = '', digits] = HOST.exec(given) ?? [];
  const host = literal?.toLowerCase() ?? domainKey(name);
  const port = Number(digits);
  if (host === undefined || (literal !== undefined && isIP(literal) !== 6)) return undefined;
  if (!(port >= 1 && port <= 65_535)) return undefined;
  return { kind: 'host', host, port, protocol: lmtp === undefined ? 'smtp' : 'lmtp' };
}

/** The text of a transport, as `parseTransport` reads it. */
export function formatTransport(transport: Transport): string {
  if (transport.kind === 'mx') return 'mx';
  const { host, port, protocol } = transport;
  return `${protocol === 'lmtp' ? 'lmtp:' : ''}${formatHostPort(host, port)}`;
}

/** A selector (RFC 6376 §3.1): labels of a domain, as we make them. */
export const selectorIsSafe = (selector: string): boolean =>
  selector.length <= 63 && SELECTOR.test(selector);
const SELECTOR = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** Longest text and subject of an answer, in UTF-8 octets: users write their own. */
export const VACATION_BYTES_MAX = 8_192;
export const VACATION_SUBJECT_BYTES_MAX = 500;

/**
 * The answer that a user's values describe. A text that is none (empty, too long) and a moment
 * that cannot be read send none: a letter is never deferred for what its recipient wrote.
 */
export function vacationOf(values: {
  readonly text: string | undefined;
  readonly subject: string | undefined;
  readonly from: string | undefined;
  readonly until: string | undefined;
}): Vacation | undefined {
  const text = values.text?.replace(/\r\n?/g, '\n') ?? '';
  if (text.trim() === '' || Buffer.byteLength(text) > VACATION_BYTES_MAX) return undefined;
  const [from, until] = [fromTime(values.from), fromTime(values.until)];
  if (from === undefined && values.from !== undefined) return undefined;
  if (until === undefined && values.until !== undefined) return undefined;
  return { text, subject: subjectOf(values.subject), from, until };
}

/** One line; a subject that is none leaves ours. */
function subjectOf(text: string | undefined): string | undefined {
  const line = text?.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim() ?? '';
  const usable = line !== '' && Buffer.byteLength(line) <= VACATION_SUBJECT_BYTES_MAX;
  return usable ? line : undefined;
}
