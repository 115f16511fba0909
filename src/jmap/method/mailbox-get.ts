/** Mailbox/get and Mailbox/changes (RFC 8621 §2.1, §2.2). */
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { FolderView, MailVersion, Threads } from '../../mailbox/view.ts';
import { isUnread } from '../wire/keywords.ts';
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
  if (THREAD_COUNTS.some((name) => properties.has(name))) {
    const open = version.folders.filter(
      ({ id, state }) => wanted.includes(id) && !threaded.has(state),
    );
    const { view, limits } = context;
    const soon = open.length > 0 ? await view.threadsSoon(version, limits.threadsMs) : undefined;
    if (soon?.isAll === true) for (const one of open) countThreads(one, soon.threads);
  }
  const all = standings(version);
  const list = wanted.flatMap((id) => {
    const view = version.folder(id);
    return view ? [shownMailbox(view, all.get(id), properties)] : [];
  });
  const notFound = wanted.filter((id) => version.folder(id) === undefined);
  const state = mailboxStateOf(context.view, version);
  return { accountId: context.account.id, state, list, notFound };
}

function shownMailbox(
  view: FolderView,
  standing: Standing | undefined,
  properties: ReadonlySet<string>,
): Args {
  const { id, info } = view;
  const unreadEmails = unreadOf(view);
  const totalEmails = view.state.messages.length;
  const counts: Readonly<Record<string, number>> = {
    totalEmails,
    unreadEmails,
    // Until heads were read: as if no email answered another.
    ...(threaded.get(view.state) ?? { totalThreads: totalEmails, unreadThreads: unreadEmails }),
  };
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
  const since = sinceState(asked.since);
  let changed = context.view.mailboxChanges(since.state, version);
  const newState = mailboxStateOf(context.view, version);
  if (changed && since.isMarked && !context.view.threadsPending) {
    changed = withCounts(changed, version);
  }
  const answer = changesAnswer({ accountId: context.account.id, ...asked, newState }, changed);
  return { ...answer, updatedProperties: changed?.countsOnly === true ? COUNTS : null };
}

type MailboxesChanged = NonNullable<ReturnType<JmapContext['view']['mailboxChanges']>>;

/** Counts of threads that were told before they were known: all of them may be others now. */
function withCounts(changed: MailboxesChanged, { folders }: MailVersion): MailboxesChanged {
  const { created, updated, countsOnly } = changed;
  const isNew = new Set(created);
  const all = folders.map(({ id }) => id).filter((id) => !isNew.has(id));
  return {
    ...changed,
    updated: all,
    countsOnly: all.length > 0 && (updated.length === 0 || countsOnly),
  };
}
