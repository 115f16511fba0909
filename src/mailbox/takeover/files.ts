import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import type { Problems } from './problems.ts';
import type { SourceFile } from './source.ts';

/**
 * Reading what another server left. Its users could write there: no link is followed (it would
 * lead the service user to files that are not theirs), what is no file is left out, a file of
 * numbers has a limit.
 */
const FILE_OCTETS_MAX = 512 * 1024 * 1024;
const PARALLEL = 32;
const NOTHING = ['ENOENT', 'ENOTDIR', 'ELOOP'];
const SEPARATOR = Buffer.from('/');

export const joined = (directory: Buffer | string, name: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from(directory), SEPARATOR, Buffer.from(name)]);

/** A name for people: UTF-8 where it is. */
export const readable = (name: string): string => Buffer.from(name, 'latin1').toString();

const isNothing = (error: unknown): boolean =>
  error instanceof Error && NOTHING.includes((error as NodeJS.ErrnoException).code ?? '');

/** Opens a file that is one; no link. */
export const openFile = (path: Buffer | string): ReturnType<typeof open> =>
  open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);

/** The whole of a small file, undefined when there is none. @throws system errors */
export async function readIfThere(path: Buffer | string): Promise<Buffer | undefined> {
  let file;
  try {
    file = await openFile(path);
  } catch (error) {
    if (isNothing(error)) return undefined;
    throw error;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > FILE_OCTETS_MAX) return undefined;
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Lines of a text whose octets may be anything: one character each. */
export async function readOctets(path: string): Promise<string | undefined> {
  return (await readIfThere(path))?.toString('latin1');
}

export async function isDirectory(path: Buffer | string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isNothing(error)) return false;
    throw error;
  }
}

/** Names in a directory, one character an octet, sorted; [] when there is none. */
export async function namesIn(path: Buffer | string): Promise<readonly string[]> {
  if (!(await isDirectory(path))) return [];
  const names = await readdir(path, { encoding: 'buffer' });
  return names.map((name) => name.toString('latin1')).toSorted();
}

/** The messages of a Maildir; those in cur/ first, which other servers had numbered. */
export async function maildirFiles(
  path: Buffer | string,
  problems: Problems,
): Promise<readonly SourceFile[]> {
  const files: SourceFile[] = [];
  for (const directory of ['cur', 'new'] as const) {
    const names = await namesIn(joined(path, directory));
    const seen = await filesNamed(joined(path, directory), names, problems);
    for (const file of seen) files.push({ ...file, directory });
  }
  return files;
}

/** Those of the names that are files. */
export async function filesNamed(
  directory: Buffer,
  names: readonly string[],
  problems: Problems,
): Promise<readonly Omit<SourceFile, 'directory'>[]> {
  const files: Omit<SourceFile, 'directory'>[] = [];
  const some = names.filter((name) => !name.startsWith('.'));
  for (let from = 0; from < some.length; from += PARALLEL) {
    const looked = some.slice(from, from + PARALLEL).map(async (name) => {
      const path = joined(directory, Buffer.from(name, 'latin1'));
      const stats = await lstat(path).catch(() => undefined);
      return { name, path, stats };
    });
    for (const { name, path, stats } of await Promise.all(looked)) {
      if (stats?.isFile() === true) files.push({ name, path, modifiedMs: stats.mtimeMs });
      else problems.add(stats === undefined ? 'file-vanished' : 'not-a-file', path.toString());
    }
  }
  return files;
}
