/** Thread/get and Thread/changes (RFC 8621 §3). */
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
  const { threads } =
    ids === undefined
      ? { threads: await context.view.threads(version) }
      : await context.view.threadsSoon(version, context.limits.threadsMs);
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
 * RFC 8621 §3.2. A thread is made with the first of its emails and goes with the last; those whose
 * emails merely changed are told too, which does no harm.
 */
export async function threadChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = changesArguments(reader);
  reader.end();
  const version = await currentVersion(context);
  const newState = version.emailState;
  const answer = { accountId: context.account.id, ...asked, newState };
  const emails = context.view.emailChanges(asked.since, version);
  if (emails === undefined || asked.since === newState) return changesAnswer(answer, emails);
  const threads = await context.view.threads(version);
  const isNew = new Set(emails.created);
  const [created, updated, destroyed] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const id of [...emails.created, ...emails.updated, ...emails.destroyed]) {
    const thread = threads.threadOf(id);
    if (thread === undefined) {
      throw new MethodError(
        'cannotCalculateChanges',
        'The thread of an email is not known any more',
      );
    }
    const now = threads.emailsOf(thread);
    if (now.length === 0) destroyed.add(thread);
    else if (now.every((one) => isNew.has(one))) created.add(thread);
    else updated.add(thread);
  }
  return changesAnswer(answer, {
    created: [...created],
    updated: [...updated],
    destroyed: [...destroyed],
  });
}
