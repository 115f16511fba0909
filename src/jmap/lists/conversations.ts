/**
 * Threads of a folder: how many, how many of them unread, and the newest message of each, which a
 * list of threads shows. No message ever changes its thread; so of a change only the threads count
 * of which a message came, went, or was read. What those were before follows from what they are
 * now: without the fresh, with the gone.
 *
 * Asked when all threads are known. A message of which nobody can say it all the same (it was gone
 * when its head was to be read) is a thread of its own; what was made with such a one is not
 * changed but made anew.
 */
import { setImmediate } from 'node:timers/promises';
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { Numbered } from '../../mailbox/mail.ts';
import type { FolderView, MailVersion, Threads } from '../../mailbox/view.ts';
import { isUnread } from '../wire/keywords.ts';
import { arrivedIn, type Arrived } from './arrivals.ts';
import { edited, Kept, type Difference } from './kept.ts';

/** Messages looked at before others have their turn. */
const SLICE = 2_000;

/** RFC 8621 §2 */
export interface ThreadCounts {
  readonly totalThreads: number;
  /** With an unread email in this folder. */
  readonly unreadThreads: number;
}

/** All threads of a version. */
export interface Known {
  readonly version: MailVersion;
  readonly threads: Threads;
}

interface Counted extends ThreadCounts {
  readonly isSure: boolean;
}

interface Heads {
  readonly newestFirst: readonly Numbered[];
  readonly isSure: boolean;
}

const counts = new Kept<Counted>();
const heads = new Kept<Heads>();

/** Whether counting costs nothing, and needs no threads. */
export const isCounted = (view: FolderView): boolean => counts.has(view);

/** @param known undefined where `isCounted` */
export const threadsCounted = (view: FolderView, known: Known | undefined): Promise<ThreadCounts> =>
  counts.of(view, {
    make: () => counted(view, known),
    change: (before, difference) => known && recounted(before, view, difference, known),
  });

/** Of each thread its newest message in the folder, the newest first. */
export async function newestOfThreads(
  view: FolderView,
  known: Known,
): Promise<readonly Numbered[]> {
  const arrived = await arrivedIn(view);
  const { newestFirst } = await heads.of(view, {
    make: () => picked(arrived, known),
    change: (before, difference) => repicked(before, { view, arrived }, difference, known),
  });
  return newestFirst;
}

async function counted(view: FolderView, known: Known | undefined): Promise<Counted> {
  const total = new Set<string>();
  const unread = new Set<string>();
  let isSure = true;
  for (const [at, message] of view.state.messages.entries()) {
    const id = emailIdOf(message.key);
    const thread = known?.threads.threadOf(id);
    if (thread === undefined) isSure = false;
    total.add(thread ?? id);
    if (isUnread(message)) unread.add(thread ?? id);
    if (at % SLICE === SLICE - 1) await setImmediate();
  }
  return { totalThreads: total.size, unreadThreads: unread.size, isSure };
}

function recounted(
  before: Counted,
  view: FolderView,
  difference: Difference,
  known: Known,
): Counted | undefined {
  const touched = before.isSure ? touchedThreads(view, difference, known) : undefined;
  if (touched === undefined) return undefined;
  let { totalThreads, unreadThreads } = before;
  for (const { were, are } of touched) {
    totalThreads += Number(are.length > 0) - Number(were.length > 0);
    unreadThreads += Number(are.some(isUnread)) - Number(were.some(isUnread));
  }
  return { totalThreads, unreadThreads, isSure: true };
}

async function picked({ newestFirst }: Arrived, { threads }: Known): Promise<Heads> {
  const seen = new Set<string>();
  const found: Numbered[] = [];
  let isSure = true;
  for (const [at, message] of newestFirst.entries()) {
    const id = emailIdOf(message.key);
    const thread = threads.threadOf(id);
    if (thread === undefined) isSure = false;
    if (!seen.has(thread ?? id)) found.push(message);
    seen.add(thread ?? id);
    if (at % SLICE === SLICE - 1) await setImmediate();
  }
  return { newestFirst: found, isSure };
}

function repicked(
  before: Heads,
  { view, arrived }: { readonly view: FolderView; readonly arrived: Arrived },
  difference: Difference,
  known: Known,
): Heads | undefined {
  const touched = before.isSure ? touchedThreads(view, difference, known) : undefined;
  if (touched === undefined) return undefined;
  const { compare } = arrived;
  const newest = (of: readonly Numbered[]): readonly Numbered[] =>
    of.length === 0 ? [] : [of.reduce((a, b) => (compare(b, a) < 0 ? b : a))];
  const edits = {
    gone: touched.flatMap(({ were }) => newest(were)),
    fresh: touched.flatMap(({ are }) => newest(are)),
  };
  const newestFirst = edited(before.newestFirst, edits, compare);
  return newestFirst && { newestFirst, isSure: true };
}

/** Messages of a thread in the folder, before and after a change. */
interface Touched {
  readonly were: readonly Numbered[];
  readonly are: readonly Numbered[];
}

/** Undefined: of some nobody can say which thread they are of. */
function touchedThreads(
  view: FolderView,
  { gone, fresh }: Difference,
  known: Known,
): readonly Touched[] | undefined {
  const { threads } = known;
  const left = new Map<string, Numbered[]>();
  for (const message of [...gone, ...fresh]) {
    const thread = threads.threadOf(emailIdOf(message.key));
    if (thread === undefined) return undefined;
    if (!left.has(thread)) left.set(thread, []);
  }
  for (const message of gone)
    left.get(threads.threadOf(emailIdOf(message.key)) ?? '')?.push(message);
  const came = new Set(fresh);
  return Array.from(left, ([thread, went]): Touched => {
    const are = messagesOf(thread, view, known);
    return { were: [...are.filter((message) => !came.has(message)), ...went], are };
  });
}

function messagesOf(
  thread: string,
  { id }: FolderView,
  { version, threads }: Known,
): readonly Numbered[] {
  return threads
    .emailsOf(thread)
    .flatMap((email) => version.places(email))
    .flatMap(({ in: view, message }) => (view.id === id ? [message] : []));
}
