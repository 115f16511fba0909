/** Mailbox/get and Mailbox/changes (RFC 8621 §2.1, §2.2). */
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { FolderView, MailVersion, Threads } from '../../mailbox/view.ts';
import { isUnread } from '../wire/keywords.ts';
import { rightsOf, roleOf, sortOrderOf, standings, type Standing } from '../wire/mailbox.ts';
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
  if (THREAD_COUNTS.some((name) => properties.has(name))) {
    const open = version.folders.filter(
      ({ id, state }) => wanted.includes(id) && !threaded.has(state),
    );
    const threads = open.length > 0 ? await context.view.threads(version) : undefined;
    for (const view of open) if (threads) countThreads(view, threads);
  }
  const all = standings(version);
  const list = wanted.flatMap((id) => {
    const view = version.folder(id);
    return view ? [shownMailbox(view, all.get(id), properties)] : [];
  });
  const notFound = wanted.filter((id) => version.folder(id) === undefined);
  return { accountId: context.account.id, state: version.mailboxState, list, notFound };
}

function shownMailbox(
  view: FolderView,
  standing: Standing | undefined,
  properties: ReadonlySet<string>,
): Args {
  const { id, info } = view;
  const counts: Readonly<Record<string, number>> = {
    ...(properties.has('unreadEmails') && { unreadEmails: unreadOf(view) }),
    ...threaded.get(view.state),
  };
  const all: Args = {
    id,
    name: standing?.name ?? info.name,
    parentId: standing?.parentId ?? null,
    role: roleOf(info),
    sortOrder: sortOrderOf(info),
    isSubscribed: info.subscribed,
    myRights: rightsOf(info),
    totalEmails: view.state.messages.length,
    ...counts,
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => properties.has(name)));
}

/** Counted once for each state of a folder. */
const unread = new WeakMap<FolderView['state'], number>();

function unreadOf({ state }: FolderView): number {
  let count = unread.get(state);
  if (count === undefined) {
    count = 0;
    for (const message of state.messages) if (isUnread(message)) count += 1;
    unread.set(state, count);
  }
  return count;
}

/** Threads of each state of a folder: no message ever changes its thread. */
const threaded = new WeakMap<FolderView['state'], Readonly<Record<string, number>>>();

/** A thread is unread in a mailbox that has an unread email of it (§2, `unreadThreads`). */
function countThreads({ state }: FolderView, threads: Threads): void {
  const total = new Set<string>();
  const unreadOnes = new Set<string>();
  for (const message of state.messages) {
    const thread = threads.threadOf(emailIdOf(message.key));
    if (thread === undefined) continue;
    total.add(thread);
    if (isUnread(message)) unreadOnes.add(thread);
  }
  threaded.set(state, { totalThreads: total.size, unreadThreads: unreadOnes.size });
}

/** RFC 8621 §2.2 */
export async function mailboxChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = changesArguments(reader);
  reader.end();
  const version: MailVersion = await currentVersion(context);
  const changed = context.view.mailboxChanges(asked.since, version);
  const newState = version.mailboxState;
  const answer = changesAnswer({ accountId: context.account.id, ...asked, newState }, changed);
  return { ...answer, updatedProperties: changed?.countsOnly === true ? COUNTS : null };
}
