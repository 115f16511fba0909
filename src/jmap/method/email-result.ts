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

const plain = (version: MailVersion, places: readonly EmailPlace[]): Found => ({
  places,
  slice: async (from, to) => places.slice(from, to).map(({ message }) => emailIdOf(message.key)),
  indexOf: async (id) => {
    const messages = version.places(id).map(({ message }) => message);
    return places.findIndex(({ message }) => messages.includes(message));
  },
  total: async () => places.length,
});

/** The first of each thread; no further than somebody looks. */
class Collapsed implements Found {
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
