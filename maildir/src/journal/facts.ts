import { isErrno, systemError } from '../errno.ts';
import { uniqueNames } from '../names.ts';
import { believed, makeDirectory, removeIfThere, replaceFile, syncDirectory } from '../nfs.ts';
import type { Nfs } from '../nfs.ts';
import type { MaildirsOptions } from '../types.ts';
import { folderPathOf, listIfThere, readWhole, writeOurs } from './place.ts';
import type { Facts, FolderRef } from './types.ts';

/**
 * Facts: `mailfarm/<drawer>/<name>`, one small file each, written whole in tmp/ and renamed to its
 * name. Of two writers of one name the later wins, and a reader has the one or the other, whole.
 *
 * Names may be any text: what a file name cannot carry is written %HH of its UTF-8.
 *
 * Rejected: several facts in a file (two hosts would overwrite each other's); appending.
 */
const DRAWER = /^[a-z][a-z0-9-]{0,63}$/;
/** NAME_MAX of every file system that we meet. */
const NAME_OCTETS_MAX = 255;
/** The journal's own. */
const TAKEN: readonly string[] = ['log', 'last'];

export function openFacts(options: MaildirsOptions): Facts {
  const { fs, directorySync } = options;
  const nfs: Nfs = { fs, directorySync, lie: options.onLie ?? (() => {}) };
  const uniqueName = uniqueNames(options);
  return {
    facts: async (ref, drawer) => {
      const names = (await listIfThere(nfs, drawerPath(ref, drawer))) ?? [];
      const facts = names.filter((name) => !name.startsWith('.')).map(decodeName);
      return facts.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    },
    readFact: async (ref, drawer, name) => {
      const path = factPath(ref, drawer, name);
      if (!fits(name)) throw systemError('ENOENT', 'fact', drawer);
      return await believed(nfs, path, () => readWhole(nfs, path));
    },
    putFact: (request) => put(nfs, request, uniqueName()),
    removeFact: async (ref, drawer, name) => {
      const path = factPath(ref, drawer, name);
      if (fits(name)) await removeIfThere(nfs, path);
    },
  };
}

async function put(
  nfs: Nfs,
  { ref, drawer, name, bytes, durable }: Parameters<Facts['putFact']>[0],
  unique: string,
): Promise<void> {
  const path = factPath(ref, drawer, name);
  if (!fits(name)) throw systemError('EINVAL', 'fact', drawer);
  const temporary = `${folderPathOf(ref)}/tmp/${unique}`;
  try {
    await writeOurs(nfs, temporary, Buffer.from(bytes), durable);
    await replaceMaking(nfs, ref, drawer, { temporary, path });
  } catch (error) {
    await removeIfThere(nfs, temporary).catch(() => {}); // The sweep of tmp/ does the rest.
    throw error;
  }
  if (durable) await syncDirectory(nfs, drawerPath(ref, drawer));
}

/** The drawer is made when it turns out to be missing. */
async function replaceMaking(
  nfs: Nfs,
  ref: FolderRef,
  drawer: string,
  { temporary, path }: { readonly temporary: string; readonly path: string },
): Promise<void> {
  try {
    await replaceFile(nfs, temporary, path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    const top = `${folderPathOf(ref)}/mailfarm`;
    await makeDirectory(nfs, top);
    await makeDirectory(nfs, `${top}/${drawer}`);
    await syncDirectory(nfs, top);
    await syncDirectory(nfs, folderPathOf(ref));
    await replaceFile(nfs, temporary, path);
  }
}

function drawerPath(ref: FolderRef, drawer: string): string {
  if (!DRAWER.test(drawer) || TAKEN.includes(drawer)) throw systemError('EINVAL', 'drawer', drawer);
  return `${folderPathOf(ref)}/mailfarm/${drawer}`;
}

const factPath = (ref: FolderRef, drawer: string, name: string): string =>
  `${drawerPath(ref, drawer)}/${encodeName(name)}`;

/** A name with a leading dot is one of NFS's own. */
function encodeName(name: string): string {
  if (name === '') throw systemError('EINVAL', 'fact', name);
  const encoded = name.replaceAll(/[%/\u0000-\u001f\u007f]/g, hex);
  return encoded.startsWith('.') ? `%2E${encoded.slice(1)}` : encoded;
}

/**
 * Whether a file can have this name. None has a longer one, which is an answer: clients choose some
 * of them, and an ENAMETOOLONG would be taken for trouble of the volume.
 */
const fits = (name: string): boolean => Buffer.byteLength(encodeName(name)) <= NAME_OCTETS_MAX;

const hex = (char: string): string =>
  `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

const decodeName = (name: string): string =>
  name.replaceAll(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
