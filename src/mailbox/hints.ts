import type { Clock } from '../base/clock.ts';

/**
 * Hints: "look at this folder now". Whoever changed a folder or delivered to it tells those who
 * may watch it: in this process at once, other workers of the node through the supervisor, other
 * nodes over UDP where that is configured (`net/hints.ts`).
 *
 * A hint carries no fact. It may be lost, come twice, late or from a stranger: who gets one looks
 * at the files, at most so often as `watching.ts` says, and finds what is there. Without hints all
 * is as true, some seconds later. So nothing is acknowledged, repeated or kept; what is too much
 * is dropped.
 */
export interface Hint {
  /** Identity of the account. */
  readonly account: string;
  /** Name of the folder as users see it. */
  readonly folder: string;
}

export interface Hints {
  /** A folder has changed. */
  tell(accountId: string, folder: string): void;
  /** @returns what ends it */
  onHint(listener: (hint: Hint) => void): () => void;
}

/** Collected for so long before they leave the process: a burst of deliveries is one message. */
const COLLECT_MS = 5;
/** Told in one message; a process that changes more folders in that time drops the rest. */
export const HINTS_MAX = 500;

/** The hints of one process and the way in and out of it. */
export class HintExchange implements Hints {
  readonly #clock: Clock;
  readonly #listeners = new Set<(hint: Hint) => void>();
  readonly #outward = new Set<(hints: readonly Hint[]) => void>();
  #collected = new Map<string, Hint>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell(accountId: string, folder: string): void {
    const hint = { account: accountId, folder };
    this.#spread(hint);
    if (this.#outward.size === 0 || this.#collected.size >= HINTS_MAX) return;
    const isFirst = this.#collected.size === 0;
    this.#collected.set(`${accountId}\n${folder}`, hint);
    if (!isFirst) return;
    this.#clock.sleep(COLLECT_MS).then(
      () => this.#send(),
      () => this.#send(),
    );
  }

  onHint(listener: (hint: Hint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What this process tells others, a few at a time. */
  onTell(listener: (hints: readonly Hint[]) => void): () => void {
    this.#outward.add(listener);
    return () => this.#outward.delete(listener);
  }

  /** What others told this process. It is not passed on. */
  note(hints: readonly Hint[]): void {
    for (const hint of hints) this.#spread(hint);
  }

  #spread(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  #send(): void {
    const hints = [...this.#collected.values()];
    this.#collected = new Map();
    for (const listener of this.#outward) listener(hints);
  }
}

/** Of a process that tells nobody. */
export const NO_HINTS: Hints = { tell: () => {}, onHint: () => () => {} };
