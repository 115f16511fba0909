import { hash } from 'node:crypto';
import { emailIdOf, encodeUidl, linkBase, nameBase, nameKey, nameUidl } from '#maildir';
import { uidlOf } from '../uidl.ts';

/**
 * What a restored message is called. Made of the name in the backup alone, so that whoever
 * restores it, and however often, makes the same name; the essay in restore.ts says why it is
 * not the old one. The seconds (INTERNALDATE), the email id and the UIDL stay.
 */
export interface RestoredName {
  readonly key: string;
  /** What follows the sizes: the UIDL that POP3 clients know. */
  readonly fields: string;
}

const HEX_DIGITS = 16;
/** In place of a host's token. */
const NODE = 'restored';

/** Whether a key is of a message that was restored. */
export const isRestored = (key: string): boolean => key.endsWith(`.${NODE}`);

/**
 * @param seconds since 1970, for a name that does not say when the message came
 * @param disk folder on disk that it goes to; '' is INBOX
 * @param generation how often it was restored there and removed again, as far as is known
 */
export function restoredName(
  { name, seconds }: { readonly name: string; readonly seconds: number },
  disk: string,
  generation: number,
): RestoredName {
  const old = nameKey(name);
  const digits = hash('sha256', `${old}\0${disk}\0${generation}`, 'hex').slice(0, HEX_DIGITS);
  const unique = `${seconds}.M0P0Q${generation}R${digits}.${NODE}`;
  const key = nameKey(linkBase(unique, old, 'moved'));
  // POP3 shows INBOX alone. What an import or an earlier restore gave stays everywhere.
  const uidl = nameUidl(name) ?? (disk === '' ? uidlOf(name) : undefined);
  return { key, fields: uidl === undefined ? '' : `,U=${encodeUidl(uidl)}` };
}

/** Whether a message in a backup is what an administrator named: UIDL, file name or email id. */
export const isCalled = (name: string, id: string): boolean =>
  [uidlOf(name), nameKey(name), nameBase(name), emailIdOf(nameKey(name))].includes(id);
