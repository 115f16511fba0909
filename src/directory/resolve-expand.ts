import { addressKey, keyText } from './address.ts';
import type { Lookups, Selection } from './lookups.ts';
import { leftOut } from './metrics.ts';
import { Ways, type Stop } from './resolve-graph.ts';
import { badDomain, meaningOf, standIn, type Meaning } from './resolve-meaning.ts';
import { ASKED_AT_ONCE, LINKS_FOR_EACH_VISIT, SenderView } from './resolve-sender.ts';
import type { ExpansionLimits, LeftOut } from './resolve.ts';
import { DirectoryUnavailable } from './types.ts';
import type { Account, ListEntry, Resolution, TracedStop } from './types.ts';

/** Lists in lists, forwards of forwards: more than people can follow. */
export const EXPANSION_DEPTH_MAX = 32;
/** Forwards of one user; users write their own. Of more none is followed (MF-DIR-023). */
export const FORWARDS_MAX = 100;
/** Steps over the graph for each link that may be in it: an ordinary list takes two or three. */
const STEPS_FOR_EACH_LINK = 5;

export interface ExpansionParts {
  readonly limits: ExpansionLimits;
  readonly sender: string | undefined;
  readonly unproven?: boolean | undefined;
  readonly onLeftOut: ((what: LeftOut) => void) | undefined;
  readonly onStop?: ((stop: TracedStop) => void) | undefined;
}

type PassedOn = Extract<Meaning, { kind: 'transport' }>;

/** An address somewhere on the way, still to be looked up. */
interface Step {
  /** As it is written there. */
  readonly address: string;
  readonly from: Stop;
  /** Who names it. */
  readonly by: string;
  /** Named by a list: who may write to that one may write to those in it. */
  readonly trusted: boolean;
  /** What was written to, or what a catch-all has in its place. */
  readonly first: boolean;
}

/**
 * Follows one address to where its letters end, breadth first, a level of look-ups at once. Each
 * stop is visited once; how ends come of it stands in resolve-graph.ts.
 */
export class Expansion {
  readonly #ask: Lookups;
  readonly #parts: ExpansionParts;
  readonly #sender: SenderView;
  readonly #ways: Ways;
  #next: Step[] = [];
  #refused = false;
  /** Named by errors. */
  #root = '';
  #list: ListEntry | undefined;
  #moderated = false;

