import { createHmac, randomBytes } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { OptionValues } from '../config/options.ts';
import type { AUTH_OPTIONS } from './options.ts';

/**
 * Guessing costs time. Wrong passwords are counted three ways: for an account from one address,
 * for an address, and for an account from anywhere; each has a number that is free, then every
 * further one doubles the wait. What waits is not checked at all, and does not count either.
 *
 * - A success forgives the pair, not the address: who has one account could guess others for ever.
 * - An address that knew the password is not held up by what others guess at that account, so
 *   that nobody can lock a user out.
 * - The same wrong password again counts for the pair only: it is a telephone with last year's
 *   password, not a guesser, and must not take its whole office with it.
 *
 * Counts are kept per process; `onAdvice` and `note` let whoever runs several processes relay.
 */
export interface Advice {
  readonly kind: 'failure' | 'success';
  readonly account: string;
  readonly address: string;
  /** The same wrong password as last time. */
  readonly repeated: boolean;
}

export type ThrottleOptions = OptionValues<typeof AUTH_OPTIONS>;

/** What became of a wrong password: which limits it made longer. */
export type Guessing = 'address' | 'account' | 'none';

interface Count {
  failures: number;
  at: number;
  until: number;
  lastWrong: string;
}

export class Throttle {
  readonly #options: ThrottleOptions;
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  readonly #exempt: BlockList;
  readonly #counts = new Map<string, Count>();
  /** Pairs that knew the password, least recently used first. */
  readonly #known = new Set<string>();
  readonly #listeners = new Set<(advice: Advice) => void>();

  constructor(input: { readonly options: ThrottleOptions; readonly clock: Clock }) {
    this.#options = input.options;
    this.#clock = input.clock;
    this.#exempt = rangeList(input.options['auth.throttle.exempt']);
  }

  /** Milliseconds until an attempt will be checked; 0 is now. `account` is in lower case. */
  waitMs(account: string, address: string): number {
    if (this.#isExempt(address)) return 0;
    const { pair, from, to } = keys(account, address);
    let until = this.#until(pair);
    if (!this.#known.has(pair)) until = Math.max(until, this.#until(from), this.#until(to));
    return until === 0 ? 0 : Math.max(0, Math.ceil(until - this.#clock.now()));
  }

  #until(key: string): number {
    return this.#counts.get(key)?.until ?? 0;
  }

  /** Whether this address knew this account's password not long ago. */
  knows(account: string, address: string): boolean {
    return this.#isExempt(address) || this.#known.has(keys(account, address).pair);
  }

  /** Counts a wrong password, and tells the others. */
  failed(account: string, address: string, password: string): Guessing {
    const { pair } = keys(account, address);
    const wrong = createHmac('sha256', this.#key).update(password).digest('base64');
    const repeated = this.#counts.get(pair)?.lastWrong === wrong;
    const guessing = this.#count({ kind: 'failure', account, address, repeated });
    const count = this.#counts.get(pair);
    if (count) count.lastWrong = wrong;
    this.#tell({ kind: 'failure', account, address, repeated });
    return guessing;
  }

  /** Forgives the pair, and tells the others when that is news. */
  succeeded(account: string, address: string): void {
    const { pair } = keys(account, address);
    const news = this.#counts.has(pair) || !this.#known.has(pair);
    this.#forgive(pair);
    if (news) this.#tell({ kind: 'success', account, address, repeated: false });
  }

  /** Takes advice of another process. */
  note(advice: Advice): void {
    if (advice.kind === 'success') this.#forgive(keys(advice.account, advice.address).pair);
    else this.#count(advice);
  }

  /** What happens here, for other processes. @returns how to stop listening */
  onAdvice(listener: (advice: Advice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Counts and pairs in memory; never more than `auth.throttle.entries` of each. */
  get size(): number {
    return Math.max(this.#counts.size, this.#known.size);
  }

  #tell(advice: Advice): void {
    for (const listener of this.#listeners) listener(advice);
  }

  #count(advice: Advice): Guessing {
    if (this.#isExempt(advice.address)) return 'none';
    const { pair, from, to } = keys(advice.account, advice.address);
    const options = this.#options;
    this.#raise(pair, options['auth.throttle.pair.free']);
    if (advice.repeated) return 'none';
    const address = this.#raise(from, options['auth.throttle.address.free']);
    const account = this.#raise(to, options['auth.throttle.account.free']);
    return address ? 'address' : account ? 'account' : 'none';
  }

  /** @returns whether this very failure was the first beyond the free ones */
  #raise(key: string, free: number): boolean {
    const now = this.#clock.now();
    const options = this.#options;
    const before = this.#counts.get(key);
    // Time spent waiting forgives nothing.
    const since = before ? Math.max(before.at, before.until) : now;
    const age = (now - since) / options['auth.throttle.decay'];
    const failures = (before ? before.failures * 0.5 ** Math.max(0, age) : 0) + 1;
    const beyond = failures - free;
    const delay = options['auth.throttle.delay.first'] * 2 ** Math.min(40, Math.max(0, beyond - 1));
    const until = beyond > 0 ? now + Math.min(delay, options['auth.throttle.delay.max']) : 0;
    this.#counts.delete(key);
    this.#counts.set(key, { failures, at: now, until, lastWrong: before?.lastWrong ?? '' });
    if (this.#counts.size > options['auth.throttle.entries']) dropOldest(this.#counts);
    return beyond > 0 && (before?.until ?? 0) === 0;
  }

  #forgive(pair: string): void {
    this.#counts.delete(pair);
    this.#known.delete(pair);
    this.#known.add(pair);
    if (this.#known.size > this.#options['auth.throttle.entries']) dropOldest(this.#known);
  }

  #isExempt(address: string): boolean {
    if (this.#options['auth.throttle.exempt'].length === 0) return false;
    return this.#exempt.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

function dropOldest(from: Map<string, unknown> | Set<string>): void {
  const [oldest] = from.keys();
  if (oldest !== undefined) from.delete(oldest);
}

function keys(account: string, address: string): { pair: string; from: string; to: string } {
  const network = networkOf(address);
  return { pair: `p ${network} ${account}`, from: `a ${network}`, to: `u ${account}` };
}

/** One customer has a whole /64 of IPv6 (RFC 6177 §2); counting single addresses is no use. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address; // Three times a login: no regular expression.
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  const groups = [...front, ...Array.from({ length: gap }, () => '0'), ...back];
  const first = groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${first.join(':')}::/64`;
}

/** Ranges the configuration has checked already. */
function rangeList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
