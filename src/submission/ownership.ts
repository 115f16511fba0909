/**
 * Which addresses a user may send as. The directory says whose an address is, by the way that mail
 * to it is found: the login, aliases, details (`user+detail`), alias domains, addresses of the
 * site, in any case and any quoting. No spelling is compared here, so none gets around it.
 *
 * A list's address is also that of the user who answers for the list (mwOwner). What a rule or a
 * catch-all sends to a user is not that user's address.
 */
import type { Account, Directory } from '../directory/types.ts';

export class Ownership {
  readonly #directory: Pick<Directory, 'ownerOf'>;
  readonly #account: Account;
  /** One letter names the same address in its envelope and in its header. */
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor(directory: Pick<Directory, 'ownerOf'>, account: Account) {
    this.#directory = directory;
    this.#account = account;
  }

  /** @throws DirectoryUnavailable */
  async has(address: string): Promise<boolean> {
    const known = this.#asked.get(address);
    if (known) return await known;
    const asked = this.#ask(address);
    this.#asked.set(address, asked);
    return await asked;
  }

  /** The first that is not the user's. @throws DirectoryUnavailable */
  async foreign(addresses: readonly string[]): Promise<string | undefined> {
    for (const address of addresses) if (!(await this.has(address))) return address;
    return undefined;
  }

  async #ask(address: string): Promise<boolean> {
    const owner = await this.#directory.ownerOf(address);
    if (owner?.kind === 'user') return owner.account.id === this.#account.id;
    const responsible = owner?.list.owner;
    if (responsible === undefined) return false;
    const person = await this.#directory.ownerOf(responsible);
    return person?.kind === 'user' && person.account.id === this.#account.id;
  }
}
