import type { Entry } from 'ldapts';
import { addressKey, addressSpellings, domainSpellings } from '../address.ts';
import { valuesOf } from '../client/entries.ts';
import { AdminError } from './error.ts';
import { sameDn } from './identity.ts';
import { anyOf } from './query.ts';
import type { AdminSession } from './session.ts';

const HOLDERS_MAX = 8;

/** Which addresses can be given away: those in our domains that nobody has. */
export class Addresses {
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  /**
   * Users and lists, aliases too, are in one space of addresses: one means one thing.
   * @throws AdminError exists when somebody but `except` has the address
   */
  async requireFree(address: string, except?: string): Promise<void> {
    const holder = await this.holder(address, except);
    if (!holder) return;
    const login = valuesOf(holder, 'cn')[0] ?? holder.dn;
    const since = valuesOf(holder, 'mwRemoved')[0];
    const removed = since === undefined ? '' : `, removed ${since}`;
    const list = isA(holder, 'mwList');
    throw new AdminError(
      'exists',
      list
        ? `${address} is the address of a list already`
        : `${address} already belongs to ${login}${removed}`,
    );
  }

  /** The user or list that has an address, if somebody but `except`. */
  async holder(address: string, except?: string): Promise<Entry | undefined> {
    const key = addressKey(address);
    if (!key) return undefined;
    const spellings = addressSpellings(key);
    const attributes = ['cn', 'objectClass', 'mwRemoved'];
    const shared = { limit: HOLDERS_MAX, attributes };
    const { users, lists } = this.#session.names;
    const found = await Promise.all([
      this.#session.search({
        base: users,
        objectClass: 'mwUser',
        filter: anyOf(['cn', 'mailAlias'], spellings),
        ...shared,
      }),
      this.#session.search({
        base: lists,
        objectClass: 'mwList',
        filter: anyOf(['cn'], spellings),
        ...shared,
      }),
    ]);
    return found.flat().find((entry) => except === undefined || !sameDn(entry.dn, except));
  }

  /**
   * Users, aliases and lists stand in main domains (S3-14): in others they would hide what the
   * domain stands for. @throws AdminError not-found, invalid
   */
  async requireLocal(address: string): Promise<void> {
    const domain = addressKey(address)?.domain ?? '';
    const entry = await this.domain(domain);
    if (!entry) {
      const text = `${domain} is not a domain of this farm; add it first`;
      throw new AdminError('not-found', text);
    }
    const aliasOf = valuesOf(entry, 'mwAliasOf')[0];
    if (isA(entry, 'mwSite')) {
      const site = valuesOf(entry, 'cn')[0] ?? '';
      const text =
        `${domain} is a domain of the site ${site}: ` +
        'its users have their address in the main domain';
      throw new AdminError('invalid', text);
    }
    if (valuesOf(entry, 'mwTransport').length > 0) {
      const text = `Mail for ${domain} is passed on: it has no users, aliases and lists here`;
      throw new AdminError('invalid', text);
    }
    if (aliasOf === undefined) return;
    const text = `${domain} is another name of ${aliasOf}: add the address there, it is in both`;
    throw new AdminError('invalid', text);
  }

  /** The entry that makes a domain ours: an mwDomain, else the mwSite that has it. */
  async domain(name: string): Promise<Entry | undefined> {
    const spellings = domainSpellings(name);
    const { domains, sites } = this.#session.names;
    const [domain] = await this.#session.search({
      base: domains,
      objectClass: 'mwDomain',
      filter: anyOf(['cn'], spellings),
      limit: 2,
    });
    if (domain) return domain;
    const [site] = await this.#session.search({
      base: sites,
      objectClass: 'mwSite',
      filter: anyOf(['mwSiteDomain'], spellings),
      limit: 2,
    });
    return site;
  }
}

export const isA = (entry: Entry, objectClass: string): boolean =>
  valuesOf(entry, 'objectClass').some((name) => name.toLowerCase() === objectClass.toLowerCase());
