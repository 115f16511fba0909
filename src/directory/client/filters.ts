import {
  AndFilter,
  EqualityFilter,
  FilterParser,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
  type Filter,
} from 'ldapts';
import { domainSpellings } from '../address.ts';
import type { AttributeMap } from '../map.ts';

/**
 * The filters that front ends search with. Whatever a peer sent is the value of a filter object and
 * travels with its length in front (RFC 4511 §4.5.1.7): there is no text in which it could mean
 * something else.
 */
export const equal = (attribute: string, value: string): Filter =>
  new EqualityFilter({ attribute, value });
export const all = (...filters: readonly Filter[]): Filter =>
  new AndFilter({ filters: [...filters] });
export const any = (filters: readonly Filter[]): Filter => {
  const [only, other] = filters;
  return only && !other ? only : new OrFilter({ filters: [...filters] });
};

/** Entries of users in service. */
export function userFilter(map: AttributeMap, ...more: readonly Filter[]): Filter {
  const classes = any(map.classes.map((name) => equal('objectClass', name)));
  if (map.removed === undefined) return all(classes, ...more);
  const removed = new PresenceFilter({ attribute: map.removed });
  return all(classes, ...more, new NotFilter({ filter: removed }));
}

/** Users that one of these addresses belongs to; a bare name is a login only. */
export function holderFilter(
  map: AttributeMap,
  spellings: readonly string[],
  bare: boolean,
): Filter {
  const names = [map.login, ...map.aliases];
  if (bare && map.shortLogin !== undefined) names.push(map.shortLogin);
  return userFilter(
    map,
    any(spellings.flatMap((value) => names.map((name) => equal(name, value)))),
  );
}

/** Users whose login is in a domain (A-labels). */
export function domainUsersFilter(map: AttributeMap, domain: string, site?: string): Filter {
  const inDomain = any(
    domainSpellings(domain).map(
      (spelling) => new SubstringFilter({ attribute: map.login, final: `@${spelling}` }),
    ),
  );
  const ofSite = site !== undefined && map.site !== undefined ? [equal(map.site, site)] : [];
  return userFilter(map, inDomain, ...ofSite);
}

/** @throws an Error that says what is wrong with the text of a filter (RFC 4515) */
export const parseFilter = (text: string): Filter => FilterParser.parseString(text);
