import { GreaterThanEqualsFilter, type Entry } from 'ldapts';
import type { Clock } from '../../base/clock.ts';
import { valuesOf } from '../client/entries.ts';
import type { AdminEvent } from './api.ts';
import { isKind } from './error.ts';
import type { AdminHandler, Events } from './events.ts';
import type { AdminSession } from './session.ts';

export interface WatchOptions {
  readonly session: AdminSession;
  readonly clock: Clock;
  readonly handler: AdminHandler;
  readonly events: Events;
  /** Revisions that this session made itself: it is not told of them. */
  readonly own: ReadonlySet<string>;
  readonly intervalMs: number;
}

export interface Watching {
  stop(): void;
  /** Looks now instead of at the next interval. */
  look(): Promise<void>;
}

interface Known {
  readonly dn: string;
  readonly revision: string;
}

const ATTRIBUTES = ['entryUUID', 'entryCSN'];
/** Finding what was removed reads all names: it takes at most this part of the time. */
const SWEEP_SHARE = 10;

/**
 * Tells what others changed (S0-42). One small question for each interval, contextCSN of the
 * suffix, which differs after every change; only then the entries whose entryCSN is newer. What was
 * removed shows by its absence alone, so then all names are read and compared, at once in a small
 * farm and rarely in a large one.
 */
export class Watch implements Watching {
  readonly #options: WatchOptions;
  readonly #known = new Map<string, Known>();
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  readonly #tell: Events;
  #context = '';
  #newest = '';
  #sweepAt = 0;
  #sweepDue = false;
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: WatchOptions) {
    this.#options = options;
    this.#forget = options.events.add(options.handler);
    this.#tell = options.events.only(options.handler);
  }

  /** @throws AdminError */
  static async start(options: WatchOptions): Promise<Watch> {
    const watch = new Watch(options);
    try {
      watch.#context = await watch.#contextNow();
      for await (const entry of watch.#all()) watch.#remember(entry);
    } catch (error) {
      watch.stop();
      throw error;
    }
    void watch.#run();
    return watch;
  }

  stop(): void {
    this.#stop.abort();
    this.#forget();
  }

  async look(): Promise<void> {
    const turn = this.#turn.then(() => this.#look());
    this.#turn = turn.catch(() => {});
    await turn;
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, session } = this.#options;
    while (!this.#stop.signal.aborted && !session.closed) {
      try {
        await clock.sleep(intervalMs, this.#stop.signal);
        await this.look();
      } catch (error) {
        // The directory is away: what changed is found when it is back.
        if (isKind(error, 'closed')) return;
      }
    }
  }

  async #look(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { clock, session } = this.#options;
    const context = await this.#contextNow();
    // A server that keeps no contextCSN is asked for newer entries each time.
    if (context !== this.#context || context === '') {
      const filter = new GreaterThanEqualsFilter({ attribute: 'entryCSN', value: this.#since() });
      const base = session.names.suffix;
      const found = await session.search({ base, filter, attributes: ATTRIBUTES });
      for (const entry of found) this.#changed(entry);
      this.#sweepDue ||= context !== this.#context;
      this.#context = context;
    }
    if (!this.#sweepDue || clock.now() < this.#sweepAt) return;
    const began = clock.now();
    await this.#sweep();
    this.#sweepDue = false;
    this.#sweepAt = clock.now() + (clock.now() - began) * SWEEP_SHARE;
  }

  /**
   * The oldest moment from which a change may be new to us: servers in mirror mode number changes
   * each by its own clock, so a change of the other one may arrive with an older number.
   */
  #since(): string {
    const contexts = this.#context.split(' ').filter((csn) => csn !== '');
    return [...contexts, this.#newest].filter((csn) => csn !== '').toSorted()[0] ?? '0';
  }

  async #sweep(): Promise<void> {
    const seen = new Set<string>();
    for await (const entry of this.#all()) {
      seen.add(idOf(entry));
      this.#changed(entry);
    }
    for (const [id, { dn }] of this.#known) {
      if (seen.has(id)) continue;
      this.#known.delete(id);
      this.#emit({ kind: 'removed', dn });
    }
  }

  #changed(entry: Entry): void {
    if (this.#isClaim(entry)) return;
    const before = this.#known.get(idOf(entry));
    const now = this.#remember(entry);
    if (before?.revision === now.revision && before.dn === now.dn) return;
    if (this.#options.own.has(now.revision)) return;
    if (before && before.dn !== now.dn) this.#emit({ kind: 'removed', dn: before.dn });
    this.#emit({ kind: 'changed', ...now });
  }

  #remember(entry: Entry): Known {
    const known = { dn: entry.dn, revision: valuesOf(entry, 'entryCSN')[0] ?? '' };
    this.#known.set(idOf(entry), known);
    if (known.revision > this.#newest) this.#newest = known.revision;
    return known;
  }

  #emit(event: AdminEvent): void {
    if (!this.#stop.signal.aborted) this.#tell.emit(event);
  }

  async #contextNow(): Promise<string> {
    const { session } = this.#options;
    const entry = await session.entry(session.names.suffix, ['contextCSN']);
    return entry ? [...valuesOf(entry, 'contextCSN')].toSorted().join(' ') : '';
  }

  /** Everything but claims, which come and go as people work. */
  async *#all(): AsyncGenerator<Entry> {
    const { session } = this.#options;
    for await (const entry of session.each({
      base: session.names.suffix,
      attributes: ATTRIBUTES,
    })) {
      if (!this.#isClaim(entry)) yield entry;
    }
  }

  #isClaim(entry: Entry): boolean {
    return entry.dn.toLowerCase().endsWith(`,${this.#options.session.names.claims.toLowerCase()}`);
  }
}

const idOf = (entry: Entry): string => valuesOf(entry, 'entryUUID')[0] ?? entry.dn;
