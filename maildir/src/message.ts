import { asError, isErrno, isOneOf, systemError } from './errno.ts';
import { findKeys } from './listing.ts';
import { nameKey, nameOctets, withFlags, withSizes } from './names.ts';
import { removeIfThere, renameExact, type Nfs } from './nfs.ts';
import { MANY_OCTETS_MAX, type Entry } from './types.ts';

export interface ReadRequest {
  readonly maildir: string;
  readonly entry: Entry;
  readonly offset: number;
  readonly length: number;
  readonly into?: Uint8Array;
}

export interface ReadResult {
  readonly bytes: Uint8Array;
  readonly entry: Entry;
  readonly end: boolean;
}

const pathOf = (maildir: string, entry: Entry): string =>
  `${maildir}/${entry.directory}/${entry.name}`;

/** A range of a message, found again by its key when its name changed meanwhile. */
export async function readMessage(
  nfs: Nfs,
  request: ReadRequest,
  retries: number,
): Promise<ReadResult> {
  let { entry } = request;
  for (let attempt = 0; ; attempt++) {
    try {
      return { ...(await readRange(nfs, pathOf(request.maildir, entry), request)), entry };
    } catch (error) {
      if (!isOneOf(error, ['ENOENT', 'ESTALE']) || attempt === retries) throw error;
      if (isErrno(error, 'ESTALE')) nfs.lie('stale');
      entry = await findAgain(nfs, request.maildir, entry, 'open');
    }
  }
}

export interface ReadManyRequest {
  readonly maildir: string;
  readonly entries: readonly Entry[];
  readonly length: number;
  readonly into?: Uint8Array;
}

/**
 * The begin of several messages. Those that are as their names say are read in one go where the
 * file system can; all others, and all of them elsewhere, one by one as `readMessage` does.
 */
export async function readMessages(
  nfs: Nfs,
  request: ReadManyRequest,
  retries: number,
): Promise<readonly (ReadResult | Error)[]> {
  const { entries, length } = request;
  const all = entries.map(({ name }) => Math.min(length, (nameOctets(name) ?? length) + 1));
  const results: (ReadResult | Error)[] = [];
  let used = 0;
  while (results.length < entries.length) {
    const from = results.length;
    let to = from;
    let octets = 0;
    while (to < all.length && octets + (all[to] as number) <= MANY_OCTETS_MAX) {
      octets += all[to++] as number;
    }
    to = Math.max(to, from + 1);
    const into = room(octets, request.into?.subarray(used));
    used += octets;
    const some = { ...request, entries: entries.slice(from, to), into };
    results.push(...(await readSome(nfs, some, all.slice(from, to), retries)));
  }
  return results;
}

async function readSome(
  nfs: Nfs,
  { maildir, entries, length, into }: ReadManyRequest & { readonly into: Uint8Array },
  wants: readonly number[],
  retries: number,
): Promise<(ReadResult | Error)[]> {
  const paths = entries.map((entry) => pathOf(maildir, entry));
  const found =
    into.length === 0 ? undefined : await nfs.many?.read({ paths, octets: wants, into });
  const results: (ReadResult | Error)[] = [];
  for (const [index, entry] of entries.entries()) {
    const bytes = found?.[index];
    if (bytes instanceof Uint8Array) {
      const end = bytes.length < length && bytes.length === nameOctets(entry.name);
      // Other lengths: the name is wrong or the read was short, to be looked at with care.
      if (end || bytes.length === length) {
        results.push({ bytes, entry, end });
        continue;
      }
    }
    const alone = { maildir, entry, offset: 0, length };
    results.push(await readMessage(nfs, alone, retries).catch(asError));
  }
  return results;
}

async function readRange(
  nfs: Nfs,
  path: string,
  request: ReadRequest,
): Promise<{ bytes: Uint8Array; end: boolean }> {
  const fd = await nfs.fs.openRead(path);
  try {
    return await fill(nfs, fd, request);
  } finally {
    await nfs.fs.close(fd).catch(() => {}); // Nothing was written: no error can matter.
  }
}

/** S= only says how large a buffer to take and spares the read that finds the end. */
async function fill(
  nfs: Nfs,
  fd: number,
  request: ReadRequest,
): Promise<{ bytes: Uint8Array; end: boolean }> {
  const said = nameOctets(request.entry.name);
  const rest = said === undefined ? request.length : Math.max(0, said - request.offset) + 1;
  let buffer = room(Math.min(rest, request.length), request.into);
  let length = 0;
  for (;;) {
    const got = await nfs.fs.read(fd, buffer.subarray(length), request.offset + length);
    const short = got < buffer.length - length;
    length += got;
    if (got === 0) return { bytes: buffer.subarray(0, length), end: true };
    if (length === request.length) return { bytes: buffer, end: false };
    if (short && request.offset + length === said) {
      return { bytes: buffer.subarray(0, length), end: true };
    }
    if (length === buffer.length) {
      // The file is longer than its name says.
      const larger = Buffer.allocUnsafe(request.length);
      buffer.copy(larger);
      buffer = larger;
    }
  }
}

