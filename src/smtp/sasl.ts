/**
 * Responses of SASL mechanisms, base64 as they came: PLAIN (RFC 4616), LOGIN (never standardised,
 * which Outlook speaks), XOAUTH2 (Google's, before RFC 7628).
 */
import { isUtf8 } from 'node:buffer';
import type { Credentials } from './types.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// oxlint-disable-next-line no-control-regex -- control characters are what must not pass.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/;
const XOAUTH2 = /^user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01$/i;

/**
 * PLAIN: `[authzid] NUL authcid NUL passwd`. Nobody acts for others: an authorization identity is
 * the login itself, or the answer is undefined, as for all that is no such message.
 */
export function parsePlain(response: string): Credentials | undefined {
  const octets = decode(response);
  const parts = octets?.toString('latin1').split('\0') ?? [];
  if (parts.length !== 3) return undefined;
  const [identity, login, password] = parts.map((part) => text(Buffer.from(part, 'latin1')));
  if (identity === undefined || !login || !password) return undefined;
  if (identity !== '' && identity !== login) return undefined;
  return { kind: 'password', login, password };
}

/** One answer of LOGIN: the name, or the password. */
export function parseLogin(response: string): string | undefined {
  const octets = decode(response);
  return octets && (text(octets) || undefined);
}

/** XOAUTH2: `user=NAME ^A auth=Bearer TOKEN ^A ^A`. */
export function parseXoauth2(response: string): Credentials | undefined {
  const match = XOAUTH2.exec(decode(response)?.toString('utf8') ?? '');
  const [, login = '', token = ''] = match ?? [];
  if (!match || CONTROLS.test(login) || !/^[!-~]+$/.test(token)) return undefined;
  return { kind: 'token', login, token };
}

const decode = (response: string): Buffer | undefined =>
  BASE64.test(response) ? Buffer.from(response, 'base64') : undefined;

/** Valid UTF-8 without control characters, NUL above all: it ends names elsewhere. */
function text(octets: Buffer): string | undefined {
  if (!isUtf8(octets)) return undefined;
  const decoded = octets.toString('utf8');
  return CONTROLS.test(decoded) ? undefined : decoded;
}
