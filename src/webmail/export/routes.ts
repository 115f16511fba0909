/**
 * All mail of the user in one file, to take along: streamed as it is read, with no copy on disk and
 * never more than some pieces of a message in memory.
 *
 *     GET /self/export/mail.zip     a folder for each folder, a file .eml for each message
 *     GET /self/export/mail.mbox    all in one file, with the folder in a line of each head
 *
 * What arrives while it runs may be in it or not. A message that is deleted meanwhile is left out;
 * one that is lost in its middle breaks the answer off, so that nobody takes it for whole.
 */
import type { FastifyInstance } from 'fastify';
import type { WebAuthenticator } from '../../auth/web-types.ts';
import { WebProblem } from '../../http/web-types.ts';
import { sendStream } from '../../http/web-stream.ts';
import { requireUser } from '../../jmap/who.ts';
import type { Folder, Mail, Numbered } from '../../mailbox/mail.ts';
import { MailError } from '../../mailbox/mail.ts';
import type { MailStore } from '../../mailbox/types.ts';
import { StoreError } from '../../volumes/error.ts';
import { mbox } from './mbox.ts';
import { zip } from './zip.ts';

export interface ExportParts {
  readonly web: WebAuthenticator;
  readonly store: Pick<MailStore, 'openMail'>;
}

interface Exported {
  readonly folder: string;
  readonly message: Numbered;
  /** INTERNALDATE in ms since 1970. */
  readonly at: number;
  readonly content: AsyncIterable<Uint8Array>;
}

export function exportRoutes(app: FastifyInstance, { web, store }: ExportParts): void {
  /** One at a time for a user and worker: each reads the whole mailbox. */
  const running = new Set<string>();
  for (const [form, type] of Object.entries(TYPES)) {
    app.get(`/self/export/mail.${form}`, async (request, reply) => {
      const { account } = await requireUser(web, request, reply);
      if (running.has(account.id)) throw new WebProblem(ONE_RUNS);
      running.add(account.id);
      try {
        const mail = await store.openMail(account);
        try {
          const messages = messagesOf(mail);
          const content = form === 'zip' ? zip(asEntries(messages)) : mbox(asMbox(messages));
          const headers = {
            'content-type': type,
            'content-disposition': `attachment; filename="mail.${form}"`,
            'content-security-policy': "default-src 'none'; sandbox",
          };
          return await sendStream(reply, { headers, octets: undefined, content });
        } finally {
          mail.close();
        }
      } finally {
        running.delete(account.id);
      }
    });
  }
}

const TYPES = { zip: 'application/zip', mbox: 'application/mbox' } as const;

const ONE_RUNS = {
  status: 429,
  title: 'An export is running already',
  detail: 'Wait until it is done, or end it, before you begin another.',
  retryAfterMs: 60_000,
};

/** All messages, folder by folder, in the order of their numbers. @throws StoreError */
async function* messagesOf(mail: Mail): AsyncGenerator<Exported> {
  for (const { name } of await mail.folders()) {
    const folder = await openIfThere(mail, name);
    if (folder === undefined) continue;
    try {
      for (const message of (await folder.refresh()).messages) {
        const one = await exported(folder, message);
        if (one !== undefined) yield one;
      }
    } finally {
      folder.close();
    }
  }
}

/** Undefined: it was deleted meanwhile. */
async function exported(folder: Folder, message: Numbered): Promise<Exported | undefined> {
  const pieces = folder.read(message)[Symbol.asyncIterator]();
  try {
    const at = await folder.date(message);
    const first = await pieces.next();
    return { folder: folder.name, message, at, content: from(first, pieces) };
  } catch (error) {
    await pieces.return?.();
    if (error instanceof StoreError && error.kind === 'message-gone') return undefined;
    throw error;
  }
}

async function* from(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

async function openIfThere(mail: Mail, name: string): Promise<Folder | undefined> {
  try {
    return await mail.open(name);
  } catch (error) {
    if (error instanceof MailError && error.kind === 'no-such-folder') return undefined;
    throw error;
  }
}

async function* asEntries(messages: AsyncIterable<Exported>) {
  const paths = new ExportPaths();
  for await (const { folder, message, at, content } of messages) {
    const number = String(message.uid).padStart(6, '0');
    yield { name: `${paths.of(folder)}/${number}.eml`, at, content };
  }
}

/**
 * No two folders have one path, on any system. `a:b` and `a?b` are both safe as `a_b`; `Work` and
 * `work`, or a letter and its accent in one character or two, are one directory on some. Numbers
 * begin with 1 in each folder: mail of one would be written over that of the other as it is
 * unpacked.
 */
export class ExportPaths {
  readonly #paths = new Map<string, string>();
  readonly #taken = new Set<string>();

  of(folder: string): string {
    const known = this.#paths.get(folder);
    if (known !== undefined) return known;
    const safe = safePath(folder);
    let path = safe;
    for (let next = 2; this.#taken.has(sameName(path)); next += 1) path = `${safe}_${next}`;
    this.#taken.add(sameName(path));
    this.#paths.set(folder, path);
    return path;
  }
}

/**
 * Upper case first: it writes `ß` and a final sigma like the letters that systems hold them for.
 */
const sameName = (path: string): string => path.normalize('NFC').toUpperCase().toLowerCase();

async function* asMbox(messages: AsyncIterable<Exported>) {
  for await (const { folder, message, at, content } of messages) {
    yield { folder, at, letters: message.flags, content };
  }
}

/** A name that unpacks on any system, below where it is unpacked (no step up, no device). */
export const safePath = (folder: string): string =>
  folder
    .split('/')
    .map((part) => part.replace(/[\p{Cc}<>:"\\|?*]/gu, '_').replace(/^[. ]+|[. ]+$/g, '_'))
    .map((part) => (part === '' || DEVICES.test(part) || FILE.test(part) ? `_${part}` : part))
    .join('/');

/** Names that Windows keeps for devices, with whatever extension. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** A folder within another may not have the path of a message there. */
const FILE = /^\d+\.eml$/i;
