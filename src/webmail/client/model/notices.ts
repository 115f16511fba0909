import type { Clock } from '../clock.ts';
import type { Key, Values } from '../i18n/text.ts';
import { Observable } from '../observable.ts';

/** A sentence below the list, with what undoes it. */
export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly key: Key;
  readonly values: Values;
  readonly undo?: (() => void) | undefined;
}

/** How long a notice stands, and what destroys waits. */
export const NOTICE_MS = 10_000;

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
    this.#callOff = this.#clock.after(NOTICE_MS, () => this.dismiss());
  }

  dismiss(): void {
    this.hold();
    this.#notice = undefined;
    this.changed();
  }

  undo(): void {
    const undo = this.#notice?.undo;
    this.dismiss();
    undo?.();
  }
}
