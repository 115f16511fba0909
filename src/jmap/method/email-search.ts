/**
 * Which emails match a filter, found within a time. All folders are searched from their newest
 * message on, a stretch at a time, always the one whose next message is the newest of all; so when
 * time is up everything newer than one moment was searched, in whatever folder it lies, and that
 * moment can be told. Part of a result is better than none: the most of what people look for is
 * not old.
 */
import type { Stretch } from '../../mailbox/search.ts';
import type { Summary } from '../../mailbox/summary.ts';
import type { FolderView, MailVersion } from '../../mailbox/view.ts';
import { hasAttachment } from '../wire/body.ts';
import type { JmapContext } from '../types.ts';
import {
  asks,
  folderQuery,
  isNothing,
  uidsQuery,
  type Filter,
  type FoundOut,
} from './email-filter.ts';
import { orGone, summariesOf } from './email-read.ts';
import type { ThreadKeywords } from './thread-keywords.ts';

export interface Matching {
  readonly context: Pick<JmapContext, 'clock' | 'limits'>;
  readonly version: MailVersion;
  readonly filter: Filter;
  readonly keywords: ThreadKeywords | undefined;
}

/** UIDs that match in a folder; undefined: all. */
export type Kept = readonly [FolderView, ReadonlySet<number> | undefined];

export interface Matches {
  readonly kept: readonly Kept[];
  /** Where time was up: older mail than this was not searched, in milliseconds since 1970. */
  readonly searchedBackTo: number | undefined;
}

/** A folder that is being searched. */
interface Open {
  readonly view: FolderView;
  readonly found: Set<number>;
  readonly stretches: AsyncIterator<Stretch>;
  readonly thread: FoundOut['thread'];
  /** When the newest message came that was not searched. */
  next: number;
}

/** @throws StoreError */
export async function matching(asked: Matching): Promise<Matches> {
  const { context, version, filter, keywords } = asked;
  const until = context.clock.now() + context.limits.searchMs;
  const kept: Kept[] = [];
  const open: Open[] = [];
  for (const view of version.folders) {
    const thread: FoundOut['thread'] = (how, keyword) => keywords?.uids(view, how, keyword) ?? [];
    const query = folderQuery(filter, view, { thread, attachments: undefined });
    if (isNothing(query)) continue;
    if (query.kind === 'all' && !asks(filter, 'attachment')) kept.push([view, undefined]);
    else {
      const found = new Set<number>();
      const { folder, state } = view;
      const stretches = folder.searchNewest(query, state, until);
      open.push({
        view,
        found,
        stretches,
        thread,
        next: await dateOf(view, state.messages.length),
      });
      kept.push([view, found]);
    }
  }
  return { kept, searchedBackTo: await searchAll(asked, open, until) };
}

async function searchAll(
  { context, filter }: Matching,
  open: readonly Open[],
  until: number,
): Promise<number | undefined> {
  let left = open;
  while (left.length > 0) {
    const newest = left.reduce((a, b) => (b.next > a.next ? b : a));
    const { value, done } = await newest.stretches.next();
    if (done === true) return newest.next;
    const uids = asks(filter, 'attachment')
      ? await withAttachment(newest, filter, value, () => context.clock.now() >= until)
      : value.uids;
    if (uids === undefined) return newest.next;
    for (const uid of uids) newest.found.add(uid);
    if (value.left === 0) left = left.filter((one) => one !== newest);
    else newest.next = await dateOf(newest.view, value.left);
  }
  return undefined;
}

/** Of the newest of the first `count` messages. */
async function dateOf({ folder, state }: FolderView, count: number): Promise<number> {
  const message = state.messages[count - 1];
  if (message === undefined) return -Infinity;
  return (await orGone(async () => await folder.date(message))) ?? 0;
}

/**
 * What matches with attachments known; reads messages of which nobody has read the structure yet.
 * Undefined: time was up.
 */
async function withAttachment(
  { view, thread }: Open,
  filter: Filter,
  { uids }: Stretch,
  isOver: () => boolean,
): Promise<readonly number[] | undefined> {
  const { folder, state } = view;
  const wanted = new Set(uids);
  const places = state.messages
    .filter(({ uid }) => wanted.has(uid))
    .map((message) => ({ in: view, message }));
  const attachments: number[] = [];
  for (let at = 0; at < places.length; at += READ_AT_ONCE) {
    if (isOver()) return undefined;
    const some = places.slice(at, at + READ_AT_ONCE);
    for (const [{ message }, summary] of await summariesOf(some, 'all')) {
      if (hasAttachment((summary as Summary).structure)) attachments.push(message.uid);
    }
  }
  attachments.sort((a, b) => a - b);
  const query = folderQuery(filter, view, { thread, attachments });
  return await folder.search({ kind: 'and', of: [uidsQuery(uids), query] }, state);
}

const READ_AT_ONCE = 256;
