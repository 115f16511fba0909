/**
 * How much one address may do in a sliding window, per process. Two counts per address, of the
 * running window and of the one before, weighted by how much of it is still in sight: no list of
 * times, no timer, and both tables are dropped whole. An IPv6 client counts by its /64, since
 * one customer has that many addresses.
 */
import { BlockList, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { RATE_ADDRESSES_MAX } from './options.ts';

export interface RateOptions {
  /** Events per window; 0 is no limit. */
  readonly max: number;
  readonly windowMs: number;
  readonly clock: Clock;
}

export class RateLimit {
  readonly #options: RateOptions;
  #window = 0;
  #now = new Map<string, number>();
  #before = new Map<string, number>();

  constructor(options: RateOptions) {
    this.#options = options;
  }

  /** Counts one event. @returns false when it is one too many. */
  take(address: string): boolean {
    const { max, windowMs, clock } = this.#options;
    if (max === 0) return true;
    const position = clock.now() / windowMs;
    this.#turn(Math.floor(position));
    const key = rateKey(address);
    const count = this.#now.get(key) ?? 0;
    const seen = count + (this.#before.get(key) ?? 0) * (1 - (position % 1));
    if (seen + 1 > max) return false;
    if (count > 0 || this.#now.size < RATE_ADDRESSES_MAX) this.#now.set(key, count + 1);
    return true;
  }

  #turn(window: number): void {
    if (window === this.#window) return;
    this.#before = window === this.#window + 1 ? this.#now : new Map();
    this.#now = new Map();
    this.#window = window;
  }
}

/** IPv4 as it is; IPv6 by its first 64 bits. */
export function rateKey(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  const groups = [...front, ...Array.from({ length: zeros }, () => '0'), ...back];
  const prefix = groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${prefix.join(':')}::/64`;
}

/** Whether an address is in one of the ranges (addresses or CIDR). */
export function addressRanges(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
