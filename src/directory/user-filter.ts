import { BerWriter, FilterParser } from 'ldapts';
import { decodeBer } from './embedded/ber.ts';
import { Entry, type Attributes } from './embedded/entry.ts';
import { decodeFilter, matches, type Filter } from './embedded/filter.ts';
import type { Account } from './types.ts';

/** A list's filter is none, or of a kind that is not evaluated here. */
export class UserFilterError extends Error {
  constructor(filter: string, options?: ErrorOptions) {
    super(`${JSON.stringify(filter)} is not a filter for users (RFC 4515)`, options);
    this.name = 'UserFilterError';
  }
}

/** Filters of lists are short, and come from administrators. */
export const USER_FILTER_LENGTH_MAX = 4_096;

/**
 * A test on users from the text of a filter (RFC 4515), for where no server evaluates it: what the
 * directory knows of the account is what can be asked for, by the names of the schema.
 * @throws UserFilterError
 */
export function userFilter(text: string): (account: Account) => boolean {
  const filter = parsed(text);
  return (account) => matches(filter, entryOf(account), () => true);
}

function parsed(text: string): Filter {
  if (text.length > USER_FILTER_LENGTH_MAX) throw new UserFilterError(`${text.slice(0, 80)}…`);
  try {
    const writer = new BerWriter();
    FilterParser.parseString(text).write(writer);
    return decodeFilter(decodeBer(writer.buffer));
  } catch (error) {
    throw new UserFilterError(text, { cause: error });
  }
}

function entryOf(account: Account): Entry {
  const { id, dn, login, site, volume, path } = account;
  const given: Readonly<Record<string, string | readonly string[] | undefined>> = {
    objectclass: ['top', 'mwUser'],
    entryuuid: id,
    cn: login,
    uid: String(account.uid),
    mailalias: account.addresses.filter((address) => address !== login),
    mailforward: account.forwards,
    mwforwardkeep: account.keepsForwarded ? 'TRUE' : undefined,
    mwsuspended: account.suspended,
    mwquota: account.quotaBytes === 0 ? undefined : String(account.quotaBytes),
    mwvolume: volume,
    mwpath: path,
    mwsite: site,
  };
  const attributes: Attributes = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' ? [value] : value]],
    ),
  );
  return new Entry({ dn, key: dn, parent: '', attributes });
}
