import { listOnce, listStable } from './listing.ts';
import type { Nfs } from './nfs.ts';
import type { Clock, Entry } from './types.ts';

/**
 * A listing that need not be taken again, because its directories have not changed since: for
 * file systems of this machine only, whose inodes the kernel itself keeps (`directoryTimes:
 * 'exact'`). Over NFS a stat answers from a cache, and every listing is taken.
 *
 * Proof. Whoever adds, removes or renames a name sets the directory's change time (ctime, which
 * no program can set) to the kernel's clock, whose ticks are coarse: two changes within
 * SETTLED_MS may carry one time. A listing is kept only when it began SETTLED_MS or more after
 * its directories were first seen with these times. A change in the same tick as the last one
 * seen is then in the listing; a later one has another time. So the same times mean the same
 * names. For the same reason one listing is enough where the times are the same before and after
 * it: no name changed that it could have missed. What is left: a clock set back that meets the
 * very tick of the last change, one chance in millions, at a moment when the clock is set back.
 *
 * Invariants: nothing is kept that a listing by the rules of listing.ts did not show. At most
 * NAMES_MAX names are kept; the Maildirs listed least recently go first. What is given is shared:
 * nobody may change it.
 *
 * Worth: a poll of a mailbox without new mail costs two stats and not four listings: 57 µs of CPU
 * in place of 220 for 100 messages, of 3,900 for 2,000.
 *
 * Rejected: modification times (any program can set them); watching by inotify (a descriptor and
 * a queue that overflows); the file system's clock compared with ours (a step of either lies).
 */
export const SETTLED_MS = 2_000;
const NAMES_MAX = 200_000;
/** What a Maildir counts beside its names. */
const MAILDIR_WEIGHT = 4;

interface Kept {
  readonly stamp: string;
  /** When the stamp was first seen, by our clock. */
  readonly since: number;
  readonly entries: readonly Entry[] | undefined;
}

export class UnchangedListings {
  readonly #clock: Clock;
  /** Insertion order is age of use. */
  readonly #kept = new Map<string, Kept>();
  #names = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As `listStable`, or what it gave when that still is the truth. */
  async list(nfs: Nfs, maildir: string): Promise<readonly Entry[]> {
    const stamp = await stampOf(nfs, maildir);
    if (stamp === undefined) return listStable(nfs, maildir);
    const now = this.#clock.now();
    const known = this.#kept.get(maildir);
    if (known?.stamp !== stamp) {
      this.#keep(maildir, { stamp, since: now, entries: undefined });
      return listStable(nfs, maildir);
    }
    if (known.entries !== undefined) {
      this.#keep(maildir, known);
      return known.entries;
    }
    if (now - known.since < SETTLED_MS) return listStable(nfs, maildir);
    const entries = await listOnce(nfs, maildir);
    if ((await stampOf(nfs, maildir)) !== stamp) return listStable(nfs, maildir);
    this.#keep(maildir, { ...known, entries });
    return entries;
  }

  #keep(maildir: string, kept: Kept): void {
    this.#drop(maildir);
    const fits = weightOf(kept) <= NAMES_MAX ? kept : { ...kept, entries: undefined };
    this.#kept.set(maildir, fits);
    this.#names += weightOf(fits);
    for (const oldest of this.#kept.keys()) {
      if (this.#names <= NAMES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(maildir: string): void {
    const kept = this.#kept.get(maildir);
    if (kept === undefined) return;
    this.#kept.delete(maildir);
    this.#names -= weightOf(kept);
  }
}

const weightOf = (kept: Kept): number => MAILDIR_WEIGHT + (kept.entries?.length ?? 0);

/** Which directories new/ and cur/ are and when they last changed; undefined when unknown. */
async function stampOf(nfs: Nfs, maildir: string): Promise<string | undefined> {
  try {
    const stamps = await Promise.all([
      nfs.fs.changed(`${maildir}/new`),
      nfs.fs.changed(`${maildir}/cur`),
    ]);
    return stamps.join(' ');
  } catch {
    return undefined; // The listing says what is wrong.
  }
}
