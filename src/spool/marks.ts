import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { VolumeTable } from '../volumes/table.ts';

export interface MarksParts {
  readonly table: Pick<VolumeTable, 'volumes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
}

export interface Mark {
  /** What is told, such as `sent` or `pop`: 1 to 24 of a-z and -. */
  readonly kind: string;
  /** Whom it is about: an account, an address; any text. */
  readonly key: string;
}

/**
 * Facts that nodes tell each other by empty files on the spool volumes: how much somebody sent, that
 * an address was seen. Counts only grow and are forgotten by age.
 */
export class Marks {
  readonly #parts: MarksParts;

  constructor(parts: MarksParts) {
    this.#parts = parts;
  }

  /** Adds to what the farm knows. @throws StoreError when no spool volume could be told */
  async add(mark: Mark, value = 1): Promise<void> {
    void [this.#parts, mark, value];
  }

  /**
   * The sum of what all nodes added within the last so many ms, which is at most `KEPT_MS`.
   * @throws StoreError when no spool volume could be asked
   */
  async sum(mark: Mark, withinMs: number): Promise<number> {
    void [mark, withinMs];
    return 0;
  }
}
