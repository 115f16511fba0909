import type { Entry } from 'ldapts';
import { domainKey, domainSpellings } from '../address.ts';
import { valuesOf } from '../client/entries.ts';
import { parseTransport } from '../transport.ts';
import { ALL_POLICIES } from '../types.ts';
import type { DomainRecord, DomainValues } from './api.ts';
import { checkedEtrnSource, checkedSelector, checkedTransport } from './passed-on.ts';
import { addressIn, checkPassedOn, requireKeys } from './passed-on.ts';
import { Entries, type Farm, type Kind, type Proposed } from './collection.ts';
import { AdminError, isKind } from './error.ts';
import type { Loops } from './loops.ts';
import * as names from './names.ts';
import { anyEnding, anyOf } from './query.ts';
import { recorded } from './record.ts';
import * as values from './values.ts';

/** Domain of domain of domain … is followed this far. */
const ALIAS_DEPTH_MAX = 16;

/** Domains whose mail is ours. */
export class Domains extends Entries<DomainRecord, DomainValues> {
  constructor(farm: Farm, loops: Loops) {
    super(farm, new DomainKind(farm, loops));
  }

  override async add(domain: string, given: DomainValues = {}): Promise<DomainRecord> {
    return await super.add(domain, given);
  }

  /** The name of a domain as its entry has it. @throws AdminError not-found */
  async show(domain: string): Promise<string> {
    return (await this.get(domain)).name;
  }

  async list(): Promise<readonly string[]> {
    return [...(await this.find())].map(({ name }) => name).toSorted();
  }
}

class DomainKind implements Kind<DomainRecord, DomainValues> {
  readonly what = 'domain';
  readonly objectClass = 'mwDomain';
  readonly place = 'domains';
  readonly fields = {
    name: ['cn'],
    aliasOf: ['mwAliasOf'],
    catchAll: ['mwCatchAll'],
    all: ['mwAll'],
    transport: ['mwTransport'],
    etrnFrom: ['mwEtrnFrom'],
    dkim: ['mwDkim'],
    customerId: ['customerID'],
  };
  readonly #farm: Farm;
  readonly #loops: Loops;

  constructor(farm: Farm, loops: Loops) {
    this.#farm = farm;
    this.#loops = loops;
  }

  newName(given: string): string {
    return names.checkedDomain(given);
  }

  spellings(given: string): readonly string[] {
    return domainSpellings(names.checkedDomain(given));
  }

  toRecord(entry: Entry): DomainRecord {
    const all = values.lower(entry, 'mwAll');
    return {
      ...recorded(entry),
      name: domainKey(valuesOf(entry, 'cn')[0] ?? '') ?? '',
      aliasOf: values.lower(entry, 'mwAliasOf'),
      catchAll: values.lower(entry, 'mwCatchAll'),
      all: ALL_POLICIES.find((policy) => policy === all) ?? 'off',
      site: undefined,
      transport: parseTransport(valuesOf(entry, 'mwTransport')[0] ?? ''),
      etrnFrom: valuesOf(entry, 'mwEtrnFrom'),
      dkim: valuesOf(entry, 'mwDkim').toSorted(),
    };
  }

  toValues(domain: Partial<DomainValues>) {
    const { aliasOf, catchAll, all, transport, etrnFrom, dkim, description } = domain;
    return {
      mwTransport: values.given(transport, checkedTransport),
      mwEtrnFrom: values.given(etrnFrom, (given) => given.map(checkedEtrnSource)),
      mwDkim: values.given(dkim, (given) => [...new Set(given.map(checkedSelector))].toSorted()),
      mwAliasOf: values.given(aliasOf, names.checkedDomain),
      mwCatchAll: values.given(catchAll, values.address),
      mwAll: values.given(all, values.oneOf('Who may write to all@', ALL_POLICIES)),
      description: values.given(description, values.text('A description')),
    };
  }

