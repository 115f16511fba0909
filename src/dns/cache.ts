import type { Clock } from '../base/clock.ts';

/** What was answered, for a while; and one question at a time of each kind. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #kept = new Map<string, { readonly value: unknown; readonly until: number }>();
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(options: { readonly clock: Clock; readonly max: number }) {
    this.#clock = options.clock;
    this.#max = options.max;
  }

  /** The answer that is kept, or that of `ask`, which says how long it is to be kept. */
  async get<T>(key: string, ask: () => Promise<{ value: T; ms: number }>): Promise<T> {
    const kept = this.#kept.get(key);
    if (kept && kept.until > this.#clock.now()) return kept.value as T;
    const asked = this.#asked.get(key);
    if (asked) return asked as Promise<T>;
    const answer = this.#ask(key, ask).finally(() => this.#asked.delete(key));
    this.#asked.set(key, answer);
    return answer;
  }

  async #ask<T>(key: string, ask: () => Promise<{ value: T; ms: number }>): Promise<T> {
    const { value, ms } = await ask();
    this.#kept.delete(key);
    if (ms > 0 && this.#max > 0) {
      this.#kept.set(key, { value, until: this.#clock.now() + ms });
      if (this.#kept.size > this.#max) {
        const [oldest] = this.#kept.keys();
        if (oldest !== undefined) this.#kept.delete(oldest);
      }
    }
    return value;
  }
}
