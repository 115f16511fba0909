import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Logger } from '../log/types.ts';
import { chooseVolume, type Candidate } from './allocate.ts';
import { TimedCache } from './cache.ts';
import { StoreError } from './error.ts';
import type { VolumeOptions } from './options.ts';
import { hashedPath, PlacementError } from './placement.ts';
import type { Located, VolumeTable } from './table.ts';
import type { MailboxOwner, VolumeDirectory } from './types.ts';
import type { Volume } from './volume.ts';

/**
 * Which mailbox is whose, and the making of new ones.
 *
 * A mailbox comes into being in two steps: its directories are made under a fresh sentinel check,
 * then its volume is added to the directory's entry. The add decides: it happens once, whoever
 * else tries. From then on the mailbox exists; if it is missing, that is a temporary failure and
 * never a new empty mailbox (its mail would look deleted to every client).
 *
 * - A crash between the steps leaves an empty Maildir that nobody uses. The next delivery chooses
 *   again; if it chooses the same volume, the directories are there already.
 * - Two front ends choose different volumes: one add wins, the loser reads it and goes there. The
 *   directories there were made before that add; the loser's own stay empty.
 * - An administrator who pins a volume makes the mailbox in the same order, by `createMailbox`.
 * - A rule of the directory may choose the volume. One that cannot be followed now defers: another
 *   volume would be stored for good, against the rule.
 * - An explicit path overrides the volume, but the volume is added all the same: it is the mark
 *   that the mailbox was made. Until then a missing path is a mailbox that got no mail yet.
 *
 * Rejected: making missing directories at delivery (a volume restored without one user would get
 * him an empty mailbox); choosing by a hash over the volumes (a new volume would move users).
 */
export interface MailboxesOptions<A extends MailboxOwner> {
  readonly table: VolumeTable;
  readonly directory: Pick<VolumeDirectory<A>, 'assignVolume' | 'volumeByRule' | 'storedVolume'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly options: VolumeOptions;
}

export interface Mailbox extends Located {
  /** The placement is stored in the directory: from then on the mailbox must be there. */
  readonly stored: boolean;
}

/** Accounts and mailboxes remembered by one process. */
const REMEMBERED_MAX = 100_000;
/** Longer than any directory cache holds an entry without the volume that was just added. */
const PLACED_MS = 60_000;
const CHOICES_MAX = 3;

/**
 * Makes an account's mailbox on a volume, idempotently; the volume is not stored yet.
 * @throws StoreError
 */
export async function createMailbox(account: MailboxOwner, volume: Volume): Promise<string> {
  const { path, use } = volume.entry;
  if (use === 'spool') {
    throw new StoreError('volume-down', `Volume ${volume.name} is a spool: no mailbox is made`);
  }
  const inside = account.path?.startsWith(`${path}/`) === true;
  if (account.path !== undefined && !inside) {
    throw new StoreError('volume-down', `The path ${account.path} is not on volume ${volume.name}`);
  }
  const maildir = account.path ?? pathOf(path, account);
  await volume.verify();
  await volume.create(maildir, { root: path });
  // Unmounted in between, the directories are in the mount point, and so would be the mail.
  await volume.verify();
  return maildir;
}

export class Mailboxes<A extends MailboxOwner> {
  readonly #parts: MailboxesOptions<A>;
  /** Volumes stored for accounts that still come without one from a directory cache. */
  readonly #placed: TimedCache<string>;
  /** Maildirs seen lately. */
  readonly #seen: TimedCache<true>;
  /** Maildirs whose tmp was swept lately. */
  readonly #swept: TimedCache<true>;
  /** First deliveries under way, by account id. */
  readonly #placing = new Map<string, Promise<Mailbox>>();

  constructor(parts: MailboxesOptions<A>) {
    this.#parts = parts;
    const { clock, options } = parts;
    this.#placed = new TimedCache(clock, { ms: PLACED_MS, max: REMEMBERED_MAX });
    const ms = options['volume.mailbox.cache'];
    this.#seen = new TimedCache(clock, { ms, max: REMEMBERED_MAX });
    const sweepMs = options['volume.sweep.interval'];
    this.#swept = new TimedCache(clock, { ms: sweepMs, max: REMEMBERED_MAX });
  }

  /** Where the mailbox lies; undefined when no mail ever came. @throws StoreError */
  async locate(account: MailboxOwner): Promise<Mailbox | undefined> {
    const volume = account.volume ?? this.#placed.get(account.id);
    const { id, path } = account;
    const located = await this.#parts.table.locate({ id, path, volume });
    return located && { ...located, stored: volume !== undefined };
  }

  /**
   * The mailbox for a reader. That no mail ever came is shown as an empty mailbox, so only the
   * directory itself can say it: a cached answer, above all the last known good one of an
   * outage, may be older than the first letter. @throws StoreError
   */
  async open(account: A): Promise<Mailbox | undefined> {
    const mailbox = await this.locate(account);
    if (mailbox?.stored === true) return mailbox;
    let volume: string | undefined;
    try {
      volume = await this.#parts.directory.storedVolume(account);
    } catch (error) {
      const message = `Whether ${account.id} has a mailbox could not be asked`;
      throw new StoreError('volume-down', message, { cause: error });
    }
    if (volume === undefined) return mailbox;
    this.#placed.set(account.id, volume);
    return this.locate({ ...account, volume });
  }

