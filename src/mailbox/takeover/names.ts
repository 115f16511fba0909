import { hash } from 'node:crypto';
import { encodeUidl, nameBase, nameKey, nameUidl, publishedName } from '#maildir';
import { uidlOf } from '../uidl.ts';
import { readable } from './files.ts';
import type { Problems } from './problems.ts';
import type { Format, SourceFolder, SourceMessage } from './source.ts';

/**
 * What imported files are called: the key stays where it can, so that a second run finds them.
 *
 * INTERNALDATE is the seconds that a key begins with; Dovecot and Courier take the file's time
 * for it. Where that is earlier (APPEND with a date) it takes the place of the seconds. A key is
 * replaced by its hash when it is none (octets beyond ASCII, control characters), when two files
 * have it, or when the name has no room for the UIDL. All is made of the source alone: each run
 * makes the same.
 */
export interface TargetMessage {
  readonly source: SourceMessage;
  readonly key: string;
  /** What `U=` has to say; undefined where our own UIDL is the same. */
  readonly uidl: string | undefined;
  readonly uid: number | undefined;
}

export interface Naming {
  readonly format: Format;
  readonly problems: Problems;
  /** The files stay where they are: their keys too, wherever they can. */
  readonly inPlace: boolean;
}

const LEGAL = /^[!-+\--.0-9;-~]{1,120}$/;
const SECONDS = /^(\d{1,11})\.(?=.)/;
const UIDL = /^[!-~]{1,70}$/;
const NAME_OCTETS_MAX = 255;
/** The largest sizes, and all letters. */
const SIZES_AND_FLAGS = `${publishedName('', 1e12, 1e12)}:2,${'a'.repeat(32)}`.length;
/** A difference that is no clock's. */
const SLACK_SECONDS = 1;

export function targetsOf(
  folder: SourceFolder,
  { format, problems, inPlace }: Naming,
): readonly TargetMessage[] {
  const keys = new Set<string>();
  const names = new Set<string>();
  return folder.messages.map((source) => {
    const where = `${folder.name}: ${readable(source.file.name)}`;
    const own = nameKey(source.file.name);
    const doubled = names.has(own);
    names.add(own);
    if (doubled) problems.add('file-doubled', where);
    let key = inPlace ? own : format === 'cyrus' ? cyrusKey(source) : datedKey(own, source);
    if (doubled || keys.has(key) || !LEGAL.test(key)) {
      if (!doubled) problems.add('name-changed', where);
      key = hashedKey(source, keys);
    }
    // A file's own U= is of an earlier import; it holds where nobody says another.
    const wanted = source.uidl ?? nameUidl(source.file.name);
    const named = withUidl({ key, wanted, source, where, problems, keys });
    keys.add(named.key);
    const uid = doubled ? undefined : source.uid;
    if (uid === undefined && folder.numbers !== undefined && !doubled) {
      problems.add('no-uid', where);
    }
    return { source, uid, ...named };
  });
}

function datedKey(key: string, { file }: SourceMessage): string {
  const modified = Math.max(0, Math.floor(file.modifiedMs / 1000));
  const match = SECONDS.exec(key);
  if (match === null) return `${modified}.${key}`;
  if (modified + SLACK_SECONDS >= Number(match[1])) return key;
  return `${modified}${key.slice(match[1]?.length ?? 0)}`;
}

const cyrusKey = ({ file, date = 0 }: SourceMessage): string =>
  `${Math.max(0, date)}.C${file.name.slice(0, -1)}`;

/** One that no other has: of files with one name, each run meets the first as the first. */
function hashedKey(source: SourceMessage, keys: ReadonlySet<string>): string {
  const { file } = source;
  const seconds = source.date ?? Math.max(0, Math.floor(file.modifiedMs / 1000));
  for (let count = 0; ; count++) {
    const octets = Buffer.from(`${count}/${nameBase(file.name)}`, 'latin1');
    const key = `${seconds}.H${hash('sha256', octets, 'hex').slice(0, 32)}`;
    if (!keys.has(key)) return key;
  }
}

function withUidl(given: {
  readonly key: string;
  readonly wanted: string | undefined;
  readonly source: SourceMessage;
  readonly where: string;
  readonly problems: Problems;
  readonly keys: ReadonlySet<string>;
}): Pick<TargetMessage, 'key' | 'uidl'> {
  const { key, wanted, source, where, problems } = given;
  if (wanted === undefined || wanted === uidlOf(key)) return { key, uidl: undefined };
  if (!UIDL.test(wanted)) {
    problems.add('uidl-lost', where);
    return { key, uidl: undefined };
  }
  const room = NAME_OCTETS_MAX - SIZES_AND_FLAGS - `,U=${encodeUidl(wanted)}`.length;
  if (key.length <= room) return { key, uidl: wanted };
  const short = hashedKey(source, given.keys);
  if (short.length <= room) return { key: short, uidl: wanted };
  problems.add('uidl-lost', where);
  return { key, uidl: undefined };
}

/** What a name begins with. */
export const keyWithUidl = ({ key, uidl }: Pick<TargetMessage, 'key' | 'uidl'>): string =>
  uidl === undefined ? key : `${key},U=${encodeUidl(uidl)}`;
