import type { Entry } from './entry.ts';

const SPARE = 1_024;

/**
 * Entries in the order of their entryCSN, so that "what changed since" costs what changed and not
 * the whole tree. An entry that was changed again stays in the list until it is swept.
 */
export class ChangeOrder {
  #entries: Entry[] = [];
  #sorted = true;
  readonly #isLive: (entry: Entry) => boolean;

  constructor(isLive: (entry: Entry) => boolean) {
    this.#isLive = isLive;
  }

  /** @param live how many entries there are altogether */
  add(entry: Entry, live: number): void {
    const last = this.#entries.at(-1);
    if (last && csnOf(last) > csnOf(entry)) this.#sorted = false;
    this.#entries.push(entry);
    if (this.#entries.length > 2 * live + SPARE) this.#sweep();
  }

  /** Entries whose entryCSN is at least this one. */
  since(csn: string): readonly Entry[] {
    if (!this.#sorted) {
      this.#sweep();
      this.#entries.sort((a, b) => (csnOf(a) < csnOf(b) ? -1 : csnOf(a) > csnOf(b) ? 1 : 0));
      this.#sorted = true;
    }
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.#entries[middle];
      if (found && csnOf(found) < csn) low = middle + 1;
      else high = middle;
    }
    return this.#entries.slice(low).filter(this.#isLive);
  }

  #sweep(): void {
    this.#entries = this.#entries.filter(this.#isLive);
  }
}

const csnOf = (entry: Entry): string => entry.get('entrycsn')[0] ?? '';
