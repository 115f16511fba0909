import type { OutboundClaim } from '../outbound.ts';
import type { Connection } from './connect.ts';
import { LaneState } from './lane-state.ts';
import type { SenderOptions } from './options.ts';

/** A letter that this process has claimed, until it is settled or given back. */
export interface Held {
  readonly claim: OutboundClaim;
  readonly lane: Lane;
  /** When its try began. */
  startedAt: number;
  /** Ends its try, in whatever it is. */
  readonly cut: AbortController;
  renewedAt: number;
  /** Settled, given back or lost: whatever comes of it now counts no more. */
  over: boolean;
  /** What it goes over now. */
  connection: Connection | undefined;
}

/** A destination, with its letters and connections. */
export class Lane {
  readonly state: LaneState;
  /** Lanes of the spool whose letters were put off. */
  readonly origins = new Set<string>();
  /** Claimed, not under way. */
  readonly queue: Held[] = [];
  /** Letters under way. */
  active = 0;
  /** A peer answered within a good time. */
  isWell = false;
  /** Its tries took long. */
  slowUntil = 0;
  /** Its addresses have enough connections of ours: until then it has no more than these. */
  busyUntil = 0;
  busyAt = 0;
  /** Free connections, the one that was used last at the end. */
  readonly #idle: Connection[] = [];

  constructor(name: string, options: SenderOptions) {
    this.state = new LaneState(name, options);
  }

  get held(): number {
    return this.active + this.queue.length;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** When the one that is free the longest became so; undefined: there is none. */
  get oldestIdle(): number | undefined {
    return this.#idle[0]?.idleSince;
  }

  /** A free connection that still is one, the one used last; by `fits`, one that does. */
  takeIdle(fits: (one: Connection) => boolean = () => true): Connection | undefined {
    for (;;) {
      const at = this.#idle.findLastIndex(fits);
      const [connection] = at < 0 ? [] : this.#idle.splice(at, 1);
      if (!connection) return undefined;
      connection.client.onEnd = undefined;
      if (connection.client.usable) return connection;
    }
  }

  /** Keeps it for the next letter. */
  park(connection: Connection, now: number): void {
    connection.idleSince = now;
    connection.client.onEnd = () => {
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    this.#idle.push(connection);
  }

  /** Says QUIT on those free since before `since`; on one at most with `one`. */
  quitIdle(since: number, count = Infinity): void {
    for (let left = count; left > 0; left--) {
      const [first] = this.#idle;
      if (!first || first.idleSince > since) return;
      this.#idle.shift();
      first.client.onEnd = undefined;
      first.client.quit();
    }
  }
}
