import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { AdminError } from '../../directory/admin/error.ts';
import type { Account, VolumeEntry } from '../../directory/types.ts';
import { silentLogger } from '../../log/types.ts';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { openVolumes } from '../../volumes/open.ts';
import type { VolumeOptions } from '../../volumes/options.ts';
import { isErrno, removeIfThere, type FolderRef, type Fs } from '#maildir';

/** The volumes of this host for one administrator, who places nobody. */
export interface TakeoverOptions {
  readonly entries: readonly VolumeEntry[];
  readonly clock: Clock;
  readonly random: Random;
  readonly options?: VolumeOptions;
  /** For tests that need a file system that fails. */
  readonly fs?: Fs;
}

export interface OpenMailboxes {
  /** @throws StoreError; AdminError where there is no mailbox yet */
  open(account: Account): Promise<Mailbox>;
  close(): void;
}

export function openMailboxes(given: TakeoverOptions): OpenMailboxes {
  const { entries, clock, random, options, fs } = given;
  const directory = {
    volumes: () => Promise.resolve(entries),
    assignVolume: () => Promise.reject(new Error('Nobody is placed by an import')),
    volumeByRule: () => Promise.resolve(undefined),
    storedVolume: (account: Account) => Promise.resolve(account.volume),
  };
  const parts = { directory, clock, random, log: silentLogger, node: 'command' };
  const opened = openVolumes({
    ...parts,
    ...(options && { options }),
    ...(fs && { fs }),
  });
  return {
    open: async (account) => {
      const { mailboxes } = opened;
      const mailbox = await mailboxes.open(account);
      if (mailbox === undefined) {
        const text = `No mail ever came for ${account.login}: there is no mailbox yet`;
        throw new AdminError('invalid', `${text}; --volume NAME makes one`);
      }
      await mailbox.volume.verify();
      if (await mailbox.volume.exists(mailbox.maildir)) return mailbox;
      throw mailboxes.missing(mailbox);
    },
    close: () => opened.close(),
  };
}

export const refOf = ({ maildir }: Mailbox, folder: string): FolderRef => ({ maildir, folder });

/** The Maildir of a folder. */
export const pathOf = ({ maildir }: Mailbox, folder: string): string =>
  folder === '' ? maildir : `${maildir}/.${folder}`;

/** Names in a folder's journal; [] when none was begun. Changes nothing. @throws StoreError */
export function journalNames(mailbox: Mailbox, folder: string): Promise<readonly string[]> {
  const where = `${pathOf(mailbox, folder)}/mailfarm/log`;
  return mailbox.volume.guard({
    operation: 'facts',
    where,
    absent: 'mailbox-missing',
    run: async (fs) => {
      try {
        return (await fs.list(where)).toSorted();
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return [];
        throw error;
      }
    },
  });
}

/**
 * Removes what a seed that died before it was linked left in last/: it counts as a UIDVALIDITY that
 * was given, and the same seed again would be refused. Only where no journal was begun, and only
 * the second name of a begin (number 0) with this very UIDVALIDITY: whatever it said, the seed
 * says again.
 */
export async function clearDeadSeed(
  mailbox: Mailbox,
  folder: string,
  uidValidity: number,
): Promise<void> {
  if ((await journalNames(mailbox, folder)).length > 0) return;
  const where = `${pathOf(mailbox, folder)}/mailfarm/last`;
  const begins = `${String(uidValidity).padStart(10, '0')}.000000000-`;
  await mailbox.volume.guard({
    operation: 'removeFact',
    where,
    absent: 'message-gone',
    run: async (fs) => {
      const nfs = { fs, directorySync: 'never', lie: () => {} } as const;
      const names = await fs.list(where).catch((error: unknown) => {
        if (isErrno(error, 'ENOENT')) return [];
        throw error;
      });
      if (names.some((name) => !name.startsWith(begins))) return;
      for (const name of names) await removeIfThere(nfs, `${where}/${name}`);
    },
  });
}

/** Whether this errno is what an error, or what it came of, says. */
export function cameOf(error: unknown, name: 'EEXIST' | 'EINVAL'): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isErrno(cause, name)) return true;
  }
  return false;
}
