/** What matches a filter, in an order, each thread once or not (RFC 8621 §4.4.3). */
import { emailIdOf } from '../../mailbox/email-id.ts';
import type { EmailPlace, MailVersion } from '../../mailbox/view.ts';
import type { JmapContext } from '../types.ts';
import { asks, type Filter } from './email-filter.ts';
import { dependsOnThreads, ordered, type Criterion } from './email-order.ts';
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
  readonly places: readonly EmailPlace[];
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
  const places = once(await ordered(kept, criteria, keywords), kept.length);
  const result = asked.collapse ? new Collapsed(context, places) : plain(version, places);
  return Object.assign(result, { searchedBackTo });
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

type Found = Omit<Result, 'searchedBackTo'>;
type CollapseContext = Pick<JmapContext, 'view' | 'clock' | 'limits'>;

const plain = (version: MailVersion, places: readonly EmailPlace[]): Found => ({
  places,
  isEstimated: false,
  slice: async (from, to) => places.slice(from, to).map(({ message }) => emailIdOf(message.key)),
  indexOf: async (id) => {
    const messages = version.places(id).map(({ message }) => message);
    return places.findIndex(({ message }) => messages.includes(message));
  },
  total: async () => places.length,
});

/** How far the threads of an order that stays as it is were found out. */
interface Heads {
  readonly ids: string[];
  readonly seen: Set<string>;
  next: number;
}
const foundBy = new WeakMap<readonly EmailPlace[], Heads>();

/** The first of each thread; no further than somebody looks. */
class Collapsed implements Found {
  readonly places: readonly EmailPlace[];
  readonly #context: CollapseContext;
  readonly #found: Heads;
  isEstimated = false;

  constructor(context: CollapseContext, places: readonly EmailPlace[]) {
    this.#context = context;
    this.places = places;
    this.#found = foundBy.get(places) ?? { ids: [], seen: new Set(), next: 0 };
    foundBy.set(places, this.#found);
  }

  async slice(from: number, to: number): Promise<readonly string[]> {
    const { ids } = this.#found;
    await this.#until(() => ids.length >= to, Math.max(128, 2 * (to - ids.length)));
    return ids.slice(from, to);
  }

  async indexOf(id: string): Promise<number> {
    const { ids } = this.#found;
    let from = 0;
    let at = -1;
    const isThere = (): boolean => {
      at = ids.indexOf(id, from);
      from = ids.length;
      return at >= 0;
    };
    await this.#until(isThere, 1024);
    return at >= 0 ? at : ids.indexOf(id);
  }

  /** As if those that were not looked at in time were no answers. */
  async total(): Promise<number> {
    const { clock, limits } = this.#context;
    const until = clock.now() + limits.threadsMs;
    await this.#until(() => clock.now() >= until, 2048);
    const rest = this.places.length - this.#found.next;
    this.isEstimated = rest > 0;
    return this.#found.ids.length + rest;
  }

  async #until(enough: () => boolean, at: number): Promise<void> {
    const found = this.#found;
    while (found.next < this.places.length && !enough()) {
      const from = found.next;
      const some = this.places.slice(from, from + at);
      const threads = await this.#context.view.threadIds(some);
      if (found.next !== from) continue; // Another request was faster.
      some.forEach(({ message }, index) => {
        const thread = threads[index] ?? '';
        if (found.seen.has(thread)) return;
        found.seen.add(thread);
        found.ids.push(emailIdOf(message.key));
      });
      found.next += some.length;
    }
  }
}
