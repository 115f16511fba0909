import { PresenceFilter, type Entry, type Filter } from 'ldapts';
import { addressKey, addressSpellings, keyText, withoutDetail } from '../address.ts';
import { valuesOf } from '../client/entries.ts';
import type { Addresses } from './addresses.ts';
import { isA } from './addresses.ts';
import { AdminError } from './error.ts';
import { printable } from './names.ts';
import { allOf, anyEnding, anyOf, checkedFilter } from './query.ts';
import type { AdminSession } from './session.ts';

/** Addresses looked at before a check gives up; no list that people read is that large. */
const ADDRESSES_MAX = 10_000;
const BATCH = 50;
/** Users of one filter who forward; the others lead nowhere. */
const SELECTED_MAX = 2_000;

/** What a letter must not come back to. */
export interface LoopTarget {
  /** Addresses of the user or list, in any spelling. */
  readonly addresses: readonly string[];
  /** Set for a catch-all: every address of this domain that nobody has. */
  readonly catchAllOf?: string;
}

/**
 * Whether letters to an address come back (S0-37): followed through forwards of users, aliases,
 * alias domains, catch-alls and lists, breadth first, as they stand in the directory now.
 */
export class Loops {
  readonly #session: AdminSession;
  readonly #addresses: Addresses;

  constructor(session: AdminSession, addresses: Addresses) {
    this.#session = session;
    this.#addresses = addresses;
  }

  /**
   * @param what for the message: `mailForward of alice@example.test`
   * @param filter users it selects are starts too
   * @throws AdminError invalid, which names the way around
   */
  async refuse(
    starts: readonly string[],
    target: LoopTarget,
    what: string,
    filter?: string,
  ): Promise<void> {
    const walk = new Walk(this.#session, this.#addresses, target);
    const way = await walk.from(starts, filter);
    if (!way) return;
    const shown = way.map(printable).join(' → ');
    throw new AdminError('invalid', `${what} would come back to where it began: ${shown}`);
  }
}

class Walk {
  readonly #session: AdminSession;
  readonly #addresses: Addresses;
  readonly #target: LoopTarget;
  readonly #goals: ReadonlySet<string>;
  /** Address to the one that led to it. */
  readonly #cameFrom = new Map<string, string | undefined>();
  readonly #domains = new Map<string, Entry | undefined>();

  constructor(session: AdminSession, addresses: Addresses, target: LoopTarget) {
    this.#session = session;
    this.#addresses = addresses;
    this.#target = target;
    this.#goals = new Set(target.addresses.flatMap(keyOf));
  }

  /** @returns the way from a start to the target, if there is one */
  async from(
    starts: readonly string[],
    filter: string | undefined,
  ): Promise<readonly string[] | undefined> {
    const selected = filter === undefined ? [] : await this.#selected(checkedFilter(filter));
    if (selected === 'goal') return [filter ?? ''];
    let frontier = this.#reached([...starts, ...selected], undefined);
    while (frontier.length > 0) {
      const next: string[] = [];
      for (let at = 0; at < frontier.length; at += BATCH) {
        const { goal, reached } = await this.#step(frontier.slice(at, at + BATCH));
        if (goal !== undefined) return this.#wayTo(goal);
        next.push(...reached);
      }
      if (this.#cameFrom.size > ADDRESSES_MAX) {
        const text =
          `More than ${ADDRESSES_MAX} addresses are behind this one: ` +
          'too many to check for a loop';
        throw new AdminError('invalid', text);
      }
      frontier = next;
    }
    return undefined;
  }

