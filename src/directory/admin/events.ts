import type { AdminEvent } from './api.ts';

export type AdminHandler = (event: AdminEvent) => void;

/** Who wants to hear of what happens outside of a caller's own calls (S0-42). */
export class Events {
  readonly #handlers = new Set<AdminHandler>();
  readonly #onFault: (error: unknown) => void;

  /** @param onFault hears of handlers that throw: they harm nobody else */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** Events that only one handler hears; its faults go where those of others go. */
  only(handler: AdminHandler): Events {
    const events = new Events(this.#onFault);
    events.add(handler);
    return events;
  }

  /** @returns how to stop it */
  add(handler: AdminHandler): () => void {
    // The same function given twice is told twice, and taken away once for each.
    const own: AdminHandler = (event) => handler(event);
    this.#handlers.add(own);
    return () => {
      this.#handlers.delete(own);
    };
  }

  emit(event: AdminEvent): void {
    for (const handler of this.#handlers) {
      try {
        // An async handler is none of ours to await, but its failure is ours to contain.
        const result: unknown = handler(event);
        if (result instanceof Promise) result.catch(this.#onFault);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}
