import type { Clock } from '../base/clock.ts';
import type { Hint, Hints } from './hints.ts';

/**
 * Watching folders: what other hosts changed becomes known to those who wait (IDLE, NOTIFY).
 *
 * Nothing tells a host what another did on a shared volume (fs.watch sees its own host only, a
 * directory's time is stale for half a minute over NFS), so folders are looked at: each folder once
 * for all sessions of the process, after 1 s, and ever more seldom while nothing changes, 30 s at
 * the most. A hint has it looked at now. One look at an unchanged folder is three GETATTR.
 *
 * Invariant: whatever was changed before a look began is known when it has ended; and a watched
 * folder always has a look that is due, waits for its turn, or runs.
 *
 * Races:
 * - A hint comes while a look runs: that look may have listed before the change. One more follows.
 * - A hint comes right after a look, as those of a burst do: the next look waits for the rest of
 *   the gap and serves them all; no hint is lost, none costs a look of its own.
 * - This process changes the folder while a look runs: both bring a state, in any order. The
 *   folder keeps the newer one (`shared-folder.ts`); here nothing depends on it.
 * - A look that a hint asked for shows nothing yet: that a message is gone which POP3 or another
 *   program removed is proved by looks 10 s apart (the journal's rule). So a hint makes looks
 *   frequent again, as a change does; else the second one came half a minute later.
 * - The last session leaves while a look runs or waits: its end finds the folder no longer
 *   watched and plans nothing. Another comes meanwhile: it is watched anew, with a look of its own.
 * - A folder is removed or renamed and another made of its name while sessions have the old one:
 *   both are watched, and hints for the name are for both; else the old one's sessions would wait
 *   for ever for the look that tells them.
 * - A look fails or hangs: it is planned again at its end, as if nothing had changed; a hung one
 *   holds one of the few places for looks until the volume's deadline.
 *
 * Thousands of folders: no timer each, but one that goes round while there is anything to watch;
 * each interval is a little longer or shorter than the last, so that a thousand sessions that came
 * at once do not look at once for ever; and only some looks run at a time, those of hints first.
 *
 * Rejected: a timer for each session (ten telephones on one INBOX cost ten); the directory's
 * mtime before a listing (stale); a look for each hint (a burst of deliveries is a burst of looks).
 */
export interface Watched {
  /** Of hints that are for it. */
  readonly hint: Hint;
  /** Looks at the files; tells its listeners itself. Never rejects. */
  look(): Promise<'changed' | 'same'>;
}

export interface WatchOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Between two looks at a folder, whatever hints say. */
  readonly gapMs: number;
  /** Looks that run at once. */
  readonly parallel: number;
}

const TICK_MS = 250;
/** Each interval is made longer or shorter by up to so much of it. */
const SHIFT = 0.2;
const BACKOFF = 1.5;
/** Steps of this part of a circle spread evenly, however many there are. */
const GOLDEN = 0.618_034;

class Entry {
  readonly watched: Watched;
  intervalMs: number;
  /** The tick in which it is due; what lies in another round for it is old. */
  dueTick = 0;
  isWatched = true;
  looking = false;
  /** A hint came while it was looked at. */
  again = false;
  /** Waits for the end of the gap. */
  waiting = false;
  lookedAt = -Infinity;

  constructor(watched: Watched, intervalMs: number) {
    this.watched = watched;
    this.intervalMs = intervalMs;
  }
}

const keyOf = ({ account, folder }: Hint): string => `${account}\n${folder}`;

/** All watched folders of a process. */
export class Watcher {
  readonly #clock: Clock;
  readonly #options: WatchOptions;
  /** By the name in hints: one, but where folders of one name are open (see above). */
  readonly #entries = new Map<string, readonly Entry[]>();
  #size = 0;
  readonly #rounds = new Map<number, Entry[]>();
  readonly #urgent = new Set<Entry>();
  readonly #due = new Set<Entry>();
  #running = 0;
  #turning = false;
  #tick = 0;
  #spread = 0;

