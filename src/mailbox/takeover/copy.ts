import { nameBase, nameFlags, renameExact, type Entry } from '#maildir';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { READ_CHUNK_BYTES } from '../reader.ts';
import { StoredForm } from '../stored-form.ts';
import { lineEndsOf, wireCount } from '../wire.ts';
import { openFile, readable } from './files.ts';
import { keyWithUidl, type TargetMessage } from './names.ts';
import type { Problems } from './problems.ts';
import type { Format } from './source.ts';

/**
 * One message into a folder: staged in its tmp/, published to new/ under its key, moved to cur/
 * with its flags. Whoever dies between leaves a message without flags, which the next run finds
 * under its key and moves on.
 */
export interface CopyTo {
  readonly mailbox: Mailbox;
  /** The folder's Maildir. */
  readonly path: string;
  readonly format: Format;
  readonly problems: Problems;
}

const PARALLEL = 4;

export interface Copied {
  readonly copied: number;
  /** Were there already. */
  readonly kept: number;
}

/** @param there what lies in the folder, by key */
export async function copyAll(
  to: CopyTo,
  messages: readonly TargetMessage[],
  there: ReadonlyMap<string, Entry>,
): Promise<Copied> {
  let copied = 0;
  let kept = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    for (let message = messages[next++]; message !== undefined; message = messages[next++]) {
      const entry = there.get(message.key);
      if (entry !== undefined) kept += 1;
      const placed = entry ?? (await copyOne(to, message));
      if (entry === undefined && placed !== undefined) copied += 1;
      if (placed !== undefined) await flagged(to, message, placed);
    }
  };
  const workers = Array.from({ length: Math.min(PARALLEL, messages.length) }, work);
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  return { copied, kept };
}

/** Flags and cur/ of a message that is in new/. */
async function flagged(to: CopyTo, { source }: TargetMessage, entry: Entry): Promise<void> {
  const missing = source.letters
    .split('')
    .filter((letter) => !nameFlags(entry.name).includes(letter));
  const stays = source.file.directory === 'new' && entry.directory === 'new';
  if (missing.length === 0 && (stays || entry.directory === 'cur')) return;
  const add = missing.join('');
  await to.mailbox.volume.setFlags({ maildir: to.path, entry, add, remove: '' });
}

/** @returns undefined when the file went away or is none */
async function copyOne(to: CopyTo, message: TargetMessage): Promise<Entry | undefined> {
  const { mailbox, path: maildir, problems } = to;
  const { volume } = mailbox;
  const { path } = message.source.file;
  const file = await openFile(path).catch((error: unknown) => {
    if (isGone(error)) return undefined;
    throw error;
  });
  if (file === undefined) {
    problems.add('file-vanished', path.toString());
    return undefined;
  }
  const base = volume.uniqueName();
  try {
    const form = to.format === 'cyrus' ? new StoredForm() : undefined;
    const count = wireCount(lineEndsOf(message.key));
    const buffer = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    for (let position = 0, last = false; !last;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      position += bytesRead;
      last = bytesRead < buffer.length;
      const bytes = stored(buffer.subarray(0, bytesRead), form, last);
      await volume.stage({ maildir, base, offset: count.octets, bytes, last });
      count.add(bytes);
    }
    const { octets, wireOctets } = count;
    const as = keyWithUidl(message);
    const request = { maildir, base, as, octets, wireOctets, targets: [maildir] };
    const [result] = await volume.publish(request);
    if (result?.name === undefined) throw result?.error ?? new Error('nothing was published');
    return { directory: 'new', name: result.name };
  } catch (error) {
    await volume.discard({ maildir, base }).catch(() => {}); // The sweep of tmp/ does the rest.
    throw error;
  } finally {
    await file.close();
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof Error && ['ENOENT', 'ELOOP'].includes((error as { code?: string }).code ?? '');

/** Cyrus keeps CRLF, a Maildir LF. */
const stored = (piece: Buffer, form: StoredForm | undefined, last: boolean): Buffer => {
  if (form === undefined) return piece;
  const bytes = form.convert(piece);
  return last ? Buffer.concat([bytes, form.end()]) : bytes;
};

/** Messages that lie in their place get names with their UIDL, and one that is theirs alone. */
export async function nameAll(to: CopyTo, messages: readonly TargetMessage[]): Promise<Copied> {
  let kept = 0;
  for (const message of messages) {
    const { name, path } = message.source.file;
    if (Buffer.from(readable(name)).length !== name.length) {
      to.problems.add('name-unreadable', path.toString()); // No call of ours can name it.
    } else if ((await nameInPlace(to, message)) === 'there') kept += 1;
    else to.problems.add('file-vanished', path.toString());
  }
  return { copied: 0, kept };
}

async function nameInPlace(
  { mailbox, path }: CopyTo,
  message: TargetMessage,
): Promise<'there' | 'gone'> {
  const { directory } = message.source.file;
  const name = readable(message.source.file.name);
  const base = nameBase(name);
  const fields = base.split(',').slice(1);
  const others = fields.filter((field) => message.uidl === undefined || !field.startsWith('U='));
  const wanted = [keyWithUidl(message), ...others].join(',') + name.slice(base.length);
  if (wanted === name) return 'there';
  const where = `${path}/${directory}`;
  const renamed = await mailbox.volume.guard({
    operation: 'setSizes',
    where,
    absent: 'message-gone',
    run: (fs) => {
      const nfs = { fs, directorySync: 'never', lie: () => {} } as const;
      return renameExact(nfs, `${where}/${name}`, `${where}/${wanted}`);
    },
  });
  return renamed === 'renamed' ? 'there' : 'gone';
}
