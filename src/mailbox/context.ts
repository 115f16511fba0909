import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Mailboxes } from '../volumes/mailboxes.ts';
import type { Hints } from './hints.ts';
import type { MailboxOptions } from './options.ts';
import type { Searches } from './search.ts';
import type { SharedFolders } from './shared-folders.ts';
import type { Summaries } from './summaries.ts';
import type { Usage } from './usage.ts';

/** What all that work for users of this process share. */
export interface StoreContext {
  readonly mailboxes: Mailboxes<Account>;
  readonly folders: SharedFolders;
  readonly usage: Usage;
  readonly summaries: Summaries;
  readonly searches: Searches;
  readonly hints: Hints;
  readonly clock: Clock;
  readonly log: Logger;
  readonly options: MailboxOptions;
}

/** The same, for one user. */
export interface MailContext extends StoreContext {
  readonly account: Account;
}
