import { BerWriter, FilterParser, type Entry as LdapEntry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { decodeBer } from '../embedded/ber.ts';
import { Entry } from '../embedded/entry.ts';
import { decodeFilter, matches } from '../embedded/filter.ts';

/**
 * Ids of the users that a filter (RFC 4515) selects, as the embedded server would answer a front
 * end: passwords cannot be asked for.
 * @throws Error when it is no filter
 */
export function idsSelectedBy(text: string, users: readonly LdapEntry[]): readonly string[] {
  const writer = new BerWriter();
  FilterParser.parseString(text).write(writer);
  const filter = decodeFilter(decodeBer(writer.buffer));
  const visible = (attribute: string): boolean => attribute !== 'userpassword';
  return users.flatMap((user) =>
    matches(filter, asStored(user), visible) ? valuesOf(user, 'entryUUID').slice(0, 1) : [],
  );
}

function asStored(entry: LdapEntry): Entry {
  const names = Object.keys(entry).filter((name) => name !== 'dn');
  const attributes = names.map((name) => [name.toLowerCase(), valuesOf(entry, name)] as const);
  return new Entry({
    dn: entry.dn,
    key: '',
    parent: '',
    attributes: Object.fromEntries(attributes),
  });
}
