import type { Clock } from '../../base/clock.ts';

/** A clock for tests that stands until it is moved. */
export class HeldClock implements Clock {
  #now: number;
  readonly #sleepers = new Set<{ readonly at: number; wake(): void }>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { at: this.#now + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        reject(new Error('aborted'));
      });
    });
  }

  /** Moves on, and wakes whose time has come. */
  pass(ms: number): void {
    this.#now += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.at > this.#now) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
