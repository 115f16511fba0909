import type { Identity } from './access.ts';
import type { EmbeddedDirectory, Found } from './directory.ts';
import type { Filter } from './filter.ts';
import type { Operation } from './request.ts';
import { LdapFailure } from './result.ts';

/** Searches of one connection that may rest between two pages. */
const RESTING_MAX = 4;

type Search = Extract<Operation, { kind: 'search' }>;

/** A search on its way through the tree. It sees each entry once, as it is when it comes to it. */
export class Walk {
  readonly operation: Search;
  /** The entry to send next; undefined at the end. */
  next: Found | undefined;
  /** Entries sent so far, over all pages. */
  sent = 0;
  readonly #found: Iterator<Found>;
  readonly #asking: { who: Identity };

  constructor(operation: Search, found: Iterator<Found>, asking: { who: Identity }) {
    this.operation = operation;
    this.#found = found;
    this.#asking = asking;
    this.#step();
  }

  advance(): void {
    this.sent += 1;
    this.#step();
  }

  /** Rights are those of now, not those of the first page. */
  resume(who: Identity): void {
    this.#asking.who = who;
  }

  #step(): void {
    const step = this.#found.next();
    this.next = step.done === true ? undefined : step.value;
  }
}

/** Searches that go on when the client asks for the next page (RFC 2696). */
export class Pages {
  readonly #resting = new Map<string, Walk>();
  #made = 0;

  /** @throws LdapFailure */
  begin(
    directory: EmbeddedDirectory,
    given: { operation: Search; who: Identity; assertion: Filter | undefined },
  ): Walk {
    const asking = { who: given.who };
    const found = directory.search(given.operation, asking, given.assertion);
    return new Walk(given.operation, found, asking);
  }

  /** The search of a cookie, which counts once. @throws LdapFailure */
  take(cookie: string, who: Identity): Walk {
    const walk = this.#resting.get(cookie);
    if (!walk) {
      throw new LdapFailure('unwillingToPerform', 'That page is gone: begin the search anew');
    }
    this.#resting.delete(cookie);
    walk.resume(who);
    return walk;
  }

  /** @returns the cookie for the next page */
  keep(walk: Walk): string {
    this.#made += 1;
    const cookie = String(this.#made);
    this.#resting.set(cookie, walk);
    if (this.#resting.size > RESTING_MAX) {
      const [oldest] = this.#resting.keys();
      if (oldest !== undefined) this.#resting.delete(oldest);
    }
    return cookie;
  }

  clear(): void {
    this.#resting.clear();
  }
}
