import { hash } from 'node:crypto';
import type { Fs } from '#maildir';
import { StoreError } from '../volumes/error.ts';
import type { Located } from '../volumes/table.ts';
import { folderName, INBOX, shownName } from './folder-names.ts';
import { MailError } from './mail.ts';
import { decodeUtf7 } from './utf7.ts';

/**
 * Subscriptions (RFC 9051 §6.3.7): one fact for each name, in INBOX, so that two hosts that change
 * two of them at once disturb nobody. At first use those are taken over that Dovecot
 * (`subscriptions`) or Courier (`courierimapsubscribed`) left; then a mark says so, and their
 * files, which stay as they are, count no more. Whoever dies between leaves no mark, and it is done
 * again. Two hosts that do it at once write the same; only a name that one of them drops in that
 * very moment may come back.
 */
const DRAWER = 'subscribed';
const TAKEN = 'taken-over';
/** Octets of a name that fit into a file's name in base64. */
const NAME_OCTETS_MAX = 140;
/** What is read of a file of another tool. */
const FILE_OCTETS_MAX = 1024 * 1024;
const PARALLEL = 8;

const refOf = ({ maildir }: Located): { maildir: string; folder: string } => ({
  maildir,
  folder: '',
});

/** All names subscribed to. @throws StoreError */
export async function subscribedNames(mailbox: Located): Promise<ReadonlySet<string>> {
  const facts = await mailbox.volume.facts.facts(refOf(mailbox), DRAWER);
  const names = new Set<string>();
  const hashed: string[] = [];
  for (const fact of facts) {
    if (fact.startsWith('n-')) names.add(Buffer.from(fact.slice(2), 'base64url').toString());
    else if (fact.startsWith('h-')) hashed.push(fact);
  }
  for (const fact of hashed) {
    const name = await readName(mailbox, fact);
    if (name !== undefined) names.add(name);
  }
  if (!facts.includes(TAKEN)) await takeOver(mailbox, names);
  return names;
}

/** @throws StoreError, MailError */
export async function setSubscribed(
  mailbox: Located,
  name: string,
  to: { readonly subscribed: 'yes' | 'no'; readonly max: number },
): Promise<void> {
  const names = await subscribedNames(mailbox); // What is taken over later must not undo this.
  if (names.has(name) === (to.subscribed === 'yes')) return;
  const { facts } = mailbox.volume;
  if (to.subscribed === 'no') return facts.removeFact(refOf(mailbox), DRAWER, factOf(name));
  if (names.size >= to.max) {
    throw new MailError('too-many-folders', `${to.max} names are subscribed to, the limit`);
  }
  await put(mailbox, factOf(name), name);
}

const put = (mailbox: Located, name: string, text: string): Promise<void> =>
  mailbox.volume.facts.putFact({
    ref: refOf(mailbox),
    drawer: DRAWER,
    name,
    bytes: Buffer.from(text),
    durable: true,
  });

function factOf(name: string): string {
  const octets = Buffer.from(name);
  if (octets.length > NAME_OCTETS_MAX) return `h-${hash('sha256', octets, 'hex')}`;
  return `n-${octets.toString('base64url')}`;
}

async function readName(mailbox: Located, fact: string): Promise<string | undefined> {
  try {
    const bytes = await mailbox.volume.facts.readFact(refOf(mailbox), DRAWER, fact);
    return Buffer.from(bytes).toString();
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'message-gone') return undefined;
    throw error;
  }
}

/** Adds what other tools left to `names`, and writes it down where the volume takes it. */
async function takeOver(mailbox: Located, names: Set<string>): Promise<void> {
  const found = [
    ...dovecotNames(await readSmall(mailbox, 'subscriptions')),
    ...courierNames(await readSmall(mailbox, 'courierimapsubscribed')),
  ];
  const added = [...new Set(found)].filter((name) => !names.has(name));
  for (const name of added) names.add(name);
  try {
    for (let from = 0; from < added.length; from += PARALLEL) {
      const some = added.slice(from, from + PARALLEL);
      await Promise.all(some.map((name) => put(mailbox, factOf(name), name)));
    }
    await put(mailbox, TAKEN, '');
  } catch (error) {
    // Full or read-only: they count all the same, and next time it is tried again.
    if (!(error instanceof StoreError)) throw error;
  }
}

/**
 * Version 1: names with `.` (or the namespace's separator) between parts. Version 2 begins with
 * `V<TAB>2` and has a TAB there, and `\\001` escapes.
 */
export function dovecotNames(text: string): readonly string[] {
  const lines = text.split('\n');
  const second = lines[0] === 'V\t2';
  return lines.slice(second ? 1 : 0).flatMap((line) => {
    if (line === '') return [];
    if (second) return valid(line.split('\t').map(unescaped).join('/'));
    const parts = line.includes('.') || !line.includes('/') ? line : line.replaceAll('/', '.');
    return valid(shownName(parts));
  });
}

const ESCAPED: Readonly<Record<string, string>> = { '1': '\u0001', t: '\t', r: '\r', n: '\n' };

function unescaped(part: string): string {
  const raw = part.replaceAll(/\u0001(.)/g, (_, char: string) => ESCAPED[char] ?? char);
  return decodeUtf7(raw) ?? raw;
}

/** All begin with `INBOX.`, which is no part of the name on disk. */
export const courierNames = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => {
    if (line === INBOX) return [INBOX];
    return line.startsWith('INBOX.') ? valid(shownName(line.slice('INBOX.'.length))) : [];
  });

function valid(name: string): readonly string[] {
  try {
    return [folderName(name)];
  } catch {
    return [];
  }
}

/** A small file that another tool may have left; '' without. */
async function readSmall(mailbox: Located, file: string): Promise<string> {
  const path = `${mailbox.maildir}/${file}`;
  try {
    return await mailbox.volume.guard({
      operation: 'readFact',
      where: path,
      absent: 'message-gone',
      run: (fs) => readWhole(fs, path),
    });
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'message-gone') return '';
    throw error;
  }
}

async function readWhole(fs: Fs, path: string): Promise<string> {
  const fd = await fs.openRead(path);
  try {
    const size = Math.min(await fs.size(fd), FILE_OCTETS_MAX);
    const bytes = Buffer.alloc(size);
    let length = 0;
    while (length < size) {
      const got = await fs.read(fd, bytes.subarray(length), length);
      if (got === 0) break;
      length += got;
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    await fs.close(fd).catch(() => {});
  }
}
