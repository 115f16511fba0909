import { isMessageName, keyLength, nameKey } from './names.ts';
import { listFresh, type Nfs } from './nfs.ts';
import type { Entry } from './types.ts';

/**
 * Listing new/ and cur/.
 *
 * While another host renames, one readdir may miss a message or show it twice (measured: 13 of
 * 100 listings at 330 renames a second). So both directories are listed until two successive
 * listings agree in keys, at most LISTINGS_MAX; else the union is given: a message too many is
 * found gone when it is opened, a message too few looks deleted to a client.
 *
 * Invariants: a message that lies in the Maildir from before the call until after it is in the
 * result, once. new/ is listed before cur/: messages move only that way, so one that moves in
 * between is seen twice, never not at all. The result is sorted by name.
 *
 * Cost: 100,000 names must not cost more than the readdirs do. libuv sorts names, so equal
 * directories give equal arrays, and the idle case is one pass of string comparisons. Doubles
 * are sought among neighbours only: names with one key share it as prefix, so in sorted order
 * whatever lies between them has it too, and a neighbour that begins with our key is the only
 * sign needed. Sets are built when that sign appears, or when two listings differ.
 *
 * Rejected: modification times (stale for 29 s and more over NFS); file types (a LOOKUP per
 * name on NFS). On file systems of this machine unchanged.ts spares listings that would show the
 * same again.
 *
 * Standards: https://cr.yp.to/proto/maildir.html
 */
export const LISTINGS_MAX = 3;

interface Names {
  readonly new: readonly string[];
  readonly cur: readonly string[];
}

/** Messages once each, sorted by name, after two listings that agree. */
export async function listStable(nfs: Nfs, maildir: string): Promise<Entry[]> {
  const first = await listNames(nfs, maildir);
  const second = await listNames(nfs, maildir);
  if (sameNames(first.new, second.new) && sameNames(first.cur, second.cur)) return merge(second);
  const seen = [merge(first), merge(second)];
  for (;;) {
    const [before = [], latest = []] = seen.slice(-2);
    if (sameKeys(before, latest)) return latest;
    nfs.lie('listing');
    if (seen.length >= LISTINGS_MAX) return union(seen);
    seen.push(merge(await listNames(nfs, maildir)));
  }
}

/** Messages once each, sorted by name, from one listing: some may be missed. */
export const listOnce = async (nfs: Nfs, maildir: string): Promise<Entry[]> =>
  merge(await listNames(nfs, maildir));

/**
 * Finds messages by key, wherever they are now; those in no listing of two successive ones are
 * gone. @returns entries by key.
 */
export async function findKeys(
  nfs: Nfs,
  maildir: string,
  keys: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Entry>> {
  const found = new Map<string, Entry>();
  for (let listing = 0; listing < 2 && found.size < keys.size; listing++) {
    for (const entry of await listOnce(nfs, maildir)) {
      const key = nameKey(entry.name);
      if (keys.has(key)) found.set(key, entry);
    }
  }
  return found;
}

async function listNames(nfs: Nfs, maildir: string): Promise<Names> {
  const fresh = await listFresh(nfs, `${maildir}/new`);
  return { new: fresh, cur: await listFresh(nfs, `${maildir}/cur`) };
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function sameKeys(a: readonly Entry[], b: readonly Entry[]): boolean {
  if (a.length !== b.length) return false;
  const keys = new Set(a.map((entry) => nameKey(entry.name)));
  return b.every((entry) => keys.has(nameKey(entry.name)));
}

/** new/ and cur/ as one array sorted by name; names with a leading dot left out. */
function merge(names: Names): Entry[] {
  const fresh = sorted(names.new);
  const current = sorted(names.cur);
  const entries: Entry[] = [];
  let doubled = false;
  let previous = '';
  const add = (directory: 'new' | 'cur', name: string): void => {
    if (!isMessageName(name)) return;
    doubled ||= entries.length > 0 && beginsWithKeyOf(previous, name);
    previous = name;
    entries.push({ directory, name });
  };
  let next = 0;
  for (const name of current) {
    for (let other = fresh[next]; other !== undefined && other <= name; other = fresh[++next]) {
      add('new', other);
    }
    add('cur', name);
  }
  for (; next < fresh.length; next++) add('new', fresh[next] as string);
  return doubled ? union([entries]) : entries;
}

/** Compared from the end, where the keys of one host and second differ first. */
function beginsWithKeyOf(previous: string, name: string): boolean {
  let index = keyLength(previous);
  while (index > 0 && name.charCodeAt(index - 1) === previous.charCodeAt(index - 1)) index--;
  return index === 0;
}

function sorted(names: readonly string[]): readonly string[] {
  for (let index = 1; index < names.length; index++) {
    if ((names[index - 1] as string) > (names[index] as string)) return names.toSorted(byCodeUnit);
  }
  return names;
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One entry for each key; later listings and cur/ have the newer name. */
function union(listings: readonly (readonly Entry[])[]): Entry[] {
  const byKey = new Map<string, Entry>();
  for (const listing of listings) {
    const own = new Map<string, Entry>();
    for (const entry of listing) {
      const key = nameKey(entry.name);
      if (entry.directory === 'cur' || !own.has(key)) own.set(key, entry);
    }
    for (const [key, entry] of own) byKey.set(key, entry);
  }
  return [...byKey.values()].toSorted((a, b) => byCodeUnit(a.name, b.name));
}
