import type { Clock } from '../base/clock.ts';
import { systemRandom, type Random } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox, Mailboxes } from '../volumes/mailboxes.ts';
import { nameWireOctets, type Entry, byArrival } from '#maildir';
import type { StoreContext } from './context.ts';
import { INBOX } from './folder-names.ts';
import { NO_HINTS, type Hints } from './hints.ts';
import type { Mail } from './mail.ts';
import { MaildirMail } from './maildir-mail.ts';
import { EMPTY_MAILDROP, MaildirMaildrop } from './maildrop.ts';
import { mailboxEvents } from './metrics.ts';
import { MAILBOX_OPTIONS, type MailboxOptions } from './options.ts';
import { Searches } from './search.ts';
import { SharedFolders } from './shared-folders.ts';
import { sizeMessages } from './sizing.ts';
import { Summaries } from './summaries.ts';
import type { Maildrop, MailStore } from './types.ts';
import { Usage } from './usage.ts';
import { Watcher } from './watching.ts';

/**
 * The MailStore over Maildirs on volumes.
 *
 * A session lists afresh. What is kept are mailbox sizes for some seconds, the state of folders
 * that clients have open, and what the journal remembers. Sizes stand in the names; a file without
 * them is read once, and renamed to carry them.
 */
export interface MaildirStoreOptions {
  readonly mailboxes: Mailboxes<Account>;
  readonly clock: Clock;
  /** For names of what is kept; the machine's where this is left out. */
  readonly random?: Random;
  readonly log: Logger;
  /** Nobody is told, and nobody tells, where this is left out. */
  readonly hints?: Hints;
  readonly options?: MailboxOptions;
}

/** Shared by sessions: nobody changes it. */
interface Snapshot {
  readonly entries: readonly Entry[];
  /** Wire octets of each. */
  readonly sizes: Float64Array;
}

export class MaildirStore implements MailStore {
  readonly #mailboxes: Mailboxes<Account>;
  readonly #log: Logger;
  readonly #options: MailboxOptions;
  readonly #context: StoreContext;
  /** By the listing: where the engine gives the same one again, it is not sorted again. */
  readonly #snapshots = new WeakMap<readonly Entry[], Snapshot>();

  constructor(parts: MaildirStoreOptions) {
    const { mailboxes, clock, log, hints = NO_HINTS } = parts;
    const options = parts.options ?? defaults(MAILBOX_OPTIONS);
    this.#mailboxes = mailboxes;
    this.#log = log;
    this.#options = options;
    const watcher = new Watcher({
      clock,
      hints,
      options: {
        minMs: options['mailbox.watch.min'],
        maxMs: options['mailbox.watch.max'],
        gapMs: options['mailbox.watch.gap'],
        parallel: options['mailbox.watch.parallel'],
      },
    });
    const usage = new Usage(mailboxes, clock, options);
    const folders = new SharedFolders(mailboxes, watcher);
    const { random = systemRandom } = parts;
    const kept = { random, octetsMax: options['mailbox.summaries.cache'] };
    const summaries = new Summaries(kept);
    const limits = {
      octets: options['mailbox.search.octets.max'],
      ms: options['mailbox.search.time.max'],
    };
    const searches = new Searches({ ...kept, summaries, clock, limits });
    this.#context = { mailboxes, folders, usage, summaries, searches, hints, clock, log, options };
  }

  async openMaildrop(account: Account): Promise<Maildrop> {
    const mailbox = await this.#mailboxes.open(account);
    const listed = mailbox && (await this.#list(mailbox));
    if (mailbox === undefined || listed === undefined) {
      mailboxEvents.inc('empty');
      return EMPTY_MAILDROP;
    }
    const { entries, sizes } = this.#snapshots.get(listed) ?? (await this.#sized(mailbox, listed));
    mailboxEvents.inc('opened');
    this.#mailboxes.sweep(mailbox);
    const onRemoved = (octets: number, messages: number): void => {
      this.#context.usage.added(account.id, -octets, -messages);
      this.#context.hints.tell(account.id, INBOX);
    };
    return new MaildirMaildrop({ mailbox, entries, sizes, log: this.#log, onRemoved });
  }

  async openMail(account: Account): Promise<Mail> {
    return new MaildirMail({ ...this.#context, account });
  }

  async usage(account: Account): Promise<number> {
    return (await this.#context.usage.of(account)).octets;
  }

  /**
   * A message that this process delivered to INBOX: it counts before the mailbox is listed again,
   * and who waits for mail hears of it.
   */
  delivered(account: Account, octets: number): void {
    this.#context.usage.added(account.id, octets, 1);
    this.#context.hints.tell(account.id, INBOX);
  }

  /** Undefined: the mailbox was not made yet, which is no error. */
  async #list(mailbox: Mailbox): Promise<readonly Entry[] | undefined> {
    try {
      return await mailbox.volume.list(mailbox.maildir);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'mailbox-missing') throw error;
      if (mailbox.stored) throw this.#mailboxes.missing(mailbox);
      return undefined;
    }
  }

  /**
   * In order of arrival, with sizes from the names or, once, from the files. Messages found gone
   * are left out.
   */
  async #sized(mailbox: Mailbox, names: readonly Entry[]): Promise<Snapshot> {
    const listed = byArrival(names);
    const sizes = new Float64Array(listed.length);
    const unknown: Entry[] = [];
    for (let index = 0; index < listed.length; index++) {
      const entry = listed[index] as Entry;
      sizes[index] = nameWireOctets(entry.name) ?? -1;
      if (sizes[index] === -1) unknown.push(entry);
    }
    if (unknown.length === 0) {
      const snapshot = { entries: listed, sizes };
      this.#snapshots.set(names, snapshot);
      return snapshot;
    }
    const parallel = this.#options['mailbox.sizing.parallel'];
    const found = await sizeMessages(mailbox, unknown, parallel);
    const sizedNow = found.values();
    const both = listed.map((entry, index) => {
      const wireOctets = sizes[index] as number;
      return wireOctets < 0 ? sizedNow.next().value : { entry, wireOctets };
    });
    const there = both.filter((message) => message !== undefined);
    return {
      entries: there.map(({ entry }) => entry),
      sizes: Float64Array.from(there, ({ wireOctets }) => wireOctets),
    };
  }
}
