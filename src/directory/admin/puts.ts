import type { Put, Recorded } from './api.ts';
import { AdminError } from './error.ts';
import type { Events } from './events.ts';

interface Chain {
  readonly tail: Promise<unknown>;
  /** Revisions of the entry that our own puts replaced, and what they made of it. */
  readonly ours: ReadonlySet<string>;
  readonly latest: Recorded | undefined;
}

/**
 * Changes that are begun and not waited for (S0-46). Those of one entry are made in the order they
 * were given; a second one that is based on the same record is based on the first's result.
 */
export class Puts {
  readonly #events: Events;
  readonly #chains = new Map<string, Chain>();

  constructor(events: Events) {
    this.#events = events;
  }

  /** @param key of the entry; `change` is given the record to base the change on */
  begin<R extends Recorded>(
    key: string,
    of: R | undefined,
    change: (of: R | undefined) => Promise<R>,
  ): Put<R> {
    const put = new Begun<R>();
    const before = this.#chains.get(key);
    const work = async (): Promise<void> => {
      await before?.tail;
      const state = this.#chains.get(key);
      const known = of !== undefined && state?.ours.has(of.revision) === true;
      const base = known ? (state.latest as R) : of;
      try {
        const record = await change(base);
        this.#remember(key, base, record);
        put.finish(record);
      } catch (error) {
        const failure =
          error instanceof Error ? error : new AdminError('unavailable', String(error));
        put.fail(failure);
        this.#events.emit({ kind: 'put-failed', dn: of?.dn ?? key, error: failure });
      }
    };
    const tail = work();
    const chain: Chain = { ours: new Set(), latest: undefined, ...before, tail };
    this.#chains.set(key, chain);
    void tail.then(() => {
      if (this.#chains.get(key)?.tail === tail) this.#chains.delete(key);
    });
    return put;
  }

  /** Resolves when all that were begun are done or failed. */
  async settled(): Promise<void> {
    await Promise.all([...this.#chains.values()].map(({ tail }) => tail));
  }

  #remember(key: string, base: Recorded | undefined, latest: Recorded): void {
    const chain = this.#chains.get(key);
    if (!chain) return;
    const ours = new Set(chain.ours);
    if (base && base.revision !== '') ours.add(base.revision);
    this.#chains.set(key, { ...chain, ours, latest });
  }
}

class Begun<R> implements Put<R> {
  state: Put<R>['state'] = 'pending';
  error: Error | undefined;
  readonly #settle: { resolve: (record: R) => void; reject: (error: Error) => void };
  readonly #done: Promise<R>;

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    this.#done = promise;
    this.#settle = { resolve, reject };
    promise.catch(() => {}); // Nobody has to ask; the error stays here.
  }

  finish(record: R): void {
    this.state = 'done';
    this.#settle.resolve(record);
  }

  fail(error: Error): void {
    this.state = 'failed';
    this.error = error;
    this.#settle.reject(error);
  }

  async done(): Promise<R> {
    return await this.#done;
  }
}
