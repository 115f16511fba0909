import type { Entry } from 'ldapts';
import { toAccount, valuesOf } from '../client/entries.ts';
import type { Account } from '../types.ts';
import type { Recorded } from './api.ts';
import { recorded } from './record.ts';

/** A user as an administrator sees one. */
export interface UserRecord extends Account, Recorded {
  readonly aliases: readonly string[];
  readonly customerId: string | undefined;
  /** generalizedTime of the removal; undefined for a user in service. */
  readonly removed: string | undefined;
}

/** @throws DirectoryUnavailable when the entry is damaged */
export function toUser(entry: Entry): UserRecord {
  const account = toAccount(entry);
  // What verifies them is for front ends.
  const appPasswords = account.appPasswords?.map((one) => ({ ...one, hash: '' }));
  return {
    ...recorded(entry),
    ...account,
    ...(appPasswords && { appPasswords }),
    aliases: valuesOf(entry, 'mailAlias').map((alias) => alias.normalize('NFC').toLowerCase()),
    customerId: valuesOf(entry, 'customerID')[0],
    removed: valuesOf(entry, 'mwRemoved')[0],
  };
}
