/** Rows that the user marked, by key; for each the email that stands for it. */
export class Selection {
  #rows = new Map<string, string>();
  /** Where a range begins. */
  #anchor: number | undefined;

  get size(): number {
    return this.#rows.size;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  get emails(): readonly string[] {
    return [...this.#rows.values()];
  }

  toggle(key: string, email: string, position: number): void {
    if (!this.#rows.delete(key)) this.#rows.set(key, email);
    this.#anchor = position;
  }

  /** From where the last one was marked (or `from`) to `position`, both with. */
  extend(
    position: number,
    from: number,
    rowAt: (position: number) => { readonly key: string; readonly email: string } | undefined,
  ): void {
    const anchor = this.#anchor ?? from;
    this.#anchor = anchor;
    const [first, last] = anchor < position ? [anchor, position] : [position, anchor];
    for (let at = first; at <= last; at += 1) {
      const row = rowAt(at);
      if (row) this.#rows.set(row.key, row.email);
    }
  }

  add(rows: Iterable<readonly [key: string, email: string]>): void {
    for (const [key, email] of rows) this.#rows.set(key, email);
  }

  clear(): void {
    this.#rows.clear();
    this.#anchor = undefined;
  }
}
