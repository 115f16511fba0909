/**
 * How much one destination takes, and when it rests.
 *
 * Concurrency starts small, grows by one for each round of letters that all went, halves when the
 * peer says 421 or drops a connection. Where no host could be reached at all the lane rests, longer
 * each time: its letters are not tried, however many there are. After a few failures they do not
 * even wait in the open: they are put off to the end of the rest, which also lets them grow old
 * (notices of delay, expiry), and woken when the destination is back.
 */
import type { Random } from '../../base/random.ts';
import type { Trouble } from '../outbound.ts';
import type { SenderOptions } from './options.ts';
import { restAfter } from './schedule.ts';

/** After so many rests in a row letters are put off instead of waiting in the open. */
const PUT_OFF_AFTER = 3;
/** Claims that wait beside those under way, by connection: a look at the spool costs. */
const PREFETCH = 4;
/** Ten thousand woken letters are one call to try. */
const WAKE_MS = 60_000;
/** Of a lane that rests, put off at a time. */
const PUT_OFF_BATCH = 50;
/** How often a lane that rests looks at some letters: one may have been woken elsewhere. */
const PROBE_MS = 3000;
const PROBE_BATCH = 3;

export class LaneState {
  readonly name: string;
  readonly #options: SenderOptions;
  #limit: number;
  #failures = 0;
  #restUntil = 0;
  #wokenAt = -Infinity;
  #probedAt = -Infinity;
  /** Why it rests: told to letters that are put off. */
  trouble: Omit<Trouble, 'address'> | undefined;
  /** Letters were put off and are to be woken when it is back. */
  putOff = false;

  constructor(name: string, options: SenderOptions) {
    this.name = name;
    this.#options = options;
    this.#limit = Math.min(options['relay.concurrency.initial'], options['relay.concurrency.max']);
  }

  /** Connections that it may have now. */
  get limit(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  get restUntil(): number {
    return this.#restUntil;
  }

  isResting(now: number): boolean {
    return now < this.#restUntil;
  }

  /** Whether its letters are put off while it rests. */
  isPuttingOff(now: number): boolean {
    return this.isResting(now) && this.#failures > PUT_OFF_AFTER;
  }

  /** Nothing that would have to be remembered, or nobody wrote there for long. */
  isFresh(now: number): boolean {
    const forgetAt = this.#restUntil + 2 * this.#options['relay.retry.max'];
    return this.#failures === 0 || now > forgetAt;
  }

  /** Claims that it can use, holding `held` of which `queued` are not under way. */
  room(held: number, queued: number, now: number): number {
    if (this.isPuttingOff(now)) return Math.max(0, PUT_OFF_BATCH - held);
    if (this.isResting(now)) return held > 0 || now - this.#probedAt < PROBE_MS ? 0 : PROBE_BATCH;
    // After a rest one letter tries the way for all.
    if (this.#failures > 0) return held === 0 ? 1 : 0;
    return queued > this.limit ? 0 : Math.max(0, this.limit * (1 + PREFETCH) - held);
  }

  /** A letter of it was looked at while it rests: it goes back unless it was woken. */
  probed(now: number): void {
    if (this.isResting(now)) this.#probedAt = now;
  }

  /** A letter went, or the peer said no to it. @returns whether letters are to be woken */
  succeeded(): boolean {
    const wake = this.putOff;
    this.#failures = 0;
    this.#restUntil = 0;
    this.putOff = false;
    this.trouble = undefined;
    this.#limit = Math.min(this.#options['relay.concurrency.max'], this.#limit + 1 / this.#limit);
    return wake;
  }

  /** The rest is over before its time: the next letter tries the way. Once a minute at most. */
  wake(now: number): void {
    if (!this.isResting(now) || now - this.#wokenAt < WAKE_MS) return;
    this.#wokenAt = now;
    this.#restUntil = 0;
  }

  /** The peer has enough of us. */
  slowDown(): void {
    this.#limit = Math.max(1, this.#limit / 2);
  }

  /** No host was reached. Those that failed in the same round count once. */
  unreachable(now: number, trouble: Omit<Trouble, 'address'>, random: Random): void {
    this.trouble = trouble;
    this.#limit = 1;
    if (this.isResting(now)) return;
    this.#failures += 1;
    this.#restUntil = now + restAfter(this.#failures, this.#options, random);
  }
}
