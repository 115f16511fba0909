import { SECRET_KINDS, type SecretKind } from './types.ts';

/** A key of 16,384 bits fits. */
export const SECRET_BYTES_MAX = 32_768;

const NAME = /^[a-z0-9](?:[a-z0-9._@:-]{0,250}[a-z0-9])?$/;

/** What a secret may be called: in lower case, so that no two differ by it only. */
export const secretNameIsSafe = (name: string): boolean => NAME.test(name);

/** The cn of the entry of a secret: kind and name in one; undefined for what cannot be one. */
export function secretEntryName(kind: SecretKind, name: string): string | undefined {
  const text = name.toLowerCase();
  return secretNameIsSafe(text) ? `${kind}/${text}` : undefined;
}

/** The kind and name of a cn, as `secretEntryName` makes it. */
export function secretOfEntry(
  cn: string,
): { readonly kind: SecretKind; readonly name: string } | undefined {
  const at = cn.indexOf('/');
  const kind = SECRET_KINDS.find((known) => known === cn.slice(0, at));
  const name = cn.slice(at + 1);
  return kind && secretNameIsSafe(name) ? { kind, name } : undefined;
}
