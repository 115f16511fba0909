import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOrThrow } from '../harness/process.ts';
import { wireForm } from './mailbox.ts';

export const MUTT = '/usr/bin/mutt';

/** Keys that hand each message of a folder to the program `keep`. */
export const KEEP_ALL = '<tag-pattern>~A<enter><tag-prefix><pipe-message>KEEP<enter>';

/** Does mutt hand over these bytes as they are? It ends a header block that does not end. */
export function muttKeeps(wire: Buffer): boolean {
  const text = wire.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const header = /^[\x21-\x39\x3b-\x7e]+:[^\0]*$/;
  const lines = text.slice(0, Math.max(end, 0)).split(/\r\n(?![ \t])/);
  return end > 0 && lines.every((line) => header.test(line.replaceAll('\r\n', '')));
}

/**
 * Opens a Maildir in mutt on a terminal of its own and types `keys`, then quits, which writes
 * what changed. @returns the wire form of each message that KEEP_ALL handed over.
 */
export async function muttTypes(home: string, maildir: string, keys: string): Promise<Buffer[]> {
  const got = join(home, 'got');
  const keep = join(home, 'keep');
  mkdirSync(got, { recursive: true });
  writeFileSync(keep, `#!/bin/sh\nexec cat > "$(mktemp ${got}/XXXXXXXXXX)"\n`, { mode: 0o755 });
  const settings = [
    'set mbox_type=Maildir record="" header_cache="" sleep_time=0 pipe_sep=""',
    `set folder=${maildir} spoolfile=${maildir}`,
    'set pipe_split=yes pipe_decode=no wait_key=no quit=yes print=yes delete=yes move=no',
    'set confirmappend=no confirmcreate=no resolve=no maildir_trash=no',
    'unset mark_old weed',
    `macro index X "${keys.replaceAll('KEEP', keep)}<quit>"`,
    'push X',
  ];
  const file = join(home, 'muttrc');
  writeFileSync(file, `${settings.join('\n')}\n`);
  // script(1) gives it the terminal that it wants.
  const command = `${MUTT} -n -F ${file} -f ${maildir}`;
  const argv = ['script', '-qec', command, '/dev/null'];
  await runOrThrow(argv, { env: { HOME: home, TERM: 'xterm', LC_ALL: 'C.UTF-8' }, ms: 120_000 });
  return readdirSync(got).map((name) => wireForm(readFileSync(join(got, name))));
}
