import { nameFlags, nameKey } from '#maildir';
import { courierNames } from '../subscriptions.ts';
import { maildirFiles, namesIn, readable, readIfThere, readOctets } from './files.ts';
import { lettersIn, saidKeywords } from './keyword-names.ts';
import type { Problems } from './problems.ts';
import { parseNumbers } from './rows.ts';
import type { ReadOptions, SourceFile, SourceFolder, SourceMessage } from './source.ts';

/**
 * Courier's Maildirs: `courierimapuiddb` has IMAP's numbers, `courierpop3dsizelist` POP3's, which
 * are others, `courierimapkeywords/` the keywords: `:list` what all messages had, and newer
 * files of one message each, `.N.name` (the highest N counts) and `name`, which is newest.
 */
export async function courierFolder(
  place: { readonly path: string; readonly name: string; readonly disk: string },
  { problems }: ReadOptions,
): Promise<SourceFolder> {
  const { path, name, disk } = place;
  const where = `${path}/courierimapuiddb`;
  const list = await readOctets(where);
  const numbers = list === undefined ? undefined : parseNumbers(list, where, problems);
  const pop3 = disk === '' ? await readOctets(`${path}/courierpop3dsizelist`) : undefined;
  const uidls = parseSizeList(pop3 ?? '', `${path}/courierpop3dsizelist`, problems);
  const keywords = await readKeywords(`${path}/courierimapkeywords`, problems);
  const message = (file: SourceFile): SourceMessage => {
    const key = nameKey(file.name);
    return {
      file,
      letters: lettersIn(nameFlags(file.name)),
      keywords: saidKeywords(keywords.get(key) ?? [], readable(file.name), problems),
      uid: numbers?.rows.get(key)?.uid,
      uidl: uidls.get(key),
    };
  };
  const messages = (await maildirFiles(path, problems)).map(message);
  return { name, disk, numbers, messages };
}

const SIZE_ROW = /^(.+) \d{1,20} (\d{1,20})(?::(\d{1,20}))?(?::\d)?$/;

/**
 * UIDLs by key of the file. A row is name, size and the number: `UID<number>` in version 1,
 * `UID<number>-<validity>` since; number 0: the name, `+HH` for what it would not say plainly.
 */
export function parseSizeList(
  text: string,
  where: string,
  problems: Problems,
): ReadonlyMap<string, string> {
  const uidls = new Map<string, string>();
  const lines = text.split('\n');
  if (text !== '' && !/^\/[123] \d+/.test(lines[0] ?? '')) {
    problems.add('line-broken', `${where}, line 1`);
    return uidls;
  }
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line === '') continue;
    const match = SIZE_ROW.exec(line);
    if (match === null) {
      problems.add('line-broken', `${where}, line ${index + 1}`);
      continue;
    }
    const [, name = '', number = '', validity = '0'] = match;
    const after = Number(validity) === 0 ? '' : `-${Number(validity)}`;
    const uidl = Number(number) === 0 ? nameAsUidl(name) : `UID${Number(number)}${after}`;
    uidls.set(nameKey(name), uidl);
  }
  return uidls;
}

const nameAsUidl = (name: string): string => {
  const colon = name.indexOf(':');
  return (colon < 0 ? name : name.slice(0, colon)).replaceAll(
    /[^!-~]|['"+]/g,
    (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
};

async function readKeywords(
  directory: string,
  problems: Problems,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = await namesIn(directory);
  const list = (await readOctets(`${directory}/:list`)) ?? '';
  const keywords = parseKeywordList(list, `${directory}/:list`, problems);
  const newest = new Map<string, { readonly rank: number; readonly file: string }>();
  for (const file of names) {
    const match = /^\.(\d{1,15})\.(.+)$/.exec(file);
    if (file.startsWith(':') || (file.startsWith('.') && match === null)) continue;
    const rank = match === null ? Infinity : Number(match[1]);
    const key = nameKey(match?.[2] ?? file);
    if ((newest.get(key)?.rank ?? -1) < rank) newest.set(key, { rank, file });
  }
  for (const [key, { file }] of newest) {
    const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(file, 'latin1')]);
    const text = (await readIfThere(path))?.toString('latin1');
    if (text !== undefined)
      keywords.set(
        key,
        text.split('\n').filter((name) => name !== ''),
      );
  }
  return keywords;
}

/** Names, an empty line, then `file:0 2`: numbers of names. */
export function parseKeywordList(
  text: string,
  where: string,
  problems: Problems,
): Map<string, readonly string[]> {
  const keywords = new Map<string, readonly string[]>();
  const lines = text.split('\n');
  const end = lines.indexOf('');
  const names = lines.slice(0, Math.max(0, end));
  for (const line of lines.slice(end + 1)) {
    if (line === '') continue;
    const match = /^(.+):([\d ]*)$/.exec(line);
    if (match === null) {
      problems.add('line-broken', where);
      continue;
    }
    const numbers = (match[2] ?? '').split(' ').filter((number) => number !== '');
    const found = numbers.map((number) => names[Number(number)]);
    const known = found.filter((name) => name !== undefined);
    problems.add('keyword-lost', where, found.length - known.length);
    keywords.set(nameKey(match[1] ?? ''), known);
  }
  return keywords;
}

export async function courierSubscriptions(path: string): Promise<readonly string[]> {
  return courierNames((await readIfThere(`${path}/courierimapsubscribed`))?.toString() ?? '');
}
