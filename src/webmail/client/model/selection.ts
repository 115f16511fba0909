import type { Placed } from '../jmap/types.ts';

/** All of a folder, or all that a search finds, as it was at one moment. */
export interface Whole {
  readonly emails: readonly Placed[];
  /** What rows are known by: conversations, or emails. */
  readonly keys: ReadonlySet<string>;
  /** There are more than can be selected at once: the oldest are not among these. */
  readonly isPart: boolean;
}

/** Rows that the user marked, by key; for each the email that stands for it. */
export class Selection {
  #rows = new Map<string, string>();
  /** Where a range begins. */
  #anchor: number | undefined;
  #isAllShown = false;
  #whole: Whole | undefined;
  #gathering: { readonly abort: AbortController; count: number } | undefined;

  /** Rows; of the whole: emails. */
  get size(): number {
    return this.#whole?.emails.length ?? this.#rows.size;
  }

  has(key: string): boolean {
    return this.#rows.has(key) || (this.#whole?.keys.has(key) ?? false);
  }

  get emails(): readonly string[] {
    return [...this.#rows.values()];
  }

  /** All that were shown were marked at once: all that there are may be meant. */
  get isAllShown(): boolean {
    return this.#isAllShown;
  }

  get whole(): Whole | undefined {
    return this.#whole;
  }

  /** How many are known while the whole is asked for. */
  get gathered(): number | undefined {
    return this.#gathering?.count;
  }

  toggle(key: string, email: string, position: number): void {
    this.#onlyRows();
    if (!this.#rows.delete(key)) this.#rows.set(key, email);
    this.#anchor = position;
  }

  /** From where the last one was marked (or `from`) to `position`, both with. */
  extend(
    position: number,
    from: number,
    rowAt: (position: number) => { readonly key: string; readonly email: string } | undefined,
  ): void {
    this.#onlyRows();
    const anchor = this.#anchor ?? from;
    this.#anchor = anchor;
    const [first, last] = anchor < position ? [anchor, position] : [position, anchor];
    for (let at = first; at <= last; at += 1) {
      const row = rowAt(at);
      if (row) this.#rows.set(row.key, row.email);
    }
  }

  addShown(rows: Iterable<readonly [key: string, email: string]>): void {
    this.#onlyRows();
    for (const [key, email] of rows) this.#rows.set(key, email);
    this.#isAllShown = true;
  }

  /** The whole is asked for. @returns what says that nobody wants it any more */
  gather(): AbortSignal {
    this.#onlyRows();
    const abort = new AbortController();
    this.#gathering = { abort, count: 0 };
    return abort.signal;
  }

  tell(count: number): void {
    if (this.#gathering) this.#gathering.count = count;
  }

  /** undefined: it could not be had. */
  take(whole: Whole | undefined): void {
    this.#gathering = undefined;
    this.#whole = whole;
  }

  clear(): void {
    this.#onlyRows();
    this.#rows.clear();
    this.#anchor = undefined;
  }

  #onlyRows(): void {
    this.#gathering?.abort.abort();
    this.#gathering = undefined;
    this.#whole = undefined;
    this.#isAllShown = false;
  }
}
