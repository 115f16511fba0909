import type { Account, Destination, Fallback } from './types.ts';

/** Something a letter passes: an address, a user, a list, or a place where it ends. */
export interface Stop {
  /** Where it goes on to. */
  readonly next: Set<Stop>;
  /** Where it comes from. */
  readonly from: Set<Stop>;
  /** A user, whose mailbox is the last resort. */
  readonly account?: Account;
  /** A way out of the farm. */
  readonly leaving?:
    | { readonly kind: 'remote'; readonly address: string }
    | {
        readonly kind: 'host';
        readonly host: string;
        readonly port: number;
        readonly protocol: 'smtp' | 'lmtp';
        readonly address: string;
      };
  /** The letter stays here: in the mailbox of `account`, or at `leaving`. */
  ends: boolean;
}

/**
 * The ways of one letter. Each stop is there once, however many ways lead to it, so that a loop
 * adds nothing and a mailbox gets one copy.
 */
export class Ways {
  readonly #walk: Walk;
  /** In the order in which they were found, which is the order of destinations. */
  readonly #stops = new Map<string, Stop>();
  /** Stops at which the letter ends. */
  ends = 0;
  /** How often a stop was named by another. */
  links = 0;

  /** @param steps what finding the ends may cost; @param tooMany what is thrown beyond it */
  constructor(steps: number, tooMany: () => Error) {
    this.#walk = new Walk(steps, tooMany);
  }

  get size(): number {
    return this.#stops.size;
  }

  /** The stop of a name, made where it is new. */
  stop(name: string, make: Pick<Stop, 'account' | 'leaving'> & { readonly ends?: boolean } = {}) {
    const known = this.#stops.get(name);
    if (known) return { stop: known, isNew: false };
    const stop: Stop = { next: new Set(), from: new Set(), ends: false, ...make };
    this.#stops.set(name, stop);
    if (stop.ends) this.ends += 1;
    return { stop, isNew: true };
  }

  link(from: Stop, to: Stop): void {
    this.links += 1;
    from.next.add(to);
    to.from.add(from);
  }

  /**
   * Where the letter ends. A user whose forwards lead back to him without another user between
   * keeps a copy. Where a way of forwards leads to no end, it ends where it goes no further, and
   * in a loop at the user who was named first: no loop and no dead end costs anybody the letter.
   */
  destinations(): readonly Destination[] {
    const users = [...this.#stops.values()].filter(({ account }) => account !== undefined);
    for (const user of users) user.ends ||= this.#walk.leadsBack(user);
    const served = new Set<Stop>();
    for (const stop of this.#stops.values()) if (stop.ends) this.#walk.addAll(served, stop, 'from');
    for (const user of users) {
      if (served.has(user)) continue;
      const last = this.#walk.lastResort(user, users);
      last.ends = true;
      this.#walk.addAll(served, last, 'from');
    }
    const ends = [...this.#stops.values()].filter((stop) => stop.ends);
    return ends.flatMap((stop) => this.#destination(stop));
  }

  #destination(stop: Stop): readonly Destination[] {
    if (stop.account) return [{ kind: 'mailbox', account: stop.account }];
    return stop.leaving ? [{ ...stop.leaving, fallback: this.#fallback(stop) }] : [];
  }

  /** The nearest users before a way out; undefined when a way without a user leads there. */
  #fallback(stop: Stop): Fallback {
    const [first] = this.#stops.values();
    const users = new Set<Account>();
    const seen = new Set<Stop>();
    const open = [stop];
    for (let one = open.pop(); one; one = open.pop()) {
      this.#walk.step();
      if (seen.has(one)) continue;
      seen.add(one);
      if (one.account) users.add(one.account);
      else if (one === first) return undefined;
      else open.push(...one.from);
    }
    return [...users];
  }
}

/** Walks over one graph, all of them within so many steps: graphs of lists can be made dense. */
class Walk {
  #left: number;
  readonly #tooMany: () => Error;

  constructor(steps: number, tooMany: () => Error) {
    this.#left = steps;
    this.#tooMany = tooMany;
  }

  step(): void {
    this.#left -= 1;
    if (this.#left < 0) throw this.#tooMany();
  }

  /** Adds a stop and all that a way leads to from it, or all from which one leads to it. */
  addAll(stops: Set<Stop>, stop: Stop, way: 'next' | 'from'): void {
    const open = [stop];
    for (let one = open.pop(); one; one = open.pop()) {
      this.step();
      if (stops.has(one)) continue;
      stops.add(one);
      open.push(...one[way]);
    }
  }

  /** Of users from whom no way leads to an end: the first of those behind whom nobody comes. */
  lastResort(user: Stop, users: readonly Stop[]): Stop {
    for (let at = user; ;) {
      const [on, back] = [new Set<Stop>(), new Set<Stop>()];
      this.addAll(on, at, 'next');
      this.addAll(back, at, 'from');
      const further = users.find((one) => on.has(one) && !back.has(one));
      if (!further) return users.find((one) => on.has(one)) ?? at;
      at = further;
    }
  }

  /** Whether the forwards of a user lead to that user, past lists and aliases. */
  leadsBack(user: Stop): boolean {
    const seen = new Set<Stop>();
    const open = [user];
    for (let one = open.pop(); one; one = open.pop()) {
      if (one.from.has(user)) return true;
      for (const before of one.from) {
        this.step();
        if (seen.has(before) || before.account !== undefined) continue;
        seen.add(before);
        open.push(before);
      }
    }
    return false;
  }
}
