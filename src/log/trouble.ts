import type { Logger } from './types.ts';

/** A trouble met at each try: said once, again when it is another one, and when it is over. */
export class Trouble {
  readonly #logger: Logger;
  readonly #what: string;
  #said: string | undefined;

  constructor(logger: Logger, what: string) {
    this.#logger = logger;
    this.#what = what;
  }

  met(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#said) return;
    this.#said = text;
    this.#logger.warn({ err: error }, this.#what);
  }

  over(): void {
    if (this.#said === undefined) return;
    this.#said = undefined;
    this.#logger.info({}, `over: ${this.#what}`);
  }
}
