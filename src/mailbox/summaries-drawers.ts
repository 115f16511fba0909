import type { Random } from '../base/random.ts';
import type { Facts, FolderRef, Numbered } from '#maildir';
import { SummaryDrawer } from './summaries-drawer.ts';

/** Drawers of one kind of all folders that this process works with, within a bound of memory. */
export class Drawers {
  readonly #parts: {
    readonly drawer: string;
    readonly random: Random;
    readonly octetsMax: number;
  };
  /** By folder, the one used last at the end. */
  readonly #open = new Map<string, SummaryDrawer>();

  constructor(parts: { drawer: string; random: Random; octetsMax: number }) {
    this.#parts = parts;
  }

  of({ ref, facts }: { ref: FolderRef; facts: Facts | undefined }): SummaryDrawer {
    const id = `${ref.maildir}\0${ref.folder}`;
    const drawer = this.#open.get(id) ?? new SummaryDrawer({ ref, facts, ...this.#parts });
    this.#open.delete(id);
    this.#open.set(id, drawer);
    return drawer;
  }

  /** That they take in memory, about. */
  get octets(): number {
    let octets = 0;
    for (const drawer of this.#open.values()) octets += drawer.octets;
    return octets;
  }

  /**
   * Forgets folders that nobody asked for lately, then messages of this one, but for those that
   * somebody works on.
   */
  bound(current: SummaryDrawer, working: readonly Numbered[] = []): void {
    let octets = this.octets;
    for (const [id, drawer] of this.#open) {
      if (octets <= this.#parts.octetsMax) return;
      if (drawer === current) continue;
      octets -= drawer.octets;
      drawer.shrink(0, []);
      this.#open.delete(id);
    }
    current.shrink(this.#parts.octetsMax, working);
  }

  /** When all that was found out has been written, or was given up. */
  async settled(): Promise<void> {
    await Promise.all([...this.#open.values()].map((drawer) => drawer.settled()));
  }
}
