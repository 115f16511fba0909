import type { Clock } from '../clock.ts';
import type { Key, Values } from '../i18n/text.ts';
import { Observable } from '../observable.ts';
import type { ActionKind } from './actions.ts';

/** A sentence below the list, with what undoes it. */
export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly key: Key;
  readonly values: Values;
  readonly undo?: (() => void) | undefined;
  /** What failed is tried again. It stands until somebody says so, or closes it. */
  readonly retry?: () => void;
}

/** How long a notice stands, and what destroys waits. */
export const NOTICE_MS = 10_000;

/** Ready to go out longer than its notice stands, so that Undo is always in time. */
export const DESTROY_AFTER_MS = NOTICE_MS + 2000;

/** What is told when it is done. */
export const DONE: Readonly<Record<ActionKind, Key>> = {
  archive: 'done.archive',
  move: 'done.move',
  trash: 'done.trash',
  junk: 'done.junk',
  'not-junk': 'done.notJunk',
  star: 'done.star',
  unstar: 'done.unstar',
  read: 'done.read',
  unread: 'done.unread',
  destroy: 'done.destroy',
};

/** The last thing that happened. It stays while the pointer or the focus is on it. */
export class Notices extends Observable {
  readonly #clock: Clock;
  #notice: Notice | undefined;
  #callOff: (() => void) | undefined;

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  get notice(): Notice | undefined {
    return this.#notice;
  }

  show(notice: Notice): void {
    this.#notice = notice;
    this.release();
    this.changed();
  }

  /** It is being read: it stays. */
  hold(): void {
    this.#callOff?.();
    this.#callOff = undefined;
  }

  release(): void {
    this.hold();
    if (this.#notice?.retry) return;
    this.#callOff = this.#clock.after(NOTICE_MS, () => this.dismiss());
  }

  dismiss(): void {
    this.hold();
    this.#notice = undefined;
    this.changed();
  }

  retry(): void {
    const retry = this.#notice?.retry;
    this.dismiss();
    retry?.();
  }

  undo(): void {
    const undo = this.#notice?.undo;
    this.dismiss();
    undo?.();
  }
}
