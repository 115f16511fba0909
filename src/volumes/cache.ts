import type { Clock } from '../base/clock.ts';

/**
 * Values for a limited time, in a limited number. The oldest go first. Time is judged when a
 * value is asked for: no timers.
 */
export class TimedCache<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>();
  readonly #clock: Clock;
  readonly #limits: { readonly ms: number; readonly max: number };

  constructor(clock: Clock, limits: { readonly ms: number; readonly max: number }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > this.#clock.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: V): void {
    this.#put(key, { value, until: this.#clock.now() + this.#limits.ms });
  }

  /** Changes the value if it is there; its time is not prolonged. */
  update(key: string, change: (value: V) => V): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.set(key, { value: change(entry.value), until: entry.until });
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  #put(key: string, entry: { readonly value: V; readonly until: number }): void {
    this.#entries.delete(key); // So that insertion order is age.
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#limits.max) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
