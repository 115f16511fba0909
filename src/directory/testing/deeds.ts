/** What an actor may try on a directory over LDAP, and how it ends: for tests of rights. */
import { Attribute, Change, ResultCodeError, type Client } from 'ldapts';
import type { SeedEntry } from '../frame.ts';

export const SUFFIX = 'dc=mailfarm';

/** A user of the tests at each level of rights, and the group that the level stands for. */
export const LEVELLED = {
  audrey: 'auditors',
  helga: 'helpdesk',
  otto: 'operators',
  boss: 'administrators',
} as const;

/** Something that an actor tries; it throws when it is refused. */
export interface Deed {
  readonly what: string;
  readonly run: (client: Client) => Promise<void>;
}

const short = (dn: string): string => dn.replace(`,${SUFFIX}`, '');

export const reads = (dn: string, attribute: string): Deed => ({
  what: `reads ${attribute} of ${short(dn)}`,
  run: async (client) => {
    const { searchEntries } = await client.search(dn, { scope: 'base', attributes: [attribute] });
    const value = searchEntries[0]?.[attribute] ?? [];
    if (value.length === 0) throw new Refused();
  },
});
/** A filter tells as much as an answer. */
export const finds = (filter: string): Deed => ({
  what: `finds ${filter}`,
  run: async (client) => {
    const { searchEntries } = await client.search(SUFFIX, { filter, attributes: ['1.1'] });
    if (searchEntries.length === 0) throw new Refused();
  },
});
const changes =
  (operation: 'add' | 'replace' | 'delete') =>
  (dn: string, type: string, ...values: string[]): Deed => ({
    what: `${operation}s ${type} of ${short(dn)}`,
    run: async (client) => {
      const modification = new Attribute({ type, values });
      await client.modify(dn, new Change({ operation, modification }));
    },
  });
export const [adds, replaces, deletes] = [changes('add'), changes('replace'), changes('delete')];
export const creates = ({ dn, attributes }: SeedEntry): Deed => ({
  what: `creates ${short(dn)}`,
  run: async (client) => await client.add(dn, attributes as Record<string, string | string[]>),
});
export const removes = (dn: string): Deed => ({
  what: `removes ${short(dn)}`,
  run: async (client) => await client.del(dn),
});
export const moves = (from: string, to: string): Deed => ({
  what: `moves ${short(from)} to ${short(to)}`,
  run: async (client) => await client.modifyDN(from, to),
});
export const binds = (dn: string, password: string): Deed => ({
  what: `binds as ${short(dn)} with ${password}`,
  run: async (client) => await client.bind(dn, password),
});

class Refused extends Error {}

export type Outcome = 'may' | 'may not' | 'is late';
/** noSuchObject: that it exists is not told. */
const OUTCOMES: Readonly<Record<number, Outcome>> = {
  8: 'may not',
  19: 'is late',
  20: 'is late',
  32: 'may not',
  49: 'may not',
  50: 'may not',
};

export async function outcome(client: Client, deed: Deed): Promise<string> {
  try {
    await deed.run(client);
    return 'may';
  } catch (error) {
    if (error instanceof Refused) return 'may not';
    if (error instanceof ResultCodeError) return OUTCOMES[error.code] ?? `code ${error.code}`;
    throw error;
  }
}
