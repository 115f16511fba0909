import type { Account } from '../directory/types.ts';
import type { Mailboxes } from '../volumes/mailboxes.ts';
import { SharedFolder } from './shared-folder.ts';
import type { Watcher } from './watching.ts';

/** The folders that sessions of this process have open, each once. */
export class SharedFolders {
  readonly #mailboxes: Mailboxes<Account>;
  readonly #watcher: Watcher;
  readonly #open = new Map<string, SharedFolder>();

  constructor(mailboxes: Mailboxes<Account>, watcher: Watcher) {
    this.#mailboxes = mailboxes;
    this.#watcher = watcher;
  }

  get size(): number {
    return this.#open.size;
  }

  /** One that is open; asks nothing. */
  peek(account: Account, disk: string): SharedFolder | undefined {
    return this.#open.get(keyOf(account, disk));
  }

  /** To be given back by `leave`. */
  enter(account: Account, folder: { readonly name: string; readonly disk: string }): SharedFolder {
    const key = keyOf(account, folder.disk);
    const shared =
      this.#open.get(key) ??
      new SharedFolder({ mailboxes: this.#mailboxes, watcher: this.#watcher, account, ...folder });
    this.#open.set(key, shared);
    shared.users += 1;
    return shared;
  }

  leave(account: Account, disk: string, shared: SharedFolder): void {
    shared.users -= 1;
    const key = keyOf(account, disk);
    if (shared.users === 0 && this.#open.get(key) === shared) this.#open.delete(key);
  }

  /** It is another folder now, or none: who opens the name from now on begins anew. */
  forget(account: Account, disk: string): void {
    this.#open.delete(keyOf(account, disk));
  }
}

/** A mailbox that was moved is another one, for whoever logs in after it. */
const keyOf = (account: Account, disk: string): string =>
  `${account.id}\n${account.volume ?? ''}\n${account.path ?? ''}\n${disk}`;
