import { valuesOf } from '../client/entries.ts';
import type { LdapDirectoryOptions } from '../client/directory.ts';
import { AdminError } from './error.ts';
import { unpadded } from './names.ts';
import { AdminSession } from './session.ts';

/**
 * Password hashes by account id, for an export that was asked for them. The directory gives them
 * to those who may do everything only.
 * @throws AdminError denied when it shows none
 */
export async function exportedPasswords(
  options: LdapDirectoryOptions,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const session = await AdminSession.open(options);
  try {
    const hashes = new Map<string, readonly string[]>();
    let users = 0;
    const attributes = ['entryUUID', 'userPassword'];
    const where = { base: session.names.users, objectClass: 'mwUser', attributes };
    for await (const entry of session.each(where)) {
      users += 1;
      const values = valuesOf(entry, 'userPassword').map(unpadded);
      if (values.length > 0) hashes.set(valuesOf(entry, 'entryUUID')[0] ?? '', values);
    }
    if (users === 0 || hashes.size > 0) return hashes;
    const text = 'The directory shows password hashes to administrators only, not to this identity';
    throw new AdminError('denied', text);
  } finally {
    await session.close();
  }
}
