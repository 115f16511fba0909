import { isOneOf } from '../errno.ts';
import type { Fs } from '../types.ts';
import { Book } from './book.ts';
import { parseFile } from './format.ts';
import { Keywords, parseDovecotKeywords } from './keywords.ts';
import { viewOf } from './log.ts';
import { listIfThere, readWhole } from './place.ts';

/**
 * What a journal that lies still says of keywords, for copies of folders (backups). Nothing is
 * written, and nothing judged: a copy that was made while others wrote may lack its newest
 * commits, and by the rule own-inode its numbers count for nobody. Keywords of messages do.
 *
 * Reads the newest whole start and what follows it without a gap.
 * @returns keywords by key of the file, of messages that have any; none where there is no journal
 */
export async function keywordsIn(
  fs: Fs,
  folder: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const nfs = { fs, directorySync: 'never', lie: () => {} } as const;
  const log = `${folder}/mailfarm/log`;
  const whole = async (path: string): Promise<Buffer | undefined> => {
    try {
      return await readWhole(nfs, path);
    } catch (error) {
      if (isOneOf(error, ['ENOENT', 'ENOTDIR', 'ESTALE', 'EISDIR', 'ELOOP'])) return undefined;
      throw error;
    }
  };
  const view = viewOf((await listIfThere(nfs, log)) ?? []);
  const letters = parseDovecotKeywords(
    (await whole(`${folder}/dovecot-keywords`))?.toString('utf8') ?? '',
  );
  let book: Book | undefined;
  for (const { name } of view.starts.toReversed()) {
    const start = parseFile((await whole(`${log}/${name}`)) ?? Buffer.alloc(0));
    if (start === undefined || start.kind === 'commit') continue;
    book = new Book(start, new Keywords(letters), undefined);
    break;
  }
  const found = new Map<string, readonly string[]>();
  if (book === undefined) return found;
  for (const { position, name } of view.commits) {
    if (position.number <= book.position.number) continue;
    if (position.number !== book.position.number + 1) break;
    const commit = parseFile((await whole(`${log}/${name}`)) ?? Buffer.alloc(0));
    if (commit?.kind === 'commit') book.apply(commit);
    else book.applyTorn(position);
  }
  for (const { key, keywords } of book.messages) if (keywords.length > 0) found.set(key, keywords);
  return found;
}
