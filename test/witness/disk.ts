/** The second opinion: what lies in a Maildir, read by our own few lines. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Book } from './book.ts';
import { hashOctets, identify } from './letter.ts';

export interface OnDisk {
  readonly login: string;
  readonly path: string;
  /** What the front ends show. */
  readonly rows: ReadonlyMap<string, number>;
}

export interface DiskProblem {
  readonly text: string;
  readonly uidl?: string;
}

/**
 * Every file is a message that is shown, under its id and whole; and the other way round.
 * @returns what is not so
 */
export function compareDisk(book: Book, { login, path, rows }: OnDisk): DiskProblem[] {
  const problems: DiskProblem[] = [];
  const keys = new Set<string>();
  try {
    for (const directory of ['new', 'cur']) {
      for (const name of readdirSync(join(path, directory))) {
        if (name.startsWith('.')) continue;
        const uidl = /^[^,:]*/.exec(name)?.[0] ?? '';
        const tell = (text: string): unknown =>
          problems.push({ uidl, text: `${join(path, directory, name)} ${text}` });
        if (keys.has(uidl)) tell('is there under another name too');
        keys.add(uidl);
        if (!rows.has(uidl)) tell('is shown by no front end');
        const letter = book.letters.get(book.box(login).messages.get(uidl)?.letter ?? '');
        if (!letter) continue; // Of others.
        const stored = readFileSync(join(path, directory, name)).toString('latin1');
        const wire = Buffer.from(stored.replaceAll('\n', '\r\n'), 'latin1');
        if (hashOctets(identify(wire).payload) === letter.hash) continue;
        tell(`is not letter ${letter.id} as it was sent`);
      }
    }
  } catch (error) {
    return [{ text: `${path} cannot be read: ${(error as Error).message}` }];
  }
  for (const uidl of rows.keys()) {
    if (!keys.has(uidl)) problems.push({ uidl, text: `${path} has no file of ${uidl}` });
  }
  return problems;
}
