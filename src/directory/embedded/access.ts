import { dnKey, parseDn } from '../dn.ts';
import type { Layout } from '../schema.ts';
import type { Entry } from './entry.ts';
import { isHashed } from './password.ts';
import type { Change } from './request.ts';
import { LdapFailure } from './result.ts';
import type { Tree } from './tree.ts';

/**
 * Who may do what:
 *
 * - nobody who is not bound reads anything but the root DSE;
 * - the front ends' identity (cn=frontend) reads everything but passwords, and gives a user a
 *   volume where there is none;
 * - administrators (cn=admin and the members of cn=administrators) do everything;
 * - a user replaces the own password by one in the clear.
 */
export type Identity =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'frontend' }
  | { readonly kind: 'administrator' }
  | { readonly kind: 'user'; readonly key: string };

const PASSWORD = 'userpassword';
const OWN_PASSWORD_BYTES_MAX = 1_024;
const NOTHING: ReadonlySet<string> = new Set();
const PASSWORDS: ReadonlySet<string> = new Set([PASSWORD]);

/** Keys of the entries that rights hang on. */
export interface AccessKeys {
  readonly admin: string;
  readonly frontend: string;
  readonly administrators: string;
}

export const accessKeys = (layout: Layout): AccessKeys => ({
  admin: dnKey(parseDn(layout.admin)),
  frontend: dnKey(parseDn(layout.frontend)),
  administrators: dnKey(parseDn(layout.administrators)),
});

/** Who is behind a bound DN now; asked for each operation, so that a right can be taken. */
export function identify(tree: Tree, keys: AccessKeys, bound: string | undefined): Identity {
  if (bound === undefined || !tree.get(bound)) return { kind: 'anonymous' };
  if (bound === keys.admin) return { kind: 'administrator' };
  if (bound === keys.frontend) return { kind: 'frontend' };
  const members = tree.get(keys.administrators)?.get('member') ?? [];
  return members.some((member) => safeKey(member) === bound)
    ? { kind: 'administrator' }
    : { kind: 'user', key: bound };
}

function safeKey(dn: string): string {
  try {
    return dnKey(parseDn(dn));
  } catch {
    return '';
  }
}

const denied = (what: string): LdapFailure => new LdapFailure('insufficientAccessRights', what);

/** Attributes that this identity does not see. @throws LdapFailure when it may not read at all. */
export function hiddenFrom(who: Identity): ReadonlySet<string> {
  if (who.kind === 'administrator') return NOTHING;
  if (who.kind === 'frontend') return PASSWORDS;
  throw denied('Bind with an identity that may read');
}

/** @throws LdapFailure unless the identity may add, delete and rename. */
export function mayRestructure(who: Identity): void {
  if (who.kind !== 'administrator') throw denied('Only administrators add, rename or delete');
}

/** @throws LdapFailure unless the identity may make these changes to this entry. */
export function mayModify(who: Identity, entry: Entry, changes: readonly Change[]): void {
  if (who.kind === 'administrator') return;
  const own = who.kind === 'user' && entry.key === who.key;
  if (own && changes.every((change) => change.name.toLowerCase() === PASSWORD)) return;
  if (who.kind === 'frontend' && changes.every((change) => isPlacement(change, entry))) return;
  throw denied('This identity may not make that change');
}

/**
 * What a user gives as the own password costs us work with every login from then on, a wrong one
 * as well: a hundred values, or a hash of a user's choosing that wants a GiB and 64 passes, would
 * hold up the logins of all. Asked before values are hashed. @throws LdapFailure
 */
export function mayGivePassword(who: Identity, changes: readonly Change[]): void {
  if (who.kind !== 'user') return;
  const [change, ...others] = changes;
  const [value = '', ...more] = change?.values ?? [];
  const plain = !isHashed(value) && Buffer.byteLength(value) <= OWN_PASSWORD_BYTES_MAX;
  const one = change?.operation === 'replace' && others.length + more.length === 0;
  if (one && plain) return;
  throw new LdapFailure(
    'constraintViolation',
    `userPassword is replaced by one value in the clear of at most ${OWN_PASSWORD_BYTES_MAX} octets`,
  );
}

/** mwVolume is added to a user; that there is none yet is checked with the schema (one value). */
const isPlacement = (change: Change, entry: Entry): boolean =>
  change.operation === 'add' &&
  change.name.toLowerCase() === 'mwvolume' &&
  change.values.length === 1 &&
  entry.isA('mwUser');
