import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { silentLogger } from '../log/types.ts';
import { StoreError } from './error.ts';
import { openVolumes } from './open.ts';
import { asidePath, hashedOwner } from './placement.ts';
import type { Located } from './table.ts';
import type { MailboxOwner, VolumeEntry } from './types.ts';

/** Files removed by one operation, each within the deadline of a volume. */
const FILES_AT_ONCE = 200;

/** Removes mailboxes for good. */
export interface Purge {
  /**
   * Where the mailbox lies, on a volume that is there: nothing is begun where it is not.
   * @returns undefined when the user never had one
   * @throws StoreError as `mailbox` does
   */
  place(account: MailboxOwner): Promise<string | undefined>;
  /**
   * Removes the mailbox of a user who was removed: the sentinel is read first, the path is built by
   * placement. To be repeated after a crash, until the entry is gone too.
   * @returns `none` when the user never had one
   * @throws StoreError volume-down: not mounted, another volume's sentinel, offline, no such
   *   volume, the path is another account's, or what lies there is not a Maildir; nothing was
   *   removed then that is anybody else's
   */
  mailbox(account: MailboxOwner): Promise<'removed' | 'none'>;
  close(): void;
}

export async function openPurge(options: {
  readonly entries: readonly VolumeEntry[];
  readonly clock: Clock;
  readonly random: Random;
}): Promise<Purge> {
  const { entries, clock, random } = options;
  const directory = {
    volumes: () => Promise.resolve(entries),
    assignVolume: () => Promise.reject(new Error('A purge places nobody')),
    volumeByRule: () => Promise.resolve(undefined),
    storedVolume: () => Promise.resolve(undefined),
  };
  const volumes = openVolumes({ directory, clock, random, log: silentLogger, node: 'command' });
  await volumes.table.loaded();
  const place = async (account: MailboxOwner): Promise<Located | undefined> => {
    const located = await volumes.table.locate(account);
    if (!located) return undefined;
    const { volume, maildir } = located;
    if (!maildir.startsWith(`${volume.entry.path}/`)) {
      throw new StoreError('volume-down', `${maildir} is not on volume ${volume.name}`);
    }
    const holder = hashedOwner(maildir, volume.entry.path);
    if (holder !== undefined && holder !== account.id) {
      const text = `The path ${maildir} is the place of account ${holder}, not of ${account.id}`;
      throw new StoreError('volume-down', text);
    }
    await volume.verify();
    return located;
  };
  const mailbox = async (account: MailboxOwner): Promise<'removed' | 'none'> => {
    const located = await place(account);
    if (!located) return 'none';
    const { volume, maildir } = located;
    const request = { maildir, aside: asidePath(maildir, account.id), max: FILES_AT_ONCE };
    let removed = false;
    for (;;) {
      const left = await volume.destroy(request);
      if (left !== 'more') return removed || left === 'gone' ? 'removed' : 'none';
      removed = true;
    }
  };
  return {
    place: async (account) => (await place(account))?.maildir,
    mailbox,
    close: () => volumes.close(),
  };
}
