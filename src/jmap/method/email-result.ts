/** What matches a filter, in an order, each thread once or not (RFC 8621 §4.4.3). */
import { emailIdOf } from '../../mailbox/email-id.ts';
import { MailError } from '../../mailbox/mail.ts';
import type { EmailPlace, FolderView, MailVersion, Threads } from '../../mailbox/view.ts';
import { hasAttachment } from '../wire/body.ts';
import { hasKeyword } from '../wire/keywords.ts';
import type { Summary } from '../../mailbox/summary.ts';
import { MethodError, type JmapContext } from '../types.ts';
import { asks, folderQuery, isNothing, type Filter, type FoundOut } from './email-filter.ts';
import { dependsOnThreads, ordered, type Criterion } from './email-order.ts';
import { summariesOf } from './email-read.ts';
import type { Ordered } from './query-page.ts';

export interface Asked {
  readonly filter: Filter;
  readonly criteria: readonly Criterion[];
  readonly collapse: boolean;
}

export interface Result extends Ordered {
  /** Before threads are collapsed, each email once. */
  readonly places: readonly EmailPlace[];
}

/** Searching all folders together, in milliseconds. */
const SEARCH_MS = 60_000;

/** @throws StoreError, MethodError unsupportedFilter where it would cost too much */
export async function resultOf(
  context: JmapContext,
  version: MailVersion,
  asked: Asked,
): Promise<Result> {
  const { filter, criteria } = asked;
  const needsThreads = asks(filter, 'thread') || dependsOnThreads(criteria);
  const threads = needsThreads ? await context.view.threads(version) : undefined;
  const keywords = threads && new ThreadKeywords(version, threads);
  const folders = await matching({ context, version, filter, keywords });
  const places = once(await ordered(folders, criteria, keywords), folders.length);
  return asked.collapse ? new Collapsed(context, places) : { places, ...plain(version, places) };
}

/** An email may lie in two folders for a while; in one it lies once. */
function once(places: readonly EmailPlace[], folders: number): readonly EmailPlace[] {
  if (folders < 2) return places;
  const seen = new Set<string>();
  return places.filter(({ message: { key } }) => {
    const id = emailIdOf(key);
    return !seen.has(id) && seen.add(id);
  });
}

const plain = (version: MailVersion, places: readonly EmailPlace[]): Ordered => ({
  slice: async (from, to) => places.slice(from, to).map(({ message }) => emailIdOf(message.key)),
  indexOf: async (id) => {
    const messages = version.places(id).map(({ message }) => message);
    return places.findIndex(({ message }) => messages.includes(message));
  },
  total: async () => places.length,
});

/** The first of each thread; no further than somebody looks. */
class Collapsed implements Result {
  readonly places: readonly EmailPlace[];
  readonly #context: Pick<JmapContext, 'view'>;
  readonly #ids: string[] = [];
  readonly #seen = new Set<string>();
  #next = 0;

  constructor(context: Pick<JmapContext, 'view'>, places: readonly EmailPlace[]) {
    this.#context = context;
    this.places = places;
  }

  async slice(from: number, to: number): Promise<readonly string[]> {
    await this.#until(() => this.#ids.length >= to, Math.max(128, 2 * (to - this.#ids.length)));
    return this.#ids.slice(from, to);
  }

  async indexOf(id: string): Promise<number> {
    await this.#until(() => this.#ids.includes(id), 1024);
    return this.#ids.indexOf(id);
  }

  async total(): Promise<number> {
    await this.#until(() => false, 4096);
    return this.#ids.length;
  }

