import type { Advice } from '../auth/throttle.ts';
import type { DirectoryNews } from '../directory/types.ts';
import type { Hint } from '../mailbox/hints.ts';
import type { Plan } from './plan.ts';

/** What a worker reports about itself for readiness; it never asks a volume to find out. */
export interface WorkerStatus {
  readonly directory: boolean;
  /** Volumes whose breaker is open or whose sentinel failed at the last look. */
  readonly volumesDown: readonly string[];
  /** False: of all that should be mounted here nothing is. A node with no volumes lacks none. */
  readonly isMounted: boolean;
}

export type ToWorker =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'drain'; readonly ms: number }
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'invalidate' }
  /** What another worker learned about password guesses. */
  | { readonly kind: 'advice'; readonly advice: Advice }
  /** What another process saw of the directory's state. */
  | { readonly kind: 'news'; readonly news: DirectoryNews }
  /** Folders that somebody else changed. */
  | { readonly kind: 'hints'; readonly hints: readonly Hint[] };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'drained' }
  /** The last message: it has closed its connections. It may hang in the kernel all the same. */
  | { readonly kind: 'ending' }
  | { readonly kind: 'metrics'; readonly id: number; readonly metrics: object }
  | { readonly kind: 'status'; readonly status: WorkerStatus }
  | { readonly kind: 'advice'; readonly advice: Advice }
  | { readonly kind: 'news'; readonly news: DirectoryNews }
  | { readonly kind: 'hints'; readonly hints: readonly Hint[] };

/** Messages of `net/` (sockets and closed notices) travel on the same channel, without `kind`. */
export const isFromWorker = (message: unknown): message is FromWorker =>
  typeof message === 'object' && message !== null && 'kind' in message;
