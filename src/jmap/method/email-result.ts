/** What matches a filter, in an order, each thread once or not (RFC 8621 §4.4.3). */
import { setImmediate } from 'node:timers/promises';
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { Numbered } from '../../mailbox/mail.ts';
import type { MailVersion } from '../../mailbox/view.ts';
import { newestOfThreads } from '../lists/conversations.ts';
import { placeOf } from '../lists/kept.ts';
import { threadsSoon } from '../lists/threads-soon.ts';
import type { JmapContext } from '../types.ts';
import { asks, type Filter } from './email-filter.ts';
import { dependsOnThreads, lineOf, ordered, type Criterion, type Line } from './email-order.ts';
import { matching } from './email-search.ts';
import type { Ordered } from './query-page.ts';
import { ThreadKeywords } from './thread-keywords.ts';

export interface Asked {
  readonly filter: Filter;
  readonly criteria: readonly Criterion[];
  readonly collapse: boolean;
}

export interface Result extends Ordered {
  /** Before threads are collapsed, each email once. */
  readonly line: Line;
  /**
   * Time was up before older mail than this was searched, in milliseconds since 1970. Undefined:
   * this is all.
   */
  readonly searchedBackTo: number | undefined;
  /** The total was told before it was counted. */
  readonly isEstimated: boolean;
}

/** @throws StoreError */
export async function resultOf(
  context: JmapContext,
  version: MailVersion,
  asked: Asked,
): Promise<Result> {
  const { filter, criteria } = asked;
  const needsThreads = asks(filter, 'thread') || dependsOnThreads(criteria);
  const threads = needsThreads ? await context.view.threads(version) : undefined;
  const keywords = threads && new ThreadKeywords(version, threads);
  const { kept, searchedBackTo } = await matching({ context, version, filter, keywords });
  const line = once(await ordered(kept, criteria, keywords), kept.length);
  const result = asked.collapse ? new Collapsed(context, version, line) : plain(version, line);
  return Object.assign(result, { searchedBackTo });
}

/** An email may lie in two folders for a while; in one it lies once. */
function once(line: Line, folders: number): Line {
  if (folders < 2) return line;
  const seen = new Set<string>();
  const places = line.slice(0, line.length).filter(({ message: { key } }) => {
    const id = emailIdOf(key);
    return !seen.has(id) && seen.add(id);
  });
  return lineOf(places);
}

type Found = Omit<Result, 'searchedBackTo'>;
type CollapseContext = Pick<JmapContext, 'view' | 'clock' | 'limits'>;

/** Where an email stands in a line; -1: nowhere. */
export function standingOf(id: string, version: MailVersion, line: Line): number {
  const found = version.places(id).map((place) => line.indexOf(place));
  const there = found.filter((at) => at >= 0);
  return there.length === 0 ? -1 : Math.min(...there);
}

const plain = (version: MailVersion, line: Line): Found => ({
  line,
  isEstimated: false,
  slice: async (from, to) => line.slice(from, to).map(({ message }) => emailIdOf(message.key)),
  indexOf: async (id) => standingOf(id, version, line),
  total: async () => line.length,
});

/** How far the threads of an order that stays as it is were found out. */
class Walked {
  readonly ids: string[] = [];
  readonly at = new Map<string, number>();
  readonly threads = new Set<string>();
  next = 0;

  take(id: string, thread: string): void {
    if (this.threads.has(thread)) return;
    this.threads.add(thread);
    this.at.set(id, this.ids.length);
    this.ids.push(id);
  }
}
const walked = new WeakMap<object, Walked>();

interface Known {
  readonly isAll: boolean;
  /** Of each thread the newest; undefined: it is to be found out by going through the line. */
  readonly newest: readonly Numbered[] | undefined;
}

/**
 * The first of each thread. Of a whole folder, the newest first, they are kept up to date, once all
 * threads are known; else they are found out no further than somebody looks.
 */
class Collapsed implements Found {
  readonly line: Line;
  readonly #context: CollapseContext;
  readonly #version: MailVersion;
  readonly #walked: Walked;
  #known: Promise<Known> | undefined;
  isEstimated = false;

  constructor(context: CollapseContext, version: MailVersion, line: Line) {
    this.#context = context;
    this.#version = version;
    this.line = line;
    this.#walked = walked.get(line.key) ?? new Walked();
    walked.set(line.key, this.#walked);
  }

  async slice(from: number, to: number): Promise<readonly string[]> {
    const { newest } = await this.#threads();
    if (newest) return newest.slice(from, to).map(({ key }) => emailIdOf(key));
    const { ids } = this.#walked;
    const most = Math.min(Math.max(WALKED_MIN, 2 * (to - ids.length)), WALKED_MOST);
    await this.#walk(() => ids.length >= to, most);
    return ids.slice(from, to);
  }

  async indexOf(id: string): Promise<number> {
    const { newest } = await this.#threads();
    if (newest) return this.#standing(id, newest);
    const { at } = this.#walked;
    await this.#walk(() => at.has(id), WALKED_MOST);
    return at.get(id) ?? -1;
  }

  /** While threads are not known: as if what nobody looked at were no answers. */
  async total(): Promise<number> {
    const { newest, isAll } = await this.#threads();
    if (newest) return newest.length;
    if (isAll) await this.#walk(() => false, WALKED_MOST);
    const rest = this.line.length - this.#walked.next;
    this.isEstimated = rest > 0;
    return this.#walked.ids.length + rest;
  }

  #threads(): Promise<Known> {
    this.#known ??= this.#findOut();
    return this.#known;
  }

  async #findOut(): Promise<Known> {
    const { threads, isAll } = await threadsSoon(this.#context, this.#version);
    const view = this.line.newestOf;
    if (!isAll || view === undefined) return { isAll, newest: undefined };
    return { isAll, newest: await newestOfThreads(view, { version: this.#version, threads }) };
  }

  /** Of one that is the newest of its thread; by arrival, as all of them stand. */
  #standing(id: string, newest: readonly Numbered[]): number {
    for (const place of this.#version.places(id)) {
      const at = this.line.indexOf(place);
      if (at < 0) continue;
      const before = (other: Numbered): number =>
        this.line.indexOf({ in: place.in, message: other }) - at;
      const found = placeOf(newest, place.message, before);
      if (newest[found] === place.message) return found;
    }
    return -1;
  }

  async #walk(enough: () => boolean, most: number): Promise<void> {
    const found = this.#walked;
    while (found.next < this.line.length && !enough()) {
      const from = found.next;
      const some = this.line.slice(from, from + most);
      const threads = await this.#context.view.threadIds(some);
      if (found.next !== from) continue; // Another request was faster.
      some.forEach(({ message }, index) => {
        found.take(emailIdOf(message.key), threads[index] ?? '');
      });
      found.next += some.length;
      await setImmediate();
    }
  }
}

/** Emails whose threads are found out at once. */
const WALKED_MIN = 128;
const WALKED_MOST = 2048;
