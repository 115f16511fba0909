import { PresenceFilter, SubstringFilter, type Entry } from 'ldapts';
import type { Logger } from '../../log/types.ts';
import { domainKey, domainSpellings } from '../address.ts';
import { ETRN_DOMAINS_MAX, etrnNames, parseEtrn, type EtrnName } from '../etrn.ts';
import type { Layout } from '../schema.ts';
import { DirectoryUnavailable } from '../types.ts';
import type { DomainEntry, NodeEntry } from '../types.ts';
import { DOMAIN_ATTRIBUTES, NODE_ATTRIBUTES, toDomain, toNode, valuesOf } from './entries.ts';
import { all, any, equal } from './filters.ts';
import type { Ask } from './replicas.ts';

export interface OutboundEntriesOptions {
  readonly layout: Layout;
  /** Asks the farm's own tree. */
  readonly ask: <T>(ask: Ask<T>) => Promise<T>;
  readonly logger: Logger;
}

/** What is asked for mail that leaves, over LDAP: nodes and customers' domains. */
export class OutboundEntries {
  readonly #options: OutboundEntriesOptions;

  constructor(options: OutboundEntriesOptions) {
    this.#options = options;
  }

  /** @throws DirectoryUnavailable */
  async nodes(): Promise<readonly NodeEntry[]> {
    const { layout, ask } = this.#options;
    const found = await ask(async (connection, whole) => {
      const entries = await connection.search(layout.nodes, {
        scope: 'one',
        filter: equal('objectClass', 'mwNode'),
        attributes: NODE_ATTRIBUTES,
        sizeLimit: 0, // A limit of ours would make one of the server's own look like the end.
      });
      await whole(); // A node that is missing would be taken for somebody else's host.
      return entries;
    });
    return found
      .flatMap((entry) => this.#usable(entry, toNode))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws DirectoryUnavailable */
  async etrnDomains(argument: string): Promise<readonly DomainEntry[]> {
    const named = parseEtrn(argument);
    if (!named) return [];
    const { layout, ask } = this.#options;
    const found = await ask(async (connection, whole) => {
      const entries = await connection.search(layout.domains, {
        scope: 'one',
        filter: etrnFilter(named),
        attributes: DOMAIN_ATTRIBUTES,
        sizeLimit: ETRN_DOMAINS_MAX,
      });
      if (entries.length === 0) await whole();
      return entries;
    });
    return found
      .flatMap((entry) => this.#usable(entry, domainOf))
      .filter(({ name, transport }) => transport !== undefined && etrnNames(named, name))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** One damaged entry must not take the others away. */
  #usable<T>(entry: Entry, read: (entry: Entry) => T | undefined): readonly T[] {
    try {
      const value = read(entry);
      return value === undefined ? [] : [value];
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      this.#options.logger.error({ dn: entry.dn, err: error }, 'MF-DIR-004 entry is left out');
      return [];
    }
  }
}

function domainOf(entry: Entry): DomainEntry | undefined {
  const name = domainKey(valuesOf(entry, 'cn')[0] ?? '');
  return name === undefined ? undefined : toDomain(name, [entry]);
}

function etrnFilter({ domain, below }: EtrnName) {
  const spellings = domainSpellings(domain);
  const names = spellings.map((value) => equal('cn', value));
  const under = spellings.map(
    (value) => new SubstringFilter({ attribute: 'cn', final: `.${value}` }),
  );
  const held = new PresenceFilter({ attribute: 'mwTransport' });
  return all(equal('objectClass', 'mwDomain'), held, any(below ? [...names, ...under] : names));
}