  constructor(ask: Lookups, parts: ExpansionParts) {
    this.#ask = ask;
    this.#parts = parts;
    this.#ways = new Ways(STEPS_FOR_EACH_LINK * this.#linksMax, () =>
      this.#tooLarge('leads to lists and forwards that lead to each other in too many ways'),
    );
    this.#sender = new SenderView(ask, {
      address: parts.sender,
      unproven: parts.unproven === true,
      selectMax: parts.limits.destinations,
      visitsMax: this.#visitsMax,
    });
  }

  /** @throws DirectoryUnavailable (MF-DIR-020 and what look-ups throw) */
  async resolve(first: {
    readonly text: string;
    readonly written: string;
    readonly meaning: Meaning;
  }): Promise<Resolution> {
    const { text, written, meaning } = first;
    this.#root = text;
    const address = meaning.kind === 'transport' ? written : text;
    const { stop: root } = this.#ways.stop(stopName(text, false));
    await this.#enter({ address, from: root, by: address, trusted: false, first: true }, meaning);
    for (let depth = 1; this.#next.length > 0; depth++) {
      const { depth: max } = this.#parts.limits;
      if (depth > max) throw this.#tooLarge(`goes on behind more than ${max} others`);
      const level = this.#next;
      this.#next = [];
      for (let at = 0; at < level.length; at += ASKED_AT_ONCE) {
        await this.#follow(level.slice(at, at + ASKED_AT_ONCE));
      }
    }
    return this.#result(meaning);
  }

  #result(meaning: Meaning): Resolution {
    const destinations = this.#ways.destinations();
    this.#checkSize(destinations.length);
    if (destinations.length > 0) {
      const [list, moderated] = [this.#list, this.#moderated];
      return { kind: 'expanded', destinations, list, moderated };
    }
    if (this.#refused) return { kind: 'refused', reason: 'members-only' };
    if (meaning.kind !== 'catch-all') return { kind: 'refused', reason: 'no-members' };
    const { domain: name, address } = meaning;
    throw badDomain({ name }, `sends what nobody has to ${address}, which nobody has either`);
  }

  /** Addresses that are looked up. */
  get #visitsMax(): number {
    return 4 * this.#parts.limits.destinations + 64;
  }

  /** Times that addresses are named: the work that a list in many lists makes. */
  get #linksMax(): number {
    return LINKS_FOR_EACH_VISIT * this.#visitsMax;
  }

  /** Looks up some addresses at once, then goes on from them in their order. */
  async #follow(steps: readonly Step[]): Promise<void> {
    const found = await Promise.all(steps.map((step) => this.#look(step)));
    for (const [index, step] of steps.entries()) {
      const meaning = found[index];
      if (meaning) await this.#enter(step, meaning);
    }
  }

  /** What an address means; undefined where it is none. */
  async #look(step: Step): Promise<Meaning | undefined> {
    const key = addressKey(step.address.trim());
    if (!key) return void this.#leaveOut(step, 'malformed');
    if (key.domain !== undefined) return await meaningOf({ ...key, domain: key.domain }, this.#ask);
    if (key.local === 'postmaster') return await standIn(this.#ask);
    return void this.#leaveOut(step, 'malformed');
  }

  async #enter(step: Step, meaning: Meaning): Promise<void> {
    const own = meaning.kind === 'list' || meaning.kind === 'all' || meaning.kind === 'nobody';
    if (!own) this.#tell(step, meaning);
    switch (meaning.kind) {
      case 'user':
        return this.#user(step.from, meaning.account);
      case 'list':
        return await this.#enterList(step, meaning.list);
      case 'all':
        return await this.#all(step, meaning);
      case 'host':
        return this.#end(step.from, `host ${meaning.address}`, { ...meaning, protocol: 'smtp' });
      case 'transport':
        return this.#passOn(step, meaning);
      case 'catch-all':
        return this.#go({ ...step, by: meaning.domain }, [meaning.address]);
      case 'elsewhere':
        return this.#remote(step);
      case 'nobody':
        return this.#leaveOut(step, 'unknown');
    }
  }

  #user(from: Stop, account: Account): void {
    const { keepsForwarded } = account;
    const given = forwardsOf(account);
    const forwards = given.length > FORWARDS_MAX ? [] : given;
    const ends = forwards.length === 0 || keepsForwarded;
    const { stop, isNew } = this.#ways.stop(`user ${account.id}`, { account, ends });
    this.#ways.link(from, stop);
    if (!isNew) return;
    if (forwards !== given) this.#keepAll(account, given.length);
    this.#checkSize(this.#ways.ends);
    this.#go({ from: stop, by: account.login, trusted: false, first: false }, forwards);
  }

  async #enterList(step: Step, list: ListEntry): Promise<void> {
    const passes = step.trusted ? 'all' : await this.#sender.mayWrite(list);
    if (passes === 'none') return this.#leaveOut(step, 'refused');
    const moderated = passes === 'moderators';
    this.#tell(step, { kind: 'list', list, moderated });
    if (step.first) [this.#list, this.#moderated] = [list, moderated];
    const { stop, isNew } = this.#ways.stop(`${passes} of ${list.address}`);
    this.#ways.link(step.from, stop);
    if (!isNew) return;
    const on = { from: stop, by: list.address, trusted: true, first: false };
    if (moderated) {
      const owners = list.owner === undefined ? [] : [list.owner];
      return this.#go(on, list.moderators.length > 0 ? list.moderators : owners);
    }
    this.#go(on, list.members);
    if (list.filter !== undefined) await this.#select(stop, { kind: 'list', list }, list.address);
  }

  async #all(step: Step, all: Extract<Meaning, { kind: 'all' }>): Promise<void> {
    const open = all.policy === 'anyone' || step.trusted || (await this.#sender.account());
    if (open === undefined) return this.#leaveOut(step, 'refused');
    this.#tell(step, { kind: 'all', address: all.address });
    const { stop, isNew } = this.#ways.stop(`everybody ${all.address}`);
    this.#ways.link(step.from, stop);
    if (isNew) await this.#select(stop, all.selection, all.address);
  }

  async #select(from: Stop, selection: Selection, name: string): Promise<void> {
    const { destinations: max } = this.#parts.limits;
    const accounts = await this.#ask.select(selection, max);
    if (accounts.length > max) throw this.#tooLarge(`has more than ${max} members`, name);
    for (const account of accounts) this.#user(from, account);
  }

  /** The local part as it was written: only the customer's server knows what it means. */
  #passOn({ address, from }: Step, { domain, transport }: PassedOn): void {
    const text = address.trim();
    const to = `${text.slice(0, text.lastIndexOf('@'))}@${domain}`;
    if (transport.kind === 'mx') return this.#remote({ address: to, from });
    this.#end(from, `host ${nameOf(to)}`, { ...transport, address: to });
  }

  #remote({ address, from }: Pick<Step, 'address' | 'from'>): void {
    const text = address.trim();
    this.#end(from, `remote ${nameOf(text)}`, { kind: 'remote', address: text });
  }

  #end(from: Stop, name: string, leaving: NonNullable<Stop['leaving']>): void {
    const { stop } = this.#ways.stop(name, { leaving, ends: true });
    this.#ways.link(from, stop);
    this.#checkSize(this.#ways.ends);
  }

  /** On to addresses, each looked up once in one letter, however often it is named. */
  #go(on: Omit<Step, 'address'>, addresses: readonly string[]): void {
    if (addresses.length > this.#visitsMax || this.#ways.links > this.#linksMax) {
      throw this.#tooLarge(`leads to more than ${this.#visitsMax} addresses`, on.by);
    }
    for (const address of addresses) {
      const key = addressKey(address.trim());
      const text = key ? keyText(key) : address;
      const { stop, isNew } = this.#ways.stop(stopName(text, on.trusted));
      this.#ways.link(on.from, stop);
      if (isNew) this.#next.push({ ...on, address, from: stop });
    }
    if (this.#ways.size <= this.#visitsMax) return;
    throw this.#tooLarge(`names more than ${this.#visitsMax} addresses`, on.by);
  }

  #tell({ address, by }: Pick<Step, 'address' | 'by'>, is: TracedStop['is']): void {
    this.#parts.onStop?.({ address, by, is });
  }

  #leaveOut({ address, by }: Step, why: LeftOut['why']): void {
    if (why === 'refused') this.#refused = true;
    this.#tell({ address, by }, { kind: 'left-out', why });
    leftOut.inc(why);
    this.#parts.onLeftOut?.({ by, address, why });
  }

  /** The mailbox gets it in their place: one user's forwards neither hold up nor fill a list. */
  #keepAll({ login: by }: Account, count: number): void {
    leftOut.inc('too-many');
    const address = `${count} forwards`;
    this.#tell({ address, by }, { kind: 'left-out', why: 'too-many' });
    this.#parts.onLeftOut?.({ by, address, why: 'too-many', code: 'MF-DIR-023' });
  }

  #checkSize(ends: number): void {
    const { destinations: max } = this.#parts.limits;
    if (ends > max) throw this.#tooLarge(`stands for more than ${max} mailboxes and addresses`);
  }

  #tooLarge(what: string, name = this.#list?.address ?? this.#root): DirectoryUnavailable {
    const way = name === this.#root ? '' : `, on the way of ${this.#root},`;
    return new DirectoryUnavailable(`${name}${way} ${what} (MF-DIR-020)`);
  }
}

/** Where mail for a user is sent on to; nowhere while the mail of the user is suspended. */
export const forwardsOf = ({ forwards, suspended }: Account): readonly string[] =>
  suspended.includes('mail') ? [] : forwards;

/** What makes two spellings of an address one. */
function nameOf(text: string): string {
  const key = addressKey(text);
  return key ? keyText(key) : text;
}

/** An address named by a list is another stop than one that policies apply to. */
const stopName = (text: string, trusted: boolean): string =>
  `${trusted ? 'member' : 'address'} ${text}`;