  async #step(
    batch: readonly string[],
  ): Promise<{ readonly goal?: string; readonly reached: readonly string[] }> {
    const meanings = new Map<string, readonly string[]>();
    for (const address of batch) {
      const means = await this.#meanings(address);
      if (means.some((meaning) => this.#goals.has(meaning))) return { goal: address, reached: [] };
      meanings.set(address, means);
    }
    const holders = await this.#holders([...new Set([...meanings.values()].flat())]);
    const reached: string[] = [];
    for (const [address, means] of meanings) {
      const entry = means.map((meaning) => holders.get(meaning)).find((found) => found);
      const targets = entry ? await this.#targets(entry) : await this.#unheld(means);
      if (targets === 'goal') return { goal: address, reached: [] };
      reached.push(...this.#reached(targets, address));
    }
    return { reached };
  }

  /** What an address of ours may mean: itself, without its detail, in the domain behind its own. */
  async #meanings(address: string): Promise<readonly string[]> {
    const key = addressKey(address);
    if (key?.domain === undefined) return [];
    const entry = await this.#domain(key.domain);
    if (!entry || passesOn(entry)) return [];
    const domain = isA(entry, 'mwSite')
      ? await this.#above(key.domain)
      : (valuesOf(entry, 'mwAliasOf')[0]?.toLowerCase() ?? key.domain);
    const main = domain === undefined ? undefined : await this.#domain(domain);
    if (main && passesOn(main)) return [];
    const plain = withoutDetail(key);
    return [key, ...(plain ? [plain] : [])].flatMap(({ local }) => [
      `${local}@${domain ?? key.domain}`,
    ]);
  }

  /** The nearest domain above one of a site (S3-13). */
  async #above(domain: string): Promise<string | undefined> {
    const labels = domain.split('.');
    for (let at = 1; at < labels.length - 1; at += 1) {
      const name = labels.slice(at).join('.');
      const entry = await this.#domain(name);
      if (entry && isA(entry, 'mwDomain')) return name;
    }
    return undefined;
  }

  async #domain(name: string): Promise<Entry | undefined> {
    if (!this.#domains.has(name)) this.#domains.set(name, await this.#addresses.domain(name));
    return this.#domains.get(name);
  }

  async #holders(meanings: readonly string[]): Promise<ReadonlyMap<string, Entry>> {
    const spellings = meanings.flatMap((text) => {
      const key = addressKey(text);
      return key ? addressSpellings(key) : [];
    });
    if (spellings.length === 0) return new Map();
    const { users, lists } = this.#session.names;
    const attributes = ['cn', 'objectClass', 'mailAlias', 'mailForward'];
    const found = [
      ...(await this.#session.search({
        base: lists,
        objectClass: 'mwList',
        filter: anyOf(['cn'], spellings),
      })),
      ...(await this.#session.search({
        base: users,
        objectClass: 'mwUser',
        filter: anyOf(['cn', 'mailAlias'], spellings),
        attributes,
      })),
    ];
    return new Map(
      found.flatMap((entry) =>
        [...valuesOf(entry, 'cn'), ...valuesOf(entry, 'mailAlias')]
          .flatMap(keyOf)
          .map((text) => [text, entry] as const),
      ),
    );
  }

  /** Where mail for a user or list goes on to. */
  async #targets(entry: Entry): Promise<readonly string[] | 'goal'> {
    if (!isA(entry, 'mwList')) return valuesOf(entry, 'mailForward');
    const members = valuesOf(entry, 'mwMember');
    const filter = valuesOf(entry, 'mwMemberFilter')[0];
    if (filter === undefined) return members;
    const selected = await this.#selected(checkedFilter(filter));
    return selected === 'goal' ? 'goal' : [...members, ...selected];
  }

  /** Forwards of the users that a filter selects. */
  async #selected(filter: Filter): Promise<readonly string[] | 'goal'> {
    const shared = { base: this.#session.names.users, objectClass: 'mwUser' };
    if (this.#goals.size > 0) {
      const self = allOf(filter, anyOf(['cn', 'mailAlias'], [...this.#goals]));
      const found = await this.#session.search({ ...shared, filter: self, limit: 1 });
      if (found.length > 0) return 'goal';
    }
    const forwarding = allOf(filter, new PresenceFilter({ attribute: 'mailForward' }));
    const users = await this.#session.search({
      ...shared,
      filter: forwarding,
      limit: SELECTED_MAX,
      attributes: ['mailForward'],
    });
    return users.flatMap((user) => valuesOf(user, 'mailForward'));
  }

  /** An address that nobody has: all@, or the catch-all. */
  async #unheld(means: readonly string[]): Promise<readonly string[] | 'goal'> {
    const key = addressKey(means[0] ?? '');
    if (key?.domain === undefined) return [];
    const entry = await this.#domain(key.domain);
    if (!entry) return [];
    const policy = valuesOf(entry, 'mwAll')[0]?.toLowerCase() ?? 'off';
    if (key.local === 'all' && policy !== 'off') {
      return await this.#selected(anyEnding(['cn'], [`@${key.domain}`]));
    }
    if (key.domain === this.#target.catchAllOf) return 'goal';
    return valuesOf(entry, 'mwCatchAll');
  }

  /** @returns those that were not reached before */
  #reached(addresses: readonly string[], from: string | undefined): readonly string[] {
    const fresh = [...new Set(addresses.flatMap(keyOf))].filter(
      (address) => !this.#cameFrom.has(address),
    );
    for (const address of fresh) this.#cameFrom.set(address, from);
    return fresh;
  }

  #wayTo(goal: string): readonly string[] {
    const way: string[] = [];
    for (let at: string | undefined = goal; at !== undefined; at = this.#cameFrom.get(at)) {
      way.unshift(at);
    }
    return way;
  }
}

/** Mail of a customer's domain leaves: what stands here of it leads nowhere. */
const passesOn = (entry: Entry): boolean => valuesOf(entry, 'mwTransport').length > 0;

/** The address as maps have it; none for what is no address. */
function keyOf(address: string): readonly string[] {
  const key = addressKey(address);
  return key ? [keyText(key)] : [];
}
