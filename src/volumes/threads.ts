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
 * Rejected: shares that may be borrowed while others do not need them (a volume that hangs does not
 * give back what it borrowed, so it protects only as far as nothing is lent).
 */
export const THREADS_RESERVED = 16;

/** How many operations each volume may have in flight, so that all can hang; one at least. */
export const shareOf = (threads: number, volumes: number): number =>
  Math.max(1, Math.floor((threads - THREADS_RESERVED) / volumes) - 1);