  async check({
    name,
    values: given,
    before,
  }: Proposed<DomainRecord, DomainValues>): Promise<void> {
    if (!before) await this.#requireNoSite(name);
    await checkPassedOn(this.#farm, { name, given, before });
    if (given.dkim) await requireKeys(this.#farm, name, given.dkim);
    if (typeof given.aliasOf === 'string') await this.#checkAliasOf(name, given.aliasOf);
    if (typeof given.catchAll === 'string') await this.#checkCatchAll(name, given.catchAll);
  }

  async usedBy({ name }: DomainRecord): Promise<string | undefined> {
    const { session } = this.#farm;
    const endings = domainSpellings(name).map((spelling) => `@${spelling}`);
    const attributes = ['cn'];
    const shared = { limit: 1, attributes };
    const { users, lists, domains, removed } = session.names;
    const found = await Promise.all([
      session.search({
        base: users,
        objectClass: 'mwUser',
        filter: anyEnding(['cn', 'mailAlias'], endings),
        ...shared,
      }),
      session.search({
        base: lists,
        objectClass: 'mwList',
        filter: anyEnding(['cn'], endings),
        ...shared,
      }),
      session.search({
        base: domains,
        objectClass: 'mwDomain',
        filter: anyOf(['mwAliasOf'], domainSpellings(name)),
        ...shared,
      }),
      session.search({
        base: removed,
        objectClass: 'mwUser',
        filter: anyEnding(['mwFormerLogin'], endings),
        ...shared,
      }),
    ]);
    return found.flat()[0]?.dn;
  }

  async #requireNoSite(name: string): Promise<void> {
    const holder = await this.#farm.addresses.domain(name);
    const site = holder && values.lower(holder, 'cn');
    if (!holder || valuesOf(holder, 'mwSiteDomain').length === 0) return;
    throw new AdminError('exists', `${name} is a domain of the site ${site ?? holder.dn} already`);
  }

  /** An alias domain leads to a main domain, in one step and never around. */
  async #checkAliasOf(name: string, aliasOf: string): Promise<void> {
    const target = names.checkedDomain(aliasOf);
    const way = [name];
    let at: string | undefined = target;
    while (at !== undefined) {
      if (way.includes(at)) {
        const round = [...way, at].join(' → ');
        throw new AdminError('invalid', `The alias domains would go around: ${round}`);
      }
      if (way.length > ALIAS_DEPTH_MAX) break;
      way.push(at);
      const entry = await this.#farm.addresses.domain(at);
      if (!entry)
        throw new AdminError('not-found', `${at} is not a domain of this farm; add it first`);
      at = values.lower(entry, 'mwAliasOf');
    }
    if (way.length > 2) {
      const main = way.at(-1) ?? '';
      const text = `${target} is itself another name of ${main}: name that one`;
      throw new AdminError('invalid', text);
    }
    const user = await addressIn(this.#farm.session, name);
    if (user === undefined) return;
    const text = `${name} has addresses of its own (${user}), which would hide those of ${target}`;
    throw new AdminError('invalid', text);
  }

  async #checkCatchAll(name: string, catchAll: string): Promise<void> {
    const address = values.address(catchAll);
    if (!(await this.#exists(address))) {
      const text = `The catch-all ${address} is nobody's address; add the user or list first`;
      throw new AdminError('not-found', text);
    }
    const target = { addresses: [], catchAllOf: name };
    await this.#loops.refuse([address], target, `The catch-all of ${name}`);
  }

  /** An address elsewhere is taken as it is. */
  async #exists(address: string): Promise<boolean> {
    const domain = await this.#farm.addresses.domain(address.slice(address.lastIndexOf('@') + 1));
    if (domain && valuesOf(domain, 'mwTransport').length > 0) return true;
    if (await this.#farm.addresses.holder(address)) return true;
    try {
      await this.#farm.addresses.requireLocal(address);
      return false;
    } catch (error) {
      if (isKind(error, 'not-found')) return true;
      throw error;
    }
  }
}
