import { AdminError } from './error.ts';
import { anyOf } from './query.ts';
import type { AdminSession } from './session.ts';

/** Numbers up to this are left to the machine's own users; the first of ours is 2001 (S2-29). */
const UID_BELOW = 2_000;
const UID_MAX = 2_147_483_647;
/** Numbers that others were given meanwhile, before the end of all is looked for again. */
const GUESSES = 3;

/** Numbers of users. Those of removed users are not given again. */
export class Uids {
  readonly #session: AdminSession;
  /** The number after the last one given: free in nearly every case. */
  #next: number | undefined;
  #searching: Promise<number> | undefined;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  /** The number that is wished for, or a free one. @throws AdminError invalid */
  async choose(wished: number | undefined): Promise<number> {
    if (wished === undefined) return await this.#free();
    if (Number.isSafeInteger(wished) && wished > 0 && wished <= UID_MAX) {
      const holder = await this.#holder(wished);
      if (holder === undefined) return wished;
      throw new AdminError('invalid', `The uid ${wished} already belongs to ${holder}`);
    }
    throw new AdminError('invalid', `A uid is a whole number from 1 to ${UID_MAX}`);
  }

  /** Whether somebody but `except` has the number. */
  async taken(uid: number, except?: string): Promise<boolean> {
    const holder = await this.#holder(uid);
    return holder !== undefined && holder !== except;
  }

  async #holder(uid: number): Promise<string | undefined> {
    const filter = anyOf(['uid'], [String(uid)]);
    const attributes = ['uid'];
    const { users, removed } = this.#session.names;
    const found = await Promise.all(
      [users, removed].map((base) =>
        this.#session.search({ base, objectClass: 'mwUser', filter, limit: 1, attributes }),
      ),
    );
    return found.flat()[0]?.dn;
  }

  /** Many ask at once in an import: each takes a number of its own before it looks. */
  async #free(): Promise<number> {
    for (let tries = 0; tries < GUESSES && this.#next !== undefined; tries += 1) {
      const guess = this.#next;
      this.#next = guess + 1;
      if (!(await this.taken(guess))) return guess;
    }
    this.#searching ??= this.#search().finally(() => {
      this.#searching = undefined;
    });
    const first = await this.#searching;
    const uid = this.#next !== undefined && this.#next > first ? this.#next : first;
    this.#next = uid + 1;
    return uid;
  }

  /**
   * A number that nobody has, right after one that somebody has: found by doubling and halving,
   * in some 2·log2(users) indexed look-ups, where reading all users would take seconds.
   */
  async #search(): Promise<number> {
    let step = 1;
    while (await this.taken(UID_BELOW + step)) step *= 2;
    let [taken, free] = [Math.floor(step / 2), step];
    while (free - taken > 1) {
      const middle = taken + Math.floor((free - taken) / 2);
      if (await this.taken(UID_BELOW + middle)) taken = middle;
      else free = middle;
    }
    return UID_BELOW + free;
  }
}
