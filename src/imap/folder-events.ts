/** A rename that this process did; what lies below goes with it. */
export interface Renamed {
  readonly from: string;
  readonly to: string;
}

/** A session that is told of names of folders and of subscriptions (NOTIFY). */
export interface NamesWatcher {
  readonly accountId: string;
  /** When it looks by itself, in milliseconds of the clock. */
  readonly dueAt: number;
  /** Looks at the names now. Never rejects. */
  look(renamed?: Renamed): Promise<void>;
}

/** Who of this process is told when somebody makes, removes, renames or subscribes to a folder. */
export class FolderEvents {
  readonly #watchers = new Set<NamesWatcher>();

  /** Until the function returned is called. */
  watch(watcher: NamesWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** A session of this process changed something for this user. */
  changed(accountId: string, renamed?: Renamed): void {
    for (const watcher of this.#watchers) {
      if (watcher.accountId === accountId) void watcher.look(renamed);
    }
  }

  /** What other hosts changed is found on a timer. */
  tick(now: number): void {
    for (const watcher of this.#watchers) if (now >= watcher.dueAt) void watcher.look();
  }
}
