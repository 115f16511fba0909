import type { FolderRef } from '../../src/journal/types.ts';
import type { Host } from './host.ts';
import type { Caches } from './model-client.ts';

/** What may happen to a call, beside working. */
export type FaultKind =
  | 'crash' // The host ends before it: what it wrote and did not close is lost.
  | 'lost-reply' // Done, the answer lost, sent again: at once or after others' calls.
  | 'timeout' // ETIMEDOUT: not done, done, or done at any time later.
  | 'stale' // ESTALE for a name or an open file.
  | 'full' // ENOSPC once; at fsync and close what was written is gone.
  | 'listing'; // Of what comes or goes while it is under way a listing shows nothing, or all.

export interface Scenario {
  readonly name: string;
  /** What is there at first, made by one host undisturbed. */
  readonly prepare: (host: Host) => Promise<unknown>;
  /** One script for each host: a, b, c. */
  readonly scripts: readonly ((host: Host) => Promise<unknown>)[];
  /** `positive` by default: as hosts should be mounted. */
  readonly caches?: Caches;
  /** How far the hosts' clocks are ahead of the server's. */
  readonly skewsMs?: readonly number[];
  readonly faults?: readonly FaultKind[];
  /** How many faults in one schedule; 1 by default where there are kinds. */
  readonly faultsMax?: number;
  /** Paths whose calls faults strike; all by default. */
  readonly faultsOn?: RegExp;
  /** What was expunged may come back: somebody restores it. */
  readonly returns?: boolean;
  /** Hosts that faults strike, by index; all by default. */
  readonly struck?: readonly number[];
  /** Hosts that may be put aside in the middle of their work, by index; all by default. */
  readonly aside?: readonly number[];
  /**
   * How often a host may be put aside in the middle of its work; for the short run and the long.
   */
  readonly preemptions: readonly [short: number, long: number];
  /** Folders that are compared at the end; INBOX by default. */
  readonly folders?: readonly FolderRef[];
  /**
   * Before the end's comparison, by a host that nothing happens to: a full volume has room again.
   */
  readonly settle?: (host: Host) => Promise<unknown>;
  /** Errors that an operation may give though no fault struck. */
  readonly errors?: readonly string[];
  /** Keys of messages that somebody without a journal removes. */
  readonly removed?: readonly string[] | 'any';
  /** Files of the journal go: UIDVALIDITY may change. */
  readonly losses?: boolean;
  /** Somebody puts commits in the place of others: only the end has to be right. */
  readonly forged?: boolean;
  /** More that has to be true at the end. */
  readonly check?: (end: End) => void;
}

/** What is known when all is over. */
export interface End {
  readonly hosts: readonly Host[];
  readonly reader: Host;
  /** Whether a fault struck. */
  readonly disturbed: boolean;
}