  async #until(enough: () => boolean, at: number): Promise<void> {
    while (this.#next < this.places.length && !enough()) {
      const some = this.places.slice(this.#next, this.#next + at);
      const threads = await this.#context.view.threadIds(some);
      some.forEach(({ message }, index) => {
        const thread = threads[index] ?? '';
        if (this.#seen.has(thread)) return;
        this.#seen.add(thread);
        this.#ids.push(emailIdOf(message.key));
      });
      this.#next += some.length;
    }
  }
}

interface Matching {
  readonly context: JmapContext;
  readonly version: MailVersion;
  readonly filter: Filter;
  readonly keywords: ThreadKeywords | undefined;
}

type Kept = readonly [FolderView, ReadonlySet<number> | undefined];

async function matching({ context, version, filter, keywords }: Matching): Promise<Kept[]> {
  const until = context.clock.now() + SEARCH_MS;
  const kept: Kept[] = [];
  for (const view of version.folders) {
    if (context.clock.now() > until) throw tooCostly('It took too long');
    const thread: FoundOut['thread'] = (how, keyword) => keywords?.uids(view, how, keyword) ?? [];
    const first = folderQuery(filter, view, { thread, attachments: undefined });
    if (isNothing(first)) continue;
    let uids = first.kind === 'all' ? undefined : await search(view, first);
    if (asks(filter, 'attachment')) {
      const attachments = await withAttachment(view, uids);
      uids = await search(view, folderQuery(filter, view, { thread, attachments }));
    }
    kept.push([view, uids && new Set(uids)]);
  }
  return kept;
}

async function search(
  { folder, state }: FolderView,
  query: Parameters<FolderView['folder']['search']>[0],
): Promise<readonly number[]> {
  try {
    return await folder.search(query, state);
  } catch (error) {
    if (!(error instanceof MailError) || error.kind !== 'too-costly') throw error;
    throw tooCostly(error.message);
  }
}

const tooCostly = (text: string): MethodError => new MethodError('unsupportedFilter', text);

/** Of these messages; reads those of which nobody has read the structure yet. */
async function withAttachment(
  view: FolderView,
  uids: readonly number[] | undefined,
): Promise<readonly number[]> {
  const wanted = uids && new Set(uids);
  const places = view.state.messages
    .filter(({ uid }) => wanted?.has(uid) ?? true)
    .map((message) => ({ in: view, message }));
  const found: number[] = [];
  for (const [{ message }, summary] of await summariesOf(places, 'all')) {
    if (hasAttachment((summary as Summary).structure)) found.push(message.uid);
  }
  return found.toSorted((a, b) => a - b);
}

/** Which threads have a keyword, found out once for each keyword. */
class ThreadKeywords {
  readonly #version: MailVersion;
  readonly #threads: Threads;
  readonly #counts = new Map<string, ReadonlyMap<string, { with: number; of: number }>>();

  constructor(version: MailVersion, threads: Threads) {
    this.#version = version;
    this.#threads = threads;
  }

  has({ message }: EmailPlace, how: 'all' | 'some', keyword: string): boolean {
    const thread = this.#threads.threadOf(emailIdOf(message.key));
    const count = thread === undefined ? undefined : this.#of(keyword).get(thread);
    if (count === undefined) return hasKeyword(message, keyword);
    return how === 'all' ? count.with === count.of : count.with > 0;
  }

  /** Of the messages of a folder, ascending. */
  uids(view: FolderView, how: 'all' | 'some', keyword: string): readonly number[] {
    return view.state.messages
      .filter((message) => this.has({ in: view, message }, how, keyword))
      .map(({ uid }) => uid);
  }

  #of(keyword: string): ReadonlyMap<string, { with: number; of: number }> {
    const known = this.#counts.get(keyword);
    if (known) return known;
    const counts = new Map<string, { with: number; of: number }>();
    for (const { state } of this.#version.folders) {
      for (const message of state.messages) {
        const thread = this.#threads.threadOf(emailIdOf(message.key));
        if (thread === undefined) continue;
        const count = counts.get(thread) ?? { with: 0, of: 0 };
        count.of += 1;
        if (hasKeyword(message, keyword)) count.with += 1;
        counts.set(thread, count);
      }
    }
    this.#counts.set(keyword, counts);
    return counts;
  }
}
