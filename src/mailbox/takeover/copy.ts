import { hasKey, nameBase, renameExact, withFlags, type Entry } from '#maildir';
import type { Mailbox } from '../../volumes/mailboxes.ts';
import { READ_CHUNK_BYTES } from '../reader.ts';
import { StoredForm } from '../stored-form.ts';
import { lineEndsOf, wireCount } from '../wire.ts';
import { openFile, readable } from './files.ts';
import { keyWithUidl, type TargetMessage } from './names.ts';
import type { Problems } from './problems.ts';
import type { Format } from './source.ts';

/**
 * One message into a folder: staged in its tmp/, published to new/ under its key, then given
 * UIDL, flags and directory by one rename. Whoever dies between leaves a message without them,
 * which the next run finds under its key.
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
      if (placed !== undefined) await settled(to, message, placed);
    }
  };
  const workers = Array.from({ length: Math.min(PARALLEL, messages.length) }, work);
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  return { copied, kept };
}

/** How often a message that another moves meanwhile is looked for. */
const TRIES = 3;

/**
 * Gives a message that was published, now or by an earlier run, its UIDL, its flags and its
 * directory, all by one rename from the exact name. What others have set meanwhile stays.
 */
async function settled(to: CopyTo, message: TargetMessage, entry: Entry): Promise<void> {
  const { volume } = to.mailbox;
  let found: Entry | undefined = entry;
  for (let attempt = 0; attempt < TRIES && found !== undefined; attempt++) {
    const wanted = wantedEntry(message, found);
    if (wanted.directory === found.directory && wanted.name === found.name) return;
    if ((await renamed(to, found, wanted)) === 'renamed') return;
    const entries = await volume.list(to.path);
    found = entries.find(({ name }) => hasKey(name, message.key));
  }
}

function wantedEntry({ key, uidl, source }: TargetMessage, entry: Entry): Entry {
  const base = nameBase(entry.name);
  const fields = base.split(',').slice(1);
  const others = fields.filter((field) => uidl === undefined || !field.startsWith('U='));
  const name = [keyWithUidl({ key, uidl }), ...others].join(',') + entry.name.slice(base.length);
  const stays = source.file.directory === 'new' && source.letters === '';
  if (entry.directory === 'new' && stays) return { directory: 'new', name };
  return { directory: 'cur', name: withFlags(name, source.letters, '') };
}

const renamed = (to: CopyTo, from: Entry, wanted: Entry): Promise<'renamed' | 'lost'> =>
  to.mailbox.volume.guard({
    operation: 'setFlags',
    where: `${to.path}/${from.directory}`,
    absent: 'message-gone',
    run: (fs) => {
      const nfs = { fs, directorySync: 'never', lie: () => {} } as const;
      const at = ({ directory, name }: Entry): string => `${to.path}/${directory}/${name}`;
      return renameExact(nfs, at(from), at(wanted));
    },
  });

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
    const as = message.key;
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

async function nameInPlace(to: CopyTo, message: TargetMessage): Promise<'there' | 'gone'> {
  const { file } = message.source;
  const entry = { directory: file.directory, name: readable(file.name) };
  const { name } = wantedEntry(message, entry);
  // Flags stay as they are, the letters of Dovecot's keywords among them.
  const base = nameBase(name) + entry.name.slice(nameBase(entry.name).length);
  if (base === entry.name) return 'there';
  const how = await renamed(to, entry, { ...entry, name: base });
  return how === 'renamed' ? 'there' : 'gone';
}
