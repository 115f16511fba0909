/** Rows kept on each side of what is looked at; the others are forgotten and asked for again. */
export const KEPT_AROUND = 500;
/** Rows of one request. */
export const PAGE = 50;

/**
 * A list of any length of which a part is known: email ids by position. What is not known is a
 * hole. Pure bookkeeping; `MailList` fills it.
 */
export class Rows {
  #ids: (string | undefined)[] = [];
  /** Whether the length has been told. */
  #known = false;

  get length(): number {
    return this.#ids.length;
  }

  get known(): boolean {
    return this.#known;
  }

  at(position: number): string | undefined {
    return this.#ids[position];
  }

  indexOf(id: string): number {
    return this.#ids.indexOf(id);
  }

  /** Known ids of positions `first` up to, not with, `end`, in order. */
  slice(first: number, end: number): string[] {
    return this.#ids.slice(Math.max(0, first), end).filter((id) => id !== undefined);
  }

  /**
   * What the server says of positions from `position` on.
   *
   * @returns whether rows have moved: then what was known of others has been forgotten
   */
  put(position: number, ids: readonly string[], total: number): boolean {
    const moved =
      this.#known &&
      (total !== this.#ids.length ||
        ids.some((id, at) => {
          const known = this.#ids[position + at];
          return known !== undefined && known !== id;
        }));
    if (moved || !this.#known) this.#ids = Array.from<string | undefined>({ length: total });
    ids.forEach((id, at) => {
      if (position + at < total) this.#ids[position + at] = id;
    });
    this.#known = true;
    return moved;
  }

  /** @returns where they were, for `insert` */
  remove(gone: ReadonlySet<string>): { readonly position: number; readonly id: string }[] {
    const places: { position: number; id: string }[] = [];
    this.#ids.forEach((id, position) => {
      if (id !== undefined && gone.has(id)) places.push({ position, id });
    });
    if (places.length > 0) {
      this.#ids = this.#ids.filter((id) => id === undefined || !gone.has(id));
    }
    return places;
  }

  /** Puts back what `remove` took. */
  insert(places: readonly { readonly position: number; readonly id: string }[]): void {
    for (const { position, id } of places) {
      if (this.#ids.includes(id)) continue;
      this.#ids.splice(Math.min(position, this.#ids.length), 0, id);
    }
  }

  /** Forgets what is far from positions `first` to `end`: memory does not grow with scrolling. */
  forgetFar(first: number, end: number): void {
    for (const from of [0, end + KEPT_AROUND]) {
      const until = from === 0 ? first - KEPT_AROUND : this.#ids.length;
      for (let at = from; at < until; at += 1) this.#ids[at] = undefined;
    }
  }

  /** Pages, as positions, of which something between `first` and `end` is missing. */
  missing(first: number, end: number): number[] {
    const pages = new Set<number>();
    const last = this.#known ? Math.min(end, this.#ids.length) : PAGE;
    for (let at = Math.max(0, first); at < last; at += 1) {
      if (this.#ids[at] === undefined) pages.add(Math.floor(at / PAGE) * PAGE);
    }
    return [...pages];
  }

  clear(): void {
    this.#ids = [];
    this.#known = false;
  }
}
