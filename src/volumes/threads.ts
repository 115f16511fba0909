/**
 * Threads of the process for each volume.
 *
 * All calls on files of a process run on libuv's pool, and a call on a hung volume keeps its thread
 * for as long as the server is away. Invariant: with all volumes hung at once, THREADS_RESERVED
 * threads are still free, for what else needs one: name resolution, compression, hashing, local
 * files. So each volume has its share of the pool, one of it for its probe.
 *
 * The pool has a fixed size (roles/supervisor.ts), since it cannot grow while a process runs and
 * the table of volumes can. Measured (stat on local ext4, 16 at once, two cores): 16, 64 and 128
 * threads 12 to 17 µs of CPU a call; 256 and more 17 to 27, the caches being cold in a thread that
 * has slept; 8 KB of memory each, used or not.
 *
 * What hangs already is in no share: volumes come and go, and are moved, while they hang (a hung
 * one that is taken offline and back is another volume). What may hang later is another matter: a
 * volume that was added takes from the shares of all at once, and what runs then goes on.
 *
 * Rejected: shares that may be borrowed while others do not need them (a volume that hangs does not
 * give back what it borrowed, so it protects only as far as nothing is lent).
 */
export const THREADS_RESERVED = 16;

/** Threads held by calls that nobody waits for any more. */
export interface Stuck {
  /** On volumes that left the table. */
  readonly gone: number;
  /** On each volume of the table that has some. */
  readonly here: readonly number[];
}

/** How many operations each volume may have in flight, so that all can hang; one at least. */
export function shareOf(threads: number, volumes: number, stuck?: Stuck): number {
  const { gone, here } = stuck ?? { gone: 0, here: [] };
  const free = threads - THREADS_RESERVED - gone;
  let share = Math.max(1, Math.floor(free / volumes) - 1);
  const excess = (): number => here.reduce((sum, held) => sum + Math.max(0, held - (share + 1)), 0);
  while (share > 1 && volumes * (share + 1) + excess() > free) share--;
  return share;
}
