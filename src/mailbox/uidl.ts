import { hash } from 'node:crypto';
import { nameKey, nameUidl } from '#maildir';

/**
 * Unique ids (RFC 1939 §7): 1 to 70 octets of 0x21 to 0x7e, stable over sessions, flags and
 * sizes. In order: what an import put into the name (`,U=`), so that no client downloads again
 * after a migration; the name's key (before the first comma), which never changes; its hash,
 * where the key is too long or has octets that a UIDL cannot have.
 */
const UIDL = /^[!-~]{1,70}$/;

/** The UIDL of a message by its file name, with or without sizes and flags. */
export function uidlOf(name: string): string {
  const imported = name.includes(',U=') ? nameUidl(name) : undefined;
  if (imported !== undefined && UIDL.test(imported)) return imported;
  const key = nameKey(name);
  return UIDL.test(key) ? key : hash('sha256', key, 'hex');
}
