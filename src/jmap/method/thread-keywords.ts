import { emailIdOf } from '../../mailbox/email-id.ts';
import type { EmailPlace, FolderView, MailVersion, Threads } from '../../mailbox/view.ts';
import { hasKeyword } from '../wire/keywords.ts';

/** Which threads have a keyword, found out once for each keyword. */
export class ThreadKeywords {
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
