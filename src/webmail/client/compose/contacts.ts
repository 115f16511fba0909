import { Refused } from '../jmap/connection.ts';
import type { Address } from '../jmap/types.ts';
import type { App } from '../model/app.ts';
import type { Contact } from './addresses.ts';

/** Those whom mail was sent to, as the mailbox remembers them: to be suggested. */
export class Contacts {
  readonly #app: App;
  #all: readonly Contact[] | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  get all(): readonly Contact[] {
    return this.#all ?? [];
  }

  async load(): Promise<void> {
    if (this.#all) return;
    this.#all = [];
    try {
      const response = await this.#app.connection.request('/self/contacts', { method: 'GET' });
      this.#all = ((await response.json()) as { contacts: readonly Contact[] }).contacts;
    } catch (error) {
      // A letter is written as well without.
      if (!(error instanceof Refused)) throw error;
    }
  }

  async remember(people: readonly Address[]): Promise<void> {
    const body = JSON.stringify({ people: people.map(({ name, email }) => ({ name, email })) });
    const headers = { 'Content-Type': 'application/json' };
    await this.#app.connection
      .request('/self/contacts', { method: 'POST', body, headers })
      .catch(() => undefined);
    this.#all = undefined;
  }

  async remove(id: string): Promise<void> {
    const url = `/self/contacts/${encodeURIComponent(id)}`;
    await this.#app.connection.request(url, { method: 'DELETE' });
    this.#all = this.#all?.filter((one) => one.id !== id);
  }
}
