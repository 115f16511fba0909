/**
 * Email/query and Email/queryChanges (RFC 8621 §4.4, §4.5).
 *
 * The state of a query is that of all Emails. What has changed in a result since is told without
 * the result of then: whatever was created, moved or flagged since may stand elsewhere now, or
 * not at all, so it is told as removed and, where it is in the result of now, as added (RFC 8620
 * §5.6 allows more in `removed` than was there). Of all others neither place nor membership depends
 * on anything that can change; where it would, by keywords of a thread, there is no answer but
 * cannotCalculateChanges. With threads collapsed the same holds of whole threads.
 */
import type { Changed, MailVersion } from '../../mailbox/view.ts';
import { queryStateOf } from '../states.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';
import { utcDate } from '../wire/header.ts';
import { invalid, readerFor, type Reader } from './arguments.ts';
import { asks, readFilter } from './email-filter.ts';
import { dependsOnThreads, readSort } from './email-order.ts';
import { resultOf, standingOf, type Asked, type Result } from './email-result.ts';
import { pageArguments, pageOf } from './query-page.ts';
import { currentVersion } from './standard.ts';

/** @throws MethodError */
const askedFrom = (reader: Reader): Asked => ({
  filter: readFilter(reader.value('filter')),
  criteria: readSort(reader.objects('sort')),
  collapse: reader.boolean('collapseThreads'),
});

const isCalculable = ({ filter, criteria }: Asked): boolean =>
  !asks(filter, 'thread') && !dependsOnThreads(criteria);

/** Properties of our own (README): this is what was found in time, there may be more. */
const incomplete = ({ searchedBackTo }: Result): Args =>
  searchedBackTo === undefined
    ? {}
    : {
        'mailfarm:incomplete': true,
        'mailfarm:searchedBackTo': searchedBackTo > 0 ? utcDate(searchedBackTo) : null,
      };

/** RFC 8621 §4.4 */
export async function emailQuery(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = askedFrom(reader);
  const page = pageArguments(reader);
  reader.end();
  const version = await currentVersion(context);
  const result = await resultOf(context, version, asked);
  const answer = await pageOf(result, page, context);
  const { isEstimated, searchedBackTo } = result;
  // Whoever listens hears when all threads are known.
  if (isEstimated) await context.view.threadsSoon(version, 0);
  // Whoever has a part of the result is not told what changed in the whole.
  const isPart = isEstimated || searchedBackTo !== undefined;
  return {
    accountId: context.account.id,
    queryState: queryStateOf(version, isPart ? 'estimated' : 'counted'),
    canCalculateChanges: isCalculable(asked) && searchedBackTo === undefined,
    ...answer,
    ...incomplete(result),
  };
}

/** RFC 8621 §4.5 */
export async function emailQueryChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = askedFrom(reader);
  const since = reader.string('sinceQueryState') ?? invalid('sinceQueryState is missing');
  const max = reader.count('maxChanges');
  reader.string('upToId'); // Changes behind it are told too, which is allowed.
  const calculateTotal = reader.boolean('calculateTotal');
  reader.end();
  const version = await currentVersion(context);
  const changed = context.view.emailChanges(since, version);
  if (changed === undefined || !isCalculable(asked)) {
    throw new MethodError('cannotCalculateChanges', 'Ask for the result anew');
  }
  const result = await resultOf(context, version, asked);
  if (result.searchedBackTo !== undefined) {
    throw new MethodError('cannotCalculateChanges', 'Searching took too long: ask for it anew');
  }
  const { removed, added } = asked.collapse
    ? await collapsedChanges(context, version, { changed, result })
    : plainChanges(version, changed, result);
  if (max !== undefined && removed.length + added.length > max) {
    throw new MethodError('tooManyChanges', `${removed.length + added.length} changes`);
  }
  return {
    accountId: context.account.id,
    oldQueryState: since,
    newQueryState: version.emailState,
    ...(calculateTotal && { total: await result.total() }),
    removed,
    added,
  };
}

interface QueryChanges {
  readonly removed: readonly string[];
  /** By index, ascending. */
  readonly added: readonly { readonly id: string; readonly index: number }[];
}

function plainChanges(
  version: MailVersion,
  { created, updated, destroyed }: Changed,
  { line }: Result,
): QueryChanges {
  const added = [...created, ...updated].flatMap((id) => {
    const index = standingOf(id, version, line);
    return index < 0 ? [] : [{ id, index }];
  });
  // A new one may be one that came back: it is no harm to tell that it was not there.
  return { removed: [...destroyed, ...updated], added: added.toSorted(byIndex) };
}

const byIndex = (a: { readonly index: number }, b: { readonly index: number }): number =>
  a.index - b.index;

async function collapsedChanges(
  { view }: JmapContext,
  version: MailVersion,
  { changed, result }: { readonly changed: Changed; readonly result: Result },
): Promise<QueryChanges> {
  const { created, updated, destroyed } = changed;
  if (created.length + updated.length + destroyed.length === 0) return { removed: [], added: [] };
  const threads = await view.threads(version);
  const concerned = new Set<string>();
  for (const id of [...created, ...updated, ...destroyed]) {
    const thread = threads.threadOf(id);
    // Another email of its thread may stand for it now, and nobody can say which.
    if (thread === undefined) {
      throw new MethodError('cannotCalculateChanges', 'Ask for the result anew');
    }
    concerned.add(thread);
  }
  const removed = new Set([...destroyed, ...updated]);
  for (const thread of concerned) for (const id of threads.emailsOf(thread)) removed.add(id);
  for (const id of created) removed.delete(id);
  const added: { id: string; index: number }[] = [];
  for (const thread of concerned) {
    const first = firstOf(threads.emailsOf(thread), version, result);
    if (first !== undefined) added.push({ id: first, index: await result.indexOf(first) });
  }
  return { removed: [...removed], added: added.toSorted(byIndex) };
}

/** The one of a thread that stands for it. */
function firstOf(
  emails: readonly string[],
  version: MailVersion,
  { line }: Result,
): string | undefined {
  let first: { readonly id: string; readonly at: number } | undefined;
  for (const id of emails) {
    const at = standingOf(id, version, line);
    if (at >= 0 && at < (first?.at ?? Infinity)) first = { id, at };
  }
  return first?.id;
}
