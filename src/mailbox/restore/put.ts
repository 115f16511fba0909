import {
  isErrno,
  isMessageName,
  linkOurs,
  nameKey,
  nameOctets,
  publishedName,
  renameExact,
  syncDirectory,
  type Nfs,
} from '#maildir';
import { StoreError } from '../../volumes/error.ts';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { directorySyncOf } from '../../volumes/space.ts';
import { READ_CHUNK_BYTES } from '../reader.ts';
import { openFile } from '../takeover/files.ts';
import { lineEndsOf, wireCount } from '../wire.ts';
import type { RestoredName } from './names.ts';

/** Puts messages into folders, durable before they are visible; restore.ts has the essay. */
export interface Putting {
  readonly mailbox: Mailbox;
  /** The folder's Maildir. */
  readonly path: string;
}

export interface ToPut {
  /** In the backup. */
  readonly file: Buffer;
  readonly name: string;
  readonly as: RestoredName;
  /** Undefined: nobody had seen it, it goes to new/. */
  readonly letters: string | undefined;
}

/**
 * @returns `damaged`: the backup's file is not as long as its name says, nothing was put;
 *   `vanished`: it is not there any more
 * @throws StoreError, system errors of the backup
 */
export async function putBack(
  to: Putting,
  message: ToPut,
): Promise<'put' | 'damaged' | 'vanished'> {
  const { volume } = to.mailbox;
  const base = volume.uniqueName();
  const maildir = to.path;
  try {
    const counted = await staged(to, message, base);
    if (counted === 'vanished') return counted;
    const said = nameOctets(message.name);
    if (said !== undefined && said !== counted.octets) return 'damaged';
    const published = publishedName(message.as.key, counted.octets, counted.wireOctets);
    const name = `${published}${message.as.fields}`;
    const shown =
      message.letters === undefined ? `new/${name}` : `cur/${name}:2,${message.letters}`;
    await named(to, `${maildir}/tmp/${base}`, `${maildir}/${shown}`);
    return 'put';
  } finally {
    await volume.discard({ maildir, base }).catch(() => {}); // The sweep of tmp/ does the rest.
  }
}

async function staged(
  to: Putting,
  message: ToPut,
  base: string,
): Promise<{ readonly octets: number; readonly wireOctets: number } | 'vanished'> {
  let file;
  try {
    file = await openFile(message.file);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ELOOP')) return 'vanished';
    throw error;
  }
  try {
    const count = wireCount(lineEndsOf(message.as.key));
    const buffer = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    for (let offset = 0, last = false; !last;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      last = bytesRead < buffer.length;
      const bytes = buffer.subarray(0, bytesRead);
      await to.mailbox.volume.stage({ maildir: to.path, base, offset, bytes, last });
      count.add(bytes);
      offset += bytesRead;
    }
    return { octets: count.octets, wireOctets: count.wireOctets };
  } finally {
    await file.close();
  }
}

const nfsOf = (mailbox: Mailbox, fs: Nfs['fs']): Nfs => ({
  fs,
  directorySync: directorySyncOf(mailbox.volume.space),
  lie: () => {},
});

/** link(2): that the name is there already is as good, whoever made it has put the same in it. */
const named = (to: Putting, from: string, name: string): Promise<void> =>
  to.mailbox.volume.guard({
    operation: 'publish',
    where: name,
    absent: 'mailbox-missing',
    run: async (fs) => {
      const nfs = nfsOf(to.mailbox, fs);
      await linkOurs(nfs, from, name);
      await syncDirectory(nfs, name.slice(0, name.lastIndexOf('/')));
    },
  });

/**
 * Joins what of these keys has two names: two restores at once, and one's message was moved to
 * cur/ or flagged before the other put it. By rename onto the last name in order, which is the one
 * that all readers take: a listing may show one file under its old and its new name, and a
 * removal would then take the only one.
 * @returns how many were joined
 */
export const joinDoubles = (to: Putting, keys: ReadonlySet<string>): Promise<number> =>
  to.mailbox.volume.guard({
    operation: 'setFlags',
    where: to.path,
    absent: 'mailbox-missing',
    run: async (fs) => {
      const names = new Map<string, string[]>();
      for (const directory of ['new', 'cur']) {
        for (const name of (await fs.list(`${to.path}/${directory}`)).toSorted()) {
          const key = nameKey(name);
          if (!isMessageName(name) || !keys.has(key)) continue;
          names.set(key, [...(names.get(key) ?? []), `${to.path}/${directory}/${name}`]);
        }
      }
      const nfs = nfsOf(to.mailbox, fs);
      let joined = 0;
      for (const paths of names.values()) {
        const last = paths.pop() as string;
        for (const path of paths) {
          if ((await renameExact(nfs, path, last)) === 'renamed') joined += 1;
        }
      }
      return joined;
    },
  });

/** A message as it lies in the mailbox, in pieces. @throws StoreError; 'message-gone' ends it */
export async function* liveBytes(
  { mailbox, path }: Putting,
  entry: { readonly directory: 'new' | 'cur'; readonly name: string },
): AsyncGenerator<Uint8Array> {
  for (let offset = 0, end = false; !end;) {
    const request = { maildir: path, entry, offset, length: READ_CHUNK_BYTES };
    const read = await mailbox.volume.read(request);
    yield read.bytes;
    offset += read.bytes.length;
    end = read.end || read.bytes.length === 0;
  }
}

/** A file of the backup, in pieces. @throws system errors */
export async function* fileBytes(path: Buffer): AsyncGenerator<Uint8Array> {
  const file = await openFile(path);
  try {
    for await (const piece of file.createReadStream({ autoClose: false })) yield piece as Buffer;
  } finally {
    await file.close();
  }
}

export const isGone = (error: unknown): boolean =>
  (error instanceof StoreError && error.kind === 'message-gone') ||
  isErrno(error, 'ENOENT') ||
  isErrno(error, 'ELOOP');
