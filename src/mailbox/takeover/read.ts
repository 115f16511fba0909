import { realpath } from 'node:fs/promises';
import { folderNameFault } from '#maildir';
import { diskName, INBOX, shownName } from '../folder-names.ts';
import { courierFolder, courierSubscriptions } from './courier.ts';
import { cyrusFolders } from './cyrus.ts';
import { dovecotFolder, dovecotSubscriptions } from './dovecot.ts';
import { isDirectory, namesIn } from './files.ts';
import { qmailFolder } from './qmail.ts';
import {
  SourceError,
  type Format,
  type ReadOptions,
  type Source,
  type SourceFolder,
} from './source.ts';
import { parseUidlFormat } from './uidl-format.ts';

const READERS = { dovecot: dovecotFolder, courier: courierFolder, qmail: qmailFolder } as const;

const nobodys = (): Promise<readonly string[]> => Promise.resolve([]);
const SUBSCRIPTIONS = {
  dovecot: dovecotSubscriptions,
  courier: courierSubscriptions,
  qmail: nobodys,
} as const;

/** Reads what another server left in a directory. @throws SourceError, system errors */
export async function readSource(
  given: { readonly from: string; readonly format: Format | 'auto' },
  options: ReadOptions,
): Promise<Source> {
  const { uidlFormat } = options;
  if (uidlFormat !== undefined && parseUidlFormat(uidlFormat) === undefined) {
    const text = 'give %u, %v, %f and %g as pop3_uidl_format of Dovecot has them';
    throw new SourceError(`${uidlFormat} is no format of UIDLs; ${text}`);
  }
  const from = await realpath(given.from);
  const format = given.format === 'auto' ? await formatOf(from) : given.format;
  if (format === 'cyrus') {
    const folders = await cyrusFolders(from, options);
    if (folders.length === 0) throw noMail(from);
    const onDisk = folders.map((folder) => ({ ...folder, disk: diskName(folder.name) }));
    return { format, from, folders: onDisk, subscriptions: [] };
  }
  if (!(await isMaildir(from))) throw noMail(from);
  const folders: SourceFolder[] = [];
  for (const disk of ['', ...(await folderNames(from, options))]) {
    const path = disk === '' ? from : `${from}/.${disk}`;
    const name = disk === '' ? INBOX : shownName(disk);
    folders.push(await READERS[format]({ path, name, disk }, options));
  }
  return { format, from, folders, subscriptions: await SUBSCRIPTIONS[format](from) };
}

const noMail = (from: string): SourceError =>
  new SourceError(`${from} is neither a Maildir (no cur or new in it) nor a spool of Cyrus`);

const isMaildir = async (path: string): Promise<boolean> =>
  (await isDirectory(`${path}/cur`)) || (await isDirectory(`${path}/new`));

/** By the files that only one of them writes. @throws SourceError when that is not clear */
async function formatOf(from: string): Promise<Format> {
  const seen = new Set<Format>();
  const names = await namesIn(from);
  if (names.includes('cyrus.index') || names.includes('cyrus.header')) seen.add('cyrus');
  const below = names.filter((name) => name.startsWith('.')).map((name) => `${from}/${name}`);
  for (const path of [from, ...below]) {
    for (const name of await namesIn(path)) {
      if (name === 'dovecot-uidlist') seen.add('dovecot');
      if (name === 'courierimapuiddb' || name === 'courierpop3dsizelist') seen.add('courier');
    }
  }
  const [only, other] = seen;
  if (other === undefined) return only ?? 'qmail';
  throw new SourceError(
    `${from} has numbers of ${[...seen].join(' and ')}; say by --format whose clients know`,
  );
}

/** Folders of a Maildir++ that can have their names here. */
async function folderNames(from: string, { problems }: ReadOptions): Promise<string[]> {
  const disks: string[] = [];
  for (const octets of await namesIn(from)) {
    if (!octets.startsWith('.') || octets === '.' || octets === '..') continue;
    const path = Buffer.from(`${from}/`, 'utf8');
    const whole = Buffer.concat([path, Buffer.from(octets, 'latin1')]);
    const disk = Buffer.from(octets.slice(1), 'latin1').toString();
    if (!(await isDirectory(whole))) continue;
    const isText = Buffer.from(disk).equals(Buffer.from(octets.slice(1), 'latin1'));
    if (isText && !/[\u0000-\u001f\u007f]/.test(disk) && folderNameFault(disk) === undefined) {
      if (await isMaildir(`${from}/.${disk}`)) disks.push(disk);
    } else problems.add('folder-refused', whole.toString());
  }
  return disks;
}
