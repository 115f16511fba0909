import { addressKey, domainKey, type AddressKey } from '../address.ts';
import { nameIsSafe } from '../schema.ts';
import { ACCOUNT_SERVICES, type AccountService } from '../types.ts';
import { AdminError } from './error.ts';

/**
 * Every name an administrator gives is checked here, once; behind this point it is text that may
 * stand in an entry. (It still reaches a DN or a filter only through what escapes it.)
 */
const invalid = (text: string): AdminError => new AdminError('invalid', text);

/** RFC 5321 §4.1.2 Dot-string, with the letters of RFC 6531 §3.3. */
const DOT_STRING =
  /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const LOCAL_BYTES_MAX = 64; // RFC 5321 §4.5.3.1.1

/** A full address: `local@domain`, in lower case. @throws AdminError invalid */
export function checkedAddress(text: string): { readonly text: string; readonly key: AddressKey } {
  const key = addressKey(text.trim());
  if (!key || key.domain === undefined) throw invalid(`"${printable(text)}" is not an address`);
  if (!DOT_STRING.test(key.local) || Buffer.byteLength(key.local) > LOCAL_BYTES_MAX) {
    throw invalid(`"${printable(key.local)}" cannot stand before the @`);
  }
  return { text: `${key.local}@${key.domain}`, key };
}

/** A login: an address that no plus-addressing and no path could misread. @throws AdminError */
export function checkedLogin(text: string): { readonly text: string; readonly domain: string } {
  const { text: login, key } = checkedAddress(text);
  if (key.local.includes('+')) throw invalid('A login has no "+": what follows one is a detail');
  if (key.local.includes('/')) throw invalid('A login has no "/"');
  return { text: login, domain: key.domain ?? '' };
}

/** @throws AdminError invalid */
export function checkedDomain(text: string): string {
  const domain = domainKey(text.trim());
  if (domain === undefined || !domain.includes('.')) {
    throw invalid(`"${printable(text)}" is not a domain`);
  }
  return domain;
}

/** Name of a volume or node. @throws AdminError invalid */
export function checkedName(text: string, what: string): string {
  if (!nameIsSafe(text)) {
    throw invalid(`"${printable(text)}" is not a name for a ${what}: letters, digits, . _ - (64)`);
  }
  return text;
}

/**
 * In its shortest form: a slash at the end, as shells complete it, would make a volume unusable.
 * @throws AdminError invalid
 */
export function checkedPath(text: string): string {
  const bad = !text.startsWith('/') || /\p{Cc}/u.test(text) || text.length > 1_024;
  if (bad || text.split('/').some((part) => part === '..' || part === '.')) {
    throw invalid(`"${printable(text)}" is not an absolute path without "." and ".."`);
  }
  const path = text.replaceAll(/\/+/g, '/').replace(/\/$/, '');
  if (path === '') throw invalid('The root of the file system is no place for mail');
  return path;
}

/** @throws AdminError invalid */
export function checkedCount(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${what} is a whole number`);
  return value;
}

/** @throws AdminError invalid */
export function checkedPassword(text: string): string {
  if (text === '') throw invalid('A password is not empty');
  if (Buffer.byteLength(text) > 1_024 || text.includes('\0')) {
    throw invalid('A password has at most 1024 octets and no NUL');
  }
  return text;
}

/** As OpenLDAP stores some hashes: the text, and NULs up to the length of its buffer. */
export function unpadded(hash: string): string {
  const at = hash.indexOf('\0');
  return at > 0 && /^\0+$/.test(hash.slice(at)) ? hash.slice(0, at) : hash;
}

/** @throws AdminError invalid */
export function checkedServices(names: readonly string[]): readonly AccountService[] {
  return names.map((name) => {
    const service = ACCOUNT_SERVICES.find((known) => known === name.toLowerCase());
    if (service) return service;
    throw invalid(`"${printable(name)}" is not one of ${ACCOUNT_SERVICES.join(', ')}`);
  });
}

/** One line of text for a field of the entry. @throws AdminError invalid */
export function checkedText(text: string, what: string): string {
  if (text === '' || text.length > 256 || /\p{Cc}/u.test(text)) {
    throw invalid(`${what} is one line of at most 256 characters`);
  }
  return text;
}

/** Text of unknown origin in a message: short and printable. */
export const printable = (text: string): string => text.slice(0, 60).replace(/\p{C}/gu, '?');

/** A host name or address. @throws AdminError invalid */
export function checkedDomainName(text: string): string {
  if (/^[A-Za-z0-9:.-]{1,255}$/.test(text)) return text;
  throw invalid(`"${printable(text)}" is not a host name`);
}
