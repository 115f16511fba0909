import { folderNameFault } from '#maildir';
import { MailError } from './mail.ts';
import { decodeUtf7, encodeUtf7 } from './utf7.ts';

/**
 * Names of folders. Users see Unicode with `/` between parts; on disk it is Maildir++ as Dovecot
 * and Courier write it: modified UTF-7 with `.` between parts. A `.` within a part is written in
 * base64, so that it separates nothing and no name leads anywhere.
 *
 * INBOX is the Maildir itself, `INBOX/x` is the folder `.INBOX.x`. INBOX in any case is INBOX,
 * also as the first part (RFC 9051 §5.1).
 *
 * What another tool made need not be so written (UTF-8, `&` alone). Such a folder is shown as it
 * lies on disk, and found by a look at the disk. Two that would be shown alike
 * are one name; the one that we would have written has it. `.inbox`, in whatever case, has no name
 * that a client could say, which would be INBOX: it is not shown; its mail counts for the quota.
 */
export const INBOX = 'INBOX';

/** RFC 5198: no controls, nor what breaks lines. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** A name as all of the program writes it. @throws MailError 'bad-name' */
export function folderName(given: string): string {
  const fault = givenFault(given);
  if (fault !== undefined) throw new MailError('bad-name', fault);
  const name = normal(given);
  const onDisk = name === INBOX ? undefined : folderNameFault(diskName(name));
  if (onDisk !== undefined) throw new MailError('bad-name', onDisk);
  return name;
}

/**
 * A name for a folder that is to be made. `.` and `..` lead nowhere here, but clients that mirror
 * folders into directories may follow them; what has them already is shown and can be renamed.
 * @throws MailError 'bad-name'
 */
export function newFolderName(given: string): string {
  const name = folderName(given);
  if (name.split('/').some((part) => part === '.' || part === '..')) {
    throw new MailError('bad-name', 'No part of a folder name is `.` or `..`');
  }
  return name;
}

function givenFault(name: string): string | undefined {
  if (name === '') return 'A folder needs a name';
  if (!name.isWellFormed()) return 'The folder name is not well-formed Unicode';
  if (CONTROLS.test(name)) return 'A folder name has no control characters';
  return name.split('/').includes('') ? 'A folder name has no empty part' : undefined;
}

function normal(name: string): string {
  const slash = name.indexOf('/');
  const first = slash < 0 ? name : name.slice(0, slash);
  if (first.toUpperCase() !== INBOX || first.length !== INBOX.length) return name;
  return slash < 0 ? INBOX : `${INBOX}${name.slice(slash)}`;
}

/** The folder on disk of a name from `folderName`; '' is INBOX. */
export const diskName = (name: string): string =>
  name === INBOX
    ? ''
    : name
        .split('/')
        .map((part) => encodeUtf7(part, '.'))
        .join('.');

/** What a folder on disk is called. */
export function shownName(disk: string): string {
  if (disk === '') return INBOX;
  const parts = disk.split('.').map((part) => decodeUtf7(part));
  if (parts.every((part) => part !== undefined && !part.includes('/'))) {
    const name = parts.join('/');
    if (givenFault(name) === undefined && diskName(normal(name)) === disk) return name;
  }
  return disk.replaceAll('.', '/');
}

/** All folders of a listing by name, INBOX among them; of two alike the canonical one. */
export function namesOf(disks: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map([[INBOX, '']]);
  for (const disk of disks) {
    const name = shownName(disk);
    if (normal(name) !== name || (names.has(name) && diskName(name) !== disk)) continue;
    if (givenFault(name) === undefined) names.set(name, disk);
  }
  return names;
}

/** INBOX first, then by name. */
export const byName = (a: string, b: string): number => {
  if (a === b) return 0;
  if (a === INBOX || b === INBOX) return a === INBOX ? -1 : 1;
  return a < b ? -1 : 1;
};

/** Of these names those below `name`. */
export const below = (names: Iterable<string>, name: string): string[] =>
  [...names].filter((other) => other.startsWith(`${name}/`));
