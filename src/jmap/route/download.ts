/**
 * GET /jmap/download/{accountId}/{blobId}/{name}?type= (RFC 8620 §6.2). Content is a stranger's: a
 * browser saves it and never shows it as a page of this site. Four walls, each enough: it is an
 * attachment, what a browser could run is of no such type, no type is guessed, and a page that came
 * of it all the same would be in a sandbox without scripts and without this site's origin.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../directory/types.ts';
import { sendStream } from '../../http/web-stream.ts';
import { WebProblem } from '../../http/web-types.ts';
import { AccountBlobs } from '../blobs.ts';
import { DOWNLOADS_MAX, FILE_NAME_MAX } from '../options.ts';
import type { JmapShared } from '../service.ts';

interface Route {
  readonly Params: { readonly accountId: string; readonly blobId: string; readonly name: string };
  readonly Querystring: { readonly type?: string | readonly string[] };
}

export function downloadRoute(app: FastifyInstance, shared: JmapShared): void {
  const path = '/jmap/download/:accountId/:blobId/:name';
  app.get<Route>(path, async (request, reply) => {
    const { account } = await shared.userOf(request, reply);
    if (!shared.downloading.enter(account.id, DOWNLOADS_MAX)) throw new WebProblem(TOO_MANY);
    try {
      return await sent(shared, account, { request, reply });
    } finally {
      shared.downloading.leave(account.id);
    }
  });
}

const TOO_MANY = {
  status: 429,
  title: 'You have too many downloads under way',
  retryAfterMs: 2_000,
};

async function sent(
  shared: JmapShared,
  account: Account,
  { request, reply }: { readonly request: FastifyRequest<Route>; readonly reply: FastifyReply },
): Promise<FastifyReply> {
  const { accountId, blobId, name } = request.params;
  const { type } = request.query;
  const view = accountId === account.id ? await shared.views.of(account) : undefined;
  const blob = view && (await new AccountBlobs(view, shared.uploads).open(blobId));
  if (blob === undefined) {
    throw new WebProblem({ status: 404, title: 'There is no such file, or not any more' });
  }
  const headers = {
    'content-type': safeType(typeof type === 'string' ? type : blob.type),
    'content-disposition': attachment(name),
    'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
    // What an id names never changes; a file of a mailbox is nobody else's.
    'cache-control': 'private, max-age=3600, immutable',
  };
  return sendStream(reply, { headers, octets: blob.octets, content: blob.read() });
}

/** What no browser runs or interprets, wherever it is put. Text is shown as it is. */
const SAFE_SUBTYPES: Readonly<Record<string, RegExp>> = {
  image: /^(?:png|jpeg|gif|webp|avif|bmp|heic)$/,
  audio: /^[a-z0-9.+-]+$/,
  video: /^[a-z0-9.+-]+$/,
  text: /^(?:plain|csv|calendar|vcard)$/,
  message: /^rfc822$/,
  application: new RegExp(
    '^(?:pdf|zip|gzip|json|rtf|msword|vnd\\.[a-z0-9.+-]+|x-7z-compressed|pgp-[a-z]+|pkcs7-[a-z]+)$',
  ),
};

function isSafe(type: string): boolean {
  const [top = '', subtype = ''] = type.split('/', 2);
  if (ACTIVE.test(type.replace('openxmlformats', ''))) return false;
  return Object.hasOwn(SAFE_SUBTYPES, top) && SAFE_SUBTYPES[top]?.test(subtype) === true;
}

/** Active, though its name begins like that of a safe one. */
const ACTIVE = /xml|html|script|flash|xul|mathml|vnd\.wap|vnd\.mozilla/;

/** The type without parameters; text of a message is UTF-8 only where the client asks so. */
export function safeType(asked: string): string {
  const [type = '', ...parameters] = asked.toLowerCase().split(';');
  const known = type.trim();
  if (!isSafe(known)) return 'application/octet-stream';
  const charset = parameters.map((one) => CHARSET.exec(one.trim())?.[1]).find(Boolean);
  return charset !== undefined && known.startsWith('text/')
    ? `${known}; charset=${charset}`
    : known;
}

const CHARSET = /^charset="?([a-z0-9_:.-]{1,40})"?$/;

/** RFC 6266 with RFC 8187: a name that every system takes, then the name. */
export function attachment(name: string): string {
  const safe = fileName(name);
  const ascii = safe.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["\\%]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${percent(safe)}`;
}

const percent = (text: string): string =>
  encodeURIComponent(text).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);

/** Controls, marks that turn the direction of writing (a name that reads `gpj.exe`), paths. */
const UNFIT = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069' +
    '\\ufeff\\ufffe\\uffff/\\\\:*?"<>|]',
  'g',
);

function fileName(name: string): string {
  const clean = name.toWellFormed().replaceAll(UNFIT, '_').trim();
  const bare = clean.replace(/^[.\s]+/, '').replace(/[.\s]+$/, '');
  if (bare === '') return 'file';
  const characters = Array.from(bare);
  if (characters.length <= FILE_NAME_MAX) return bare;
  // The end says what kind of file it is.
  const end = /\.[A-Za-z0-9]{1,10}$/.exec(bare)?.[0] ?? '';
  return characters.slice(0, FILE_NAME_MAX - end.length).join('') + end;
}
