/** Mailbox/get and Mailbox/changes (RFC 8621 §2.1, §2.2). */
import type { FolderView, MailVersion } from '../../mailbox/view.ts';
import { isCounted, threadsCounted } from '../lists/conversations.ts';
import { threadsSoon } from '../lists/threads-soon.ts';
import { unreadIn } from '../lists/unread.ts';
import { rightsOf, roleOf, sortOrderOf, standings, type Standing } from '../wire/mailbox.ts';
import { mailboxStateOf, sinceState } from '../states.ts';
import type { Args, JmapContext } from '../types.ts';
import { readerFor } from './arguments.ts';
import {
  changesAnswer,
  changesArguments,
  currentVersion,
  wantedIds,
  wantedProperties,
} from './standard.ts';

const COUNTS = ['totalEmails', 'unreadEmails', 'totalThreads', 'unreadThreads'] as const;
const THREAD_COUNTS: readonly string[] = ['totalThreads', 'unreadThreads'];

/** RFC 8621 §2 */
export const MAILBOX_PROPERTIES: readonly string[] = [
  ...'id name parentId role sortOrder isSubscribed myRights'.split(' '),
  ...COUNTS,
];

/** RFC 8621 §2.1 */
export async function mailboxGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const ids = wantedIds(reader, context);
  const properties = wantedProperties(reader, MAILBOX_PROPERTIES);
  reader.end();
  const version = await currentVersion(context);
  const wanted = ids ?? version.folders.map(({ id }) => id);
  const views = wanted.map((id) => version.folder(id)).filter((one) => one !== undefined);
  const counts = await countsOf(context, version, { views, properties });
  const all = standings(version);
  const list = views.map((view) =>
    shownMailbox(view, { standing: all.get(view.id), counts: counts.get(view) }, properties),
  );
  const notFound = wanted.filter((id) => version.folder(id) === undefined);
  const state = mailboxStateOf(context.view, version);
  return { accountId: context.account.id, state, list, notFound };
}

interface Shown {
  readonly standing: Standing | undefined;
  readonly counts: Counts | undefined;
}

function shownMailbox(
  { id, info }: FolderView,
  { standing, counts }: Shown,
  properties: ReadonlySet<string>,
): Args {
  const all: Args = {
    id,
    name: standing?.name ?? info.name,
    parentId: standing?.parentId ?? null,
    role: roleOf(info),
    sortOrder: sortOrderOf(info),
    isSubscribed: info.subscribed,
    myRights: rightsOf(info),
    ...counts,
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => properties.has(name)));
}

type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

interface Counted {
  readonly views: readonly FolderView[];
  readonly properties: ReadonlySet<string>;
}

async function countsOf(
  context: JmapContext,
  version: MailVersion,
  { views, properties }: Counted,
): Promise<ReadonlyMap<FolderView, Counts>> {
  const counts = new Map<FolderView, Counts>();
  if (!COUNTS.some((name) => properties.has(name))) return counts;
  const needsThreads =
    THREAD_COUNTS.some((name) => properties.has(name)) && !views.every(isCounted);
  const soon = needsThreads ? await threadsSoon(context, version) : undefined;
  const known = soon?.isAll === true ? { version, threads: soon.threads } : undefined;
  for (const view of views) {
    const totalEmails = view.state.messages.length;
    const unreadEmails = await unreadIn(view);
    const isKnown = known !== undefined || isCounted(view);
    // Until heads were read: as if no email answered another.
    const { totalThreads, unreadThreads } = isKnown
      ? await threadsCounted(view, known)
      : { totalThreads: totalEmails, unreadThreads: unreadEmails };
    counts.set(view, { totalEmails, unreadEmails, totalThreads, unreadThreads });
  }
  return counts;
}

/** RFC 8621 §2.2 */
export async function mailboxChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = changesArguments(reader);
  reader.end();
  const version: MailVersion = await currentVersion(context);
  const { view, account } = context;
  const since = sinceState(asked.since);
  // Counts of threads that were told before they were known: all of them may be others now.
  const recount = since.isMarked && !view.threadsPending;
  const part = view.mailboxChangesPart(since.state, version, { max: asked.max, recount });
  const newState = part && mailboxStateOf(view, { mailboxState: part.newState });
  const answer = changesAnswer(
    { accountId: account.id, ...asked },
    part && { ...part, newState: newState ?? '' },
  );
  return { ...answer, updatedProperties: part?.countsOnly === true ? COUNTS : null };
}