/** So many octets: those that the caller gave, if there are enough. */
const room = (length: number, into: Uint8Array | undefined): Buffer =>
  into === undefined || into.byteLength < length
    ? Buffer.allocUnsafe(length)
    : Buffer.from(into.buffer, into.byteOffset, length);

export interface RenameRequest {
  readonly maildir: string;
  readonly entry: Entry;
  /** The entry that is wanted, from the one that is there. */
  readonly wanted: (entry: Entry) => Entry;
}

/**
 * Changes a message's name by rename from the exact name: a compare-and-swap. Whoever loses it
 * finds the message again and applies its change to the name that won.
 */
export async function changeName(
  nfs: Nfs,
  request: RenameRequest,
  retries: number,
): Promise<Entry> {
  const { maildir } = request;
  let { entry } = request;
  for (let attempt = 0; attempt <= retries; attempt++) {
    const wanted = request.wanted(entry);
    if (sameEntry(wanted, entry)) {
      // The caller's listing may be old: "nothing to do" has to be true now.
      const now = await findAgain(nfs, maildir, entry, 'rename');
      if (sameEntry(now, entry)) return entry;
      entry = now;
      continue;
    }
    const result = await renameExact(nfs, pathOf(maildir, entry), pathOf(maildir, wanted));
    if (result === 'renamed') return wanted;
    entry = await findAgain(nfs, maildir, entry, 'rename');
  }
  throw systemError('EAGAIN', 'rename', pathOf(maildir, entry));
}

const sameEntry = (a: Entry, b: Entry): boolean => a.name === b.name && a.directory === b.directory;

/** The entry with flags added and removed, in cur/. */
export const flagged =
  (add: string, remove: string) =>
  (entry: Entry): Entry => ({ directory: 'cur', name: withFlags(entry.name, add, remove) });

/** The entry with sizes in its name. */
export const sized =
  (octets: number, wireOctets: number) =>
  (entry: Entry): Entry => ({
    directory: entry.directory,
    name: withSizes(entry.name, octets, wireOctets),
  });

/** Removes messages, each found again once more when its name changed. */
export async function removeMessages(
  nfs: Nfs,
  request: { readonly maildir: string; readonly entries: readonly Entry[] },
  retries: number,
): Promise<readonly (Error | undefined)[]> {
  const { maildir, entries } = request;
  const errors: (Error | undefined)[] = entries.map(() => undefined);
  let pending = new Map(entries.map((entry, index) => [index, entry]));
  for (let attempt = 0; pending.size > 0; attempt++) {
    const absent = new Map<number, Entry>();
    for (const [index, entry] of pending) {
      try {
        const result = await removeIfThere(nfs, pathOf(maildir, entry));
        if (result === 'absent') absent.set(index, entry);
      } catch (error) {
        errors[index] = asError(error);
      }
    }
    if (absent.size === 0) return errors;
    const found = await stillThere(nfs, maildir, absent, errors);
    if (attempt === retries) {
      for (const [index, entry] of found) {
        errors[index] = systemError('EAGAIN', 'unlink', pathOf(maildir, entry));
      }
      return errors;
    }
    pending = found;
  }
  return errors;
}

async function stillThere(
  nfs: Nfs,
  maildir: string,
  absent: ReadonlyMap<number, Entry>,
  errors: (Error | undefined)[],
): Promise<Map<number, Entry>> {
  const still = new Map<number, Entry>();
  try {
    const keys = new Set([...absent.values()].map((entry) => nameKey(entry.name)));
    const found = await findKeys(nfs, maildir, keys);
    for (const [index, entry] of absent) {
      const now = found.get(nameKey(entry.name));
      if (now !== undefined) still.set(index, now);
    }
  } catch (error) {
    for (const index of absent.keys()) errors[index] = asError(error);
  }
  return still;
}

async function findAgain(nfs: Nfs, maildir: string, entry: Entry, call: string): Promise<Entry> {
  const key = nameKey(entry.name);
  const found = (await findKeys(nfs, maildir, new Set([key]))).get(key);
  if (found === undefined) throw systemError('ENOENT', call, pathOf(maildir, entry));
  return found;
}
