import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import { openMailView, type FolderedView } from './mail-view.ts';
import type { MailStore } from './types.ts';
import type { MailView, MailViews } from './view.ts';

/**
 * Views of a process, one for each user that it works for. A view costs what its folders cost to
 * keep open (some 10 KB each, most of it the journal's), and once lists were asked for some 320
 * octets a message: places by id, threads, what lists are made of (32 MB measured for 100,000).
 */
const VIEWS_MAX = 500;
const MESSAGES_MAX = 1_000_000;

export interface MailViewsOptions {
  readonly store: Pick<MailStore, 'openMail'>;
  readonly clock: Clock;
  readonly viewsMax?: number;
  /** Of all views. */
  readonly messagesMax?: number;
}

interface Kept {
  /** What the view was opened for. */
  readonly account: string;
  readonly opening: Promise<FolderedView>;
  view: FolderedView | undefined;
}

export class OpenMailViews implements MailViews {
  readonly #options: MailViewsOptions;
  /** By account id, the one used last at the end. */
  readonly #kept = new Map<string, Kept>();
  /** Views in whose place there is another, or none, and to whose changes somebody listens. */
  readonly #left = new Set<FolderedView>();

  constructor(options: MailViewsOptions) {
    this.#options = options;
  }

  /** Opened with one look at everything; later calls ask nothing. @throws StoreError */
  async of(account: Account): Promise<MailView> {
    const same = sameFor(account);
    const known = this.#kept.get(account.id);
    this.#kept.delete(account.id);
    if (known !== undefined && known.account !== same) this.#leave(known);
    const kept = known?.account === same ? known : this.#open(account, same);
    this.#kept.set(account.id, kept);
    try {
      kept.view = await kept.opening;
    } catch (error) {
      if (this.#kept.get(account.id) === kept) this.#kept.delete(account.id);
      throw error;
    }
    this.#bound(kept);
    return kept.view;
  }

  /** Closes all. */
  close(): void {
    for (const kept of this.#kept.values()) kept.view?.close();
    for (const view of this.#left) view.close();
    this.#kept.clear();
    this.#left.clear();
  }

  #open(account: Account, same: string): Kept {
    const { store, clock } = this.#options;
    const opening = store.openMail(account).then((mail) => openMailView({ mail, clock }));
    return { account: same, opening, view: undefined };
  }

  /** Forgets those used least recently, but for those that somebody listens to. */
  #bound(current: Kept): void {
    const { viewsMax = VIEWS_MAX, messagesMax = MESSAGES_MAX } = this.#options;
    for (const view of this.#left) this.#closeUnwatched(view);
    let messages = [...this.#kept.values()].reduce((sum, { view }) => sum + (view?.size ?? 0), 0);
    for (const [id, kept] of this.#kept) {
      if (this.#kept.size <= viewsMax && messages <= messagesMax) return;
      if (kept === current || kept.view === undefined || kept.view.isWatched) continue;
      messages -= kept.view.size;
      this.#kept.delete(id);
      kept.view.close();
    }
  }

  #leave({ opening }: Kept): void {
    void opening.then(
      (view) => {
        this.#left.add(view);
        this.#closeUnwatched(view);
      },
      () => {}, // Whoever asked for it is told.
    );
  }

  #closeUnwatched(view: FolderedView): void {
    if (view.isWatched) return;
    this.#left.delete(view);
    view.close();
  }
}

/** An account that has moved, or may hold more, is another one for whoever asks from now on. */
const sameFor = ({ volume, path, quotaBytes }: Account): string =>
  JSON.stringify([volume, path, quotaBytes]);
