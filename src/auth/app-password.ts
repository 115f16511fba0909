import { timingSafeEqual } from 'node:crypto';
import type { Random } from '../base/random.ts';
import type { Account, AccountService, AppPassword } from '../directory/types.ts';
import { base32 } from './base32.ts';
import { grouped, plainCode, secretHash } from './totp.ts';

/**
 * Passwords of programs: 128 random bits each, shown once, kept as SHA-256, good for the services
 * that the user chose. Who knows one reads mail and changes nothing in the directory, for a bind
 * with it fails.
 */
const PASSWORD_BYTES = 16;
const ID_BYTES = 5;
/** What we make has 26 characters; a few groups more are somebody's hyphens. */
const TYPED_LENGTH_MAX = 64;

/** Services that a program logs in to. `webmail` is JMAP with Basic. */
export const APP_SERVICES = ['imap', 'pop3', 'submission', 'webmail'] as const;
export type AppService = (typeof APP_SERVICES)[number] & AccountService;

/** A new one. `password` is for the user, and kept nowhere. */
export function newAppPassword(
  given: { readonly label: string; readonly services: readonly AppService[] },
  { random, now }: { readonly random: Random; readonly now: number },
): { readonly entry: AppPassword & { readonly createdAt: number }; readonly password: string } {
  const plain = base32(random.bytes(PASSWORD_BYTES)).toLowerCase();
  const id = base32(random.bytes(ID_BYTES)).toLowerCase();
  return {
    entry: { ...given, id, hash: secretHash(plain), createdAt: now },
    password: grouped(plain),
  };
}

/** The app password of this user that was given, if it is one. All are compared, each whole. */
export function appPasswordOf(account: Account, given: string): AppPassword | undefined {
  if (account.appPasswords === undefined || given.length > TYPED_LENGTH_MAX) return undefined;
  const hash = Buffer.from(secretHash(plainCode(given)));
  let found: AppPassword | undefined;
  for (const one of account.appPasswords) {
    const stored = Buffer.from(one.hash);
    if (stored.length === hash.length && timingSafeEqual(stored, hash)) found = one;
  }
  return found;
}
