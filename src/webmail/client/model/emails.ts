import type { FullEmail, ListEmail, Thread } from '../jmap/types.ts';
import { patched, type Patches } from './patch.ts';

/** Kept of lists: far more than one screen, far less than a mailbox (about 1 KB each). */
const LISTED_MAX = 4000;
/** Kept with their text. */
const FULL_MAX = 40;
const THREADS_MAX = 4000;

/** The least recently put goes first. */
class Recent<V> {
  readonly #map = new Map<string, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(id: string): V | undefined {
    return this.#map.get(id);
  }

  put(id: string, value: V): void {
    this.#map.delete(id);
    this.#map.set(id, value);
    if (this.#map.size <= this.#max) return;
    for (const oldest of this.#map.keys()) {
      this.#map.delete(oldest);
      return;
    }
  }

  drop(id: string): void {
    this.#map.delete(id);
  }

  clear(): void {
    this.#map.clear();
  }

  get size(): number {
    return this.#map.size;
  }

  keys(): Iterable<string> {
    return this.#map.keys();
  }
}

/**
 * Emails that this page knows, as the server has told them, with what the user has done laid over
 * them. What the server says never overwrites an action that is under way, and an action that
 * failed is undone by taking it away: nothing has to be remembered.
 */
export class Emails {
  readonly #listed = new Recent<ListEmail>(LISTED_MAX);
  readonly #full = new Recent<FullEmail>(FULL_MAX);
  readonly #threads = new Recent<readonly string[]>(THREADS_MAX);
  readonly #overlays: () => Iterable<Patches>;

  /** @param overlays what is under way, the oldest first */
  constructor(overlays: () => Iterable<Patches>) {
    this.#overlays = overlays;
  }

  get(id: string): ListEmail | undefined {
    const email = this.#listed.get(id);
    return email && this.#laidOver(email);
  }

  full(id: string): FullEmail | undefined {
    const email = this.#full.get(id);
    const listed = this.#listed.get(id);
    if (!email) return undefined;
    return this.#laidOver(
      listed ? { ...email, keywords: listed.keywords, mailboxIds: listed.mailboxIds } : email,
    );
  }

  /** Ids of a thread's emails, oldest first (RFC 8621 §3). */
  thread(id: string): readonly string[] | undefined {
    return this.#threads.get(id);
  }

  put(emails: readonly ListEmail[]): void {
    for (const email of emails) this.#listed.put(email.id, email);
  }

  putFull(emails: readonly FullEmail[]): void {
    this.put(emails);
    for (const email of emails) this.#full.put(email.id, email);
  }

  putThreads(threads: readonly Thread[]): void {
    for (const thread of threads) this.#threads.put(thread.id, thread.emailIds);
  }

  /** What may change of an email that is known. */
  update(changes: readonly Pick<ListEmail, 'id' | 'keywords' | 'mailboxIds'>[]): void {
    for (const { id, keywords, mailboxIds } of changes) {
      const known = this.#listed.get(id);
      if (known) this.#listed.put(id, { ...known, keywords, mailboxIds });
    }
  }

  /** The server has done this: it is no longer laid over, but so. */
  settle(patches: Patches): void {
    for (const [id, patch] of Object.entries(patches)) {
      const known = this.#listed.get(id);
      if (known) this.#listed.put(id, patched(known, patch));
    }
  }

  drop(ids: readonly string[]): void {
    for (const id of ids) {
      this.#listed.drop(id);
      this.#full.drop(id);
    }
  }

  dropThreads(ids: readonly string[]): void {
    for (const id of ids) this.#threads.drop(id);
  }

  clear(): void {
    for (const kept of [this.#listed, this.#full, this.#threads]) kept.clear();
  }

  /** How much is kept. */
  get sizes(): { readonly listed: number; readonly full: number } {
    return { listed: this.#listed.size, full: this.#full.size };
  }

  /** Of these, those that are known. */
  known(ids: readonly string[]): string[] {
    return ids.filter((id) => this.#listed.get(id) !== undefined);
  }

  #laidOver<E extends ListEmail>(email: E): E {
    let seen = email;
    for (const patches of this.#overlays()) {
      const patch = Object.hasOwn(patches, email.id) ? patches[email.id] : undefined;
      if (patch) seen = patched(seen, patch);
    }
    return seen;
  }
}
