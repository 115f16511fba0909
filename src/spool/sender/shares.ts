/**
 * Who may have how many of the connections of a process, so that no stranger takes them all.
 *
 * Invariant: destinations that are slow never keep a letter for another from being tried.
 * A tarpit takes minutes for each command and never fails; whoever owns some domains (or has one
 * host stand for all of them) can make us write there. Hence
 * - to one address there are at most `relay.connections.address`, whatever lanes they are of; what
 *   is above goes to the next MX, over a connection that another lane has no use for, or waits:
 *   here, behind the letters of its lane that are under way, or in the spool for two seconds;
 * - lanes that have not shown that they are well have at most three quarters of all connections,
 *   and one each above a half; lanes that were slow lately have at most half;
 * - attempts that became slow while under way are cut off, the oldest first, down to that half:
 *   only where connections are scarce and a letter of another lane waits;
 * - no transaction goes on for ever: `relay.transaction.max`, and time for its size.
 *
 * Rejected: shorter time-outs for commands (RFC 5321 §4.5.3.2 has minutes, for good reasons); an
 * attempt that waits for a free place at its address while it counts (the waiting fill the
 * process).
 */
import type { Held, Lane } from './lane.ts';
import type { SenderOptions } from './options.ts';

const SLOW_MS = 60_000;
/** A lane is remembered as slow. */
const SLOW_LANE_MS = 600_000;
/** What a good peer and a bad one take, in octets a millisecond. */
const GOOD_RATE = 64;
const BAD_RATE = 8;

export class Shares {
  readonly #options: SenderOptions;
  readonly #running = new Set<Held>();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#running.size;
  }

  begin(held: Held, now: number): void {
    held.startedAt = now;
    this.#running.add(held);
  }

  /** @param went the peer answered */
  end(held: Held, now: number, went: boolean): void {
    this.#running.delete(held);
    const { lane } = held;
    if (isSlow(held, now)) lane.slowUntil = now + SLOW_LANE_MS;
    else if (went) {
      lane.slowUntil = 0;
      lane.isWell = true;
    }
  }

  /** Whether a further letter of a lane may be under way. */
  mayStart(lane: Lane, now: number): boolean {
    const max = this.#options['relay.connections.max'];
    const all = this.#running.size;
    if (now < lane.busyUntil && lane.active >= lane.busyAt) return false;
    if (all >= max) return false;
    if (all < max / 2) return true;
    const isLaneSlow = now < lane.slowUntil;
    if (lane.isWell && !isLaneSlow) return true;
    if (!isLaneSlow && lane.active > 0) return false;
    const others = [...this.#running].filter((held) => !held.lane.isWell || isBad(held, now));
    if (others.length >= Math.max(1, (max * 3) / 4)) return false;
    return !isLaneSlow || others.filter((held) => isBad(held, now)).length < max / 2;
  }

  /** Claims that a lane can use. @param isFull more than half of what may be held is held */
  room(lane: Lane, now: number, isFull: boolean): number {
    if (now < lane.busyUntil && lane.held >= lane.busyAt * 2) return 0;
    const room = lane.state.room(lane.held, lane.queue.length, now);
    if (lane.state.isResting(now)) return room;
    const isLaneSlow = now < lane.slowUntil;
    if (isLaneSlow && !this.mayStart(lane, now)) return 0;
    const isNarrow = isLaneSlow || (isFull && !lane.isWell);
    return isNarrow ? Math.min(room, lane.held === 0 ? 1 : 0) : room;
  }

  /** What is to be cut off now. @param scarce a letter of a lane that is not slow waits */
  overdue(now: number, scarce: boolean): ReadonlyMap<Held, string> {
    const max = this.#options['relay.connections.max'];
    const ms = this.#options['relay.transaction.max'];
    const found = new Map<Held, string>();
    const slow: Held[] = [];
    for (const held of this.#running) {
      if (isSlow(held, now)) {
        held.lane.slowUntil = now + SLOW_LANE_MS;
        slow.push(held);
      }
      if (now - held.startedAt >= ms + octetsOf(held) / BAD_RATE) {
        found.set(held, 'the transaction took too long (relay.transaction.max)');
      }
    }
    if (!scarce || this.#running.size < Math.floor((max * 3) / 4)) return found;
    const tooMany = Math.max(0, slow.length - Math.floor(max / 2));
    for (const held of slow.toSorted((a, b) => a.startedAt - b.startedAt).slice(0, tooMany)) {
      found.set(held, 'the peer is slow, and other letters need the connection');
    }
    return found;
  }
}

const octetsOf = ({ claim }: Held): number => claim.envelope.wireOctets;

const isSlow = (held: Held, now: number): boolean =>
  now - held.startedAt >= SLOW_MS + octetsOf(held) / GOOD_RATE;

const isBad = (held: Held, now: number): boolean => now < held.lane.slowUntil || isSlow(held, now);
