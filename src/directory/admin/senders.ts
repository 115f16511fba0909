import { PresenceFilter } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { DnError, parseDn } from '../dn.ts';
import { AdminError, isKind } from './error.ts';
import { sameDn } from './identity.ts';
import type { AdminSession } from './session.ts';

/**
 * The group of nodes that read keys and passwords for mail that leaves (rights.ts). Whoever holds
 * the identity of front ends may give a key to a node that has none, so only a node that has one
 * is put into the group, and one whose key is taken away leaves it first.
 */
export class Senders {
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  /** Names of the nodes in the group, sorted. @throws AdminError denied, not-found */
  async names(): Promise<readonly string[]> {
    const { nodes } = this.#session.names;
    const rdns = (await this.#members()).flatMap((dn) => {
      const below = dn.slice(dn.indexOf(',') + 1);
      return isSame(below, nodes) ? [parseDn(dn)[0]?.[0]?.[1] ?? ''] : [];
    });
    return rdns.toSorted();
  }

  /** @throws AdminError invalid for a node without a key */
  async join(dn: string): Promise<void> {
    const filter = new PresenceFilter({ attribute: 'userPassword' });
    const where = { base: dn, scope: 'base', objectClass: 'mwNode', attributes: ['cn'] } as const;
    const [keyed] = await this.#session.search({ ...where, filter, limit: 1 });
    if (!keyed) {
      const name = parseDn(dn)[0]?.[0]?.[1] ?? dn;
      const text =
        `The node ${name} has given itself no key yet, so anybody could be it: ` +
        'start it once, then say again that it sends';
      throw new AdminError('invalid', text);
    }
    await this.#members();
    await this.#session
      .addValue(this.#session.names.senders, 'member', dn)
      .catch((error: unknown) => {
        if (!isKind(error, 'exists')) throw error;
      });
  }

  /** Nothing where it is no member, or where there is no such group. */
  async leave(dn: string): Promise<void> {
    const members = await this.#members().catch((error: unknown) => {
      if (isKind(error, 'not-found') || isKind(error, 'denied')) return [];
      throw error;
    });
    for (const member of members) {
      if (!isSame(member, dn)) continue;
      await this.#session
        .removeValue(this.#session.names.senders, 'member', member)
        .catch((error: unknown) => {
          if (!isKind(error, 'not-found')) throw error;
        });
    }
  }

  async #members(): Promise<readonly string[]> {
    const { senders } = this.#session.names;
    const group = await this.#session.entry(senders, ['member']);
    if (group) return valuesOf(group, 'member');
    const text =
      `The directory shows no ${senders}: OpenLDAP gets it from \`mailfarm schema --part frame\` ` +
      '(ldapadd -c leaves alone what is there)';
    throw new AdminError('not-found', text);
  }
}

/** What is no DN is nobody's. */
function isSame(a: string, b: string): boolean {
  try {
    return sameDn(a, b);
  } catch (error) {
    if (error instanceof DnError) return false;
    throw error;
  }
}
