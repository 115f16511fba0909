/**
 * Emails read from where they lie. Between the look at the folders and the reading another session
 * may move one: then it is looked for once more before anybody says that it is not there.
 */
import type { HeadSummary, Summary } from '../../mailbox/summary.ts';
import type { EmailPlace, MailVersion } from '../../mailbox/view.ts';
import { inParallel } from '../../mailbox/summaries-parallel.ts';
import type { Extent, MimePart } from '../../message/mime/types.ts';
import { StoreError } from '../../volumes/error.ts';
import { contentProperties, type Content, type EmailPlan } from '../wire/email.ts';
import { utcDate } from '../wire/header.ts';
import { keywordsOf } from '../wire/keywords.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';
import { jsonSize } from '../wire/values.ts';
import { byFolder } from './email-filter.ts';
import { currentVersion } from './standard.ts';

/** RFC 8621 §4.1.1 */
export const METADATA: ReadonlySet<string> = new Set(
  'id blobId threadId mailboxIds keywords size receivedAt'.split(' '),
);

const PARALLEL = 4;
/** What emails say in the answer to one request, in octets; the last of them may be of any size. */
const SHOWN_OCTETS_MAX = 64 * 1024 * 1024;

const shownYet = new WeakMap<JmapContext, number>();

/**
 * One more email of an answer. An answer is in memory whole: thousands of emails with all their
 * text would be more than a worker has. @throws MethodError requestTooLarge
 */
export async function shownEmail<T>(
  context: JmapContext,
  make: () => Promise<T | undefined>,
): Promise<T | undefined> {
  if ((shownYet.get(context) ?? 0) > SHOWN_OCTETS_MAX) {
    const text = 'That is too much for one answer: ask for fewer emails, or maxBodyValueBytes';
    throw new MethodError('requestTooLarge', text);
  }
  const email = await make();
  shownYet.set(context, (shownYet.get(context) ?? 0) + jsonSize(email, SHOWN_OCTETS_MAX));
  return email;
}

export interface EmailsRead {
  readonly list: readonly Args[];
  readonly notFound: readonly string[];
  readonly version: MailVersion;
}

/** In the order asked for. @throws StoreError */
export async function readEmails(
  context: JmapContext,
  ids: readonly string[],
  plan: EmailPlan,
): Promise<EmailsRead> {
  let version = await currentVersion(context);
  const found = await readNow({ context, plan, version }, ids);
  const gone = ids.filter((id) => !found.has(id) && version.places(id).length > 0);
  if (gone.length > 0) {
    version = await context.view.refresh();
    for (const [id, email] of await readNow({ context, plan, version }, gone)) {
      found.set(id, email);
    }
  }
  return {
    list: ids.flatMap((id): readonly Args[] => {
      const email = found.get(id);
      return email === undefined ? [] : [email];
    }),
    notFound: ids.filter((id) => !found.has(id)),
    version,
  };
}

interface Reading {
  readonly context: JmapContext;
  readonly plan: EmailPlan;
  readonly version: MailVersion;
}

interface Found {
  readonly id: string;
  readonly place: EmailPlace;
  readonly places: readonly EmailPlace[];
}

/** Those that are where the version says. */
async function readNow(reading: Reading, ids: readonly string[]): Promise<Map<string, Args>> {
  const { context, plan, version } = reading;
  const all = ids.flatMap((id): Found[] => {
    const places = version.places(id);
    const [place] = places;
    return place === undefined ? [] : [{ id, place, places }];
  });
  const threads = plan.properties.has('threadId')
    ? await context.view.threadIds(all.map(({ place }) => place))
    : [];
  const summaries = await summariesOf(
    all.map(({ place }) => place),
    plan.need,
  );
  const emails = new Map<string, Args>();
  const numbered = all.map((one, at) => ({ ...one, thread: threads[at] }));
  await inParallel(numbered, PARALLEL, () => async ({ id, place, places, thread }) => {
    const summary = summaries.get(place);
    if (plan.need !== 'nothing' && summary === undefined) return;
    const made = async (): Promise<Args> => ({
      ...(await metadata(reading, { id, place, places }, thread)),
      ...(summary &&
        (await contentProperties(plan, contentOf(context, { id, place, plan }, summary)))),
    });
    const email = await shownEmail(context, () => orGone(made));
    if (email !== undefined) emails.set(id, { id, ...email });
  });
  return emails;
}

/** What the heads, or all, of messages say; those that are gone are left out. @throws StoreError */
export async function summariesOf(
  places: readonly EmailPlace[],
  need: EmailPlan['need'],
): Promise<ReadonlyMap<EmailPlace, HeadSummary | Summary>> {
  const found = new Map<EmailPlace, HeadSummary | Summary>();
  if (need === 'nothing') return found;
  for (const [{ folder }, here] of byFolder(places)) {
    const messages = here.map(({ message }) => message);
    let at = 0;
    const summaries: AsyncIterable<HeadSummary | undefined> =
      need === 'all' ? folder.summaries(messages, 'all') : folder.summaries(messages, 'head');
    for await (const summary of summaries) {
      if (summary !== undefined) found.set(here[at] as EmailPlace, summary);
      at += 1;
    }
  }
  return found;
}

/** Undefined: the message is gone. @throws StoreError */
export async function orGone<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'message-gone') return undefined;
    throw error;
  }
}

async function metadata(
  { context, plan: { properties } }: Reading,
  { id, place, places }: Found,
  threadId: string | undefined,
): Promise<Args> {
  const { folder } = place.in;
  const shown: Record<string, unknown> = {};
  if (properties.has('blobId')) shown['blobId'] = context.blobs.ofEmail(id);
  if (properties.has('threadId')) shown['threadId'] = threadId;
  if (properties.has('mailboxIds')) {
    shown['mailboxIds'] = Object.fromEntries(places.map((one) => [one.in.id, true]));
  }
  if (properties.has('keywords')) {
    shown['keywords'] = Object.assign({}, ...places.map(({ message }) => keywordsOf(message)));
  }
  if (properties.has('size')) shown['size'] = await folder.octets(place.message);
  if (properties.has('receivedAt')) shown['receivedAt'] = utcDate(await folder.date(place.message));
  return shown;
}

/** A stored message as its properties are made of. */
export function contentOf(
  { blobs }: Pick<JmapContext, 'blobs'>,
  { id, place, plan }: Pick<Found, 'id' | 'place'> & { readonly plan: Pick<EmailPlan, 'need'> },
  summary: HeadSummary | Summary,
): Content {
  return {
    head: summary,
    whole: plan.need === 'all' ? (summary as Summary) : undefined,
    read: (range) => readRange(place, range),
    blobOf: async ({ body, encoding }: MimePart) =>
      blobs.ofPart(id, { offset: body.offset, end: body.end, encoding }),
  };
}

/** Wire form of a range of the stored file. @throws StoreError */
export async function readRange(
  { in: { folder }, message }: EmailPlace,
  range: Pick<Extent, 'offset' | 'end'>,
): Promise<Buffer> {
  if (range.end <= range.offset) return Buffer.alloc(0);
  const pieces: Buffer[] = [];
  for await (const piece of folder.read(message, range)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
