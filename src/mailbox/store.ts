import type { Clock } from '../base/clock.ts';
import { defaults } from '../config/options.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { TimedCache } from '../volumes/cache.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox, Mailboxes } from '../volumes/mailboxes.ts';
import { nameOctets, nameWireOctets, type Entry } from '#maildir';
import type { Mail } from './mail.ts';
import { EMPTY_MAILDROP, MaildirMaildrop } from './maildrop.ts';
import { mailboxEvents } from './metrics.ts';
import { MAILBOX_OPTIONS, type MailboxOptions } from './options.ts';
import { byArrival } from './order.ts';
import { sizeMessages } from './sizing.ts';
import type { Maildrop, MailStore } from './types.ts';

/**
 * The MailStore over Maildirs on volumes.
 *
 * It keeps nothing but mailbox sizes for some seconds: each session lists afresh. Sizes stand in
 * the names; a file without them is read once, and renamed to carry them.
 */
export interface MaildirStoreOptions {
  readonly mailboxes: Mailboxes<Account>;
  readonly clock: Clock;
  readonly log: Logger;
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
  /** Octets in use, by account id. */
  readonly #usage: TimedCache<number>;
  readonly #measuring = new Map<string, Promise<number>>();
  /** By the listing: where the engine gives the same one again, it is not sorted again. */
  readonly #snapshots = new WeakMap<readonly Entry[], Snapshot>();

  constructor(parts: MaildirStoreOptions) {
    this.#mailboxes = parts.mailboxes;
    this.#log = parts.log;
    this.#options = parts.options ?? defaults(MAILBOX_OPTIONS);
    this.#usage = new TimedCache(parts.clock, {
      ms: this.#options['mailbox.usage.cache'],
      max: this.#options['mailbox.usage.accounts.max'],
    });
  }

  async openMaildrop(account: Account): Promise<Maildrop> {
    const mailbox = await this.#mailboxes.open(account);
    const listed = mailbox && (await this.#list(mailbox, 'list'));
    if (mailbox === undefined || listed === undefined) {
      mailboxEvents.inc('empty');
      return EMPTY_MAILDROP;
    }
    const { entries, sizes } = this.#snapshots.get(listed) ?? (await this.#sized(mailbox, listed));
    mailboxEvents.inc('opened');
    this.#mailboxes.sweep(mailbox);
    const onRemoved = (octets: number): void => this.added(account, -octets);
    return new MaildirMaildrop({ mailbox, entries, sizes, log: this.#log, onRemoved });
  }

  async openMail(account: Account): Promise<Mail> {
    throw new StoreError('volume-down', `Folders of ${account.id}: not yet`);
  }

  async usage(account: Account): Promise<number> {
    const known = this.#usage.get(account.id);
    if (known !== undefined) return known;
    const running = this.#measuring.get(account.id);
    if (running !== undefined) return running;
    const measuring = this.#measure(account).finally(() => this.#measuring.delete(account.id));
    this.#measuring.set(account.id, measuring);
    return measuring;
  }

  /** A delivery of this process, so that it counts before the mailbox is listed again. */
  added(account: Account, octets: number): void {
    this.#usage.update(account.id, (usage) => Math.max(0, usage + octets));
  }

  async #measure(account: Account): Promise<number> {
    const mailbox = await this.#mailboxes.locate(account);
    const listed = mailbox && (await this.#list(mailbox, 'listOnce'));
    let usage = 0;
    if (mailbox !== undefined && listed !== undefined) {
      const unsized: Entry[] = [];
      for (const entry of listed) {
        const octets = nameOctets(entry.name);
        if (octets === undefined) unsized.push(entry);
        else usage += octets;
      }
      const now = unsized.slice(0, this.#options['mailbox.usage.sizing.max']);
      const sized = await sizeMessages(mailbox, now, this.#options['mailbox.sizing.parallel']);
      for (const message of sized) usage += message?.octets ?? 0;
    }
    this.#usage.set(account.id, usage);
    return usage;
  }

  /** Undefined: the mailbox was not made yet, which is no error. */
  async #list(
    mailbox: Mailbox,
    operation: 'list' | 'listOnce',
  ): Promise<readonly Entry[] | undefined> {
    try {
      return await mailbox.volume[operation](mailbox.maildir);
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
