import { addressKey, addressSpellings, keyText } from '../address.ts';
import { toSettings, valuesOf } from '../client/entries.ts';
import { isKind } from './error.ts';
import { anyOf } from './query.ts';
import { recorded } from './record.ts';
import { unchangedSince } from './assertion.ts';
import type { AdminSession } from './session.ts';

/** Something that names an address of a user: it does not follow a rename by itself. */
export interface Reference {
  readonly dn: string;
  readonly attribute: string;
  readonly value: string;
}

const IN_LISTS = ['mwMember', 'mwModerator', 'mwOwner'];
const ONE_VALUE: ReadonlySet<string> = new Set(['mwOwner', 'mwCatchAll']);
const POSTMASTER = 'postmaster';

/** Where addresses stand beside the entry of their user. */
export class References {
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  /**
   * Lists, forwards of others, catch-alls, who may send ETRN, and the setting `postmaster` that
   * name an address.
   */
  async to(address: string): Promise<readonly Reference[]> {
    const key = addressKey(address);
    if (!key) return [];
    const { lists, users, domains, farm } = this.#session.names;
    const where = [
      { base: lists, objectClass: 'mwList', attributes: IN_LISTS },
      { base: users, objectClass: 'mwUser', attributes: ['mailForward'] },
      { base: domains, objectClass: 'mwDomain', attributes: ['mwCatchAll', 'mwEtrnFrom'] },
    ];
    const same = (value: string): boolean => {
      const other = addressKey(value);
      return other !== undefined && keyText(other) === keyText(key);
    };
    const found: Reference[] = [];
    for (const { base, objectClass, attributes } of where) {
      const filter = anyOf(attributes, addressSpellings(key));
      for (const entry of await this.#session.search({ base, objectClass, filter })) {
        for (const attribute of attributes) {
          const values = valuesOf(entry, attribute).filter(same);
          found.push(...values.map((value) => ({ dn: entry.dn, attribute, value })));
        }
      }
    }
    const settings = await this.#session.entry(farm);
    const value = settings && toSettings(settings).get(POSTMASTER);
    if (value !== undefined && same(value)) {
      found.push({ dn: farm, attribute: 'mwSetting', value: `${POSTMASTER}=${value}` });
    }
    return found;
  }

  /** Lets them name another address. The new one is there before the former one goes. */
  async follow(from: string, to: string): Promise<void> {
    for (const reference of await this.to(from)) {
      const { dn, attribute, value } = reference;
      const next = attribute === 'mwSetting' ? `${POSTMASTER}=${to}` : to;
      try {
        if (ONE_VALUE.has(attribute)) await this.#replace(dn, { attribute, value, next });
        else {
          await this.#session.addValue(dn, attribute, next).catch(unless('exists'));
          await this.#session.removeValue(dn, attribute, value).catch(unless('not-found'));
        }
      } catch (error) {
        // Somebody else changed or removed it; what still stands is reported afterwards.
        if (!isKind(error, 'conflict') && !isKind(error, 'not-found')) throw error;
      }
    }
  }

  async #replace(
    dn: string,
    change: { readonly attribute: string; readonly value: string; readonly next: string },
  ): Promise<void> {
    const entry = await this.#session.entry(dn);
    if (!entry || valuesOf(entry, change.attribute)[0] !== change.value) return;
    const { revision } = recorded(entry);
    const only = revision === '' ? undefined : unchangedSince(revision);
    await this.#session.replace(dn, { [change.attribute]: change.next }, only);
  }
}

const unless =
  (kind: 'exists' | 'not-found') =>
  (error: unknown): void => {
    if (!isKind(error, kind)) throw error;
  };
