/** The second opinion: what lies in a Maildir, read by our own few lines. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Desk } from './desk.ts';
import { hashOctets, identify } from './letter.ts';
import type { User } from './options.ts';

export interface OnDisk {
  readonly user: User;
  readonly path: string;
  /** What the front ends show. */
  readonly rows: ReadonlyMap<string, number>;
}

/** Every file is a message that is shown, under its id and whole; and the other way round. */
export function compareDisk({ desk }: { readonly desk: Desk }, disk: OnDisk): void {
  const { user, path, rows } = disk;
  const box = desk.book.box(user.login);
  const tell = (text: string, uidl: string): void =>
    desk.violate('disk-differs', `${path}: ${text}`, { mailbox: user.login, uidl });
  const keys = new Set<string>();
  for (const directory of ['new', 'cur']) {
    for (const name of readdirSync(join(path, directory))) {
      if (name.startsWith('.')) continue;
      const key = /^[^,:]*/.exec(name)?.[0] ?? '';
      if (keys.has(key)) tell(`${name} is there under two names`, key);
      keys.add(key);
      if (!rows.has(key)) tell(`${directory}/${name} is shown by no front end`, key);
      const letter = desk.book.letters.get(box.messages.get(key)?.letter ?? '');
      if (!letter) continue; // Of others.
      const stored = readFileSync(join(path, directory, name)).toString('latin1');
      const wire = Buffer.from(stored.replaceAll('\n', '\r\n'), 'latin1');
      if (hashOctets(identify(wire).payload) !== letter.hash) {
        tell(`${directory}/${name} is not letter ${letter.id} as it was sent`, key);
      }
    }
  }
  for (const uidl of rows.keys()) {
    if (!keys.has(uidl)) tell('is shown and no file', uidl);
  }
}
