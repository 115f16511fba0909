import type { Entry } from 'ldapts';
import { domainKey } from '../address.ts';
import { valuesOf } from '../client/entries.ts';
import type { SiteRecord, SiteValues } from './api.ts';
import { Entries, type Farm, type Kind, type Proposed } from './collection.ts';
import { AdminError } from './error.ts';
import * as names from './names.ts';
import { anyOf } from './query.ts';
import { recorded } from './record.ts';
import * as values from './values.ts';

/** Sites: parts of the network with users of their own (S3-03). */
export class Sites extends Entries<SiteRecord, SiteValues> {
  constructor(farm: Farm) {
    super(farm, new SiteKind(farm));
  }

  override async add(name: string, given: SiteValues = {}): Promise<SiteRecord> {
    return await super.add(name, given);
  }
}

const LEVELS = [0, 1, 2] as const;

class SiteKind implements Kind<SiteRecord, SiteValues> {
  readonly what = 'site';
  readonly objectClass = 'mwSite';
  readonly place = 'sites';
  readonly fields = {
    name: ['cn'],
    domain: ['mwSiteDomain'],
    domains: ['mwSiteDomain'],
    siteLevel: ['mwSiteLevel'],
  };
  readonly #farm: Farm;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  /** In lower case: users name their site in it. */
  newName(given: string): string {
    return names.checkedName(given, 'site').toLowerCase();
  }

  spellings(given: string): readonly string[] {
    return [names.checkedName(given, 'site')];
  }

  toRecord(entry: Entry): SiteRecord {
    const level = Number(valuesOf(entry, 'mwSiteLevel')[0]);
    return {
      ...recorded(entry),
      name: valuesOf(entry, 'cn')[0]?.toLowerCase() ?? '',
      domains: valuesOf(entry, 'mwSiteDomain').map((domain) => domainKey(domain) ?? domain),
      siteLevel: LEVELS.find((known) => known === level),
      description: valuesOf(entry, 'description')[0],
    };
  }

  toValues({ domains, siteLevel, description }: Partial<SiteValues>) {
    const all = (list: readonly string[]) => [...new Set(list.map(names.checkedDomain))];
    const level = (value: number): number => {
      if (LEVELS.some((known) => known === value)) return value;
      throw new AdminError('invalid', 'The level of a site is 0, 1 or 2');
    };
    return {
      mwSiteDomain: values.given(domains, all),
      mwSiteLevel: values.given(siteLevel, level),
      description: values.given(description, values.text('A description')),
    };
  }

  async check({ values: site, before }: Proposed<SiteRecord, SiteValues>): Promise<void> {
    for (const given of site.domains ?? []) {
      const domain = names.checkedDomain(given);
      const holder = await this.#farm.addresses.domain(domain);
      if (!holder || holder.dn === before?.dn) continue;
      throw new AdminError('exists', `${domain} is a domain already: ${holder.dn}`);
    }
  }

  async usedBy({ name }: SiteRecord): Promise<string | undefined> {
    const { session } = this.#farm;
    const filter = anyOf(['mwSite'], [name]);
    const { users, removed, nodes } = session.names;
    for (const base of [users, removed, nodes]) {
      const [user] = await session.search({ base, filter, limit: 1, attributes: ['cn'] });
      if (user) return user.dn;
    }
    return undefined;
  }
}
