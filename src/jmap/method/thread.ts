/** Thread/get and Thread/changes (RFC 8621 §3). */
import { threadsSoon } from '../lists/threads-soon.ts';
import type { MailVersion, Threads } from '../../mailbox/view.ts';
import { threadStateOf } from '../states.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';
import { emailIdOf } from '../../mailbox/email-id.ts';
import { readerFor } from './arguments.ts';
import {
  changesAnswer,
  changesArguments,
  currentVersion,
  notTooMany,
  picked,
  wantedIds,
  wantedProperties,
} from './standard.ts';

/** RFC 8621 §3.1 */
export async function threadGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const ids = wantedIds(reader, context);
  const properties = wantedProperties(reader, ['id', 'emailIds']);
  reader.end();
  const version = await currentVersion(context);
  const threads =
    ids === undefined
      ? await context.view.threads(version)
      : await threadsWith(ids, version, context);
  const list: Args[] = [];
  const notFound: string[] = [];
  for (const id of ids ?? allOf()) {
    const emailIds = threads.emailsOf(id);
    if (emailIds.length === 0) notFound.push(id);
    else list.push(picked({ id, emailIds }, properties));
  }
  return {
    accountId: context.account.id,
    state: threadStateOf(context.view, version),
    list,
    notFound,
  };

  function allOf(): readonly string[] {
    const keys = version.folders.flatMap(({ state }) => state.messages.map(({ key }) => key));
    const found = notTooMany(keys, context).flatMap((key) => {
      const thread = threads.threadOf(emailIdOf(key));
      return thread === undefined ? [] : [thread];
    });
    return [...new Set(found)];
  }
}

/**
 * Threads as far as they are known, these among them: of one that nobody found out yet it cannot be
 * said that it is not there. Another node may have told of it, and written that down.
 *
 * @throws MethodError serverUnavailable (RFC 8620 §3.6.2)
 */
async function threadsWith(
  ids: readonly string[],
  version: MailVersion,
  context: JmapContext,
): Promise<Threads> {
  const { threads, isAll } = await threadsSoon(context, version);
  const isUnknown = (id: string): boolean => threads.emailsOf(id).length === 0;
  if (isAll || !ids.some(isUnknown)) return threads;
  await context.view.toldThreads();
  if (!ids.some(isUnknown)) return threads;
  throw new MethodError(
    'serverUnavailable',
    'Conversations of this mailbox are being read for the first time: ask again soon',
  );
}

/**
 * RFC 8621 §3.2. A thread is made with the first of its emails and goes with the last; those whose
 * emails merely changed are told too, which does no harm.
 */
export async function threadChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const { since, max } = changesArguments(reader);
  reader.end();
  const version = await currentVersion(context);
  const answer = { accountId: context.account.id, since, max };
  // No more threads than emails; a thread that parts of emails share may be told with each.
  const part = context.view.emailChangesPart(since, version, { max, unseen: 'told' });
  if (part === undefined || since === version.emailState) return changesAnswer(answer, part);
  const { told, unseen, all } = part;
  const threads = await context.view.threads(version, [...all.destroyed, ...unseen]);
  const isNew = new Set(all.created);
  // One that lost all its emails and got others since was there all the time.
  const lost = new Set(all.destroyed.map((id) => threads.threadOf(id)));
  const [created, updated, destroyed] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const id of [...told.created, ...told.updated, ...told.destroyed]) {
    const thread = threads.threadOf(id);
    if (thread === undefined) {
      throw new MethodError(
        'cannotCalculateChanges',
        'The thread of an email is not known any more',
      );
    }
    const now = threads.emailsOf(thread);
    if (now.length === 0) destroyed.add(thread);
    else if (!lost.has(thread) && now.every((one) => isNew.has(one))) created.add(thread);
    else updated.add(thread);
  }
  for (const id of unseen) {
    const thread = threads.threadOf(id);
    // Whoever shows a thread writes it down: nobody was shown this one.
    if (thread === undefined || created.has(thread)) continue;
    // Others that the client knows are in it; else it has not been told of it yet.
    if (threads.emailsOf(thread).some((one) => !isNew.has(one))) updated.add(thread);
  }
  return changesAnswer(answer, {
    ...part,
    told: { created: [...created], updated: [...updated], destroyed: [...destroyed] },
  });
}
