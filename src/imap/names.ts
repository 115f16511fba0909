/**
 * Names of folders as a client writes them and as Mail has them. Mail's have `/` between parts.
 * With `imap.separator` `.` the two characters change places, so that every name has one spelling
 * on each side; with `imap.prefix` INBOX all folders but INBOX are shown below it, as a Courier
 * server does. Whether there can be such a folder is Mail's to say.
 */
import { encodeUtf7 } from '../mailbox/utf7.ts';
import type { ImapOptionValues } from './options.ts';
import { Refusal } from './replies.ts';
import { encodeUtf8 } from './wire/text.ts';

export type NameValues = Pick<ImapOptionValues, 'imap.separator' | 'imap.prefix'>;

/** What all names of the user's own folders begin with. */
export const prefixOf = (values: NameValues): string =>
  values['imap.prefix'] === 'none' ? '' : `INBOX${values['imap.separator']}`;

const swapped = (values: NameValues, name: string): string =>
  values['imap.separator'] === '/'
    ? name
    : name.replaceAll(/[./]/g, (char) => (char === '.' ? '/' : '.'));

/** @throws Refusal for a name outside of the prefix */
export function toFolder(values: NameValues, name: string): string {
  const prefix = prefixOf(values);
  if (name.toUpperCase() === 'INBOX') return 'INBOX';
  if (prefix === '') return swapped(values, name);
  if (name.slice(0, prefix.length).toUpperCase() === prefix && name.length > prefix.length) {
    return swapped(values, name.slice(prefix.length));
  }
  throw new Refusal('NONEXISTENT', `Names of folders begin with ${prefix} here`);
}

/** In Unicode. */
export function toClientText(values: NameValues, folder: string): string {
  return folder === 'INBOX' ? folder : prefixOf(values) + swapped(values, folder);
}

/** As octets, one character each: UTF-8 or modified UTF-7. */
export function toClient(values: NameValues, folder: string, utf8: boolean): string {
  const text = toClientText(values, folder);
  return utf8 ? encodeUtf8(text) : encodeUtf7(text);
}
