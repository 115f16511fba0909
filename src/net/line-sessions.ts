import type { Clock } from '../base/clock.ts';
import type { Connection } from './types.ts';

/** What a session of a line protocol (POP3, IMAP) lets its service do. None of it throws. */
export interface LineSession {
  /** By the clock; whoever is silent until then is closed. */
  readonly deadlineAt: number;
  greet(): void;
  /** The connection is to end: in the protocol's words, when the session sees fit. */
  drain(): void;
  /** It is told that its time is over, and closed. */
  expire(): void;
  /** Closed without a word. */
  abandon(): void;
  socketClosed(error: Error | undefined): void;
}

export interface LineSessionsOptions {
  readonly clock: Clock;
  /** Between two looks at the deadlines, in milliseconds; 1,000 unless told. */
  readonly sweepMs?: number;
  /** What else is due at each look. */
  readonly onSweep?: (now: number) => void;
}

/** The sessions of one service: one timer for the deadlines of all, none while there are none. */
export class LineSessions<S extends LineSession> {
  draining = false;
  readonly #options: LineSessionsOptions;
  readonly #sweepMs: number;
  readonly #sessions = new Set<S>();
  #sweep: NodeJS.Timeout | undefined;
  #empty: (() => void) | undefined;

  constructor(options: LineSessionsOptions) {
    this.#options = options;
    this.#sweepMs = options.sweepMs ?? 1_000;
  }

  get size(): number {
    return this.#sessions.size;
  }

  begin(session: S, { socket }: Connection): void {
    this.#sessions.add(session);
    this.#sweep ??= setInterval(() => this.#expire(), this.#sweepMs).unref();
    if (socket.destroyed) session.socketClosed(undefined);
    else if (this.draining) session.expire();
    else session.greet();
  }

  /** False: it had ended already. */
  end(session: S): boolean {
    if (!this.#sessions.delete(session)) return false;
    if (this.#sessions.size > 0) return true;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    this.#empty?.();
    return true;
  }

  /** Settles when the last session has ended; after `ms` those that are left are abandoned. */
  async drain(ms: number): Promise<void> {
    this.draining = true;
    for (const session of this.#sessions) session.drain();
    if (this.#sessions.size === 0) return;
    const sweep = setInterval(() => this.#expire(), Math.min(100, this.#sweepMs));
    const limit = setTimeout(() => {
      for (const session of this.#sessions) session.abandon();
    }, ms);
    await new Promise<void>((resolve) => {
      this.#empty = resolve;
    });
    clearInterval(sweep);
    clearTimeout(limit);
  }

  #expire(): void {
    const now = this.#options.clock.now();
    for (const session of this.#sessions) if (now >= session.deadlineAt) session.expire();
    this.#options.onSweep?.(now);
  }
}