  constructor(parts: {
    readonly clock: Clock;
    readonly hints: Hints;
    readonly options: WatchOptions;
  }) {
    this.#clock = parts.clock;
    this.#options = parts.options;
    parts.hints.onHint((hint) => {
      for (const entry of this.#entries.get(keyOf(hint)) ?? []) this.#hinted(entry);
    });
  }

  /** Folders that are watched now. */
  get size(): number {
    return this.#size;
  }

  /** @returns what ends it */
  watch(watched: Watched): () => void {
    const key = keyOf(watched.hint);
    const entry = new Entry(watched, this.#options.minMs);
    this.#entries.set(key, [...(this.#entries.get(key) ?? []), entry]);
    this.#size += 1;
    this.#plan(entry);
    return () => {
      if (!entry.isWatched) return;
      entry.isWatched = false;
      this.#size -= 1;
      const left = this.#entries.get(key)?.filter((other) => other !== entry) ?? [];
      if (left.length > 0) this.#entries.set(key, left);
      else this.#entries.delete(key);
      this.#urgent.delete(entry);
      this.#due.delete(entry);
    };
  }

  #hinted(entry: Entry): void {
    entry.intervalMs = this.#options.minMs;
    if (entry.looking) entry.again = true;
    if (entry.looking || entry.waiting) return;
    const rest = entry.lookedAt + this.#options.gapMs - this.#clock.now();
    if (rest <= 0) return this.#now(entry);
    entry.waiting = true;
    void this.#clock.sleep(rest).then(() => {
      entry.waiting = false;
      if (entry.isWatched && !entry.looking) this.#now(entry);
    });
  }

  #now(entry: Entry): void {
    this.#due.delete(entry);
    this.#urgent.add(entry);
    this.#pump();
  }

  #pump(): void {
    for (const queue of [this.#urgent, this.#due]) {
      for (const entry of queue) {
        if (this.#running >= this.#options.parallel) return;
        queue.delete(entry);
        if (!entry.looking) void this.#look(entry);
      }
    }
  }

  async #look(entry: Entry): Promise<void> {
    const { minMs, maxMs } = this.#options;
    this.#running += 1;
    entry.looking = true;
    entry.again = false;
    const found = await entry.watched.look();
    this.#running -= 1;
    entry.looking = false;
    entry.lookedAt = this.#clock.now();
    entry.intervalMs = found === 'changed' ? minMs : Math.min(entry.intervalMs * BACKOFF, maxMs);
    if (entry.isWatched) {
      this.#plan(entry);
      if (entry.again) this.#hinted(entry);
    }
    this.#pump();
  }

  /** Into the round in which its interval is over. */
  #plan(entry: Entry): void {
    this.#spread = (this.#spread + GOLDEN) % 1;
    const ms = entry.intervalMs * (1 + SHIFT * (2 * this.#spread - 1));
    entry.dueTick = this.#tick + Math.max(1, Math.round(ms / TICK_MS));
    const round = this.#rounds.get(entry.dueTick);
    if (round === undefined) this.#rounds.set(entry.dueTick, [entry]);
    else round.push(entry);
    if (!this.#turning) void this.#turn();
  }

  /** Goes on while anything is watched. */
  async #turn(): Promise<void> {
    this.#turning = true;
    while (this.#entries.size > 0) {
      await this.#clock.sleep(TICK_MS);
      this.#tick += 1;
      const round = this.#rounds.get(this.#tick) ?? [];
      this.#rounds.delete(this.#tick);
      for (const entry of round) {
        const isDue = entry.dueTick === this.#tick && entry.isWatched;
        if (isDue && !entry.looking && !this.#urgent.has(entry)) this.#due.add(entry);
      }
      this.#pump();
    }
    this.#turning = false;
    this.#rounds.clear();
  }
}
