import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { run, runOrThrow } from './process.ts';

const ROOT = join(import.meta.dirname, '../..');

/**
 * The release that a farm comes from while it is upgraded: the first with webmail, JMAP and IMAP.
 * To move it on is to say that from an older one than that nobody upgrades node by node any more.
 */
export const OLDER = 'bc724671930c';

/** A clone has it; an archive of the tree and a shallow clone have not. */
export async function hasOlder(): Promise<boolean> {
  const asked = await run(['git', 'cat-file', '-e', `${OLDER}^{commit}`], { cwd: ROOT });
  return asked.code === 0;
}

export const NO_OLDER = `the history has no ${OLDER}: clone without --depth, or git fetch --unshallow`;

/** Lays its sources into `directory`, with the packages of this tree. @returns the directory */
export async function olderRelease(directory: string): Promise<string> {
  mkdirSync(directory);
  const archive = `${directory}.tar`;
  const parts = ['package.json', 'src', 'maildir'];
  await runOrThrow(['git', '-C', ROOT, 'archive', '-o', archive, OLDER, ...parts]);
  await runOrThrow(['tar', '-xf', archive, '-C', directory]);
  const packages = join(ROOT, 'node_modules');
  if (!existsSync(packages)) throw new Error(`no ${packages}`);
  symlinkSync(packages, join(directory, 'node_modules'));
  return directory;
}
