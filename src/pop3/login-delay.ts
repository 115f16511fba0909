import type { Clock } from '../base/clock.ts';
import { LOGIN_DELAY_USERS_MAX } from './options.ts';

/** LOGIN-DELAY (RFC 2449 §6.5): remembers last logins of this process, a bounded number. */
export class LoginDelay {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #last = new Map<string, number>(); // In the order of time, as it is inserted.

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Whether this user may log in now; remembers the time when it may. */
  admit(accountId: string): boolean {
    if (this.#delayMs === 0) return true;
    const now = this.#clock.now();
    const last = this.#last.get(accountId);
    if (last !== undefined && now - last < this.#delayMs) return false;
    this.#last.delete(accountId);
    this.#last.set(accountId, now);
    for (const [oldest, at] of this.#last) {
      if (this.#last.size <= LOGIN_DELAY_USERS_MAX && now - at < this.#delayMs) break;
      this.#last.delete(oldest);
    }
    return true;
  }
}
