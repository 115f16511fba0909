import type { Clock } from '../../base/clock.ts';
import { limitKey } from '../../net/address.ts';

const PAIR_FREE = 3;
const ADDRESS_FREE = 20;
const FIRST_DELAY_MS = 50;
const FORGET_MS = 600_000;
const COUNTS_MAX = 20_000;
/** Binds of one address that are verified or waiting at once. */
const AT_ONCE_MAX = 16;

interface Count {
  failures: number;
  at: number;
}

/**
 * Guessing passwords by bind costs time: the answer to a wrong one is held back, longer with each
 * (counted for an entry from one address, and for an address), up to a bound. A right one is never
 * held back, and what one address does costs no other anything. An address verifies a bounded
 * number of passwords at once; beyond it is told to try again.
 *
 * Addresses from which a front end is connected are left alone: all users of the farm log in
 * through them, and the front end itself throttles who guesses there.
 */
export class BindThrottle {
  readonly #clock: Clock;
  readonly #delayMaxMs: () => number;
  readonly #counts = new Map<string, Count>();
  readonly #trusted = new Map<string, number>();
  readonly #running = new Map<string, number>();

  constructor(options: { readonly clock: Clock; readonly delayMaxMs: () => number }) {
    this.#clock = options.clock;
    this.#delayMaxMs = options.delayMaxMs;
  }

  /** A service identity is bound from there until what is returned is called. */
  trust(address: string): () => void {
    return hold(this.#trusted, limitKey(address));
  }

  isTrusted(address: string): boolean {
    return this.#trusted.has(limitKey(address));
  }

  /** @returns what to call when the bind is answered; undefined when there are too many at once. */
  enter(address: string): (() => void) | undefined {
    const key = limitKey(address);
    if (!this.#trusted.has(key) && (this.#running.get(key) ?? 0) >= AT_ONCE_MAX) return undefined;
    return hold(this.#running, key);
  }

  /** Counts a wrong password and resolves when that may be said. */
  async failed(address: string, entry: string, signal?: AbortSignal): Promise<void> {
    const key = limitKey(address);
    if (this.#trusted.has(key)) return;
    const pair = this.#count(pairKey(address, entry)) - PAIR_FREE;
    const all = this.#count(key) - ADDRESS_FREE;
    const doublings = Math.min(Math.max(pair, all), 20);
    if (doublings <= 0) return;
    const delay = Math.min(this.#delayMaxMs(), FIRST_DELAY_MS * 2 ** (doublings - 1));
    await this.#clock.sleep(delay, signal).catch(() => {});
  }

  /** Forgives the pair, not the address: who has one password could guess others for ever. */
  succeeded(address: string, entry: string): void {
    this.#counts.delete(pairKey(address, entry));
  }

  #count(key: string): number {
    const now = this.#clock.now();
    const before = this.#counts.get(key);
    const failures = before && now - before.at < FORGET_MS ? before.failures + 1 : 1;
    this.#counts.delete(key);
    this.#counts.set(key, { failures, at: now });
    if (this.#counts.size > COUNTS_MAX) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    return failures;
  }
}

/** Names are a client's to choose: what is kept of one has a bound. */
const pairKey = (address: string, entry: string): string =>
  `${limitKey(address)} ${entry.slice(0, 256)}`;

/** Counts one more until what is returned is called. */
export function hold(counts: Map<string, number>, key: string): () => void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    const left = (counts.get(key) ?? 1) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  };
}
