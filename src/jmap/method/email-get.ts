/** Email/get and Email/changes (RFC 8621 §4.2, §4.3), Email/parse (§4.9). */
import { parseMessage } from '../../message/mime/parse.ts';
import { decodeTransfer } from '../../message/mime/transfer.ts';
import type { MimePart } from '../../message/mime/types.ts';
import { CONTENT_DEFAULTS, contentProperties, emailPlan, type EmailPlan } from '../wire/email.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';
import { invalid, readerFor, type Reader } from './arguments.ts';
import { METADATA, readEmails, shownEmail } from './email-read.ts';
import { PARSED_PARTS_MAX, PROPERTIES_MAX } from '../options.ts';
import {
  changesAnswer,
  changesArguments,
  currentVersion,
  notTooMany,
  tableOf,
  wantedIds,
} from './standard.ts';
import { emailIdOf } from '../../mailbox/email-id.ts';

/** RFC 8621 §4.2 */
export async function emailGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const ids = wantedIds(reader, context);
  const plan = planFrom(reader, [...METADATA, ...CONTENT_DEFAULTS], METADATA);
  reader.end();
  const wanted = ids ?? (await allIds(context));
  const { list, notFound, version } = await readEmails(context, wanted, plan);
  return { accountId: context.account.id, state: version.emailState, list, notFound };
}

async function allIds(context: JmapContext): Promise<readonly string[]> {
  const { folders } = await currentVersion(context);
  const messages = folders.flatMap(({ state }) => state.messages);
  return [...new Set(notTooMany(messages, context).map(({ key }) => emailIdOf(key)))];
}

/** @throws MethodError */
function planFrom(
  reader: Reader,
  defaults: readonly string[],
  metadata: ReadonlySet<string>,
): EmailPlan {
  const properties = reader.strings('properties') ?? defaults;
  const partProperties = reader.strings('bodyProperties');
  if (Math.max(properties.length, partProperties?.length ?? 0) > PROPERTIES_MAX) {
    throw new MethodError(
      'requestTooLarge',
      `At most ${PROPERTIES_MAX} properties may be asked for`,
    );
  }
  const plan = emailPlan(
    {
      properties,
      partProperties,
      values: {
        text: reader.boolean('fetchTextBodyValues'),
        html: reader.boolean('fetchHTMLBodyValues'),
        all: reader.boolean('fetchAllBodyValues'),
      },
      valueOctetsMax: reader.count('maxBodyValueBytes') ?? 0,
    },
    metadata,
  );
  return typeof plan === 'string' ? invalid(`There is no property ${plan.slice(0, 100)}`) : plan;
}

/** RFC 8621 §4.3 */
export async function emailChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = changesArguments(reader);
  reader.end();
  const version = await currentVersion(context);
  const part = context.view.emailChangesPart(asked.since, version, {
    max: asked.max,
    unseen: 'left out',
  });
  return changesAnswer({ accountId: context.account.id, ...asked }, part);
}

/** Octets of blobs that one call parses, all in memory one after the other. */
const PARSED_OCTETS_MAX = 64 * 1024 * 1024;

/** RFC 8621 §4.9: messages that are blobs, such as forwarded ones. */
export async function emailParse(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const blobIds = reader.strings('blobIds') ?? invalid('blobIds is missing');
  const plan = planFrom(reader, CONTENT_DEFAULTS, METADATA);
  reader.end();
  if (blobIds.length > context.limits.maxObjectsInGet) {
    throw new MethodError('requestTooLarge', 'That is too much to be parsed at once');
  }
  const parsed = new Map<string, Args>();
  const [notFound, notParsable]: [string[], string[]] = [[], []];
  let left = PARSED_OCTETS_MAX;
  const keeper = new Keeper(context);
  for (const blobId of new Set(blobIds)) {
    const bytes = await blobBytes(context, blobId, left);
    if (bytes === 'not-found') notFound.push(blobId);
    else if (bytes === 'too-large') notParsable.push(blobId);
    else {
      left -= bytes.length;
      const email = await shownEmail(context, () => parsedEmail(keeper, plan, bytes));
      if (email === undefined) notParsable.push(blobId);
      else parsed.set(blobId, email);
    }
  }
  return {
    accountId: context.account.id,
    parsed: tableOf(parsed),
    notFound: notFound.length > 0 ? notFound : null,
    notParsable: notParsable.length > 0 ? notParsable : null,
  };
}

async function blobBytes(
  { blobs }: JmapContext,
  blobId: string,
  max: number,
): Promise<Buffer | 'not-found' | 'too-large'> {
  const blob = await blobs.open(blobId);
  if (blob === undefined) return 'not-found';
  const pieces: Buffer[] = [];
  let octets = 0;
  for await (const piece of blob.read()) {
    octets += piece.length;
    if (octets > max) return 'too-large';
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

/**
 * Parts of what one call parses, kept as if they were uploaded: one after the other, and not as
 * many as a stranger's message may have.
 */
class Keeper {
  readonly #blobs: JmapContext['blobs'];
  #before: Promise<unknown> = Promise.resolve();
  #count = 0;

  constructor({ blobs }: JmapContext) {
    this.#blobs = blobs;
  }

  /** @throws MethodError requestTooLarge; BlobError, StoreError */
  keep({ body, encoding, type, subtype }: MimePart, bytes: Buffer): Promise<string> {
    const kept = this.#before.then(async () => {
      this.#count += 1;
      if (this.#count > PARSED_PARTS_MAX) {
        throw new MethodError('requestTooLarge', 'There are too many parts: ask for no blobId');
      }
      const octets = decodeTransfer(encoding, bytes.subarray(body.offset, body.end));
      return (await this.#blobs.keep(once(octets), `${type}/${subtype}`)).blobId;
    });
    this.#before = kept;
    kept.catch(() => {}); // Those after it fail with it; whoever asked is told.
    return kept;
  }
}

/** Undefined: it is no message. */
async function parsedEmail(
  keeper: Keeper,
  plan: EmailPlan,
  bytes: Buffer,
): Promise<Args | undefined> {
  const whole = parseMessage(bytes, 'bare-lf');
  if (whole.header.end === 0 || whole.header.wireOctets <= 2) return undefined;
  const missing = Object.fromEntries(
    [...plan.properties].filter((name) => METADATA.has(name)).map((name) => [name, null]),
  );
  const kept = new Map<MimePart, Promise<string>>();
  const content = {
    head: whole,
    whole,
    read: async ({ offset, end }: { readonly offset: number; readonly end: number }) =>
      bytes.subarray(offset, end),
    blobOf: (part: MimePart) => {
      const blob = kept.get(part) ?? keeper.keep(part, bytes);
      kept.set(part, blob);
      return blob;
    },
  };
  return { ...missing, ...(await contentProperties(plan, content)) };
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
