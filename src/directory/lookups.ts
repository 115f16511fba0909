import type { AddressKey } from './address.ts';
import type { Account, DomainEntry, ListEntry, RuleEntry } from './types.ts';

/** Users that a list or an `all@` address stands for. Suspended ones are among them. */
export type Selection =
  /** Users whose login is in this domain (A-labels). */
  | { readonly kind: 'domain'; readonly domain: string }
  /** Those of them that belong to a site. */
  | { readonly kind: 'site'; readonly site: string; readonly domain: string }
  /** Users that the filter of a list selects. */
  | { readonly kind: 'list'; readonly list: ListEntry };

/**
 * What resolution asks. LDAP, a snapshot file and memory answer it alike; each answer is a fact or
 * a DirectoryUnavailable, never a guess.
 */
export interface Lookups {
  /** The user whose cn or mailAlias this is. */
  holder(key: AddressKey): Promise<Account | undefined>;
  list(key: AddressKey): Promise<ListEntry | undefined>;
  /** The domain of this name (A-labels): an mwDomain, or a domain of an mwSite. */
  domain(name: string): Promise<DomainEntry | undefined>;
  /** @throws DirectoryUnavailable for more than `limit`: a part would be a wrong answer */
  select(selection: Selection, limit: number): Promise<readonly Account[]>;
  /** All rules, in their order. */
  rules(): Promise<readonly RuleEntry[]>;
  /** Who stands in where nobody holds postmaster: the setting's, else the first administrator. */
  postmaster(): Promise<Account | undefined>;
}

/**
 * The same, where each domain is asked for once: that one is not ours is never kept, and a list
 * names hundreds of addresses elsewhere. For one resolution.
 */
export function eachDomainOnce(ask: Lookups): Lookups {
  const known = new Map<string, Promise<DomainEntry | undefined>>();
  const domain = (name: string): Promise<DomainEntry | undefined> => {
    const before = known.get(name);
    if (before) return before;
    const asked = ask.domain(name);
    known.set(name, asked);
    return asked;
  };
  return { ...ask, domain };
}

/** A domain without anything special. */
export const plainDomain = (name: string): DomainEntry => ({
  name,
  aliasOf: undefined,
  catchAll: undefined,
  all: 'off',
  site: undefined,
  transport: undefined,
  etrnFrom: [],
  dkim: [],
});
