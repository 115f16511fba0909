import type { Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { isHashed, PasswordVerifier, TooManyChecks, unverifiable } from '../embedded/password.ts';
import { DirectoryUnavailable } from '../types.ts';
import { SnapshotError } from './format.ts';

/**
 * Why a stored value cannot stand in a snapshot: values in the clear never do, nor what Node
 * cannot verify, for such a user would be refused, or would have to be believed.
 */
export function storedFault(stored: string): string | undefined {
  if (isHashed(stored)) return unverifiable(stored);
  // How other software prints crypt(3) without a scheme, bcrypt above all.
  return /^\$2[abxy]\$/.test(stored)
    ? 'bcrypt ($2b$) is not supported'
    : 'it has no scheme: it may be in the clear';
}

/** Stored hashes of an entry. OpenLDAP's {ARGON2} values end with the NULs of a C string. */
export const passwordsOf = (entry: Entry): readonly string[] =>
  valuesOf(entry, 'userPassword').map((value) => value.replace(/\0+$/, ''));

const SCHEME = /^\{([A-Za-z0-9-]{1,20})\}(\$\w{1,10}\$)?/;

/** Name of a scheme for a count, without anything of the value. */
export function schemeOf(stored: string): string {
  const [, scheme, kind = ''] = SCHEME.exec(stored) ?? [];
  if (scheme !== undefined) return `{${scheme.toUpperCase()}}${kind}`;
  return /^\$2[abxy]\$/.test(stored) ? 'bcrypt without a scheme' : 'no scheme';
}

/** Counts users by scheme. @throws SnapshotError that names each scheme Node cannot verify */
export function checkSchemes(stored: Iterable<readonly string[]>): void {
  const bad = new Map<string, number>();
  let users = 0;
  let without = 0;
  for (const values of stored) {
    users += 1;
    if (values.length === 0) without += 1;
    const schemes = values.filter((value) => storedFault(value) !== undefined).map(schemeOf);
    for (const scheme of new Set(schemes)) bad.set(scheme, (bad.get(scheme) ?? 0) + 1);
  }
  if (users > 0 && without === users) {
    throw new SnapshotError(
      'No password can be read: give a configuration with the identity of an administrator',
    );
  }
  if (bad.size === 0) return;
  const list = [...bad].map(([scheme, count]) => `${scheme}: ${count} users`).join('; ');
  throw new SnapshotError(
    `These passwords could not be verified from a snapshot: ${list}. ` +
      'Set them anew, or export without passwords',
  );
}

/** Verifies a password against hashes of a snapshot; what cannot be verified is no refusal. */
export class SnapshotPasswords {
  readonly #verifier = new PasswordVerifier('SSHA512');

  /** @throws DirectoryUnavailable */
  async verify(
    stored: readonly string[],
    password: string,
    login: string,
  ): Promise<'accepted' | 'refused'> {
    const faults = stored.map(storedFault).filter((fault) => fault !== undefined);
    const usable = stored.filter((value) => storedFault(value) === undefined);
    try {
      if (await this.#matches(usable, password)) return 'accepted';
    } catch (error) {
      if (!(error instanceof TooManyChecks)) throw error;
      throw new DirectoryUnavailable('Too many passwords are being verified', { cause: error });
    }
    if (faults.length === 0 && usable.length > 0) return 'refused';
    const why = faults[0] ?? 'the snapshot has none of this user';
    throw new DirectoryUnavailable(`The password of ${login} cannot be verified: ${why}`);
  }

  async #matches(usable: readonly string[], password: string): Promise<boolean> {
    if (usable.length === 0) return false;
    return await this.#verifier.verify(usable, Buffer.from(password));
  }
}
