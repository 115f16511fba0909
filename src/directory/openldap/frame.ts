import { hashPassword } from '../embedded/password.ts';
import { systemRandom } from '../../base/random.ts';
import { FARM_COOKIE, newFarmCookie } from '../farm-cookie.ts';
import { frameEntries } from '../frame.ts';
import { configurable } from './config.ts';
import { comment, ldifRecord } from './ldif.ts';

/**
 * The tree to begin with as LDIF. Passwords are hashed: of both identities nobody can tell them
 * from this text. @throws SuffixError
 */
export async function frameLdif(
  suffix: string,
  passwords: { readonly admin: string; readonly frontend: string },
): Promise<string> {
  const entries = frameEntries(configurable(suffix), {
    adminPassword: await hashPassword(passwords.admin, 'ARGON2'),
    frontendPassword: await hashPassword(passwords.frontend, 'ARGON2'),
    administrators: [],
    settings: { [FARM_COOKIE]: newFarmCookie(systemRandom) },
  });
  const head = comment(
    `The tree of a farm, for:\n  ldapadd -c -x -D "cn=admin,${suffix}" -W -H ldap://HOST -f frame.ldif\n` +
      'A suffix that exists stays as it is (-c goes on).',
  );
  return head + entries.map(({ dn, attributes }) => ldifRecord(dn, attributes)).join('');
}
