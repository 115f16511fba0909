import type { Account } from '../../directory/types.ts';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { nameKey, nameOctets, type Entry } from '#maildir';
import { byName, shownName } from '../folder-names.ts';
import { journalNames, openMailboxes, pathOf, refOf, type TakeoverOptions } from './volumes.ts';

/** What an administrator sees of a mailbox as a whole. */
export interface MailboxView {
  readonly user: string;
  readonly volume: string;
  readonly maildir: string;
  readonly messages: number;
  readonly octets: number;
  readonly folders: readonly FolderView[];
}

export interface FolderView {
  readonly name: string;
  readonly messages: number;
  /** In new/. */
  readonly fresh: number;
  /** Sum of S=; names without are not counted. */
  readonly octets: number;
  /** Names without S=. */
  readonly unsized: number;
  /** Undefined: no client has looked in yet. */
  readonly uidValidity?: number;
  readonly uidNext?: number;
}

export interface FolderCheck {
  readonly name: string;
  readonly files: number;
  readonly numbered: number;
  readonly findings: readonly string[];
}

/**
 * Counts what is there. Numbers are read where a journal is, which is a look as a client takes it.
 * @throws AdminError, StoreError
 */
export async function showMailbox(
  volumes: TakeoverOptions,
  account: Account,
): Promise<MailboxView> {
  return await withFolders(volumes, account, async (mailbox, disks) => {
    const folders: FolderView[] = [];
    for (const disk of disks) folders.push(await viewOf(mailbox, disk));
    const { volume, maildir } = mailbox;
    return {
      user: account.login,
      volume: volume.name,
      maildir,
      messages: folders.reduce((sum, { messages }) => sum + messages, 0),
      octets: folders.reduce((sum, { octets }) => sum + octets, 0),
      folders: folders.toSorted((a, b) => byName(a.name, b.name)),
    };
  });
}

async function viewOf(mailbox: Mailbox, disk: string): Promise<FolderView> {
  const entries = await mailbox.volume.list(pathOf(mailbox, disk));
  const begun = (await journalNames(mailbox, disk)).length > 0;
  const state = begun
    ? (await mailbox.volume.journals.sync(refOf(mailbox, disk))).state
    : undefined;
  const sizes = entries.map(({ name }) => nameOctets(name));
  return {
    name: shownName(disk),
    messages: entries.length,
    fresh: entries.filter(({ directory }) => directory === 'new').length,
    octets: sizes.reduce<number>((sum, octets) => sum + (octets ?? 0), 0),
    unsized: sizes.filter((octets) => octets === undefined).length,
    ...(state && { uidValidity: state.uidValidity, uidNext: state.uidNext }),
  };
}

/**
 * Compares the journal of each folder with its files. A look as a client takes it comes first, so
 * new files are numbered; what is left is told.
 */
export async function checkMailbox(
  volumes: TakeoverOptions,
  account: Account,
): Promise<readonly FolderCheck[]> {
  return await withFolders(volumes, account, async (mailbox, disks) => {
    const checks: FolderCheck[] = [];
    for (const disk of disks) checks.push(await checkOf(mailbox, disk));
    return checks.toSorted((a, b) => byName(a.name, b.name));
  });
}

async function checkOf(mailbox: Mailbox, disk: string): Promise<FolderCheck> {
  const { volume } = mailbox;
  const begun = (await journalNames(mailbox, disk)).length > 0;
  const state = begun ? (await volume.journals.sync(refOf(mailbox, disk))).state : undefined;
  const entries = await listAll(mailbox, disk);
  const keys = new Set(entries.map(({ name }) => nameKey(name)));
  const findings: string[] = [];
  const tell = (count: number, text: string): void => {
    if (count > 0) findings.push(`${count} ${text}`);
  };
  tell(entries.length - keys.size, 'files have the name of another: only one of each is shown');
  tell(
    entries.filter(({ name }) => name.includes('\ufffd')).length,
    'files have names that are not UTF-8 and cannot be opened: rename them',
  );
  tell(
    entries.filter(({ name }) => nameOctets(name) === undefined).length,
    'files have no size in their names: each is read once to learn it',
  );
  if (state === undefined)
    findings.push('has no numbers yet: the first client that looks in makes them');
  else {
    const numbered = new Set(state.messages.map(({ key }) => key));
    tell(
      state.messages.filter(({ key }) => !keys.has(key)).length,
      'messages have a UID and no file: somebody removed it, and clients will be told so',
    );
    tell(
      [...keys].filter((key) => !numbered.has(key)).length,
      'files have no UID: the volume takes no commit now (full or read-only), or they just came',
    );
  }
  return {
    name: shownName(disk),
    files: entries.length,
    numbered: state?.messages.length ?? 0,
    findings,
  };
}

/** Two files of one name are two here. */
async function listAll(mailbox: Mailbox, disk: string): Promise<readonly Entry[]> {
  const path = pathOf(mailbox, disk);
  return await mailbox.volume.guard({
    operation: 'list',
    where: path,
    absent: 'mailbox-missing',
    run: async (fs) => {
      const entries: Entry[] = [];
      for (const directory of ['new', 'cur'] as const) {
        for (const name of await fs.list(`${path}/${directory}`)) {
          if (!name.startsWith('.')) entries.push({ directory, name });
        }
      }
      return entries;
    },
  });
}

async function withFolders<T>(
  volumes: TakeoverOptions,
  account: Account,
  work: (mailbox: Mailbox, disks: readonly string[]) => Promise<T>,
): Promise<T> {
  const mailboxes = openMailboxes(volumes);
  try {
    const mailbox = await mailboxes.open(account);
    return await work(mailbox, ['', ...(await mailbox.volume.folders(mailbox.maildir))]);
  } finally {
    mailboxes.close();
  }
}
