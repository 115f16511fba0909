import type { Action } from './actions.ts';

export type PlainStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

export interface QueueStoreParts {
  readonly storage: PlainStorage;
  readonly accountId: string;
  /** Of this page: stays the same when it is loaded again. */
  readonly pageId: string;
  readonly now: () => number;
}

interface Stored {
  readonly at: number;
  readonly actions: readonly Action[];
}

/** Kept over a restart of the page. */
const STORED_MAX = 500;
/** A page that has not written for so long is closed, or waits for its line: both may be helped. */
const ALIVE_MS = 120_000;

/**
 * What waits to be sent, in the browser's storage: each page under a name of its own, so that two
 * pages never write over each other. What a closed page left is taken up by the next that opens; if
 * that page lives after all, its actions are sent twice, and do the same as once.
 */
export class QueueStore {
  readonly #parts: QueueStoreParts;
  readonly #prefix: string;

  constructor(parts: QueueStoreParts) {
    this.#parts = parts;
    this.#prefix = `mailfarm.queue.${parts.accountId}.`;
  }

  save(actions: readonly Action[]): void {
    const { storage, pageId, now } = this.#parts;
    const name = this.#prefix + pageId;
    try {
      if (actions.length === 0) storage.removeItem(name);
      else {
        // Of a job no later page takes anything back: half of it need not be kept.
        const kept = actions
          .slice(0, STORED_MAX)
          .map((one) => (one.job ? { ...one, undo: {} } : one));
        const stored: Stored = { at: now(), actions: kept };
        storage.setItem(name, JSON.stringify(stored));
      }
    } catch {
      // The storage is full or forbidden: what waits lives as long as the page.
    }
  }

  /** What this page left before it was loaded again, and what closed pages left. */
  takeUp(): Action[] {
    const { storage, pageId, now } = this.#parts;
    try {
      const names = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? '');
      const found = names
        .filter((name) => name.startsWith(this.#prefix))
        .map((name) => ({ name, stored: JSON.parse(storage.getItem(name) ?? '{}') as Stored }))
        .filter(({ name, stored }) => name.endsWith(pageId) || stored.at < now() - ALIVE_MS)
        .toSorted((a, b) => a.stored.at - b.stored.at);
      for (const { name } of found) storage.removeItem(name);
      return found.flatMap(({ stored }) => stored.actions);
    } catch {
      return [];
    }
  }
}
