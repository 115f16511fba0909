/** How much of something each user has under way in this worker. */
export class InFlight {
  readonly #counts = new Map<string, number>();

  /** False: it would be more than `max`. Whoever entered leaves. */
  enter(key: string, max: number): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count >= max) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  leave(key: string): void {
    const count = this.#counts.get(key) ?? 0;
    if (count <= 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
  }
}
