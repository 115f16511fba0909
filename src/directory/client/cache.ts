import type { Clock } from '../../base/clock.ts';
import { lookups } from '../metrics.ts';
import { DirectoryUnavailable } from '../types.ts';

export interface AnswersLimits {
  readonly freshMs: number;
  readonly staleMs: number;
  readonly entriesMax: number;
  readonly clock: Clock;
}

export interface AnswersOptions<T> extends AnswersLimits {
  /** Answers that are not to be kept, for their size, say no. */
  readonly keeps?: (value: T) => boolean;
}

interface Kept<T> {
  readonly value: T;
  readonly at: number;
}

/**
 * Answers of the directory: fresh for seconds, then asked again, and while the directory is away
 * the last known good one. "There is none" is never kept: who is added is there at once.
 *
 * Callers that ask the same at the same time share one question. One that joined a question
 * already on its way and hears "there is none" asks once more: the entry may have been added
 * between the two.
 */
export class Answers<T> {
  readonly #options: AnswersOptions<T>;
  /** Insertion order is age of use: the first is the least recently used. */
  readonly #kept = new Map<string, Kept<T>>();
  readonly #asking = new Map<string, Promise<T | undefined>>();

  constructor(options: AnswersOptions<T>) {
    this.#options = options;
  }

  /** An answer that needs no asking, at once: most of them, and a promise costs as much. */
  fresh(key: string): T | undefined {
    const { freshMs, clock } = this.#options;
    const kept = this.#kept.get(key);
    if (!kept || clock.now() - kept.at >= freshMs) return undefined;
    lookups.inc('cache');
    return this.#touch(key, kept);
  }

  /** @throws what `ask` throws, unless a last known good answer can stand in */
  async get(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const fresh = this.fresh(key);
    if (fresh !== undefined) return fresh;
    try {
      const joined = this.#asking.get(key);
      const answer = (joined && (await joined)) ?? (await this.#ask(key, ask));
      lookups.inc(answer === undefined ? 'absent' : 'server');
      return answer;
    } catch (error) {
      return this.#lastKnown(key, error);
    }
  }

  /** Replaces an answer that is known to have changed. */
  put(key: string, value: T): void {
    this.#asking.delete(key);
    this.#keep(key, value);
  }

  #keep(key: string, value: T): void {
    this.#kept.delete(key);
    this.#kept.set(key, { value, at: this.#options.clock.now() });
    if (this.#kept.size <= this.#options.entriesMax) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  /** What is kept, however old, without asking. */
  peek(key: string): T | undefined {
    return this.#kept.get(key)?.value;
  }

  /** An answer that was found wrong: not even a last known good one. */
  forget(key: string): void {
    this.#kept.delete(key);
    this.#asking.delete(key);
  }

  /** Nothing is fresh any more; last known good answers stay for an outage. */
  invalidate(): void {
    this.#asking.clear();
    for (const [key, kept] of this.#kept) {
      const at = Math.min(kept.at, this.#options.clock.now() - this.#options.freshMs);
      this.#kept.set(key, { value: kept.value, at });
    }
  }

  #ask(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const running = this.#asking.get(key);
    if (running) return running;
    const question = ask().then((answer) => {
      // Asked before something that outdates it: told to who asked, and not kept.
      if (this.#asking.get(key) !== question) return answer;
      const kept = answer !== undefined && this.#options.keeps?.(answer) !== false;
      if (answer === undefined || !kept) this.#kept.delete(key);
      else this.#keep(key, answer);
      return answer;
    });
    this.#asking.set(key, question);
    const done = (): void => {
      if (this.#asking.get(key) === question) this.#asking.delete(key);
    };
    question.then(done, done);
    return question;
  }

  #lastKnown(key: string, error: unknown): T {
    const { staleMs, clock } = this.#options;
    const kept = this.#kept.get(key);
    if (error instanceof DirectoryUnavailable && kept && clock.now() - kept.at <= staleMs) {
      lookups.inc('stale');
      return this.#touch(key, kept);
    }
    lookups.inc('unavailable');
    throw error;
  }

  #touch(key: string, kept: Kept<T>): T {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }
}
