import { Refused } from '../jmap/connection.ts';
import type { Address } from '../jmap/types.ts';
import type { App } from '../model/app.ts';
import { Observable } from '../observable.ts';
import { ask } from '../settings/self-care.ts';
import type { Contact } from './addresses.ts';

/** Those whom a letter of this page went to. */
interface Sent {
  readonly people: readonly Contact[];
  /** The mailbox was told: who reads it after that hears of them. */
  isTold: boolean;
}

/**
 * Those whom mail was sent to, as the mailbox remembers them: to be suggested.
 *
 * Invariant: whom a letter of this page went to is suggested in the next one. Races: the next one
 * may be begun before the mailbox was told, so what was sent is kept here until then; contacts may
 * change while they are read, so such an answer is not taken, and they are read again.
 */
export class Contacts extends Observable {
  readonly #app: App;
  #read: readonly Contact[] = [];
  #sent: readonly Sent[] = [];
  #isCurrent = false;
  #changes = 0;
  #reading: Promise<void> | undefined;

  constructor(app: App) {
    super();
    this.#app = app;
  }

  get all(): readonly Contact[] {
    const known = new Set(this.#read.map(({ email }) => email.toLowerCase()));
    const isNew = ({ email }: Contact): boolean => {
      const key = email.toLowerCase();
      return !known.has(key) && known.add(key).has(key);
    };
    return [...this.#read, ...this.#sent.flatMap(({ people }) => people).filter(isNew)];
  }

  async load(): Promise<void> {
    if (this.#isCurrent) return;
    this.#reading ??= this.#readAll().finally(() => (this.#reading = undefined));
    await this.#reading;
  }

  async #readAll(): Promise<void> {
    try {
      do {
        const changes = this.#changes;
        const sent = this.#sent.filter(({ isTold }) => !isTold);
        const response = await this.#app.connection.request('/self/contacts', { method: 'GET' });
        this.#read = ((await response.json()) as { contacts: readonly Contact[] }).contacts;
        this.#isCurrent = changes === this.#changes;
        if (this.#isCurrent) this.#sent = sent;
      } while (!this.#isCurrent);
      this.changed();
    } catch (error) {
      // A letter is written as well without; the next one asks again.
      if (!(error instanceof Refused)) throw error;
    }
  }

  async remember(people: readonly Address[]): Promise<void> {
    const body = JSON.stringify({ people: people.map(({ name, email }) => ({ name, email })) });
    const headers = { 'Content-Type': 'application/json' };
    const at = this.#app.browser.clock.now();
    const sent: Sent = {
      people: people.map(({ name, email }) => ({ id: email, name, email, at, count: 1 })),
      isTold: false,
    };
    this.#sent = [...this.#sent, sent];
    await this.#app.connection
      .request('/self/contacts', { method: 'POST', body, headers })
      .catch(() => undefined);
    sent.isTold = true;
    this.forget();
  }

  /** They were changed: whoever asks next has them fetched. */
  forget(): void {
    this.#changes += 1;
    this.#isCurrent = false;
  }
}

/** The second time as the first. @returns why not; undefined: it is written down */
export async function putContact(
  app: App,
  { name, email }: Address,
  former?: string,
): Promise<string | undefined> {
  const body = { name, email, ...(former !== undefined && { former }) };
  const asked = await ask(app, 'PUT', '/self/contacts', body);
  app.letters.contacts.forget();
  return asked.kind === 'done' ? undefined : asked.why;
}

/** @returns why not; undefined: it is removed */
export async function removeContact(app: App, { id }: Contact): Promise<string | undefined> {
  const asked = await ask(app, 'DELETE', `/self/contacts/${encodeURIComponent(id)}`);
  app.letters.contacts.forget();
  return asked.kind === 'done' ? undefined : asked.why;
}

/** Those in whom all words are, somewhere, as names are sorted. */
export function found(
  all: readonly Contact[],
  words: string,
  language: string,
): readonly Contact[] {
  const wanted = words
    .toLocaleLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const names = new Intl.Collator(language, { numeric: true });
  const called = ({ name, email }: Contact): string => name ?? email;
  return all
    .filter((one) => {
      const text = `${one.name ?? ''} ${one.email}`.toLocaleLowerCase();
      return wanted.every((word) => text.includes(word));
    })
    .toSorted((a, b) => names.compare(called(a), called(b)) || names.compare(a.email, b.email));
}
