/**
 * What was typed and is not saved at the server yet, in the browser: a page that is closed, a
 * session that ends, a battery that is empty loses none of it. A letter is here only while that is
 * so. A page that is loaded again takes up its own; what another page left is taken when nobody has
 * written on it for so long that its page is no more.
 */
import type { PlainStorage } from '../model/queue-store.ts';
import type { Letter } from './letter.ts';
import { markedBy } from './message-id.ts';

export interface KeptParts {
  readonly storage: PlainStorage;
  readonly accountId: string;
  readonly pageId: string;
  readonly now: () => number;
  readonly newId: () => string;
}

const LEFT_AFTER_MS = 10 * 60_000;

interface Kept {
  readonly page: string;
  readonly at: number;
  readonly letter: Letter;
}

export class KeptLetters {
  readonly #parts: KeptParts;
  readonly #prefix: string;

  constructor(parts: KeptParts) {
    this.#parts = parts;
    this.#prefix = `mailfarm.letter.${parts.accountId}.`;
  }

  /** @returns whether there was room for it */
  put(letter: Letter): boolean {
    const { storage, pageId, now } = this.#parts;
    try {
      const kept: Kept = { page: pageId, at: now(), letter };
      storage.setItem(this.#prefix + letter.id, JSON.stringify(kept));
      return true;
    } catch {
      // Full, or private browsing: the server's copy is all there is.
      return false;
    }
  }

  drop(letter: Letter): void {
    this.#parts.storage.removeItem(this.#prefix + letter.id);
  }

  /** Those that this page takes up, the last one written first. */
  found(): readonly Letter[] {
    const { storage, pageId, now } = this.#parts;
    const names = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? '');
    return names
      .filter((name) => name.startsWith(this.#prefix))
      .flatMap((name) => keptOf(storage.getItem(name)) ?? [])
      .filter(({ page, at }) => page === pageId || now() - at > LEFT_AFTER_MS)
      .toSorted((a, b) => b.at - a.at)
      .map(({ page, letter }) => (page === pageId ? letter : this.#taken(letter)));
  }

  /** The page that left it may only have slept: what that saves and keeps has another name. */
  #taken(letter: Letter): Letter {
    const id = this.#parts.newId();
    const own = { ...letter, id, messageId: markedBy(letter.messageId, id) };
    if (this.put(own)) this.drop(letter);
    return own;
  }
}

function keptOf(text: string | null): Kept | undefined {
  try {
    const kept = JSON.parse(text ?? 'null') as Kept | null;
    return typeof kept?.letter?.body === 'string' ? kept : undefined;
  } catch {
    return undefined;
  }
}
