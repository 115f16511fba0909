import type { MailVersion, ThreadsSoFar } from '../../mailbox/view.ts';
import type { JmapContext } from '../types.ts';

/** What was read before answers at once, but for a new message or two. */
const AT_LEAST_MS = 20;

/** Since when a request waits, for all of its calls. */
const until = new WeakMap<object, number>();

type Waiting = Pick<JmapContext, 'view' | 'clock' | 'limits'>;

/** Threads as far as they are known when the request has waited `limits.threadsMs` in all. */
export async function threadsSoon(context: Waiting, version: MailVersion): Promise<ThreadsSoFar> {
  const { view, clock, limits } = context;
  const now = clock.now();
  const end = until.get(context) ?? now + limits.threadsMs;
  until.set(context, end);
  const least = Math.min(AT_LEAST_MS, limits.threadsMs);
  return await view.threadsSoon(version, Math.max(least, end - now));
}