  /**
   * The mailbox for a delivery: seen to be there lately, or made, if no mail ever came.
   * @throws StoreError 'mailbox-missing', 'volume-down', 'volume-full', 'volume-busy'
   */
  async ensure(account: A): Promise<Mailbox> {
    const mailbox = await this.locate(account);
    if (mailbox?.stored !== true) return this.#placeOnce(account);
    if (this.#seen.get(mailbox.maildir) === true) return mailbox;
    if (!(await mailbox.volume.exists(mailbox.maildir))) throw this.missing(mailbox);
    this.#seen.set(mailbox.maildir, true);
    this.sweep(mailbox);
    return mailbox;
  }

  /**
   * Removes what crashed deliveries left in tmp, beside the work for which the mailbox was opened
   * and now and then only. Nobody waits for it, and nothing comes of its failure: the volume
   * counts it, and the next one finds the same.
   */
  sweep({ volume, maildir }: Located): void {
    if (this.#swept.get(maildir) === true) return;
    this.#swept.set(maildir, true);
    volume.sweep(maildir, { olderThanMs: this.#parts.options['volume.sweep.age'] }).then(
      (removed) => {
        if (removed > 0) this.#parts.log.info({ maildir, removed }, 'abandoned files removed');
      },
      () => {},
    );
  }

  /**
   * To be called when an operation found a stored mailbox missing: operators hear of it, and the
   * next delivery looks again. @returns the error to throw
   */
  missing(mailbox: Located): StoreError {
    this.#seen.delete(mailbox.maildir);
    const { volume, maildir } = mailbox;
    const fields = { code: 'MF-VOL-003', volume: volume.name, maildir };
    this.#parts.log.error(fields, 'mailbox missing');
    return new StoreError('mailbox-missing', `${maildir} is not on volume ${volume.name}`);
  }

  #placeOnce(account: A): Promise<Mailbox> {
    const running = this.#placing.get(account.id);
    if (running !== undefined) return running;
    const placing = this.#place(account).finally(() => this.#placing.delete(account.id));
    this.#placing.set(account.id, placing);
    return placing;
  }

  async #place(account: A): Promise<Mailbox> {
    const made = await this.#make(account);
    let stored: string;
    try {
      stored = await this.#parts.directory.assignVolume(account, made.volume.name);
    } catch (error) {
      const message = `The volume of ${account.id} could not be stored`;
      throw new StoreError('volume-down', message, { cause: error });
    }
    this.#placed.set(account.id, stored);
    this.#parts.log.info({ account: account.id, volume: stored }, 'mailbox placed');
    const mailbox = await this.locate({ ...account, volume: stored });
    if (mailbox === undefined) throw new StoreError('volume-down', `${account.id} has no place`);
    // Made by us or, before its add, by the winner; if it is missing now, it stays missing.
    if (mailbox.maildir === made.maildir) this.#seen.set(mailbox.maildir, true);
    return mailbox;
  }

  /**
   * Makes the directories: at the explicit path, else on the volume that a rule chooses, else on
   * one that takes new users.
   */
  async #make(account: A): Promise<Located> {
    if (account.path !== undefined) {
      const located = await this.locate(account);
      if (located === undefined) throw new StoreError('volume-down', `${account.id} has no place`);
      return { volume: located.volume, maildir: await createMailbox(account, located.volume) };
    }
    const ruled = await this.#ruled(account);
    if (ruled) return { volume: ruled, maildir: await createMailbox(account, ruled) };
    const refused = new Set<string>();
    for (let choice = 1; ; choice++) {
      const volume = await this.#choose(refused);
      try {
        return { volume, maildir: await createMailbox(account, volume) };
      } catch (error) {
        if (choice === CHOICES_MAX || !(error instanceof StoreError)) throw error;
        refused.add(volume.name);
      }
    }
  }

  /** @throws StoreError when the rules cannot be asked, are bad, or choose what takes nobody */
  async #ruled(account: A): Promise<Volume | undefined> {
    let name: string | undefined;
    try {
      name = await this.#parts.directory.volumeByRule(account);
    } catch (error) {
      const message = `The rules choose no volume for ${account.id}: ${String(error)}`;
      throw new StoreError('volume-down', message, { cause: error });
    }
    if (name === undefined) return undefined;
    const { table } = this.#parts;
    await table.loaded();
    const volume = table.get(name);
    if (volume?.entry.state !== 'active' || volume.entry.use === 'spool') {
      const is = volume?.entry.use === 'spool' ? 'a spool volume' : volume?.entry.state;
      const why = is === undefined ? 'does not exist' : `is ${is}`;
      const message = `A rule puts ${account.id} on volume ${name}, which ${why}`;
      throw new StoreError('volume-down', message);
    }
    await volume.ready();
    if (volume.fits(0)) return volume;
    throw new StoreError('volume-full', `Volume ${name} has no room for new users`);
  }

  async #choose(refused: ReadonlySet<string>): Promise<Volume> {
    const { table, random } = this.#parts;
    await table.loaded();
    const open = table.volumes.filter(
      ({ name, entry }) => entry.state === 'active' && entry.use !== 'spool' && !refused.has(name),
    );
    await Promise.allSettled(open.map((volume) => volume.ready()));
    const up = open.filter((volume) => volume.up);
    const name = chooseVolume(up.filter((volume) => volume.fits(0)).map(candidateOf), random);
    const volume = name === undefined ? undefined : table.get(name);
    if (volume !== undefined) return volume;
    if (up.length > 0) throw new StoreError('volume-full', 'No volume has room for new users');
    throw new StoreError('volume-down', 'No volume takes new users now');
  }
}

const candidateOf = ({ name, entry, space }: Volume): Candidate => ({
  name,
  weight: entry.weight,
  freeBytes: space?.freeBytes ?? 0,
  freeInodes: space?.freeInodes,
});

function pathOf(volumePath: string, account: MailboxOwner): string {
  try {
    return hashedPath(volumePath, account.id);
  } catch (error) {
    if (!(error instanceof PlacementError)) throw error;
    throw new StoreError('volume-down', error.message, { cause: error });
  }
}
