/** New emails: where they are to lie, written piece by piece, told with their ids. */
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { FolderView } from '../../mailbox/view.ts';
import { StoreError } from '../../volumes/error.ts';
import { flagsOf, isKeyword } from '../wire/keywords.ts';
import type { Args, JmapContext } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { isNone } from './arguments.ts';
import { badProperties, resolvedId, SetRefusal } from './standard.ts';

/** Keywords of one message. */
const KEYWORDS_MAX = 100;

export interface Destination {
  readonly view: FolderView;
  readonly keywords: ReadonlySet<string>;
  /** Milliseconds since 1970; undefined: now. */
  readonly receivedAt: number | undefined;
}

/** Where an Email that is made or imported goes. @throws SetRefusal */
export function destinationOf(object: Args, context: JmapContext): Destination {
  const [view] = mailboxesOf(object['mailboxIds'], context);
  const { receivedAt } = object;
  const ms = typeof receivedAt === 'string' ? Date.parse(receivedAt) : NaN;
  if (!isNone(receivedAt) && (Number.isNaN(ms) || ms < 0)) {
    badProperties(['receivedAt'], 'receivedAt is a UTCDate');
  }
  return {
    view: view as FolderView,
    keywords: keywordSet(object['keywords'] ?? {}),
    receivedAt: isNone(receivedAt) ? undefined : ms,
  };
}

/** The one mailbox that `mailboxIds` names. @throws SetRefusal */
export function mailboxesOf(value: unknown, context: JmapContext): readonly FolderView[] {
  const wrong = (text: string): never => badProperties(['mailboxIds'], text);
  if (!isRecord(value)) return wrong('mailboxIds is an object');
  const found = new Set(
    Object.entries(value).map(([given, isIn]) => {
      if (isIn !== true) wrong('Each mailbox id is true');
      const id = resolvedId(given, context);
      const view = id === undefined ? undefined : context.view.version.folder(id);
      return view ?? wrong(`There is no mailbox ${given.slice(0, 60)}`);
    }),
  );
  if (found.size === 0) wrong('An email is in a mailbox');
  if (found.size > 1) {
    throw new SetRefusal({ type: 'tooManyMailboxes', description: 'An email is in one mailbox' });
  }
  return [...found];
}

/** Keywords in lower case. @throws SetRefusal */
export function keywordSet(value: unknown): ReadonlySet<string> {
  if (!isRecord(value)) return badProperties(['keywords'], 'keywords is an object');
  for (const [keyword, has] of Object.entries(value)) {
    if (has !== true || !isKeyword(keyword)) {
      badProperties(['keywords'], `${keyword.slice(0, 60)} is no keyword, or not true`);
    }
  }
  const names = new Set(Object.keys(value).map((keyword) => keyword.toLowerCase()));
  if (names.size > KEYWORDS_MAX) throw new SetRefusal({ type: 'tooManyKeywords' });
  return names;
}

/**
 * @returns what of the new Email the server decides; of one that went at once, or while the volume
 * went away, what is known without another look
 * @throws MailError, StoreError, SetRefusal
 */
export async function storeEmail(
  context: JmapContext,
  to: Destination,
  message: AsyncIterable<Uint8Array>,
): Promise<Args> {
  const { mail } = context.view;
  const { name } = to.view.info;
  const date = to.receivedAt === undefined ? {} : { date: to.receivedAt };
  const draft = await mail.draft(name, { ...flagsOf(to.keywords), ...date });
  try {
    for await (const piece of message) await draft.write(piece);
  } catch (error) {
    await draft.discard();
    throw error;
  }
  const { state, uids } = await mail.append(name, [draft]);
  const made = state.messages.find(({ uid }) => uid === uids[0]);
  if (made === undefined) {
    // Without a number, on a full volume: it is told when the journal has room for it.
    const description = 'It was stored and is not to be seen yet';
    throw new SetRefusal({ type: 'serverUnavailable', description });
  }
  const id = emailIdOf(made.key);
  const told = { id, blobId: context.blobs.ofEmail(id) };
  try {
    const version = await context.view.refresh([to.view.id]);
    const [place] = version.places(id);
    if (place === undefined) return told;
    const [threadId] = await context.view.threadIds([place]);
    return { ...told, threadId, size: await place.in.folder.octets(place.message) };
  } catch (error) {
    // It is stored: who heard that it is not would store it once more. /get tells the rest.
    if (!(error instanceof StoreError)) throw error;
    return told;
  }
}
