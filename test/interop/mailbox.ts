/** A Maildir that our engine and its peers share, and what stands in it. */
import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Entry,
  type Maildirs,
  nameFlags,
  nodeFs,
  openMaildirs,
  systemClock,
  systemRandom,
} from '#maildir';
import { KINDS } from '../fixtures/kinds.ts';
import { corpus } from '../fixtures/corpus.ts';
import { MAIL_GID, MAIL_UID } from '../harness/in-peers.ts';

export interface SharedMailbox {
  readonly engine: Maildirs;
  readonly maildir: string;
  /** Delivers as the farm does. @returns where it lies. */
  deliver(wire: Buffer, folder?: string): Promise<Entry>;
  /** The wire form of what lies there, by our engine. */
  read(entry: Entry, folder?: string): Promise<Buffer>;
  /** Everything in it by our engine: flags and hash of the wire form, sorted. */
  contents(folder?: string): Promise<Content[]>;
  path(folder?: string): string;
  /** Hands all files to the user of the peers: the test runs as root, Dovecot does not. */
  give(): void;
}

/** One message as readers are compared: flags as in a Maildir name, SHA-256 of the wire form. */
export interface Content {
  readonly flags: string;
  readonly hash: string;
}

export const hashOf = (wire: Uint8Array): string => createHash('sha256').update(wire).digest('hex');

export const content = (flags: string, wire: Uint8Array): Content => ({
  flags,
  hash: hashOf(wire),
});

export const sorted = (contents: readonly Content[]): Content[] =>
  contents.toSorted((a, b) => (`${a.hash}${a.flags}` < `${b.hash}${b.flags}` ? -1 : 1));

const replace = (bytes: Uint8Array, from: string | RegExp, to: string): Buffer =>
  Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(from, to), 'latin1');

/** Maildirs hold LF (DESIGN: stored form); one LF is one CRLF on the wire. */
export const storedForm = (wire: Uint8Array): Buffer => replace(wire, '\r\n', '\n');
export const wireForm = (stored: Uint8Array): Buffer => replace(stored, '\n', '\r\n');

/** One message of each kind that any reader of Maildirs can hand over unchanged. */
export function letters(): Buffer[] {
  const all = corpus({ count: Object.keys(KINDS).length, seed: 14, folder: '' });
  // A reader takes CR CR LF for its own CRLF, and an empty file for a message in the making.
  return all
    .map((message) => message.wire)
    .filter((wire) => wire.length > 0 && wire.length < 100_000 && !wire.includes('\r\r\n'));
}

export async function sharedMailbox(directory: string): Promise<SharedMailbox> {
  const maildir = join(directory, 'mail');
  mkdirSync(directory, { recursive: true });
  const engine = openMaildirs({
    fs: nodeFs,
    clock: systemClock,
    random: systemRandom,
    node: 'interop',
    pid: process.pid,
    directorySync: 'always',
  });
  await engine.create(maildir, { root: directory });
  const path = (folder?: string): string =>
    folder === undefined ? maildir : join(maildir, `.${folder}`);
  const read = async (entry: Entry, folder?: string): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for (let offset = 0, end = false; !end;) {
      const request = { maildir: path(folder), entry, offset, length: 65_536 };
      const got = await engine.read(request);
      chunks.push(got.bytes);
      offset += got.bytes.length;
      ({ end } = got);
    }
    return wireForm(Buffer.concat(chunks));
  };
  return {
    engine,
    maildir,
    path,
    read,
    deliver: async (wire, folder) => {
      const bytes = storedForm(wire);
      const base = engine.uniqueName();
      const at = { maildir: path(folder), base };
      await engine.stage({ ...at, offset: 0, bytes, last: true });
      const sizes = { octets: bytes.length, wireOctets: wire.length };
      const [done] = await engine.publish({ ...at, ...sizes, targets: [path(folder)] });
      if (done?.name === undefined) throw done?.error ?? new Error('not published');
      return { directory: 'new', name: done.name };
    },
    contents: async (folder) => {
      const found: Content[] = [];
      for (const entry of await engine.list(path(folder))) {
        found.push(content(nameFlags(entry.name), await read(entry, folder)));
      }
      return sorted(found);
    },
    give: () => {
      chownSync(maildir, MAIL_UID, MAIL_GID);
      const names = readdirSync(maildir, { recursive: true, encoding: 'utf8' });
      for (const name of names) chownSync(join(maildir, name), MAIL_UID, MAIL_GID);
    },
  };
}
