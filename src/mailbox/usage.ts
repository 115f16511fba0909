import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import { TimedCache } from '../volumes/cache.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox, Mailboxes } from '../volumes/mailboxes.ts';
import { nameOctets, type Entry } from '#maildir';
import type { MailboxOptions } from './options.ts';
import { sizeMessages } from './sizing.ts';

/**
 * What a user's mail takes, for quota: the sum of S= over the names in INBOX and all folders. There
 * is no counter file, which several writers would get wrong: it is listed again after some seconds
 * (`mailbox.usage.cache`), and between two listings what this process adds and removes is counted.
 * So whoever asks, MX at RCPT or a client, on whatever host, is told the same, but for what others
 * wrote in these seconds: the overshoot is bounded by front ends times what each takes in that
 * time, and nothing is wrong for longer.
 *
 * Race: a listing that is under way misses what is added meanwhile, and would forget that it was
 * counted. So what is added during it is added to its result; if the listing had seen it after all
 * it counts twice, until the next: rather too much for seconds than too little.
 */
export interface Use {
  readonly octets: number;
  readonly messages: number;
}

interface Measuring {
  readonly result: Promise<Use>;
  /** Added since it began. */
  octets: number;
  messages: number;
}

/** Folders of one mailbox that are listed at once. */
const PARALLEL = 4;

export class Usage {
  readonly #mailboxes: Mailboxes<Account>;
  readonly #options: MailboxOptions;
  /** By account id. */
  readonly #known: TimedCache<Use>;
  readonly #measuring = new Map<string, Measuring>();

  constructor(mailboxes: Mailboxes<Account>, clock: Clock, options: MailboxOptions) {
    this.#mailboxes = mailboxes;
    this.#options = options;
    this.#known = new TimedCache(clock, {
      ms: options['mailbox.usage.cache'],
      max: options['mailbox.usage.accounts.max'],
    });
  }

  /** @throws StoreError */
  async of(account: Account): Promise<Use> {
    const known = this.#known.get(account.id);
    if (known !== undefined) return known;
    return (this.#measuring.get(account.id) ?? this.#begin(account)).result;
  }

  /** What this process put there or (negative) removed, so that it counts at once. */
  added(accountId: string, octets: number, messages: number): void {
    this.#known.update(accountId, (use) => sum(use, { octets, messages }));
    const measuring = this.#measuring.get(accountId);
    if (measuring === undefined) return;
    measuring.octets += Math.max(0, octets);
    measuring.messages += Math.max(0, messages);
  }

  /** It is listed anew when it is asked for next. */
  forget(accountId: string): void {
    this.#known.delete(accountId);
  }

  #begin(account: Account): Measuring {
    const result = this.#measure(account).then(
      (use) => {
        const all = sum(use, measuring);
        this.#known.set(account.id, all);
        this.#measuring.delete(account.id);
        return all;
      },
      (error: unknown) => {
        this.#measuring.delete(account.id);
        throw error;
      },
    );
    const measuring: Measuring = { result, octets: 0, messages: 0 };
    this.#measuring.set(account.id, measuring);
    return measuring;
  }

  async #measure(account: Account): Promise<Use> {
    const mailbox = await this.#mailboxes.locate(account);
    const inbox = mailbox && (await this.#inbox(mailbox));
    if (mailbox === undefined || inbox === undefined) return { octets: 0, messages: 0 };
    const { volume, maildir } = mailbox;
    const left = [...(await volume.folders(maildir))];
    let use = await this.#sum(mailbox, inbox);
    const work = async (): Promise<void> => {
      for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
        const place = { ...mailbox, maildir: `${maildir}/.${folder}` };
        const part = await this.#sum(place, await listThere(place));
        use = sum(use, part);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    return use;
  }

  /** Undefined: no mail ever came. */
  async #inbox(mailbox: Mailbox): Promise<readonly Entry[] | undefined> {
    try {
      return await mailbox.volume.listOnce(mailbox.maildir);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'mailbox-missing') throw error;
      if (mailbox.stored) throw this.#mailboxes.missing(mailbox);
      return undefined;
    }
  }

  async #sum(place: Mailbox, entries: readonly Entry[]): Promise<Use> {
    const unsized: Entry[] = [];
    let octets = 0;
    for (const entry of entries) {
      const said = nameOctets(entry.name);
      if (said === undefined) unsized.push(entry);
      else octets += said;
    }
    const now = unsized.slice(0, this.#options['mailbox.usage.sizing.max']);
    const sized = await sizeMessages(place, now, this.#options['mailbox.sizing.parallel']);
    for (const message of sized) octets += message?.octets ?? 0;
    return { octets, messages: entries.length };
  }
}

/** Nothing of a folder that was removed since it was listed. */
async function listThere({ volume, maildir }: Mailbox): Promise<readonly Entry[]> {
  try {
    return await volume.listOnce(maildir);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'mailbox-missing') return [];
    throw error;
  }
}

const sum = (a: Use, b: Use): Use => ({
  octets: Math.max(0, a.octets + b.octets),
  messages: Math.max(0, a.messages + b.messages),
});
