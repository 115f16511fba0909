import { folderName } from '../folder-names.ts';
import { decodeUtf7 } from '../utf7.ts';
import { parseCyrusFlags, parseCyrusIndex, type CyrusIndex } from './cyrus-index.ts';
import { filesNamed, isDirectory, joined, namesIn, readable, readIfThere } from './files.ts';
import { saidKeywords } from './keyword-names.ts';
import type { Problems } from './problems.ts';
import { isUid, isUidValidity } from './rows.ts';
import {
  SourceError,
  type ReadOptions,
  type SourceFile,
  type SourceFolder,
  type SourceMessage,
} from './source.ts';
import { parseUidlFormat } from './uidl-format.ts';

/**
 * A copy of a user's spool directory of Cyrus IMAP, as it lies there: in each folder `cyrus.index`,
 * `cyrus.header` and messages `<uid>.`; folders below in directories of their names. What is asked
 * for: an index in each folder that has messages, metadata and mail in one place (no metapartition,
 * no archive partition). What is otherwise is refused by name. `.sub` and `.seen` are not read.
 *
 * The UIDL is `<uidvalidity>.<uid>` where the index's option says so, else the UID alone.
 */
const DEPTH_MAX = 20;
const MESSAGE = /^[1-9]\d{0,9}\.$/;

export async function cyrusFolders(
  from: string,
  options: ReadOptions,
): Promise<readonly SourceFolder[]> {
  const folders: SourceFolder[] = [];
  const visit = async (path: Buffer, parts: readonly string[]): Promise<void> => {
    const names = await namesIn(path);
    if (names.includes('cyrus.index')) {
      const folder = await cyrusFolder({ path, names, parts }, options);
      if (folder !== undefined) folders.push(folder);
    } else if (names.some((name) => MESSAGE.test(name))) {
      const text = `${path.toString()} has messages and no cyrus.index`;
      if (parts.length === 0) throw new SourceError(`${text}: copy the metadata beside them`);
      options.problems.add('folder-broken', text);
    }
    if (parts.length >= DEPTH_MAX) return;
    for (const name of names) {
      const below = joined(path, Buffer.from(name, 'latin1'));
      if (!name.startsWith('.') && (await isDirectory(below))) await visit(below, [...parts, name]);
    }
  };
  await visit(Buffer.from(from), []);
  return folders;
}

interface Place {
  readonly path: Buffer;
  readonly names: readonly string[];
  readonly parts: readonly string[];
}

/** `^` stands for a dot in a name. */
const shownPart = (part: string): string => {
  const text = readable(part).replaceAll('^', '.');
  return decodeUtf7(text) ?? text;
};

async function cyrusFolder(
  { path, names, parts }: Place,
  { uidlFormat, problems }: ReadOptions,
): Promise<SourceFolder | undefined> {
  const where = path.toString();
  let name = 'INBOX';
  try {
    if (parts.length > 0) name = folderName(parts.map(shownPart).join('/'));
  } catch {
    problems.add('folder-refused', where);
    return undefined;
  }
  const read = parseCyrusIndex((await readIfThere(joined(path, 'cyrus.index'))) ?? Buffer.alloc(0));
  if (typeof read === 'string') {
    const text = `${where}/cyrus.index: ${read}`;
    if (parts.length === 0) throw new SourceError(text);
    problems.add('folder-broken', text);
    return undefined;
  }
  problems.add('line-broken', `${where}/cyrus.index`, read.missing);
  const flags = parseCyrusFlags((await readIfThere(joined(path, 'cyrus.header'))) ?? Buffer.of());
  const messages = names.filter((each) => MESSAGE.test(each));
  const files = await filesNamed(path, messages, problems);
  const usable = isUidValidity(read.uidValidity) && isUid(read.lastUid + 1);
  if (!usable) problems.add('numbers-broken', where);
  const isInbox = parts.length === 0;
  return {
    name,
    disk: isInbox ? '' : name,
    numbers: usable ? { uidValidity: read.uidValidity, uidNext: read.lastUid + 1 } : undefined,
    messages: messagesOf(files, { index: read, flags, problems, usable, isInbox, uidlFormat }),
  };
}

interface About {
  readonly index: CyrusIndex;
  readonly flags: readonly string[] | undefined;
  readonly problems: Problems;
  readonly usable: boolean;
  readonly isInbox: boolean;
  readonly uidlFormat: string | undefined;
}

function messagesOf(
  files: readonly Omit<SourceFile, 'directory'>[],
  about: About,
): SourceMessage[] {
  const { index, flags, problems, usable, isInbox } = about;
  const { uidValidity, newUidl, knowsSeen } = index;
  const records = new Map(index.records.map((record) => [record.uid, record]));
  const uidlOf = parseUidlFormat(about.uidlFormat ?? (newUidl ? '%v.%u' : '%u'));
  const messages: SourceMessage[] = [];
  for (const file of files) {
    const uid = Number(file.name.slice(0, -1));
    const record = records.get(uid);
    if (record?.expunged === true) continue;
    const where = file.path.toString();
    if (!knowsSeen) problems.add('seen-unknown', where);
    if (usable && !isUid(uid)) problems.add('uid-impossible', where);
    if (usable && uid > index.lastUid) problems.add('uid-above-next', where);
    const names = record?.userFlags.map((flag) => flags?.[flag]) ?? [];
    const base = file.name.slice(0, -1);
    messages.push({
      file: { ...file, directory: 'cur' },
      letters: record?.letters ?? '',
      keywords: saidKeywords(names, where, problems),
      uid: usable && isUid(uid) ? uid : undefined,
      uidl: isInbox ? uidlOf?.({ uid, uidValidity, base, guid: base }) : undefined,
      date: record?.internalDate ?? Math.floor(file.modifiedMs / 1000),
    });
  }
  return messages;
}
