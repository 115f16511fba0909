import { StoreError } from './error.ts';
import { pathFault, placementOf, PlacementError, type Placement } from './placement.ts';
import type { MailboxOwner, VolumeDirectory, VolumeEntry } from './types.ts';
import { shareOf, THREADS_RESERVED } from './threads.ts';
import { GuardedVolume, type Volume, type VolumeParts } from './volume.ts';

/**
 * The volume table: what the directory lists, read every some seconds, each volume with its own
 * bulkhead and health. Volumes come and go without a restart; while the directory is away the
 * last table counts. A volume that changed its path or identity is another volume.
 */
export interface VolumeTableOptions extends VolumeParts {
  readonly directory: Pick<VolumeDirectory<MailboxOwner>, 'volumes'>;
  /** Threads of the process for calls on files; as many as anybody likes when nothing is said. */
  readonly threads?: number | undefined;
}

export interface Located {
  readonly volume: Volume;
  /** Absolute path of the Maildir. */
  readonly maildir: string;
}

/** At most one unplanned reading of the table in this time, whatever names are asked for. */
const EARLY_REFRESH_MS = 1000;

export class VolumeTable {
  readonly #options: VolumeTableOptions;
  readonly #volumes = new Map<string, GuardedVolume>();
  readonly #stop = new AbortController();
  #entries: readonly VolumeEntry[] = [];
  /** Left the table; calls on some may still be under way. */
  #dropped: GuardedVolume[] = [];
  #loaded = false;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = -Infinity;
  /** Told already that there are few threads for each volume. */
  #scarce = false;
  /** Faults told to the log already, so that each is told once. */
  readonly #told = new Set<string>();

  constructor(options: VolumeTableOptions) {
    this.#options = options;
    void this.#loop();
  }

  /** Volumes as of the last reading. */
  get volumes(): readonly Volume[] {
    return [...this.#volumes.values()];
  }

  /** Whether a call on a volume is under way: it may hang, and threads of ours with it. */
  get busy(): boolean {
    const all = [...this.#volumes.values(), ...this.#dropped];
    return all.some((volume) => volume.busy);
  }

  get(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  /** Reads the table from the directory now. @throws when the directory is away */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Waits until the table was read once. @throws StoreError 'volume-down' */
  async loaded(): Promise<void> {
    if (this.#loaded) return;
    try {
      await this.refresh();
    } catch (error) {
      throw new StoreError('volume-down', 'The volume table could not be read', { cause: error });
    }
  }

  /**
   * Waits until every volume was seen well, or twice not: whoever says that he is ready before
   * that would refuse the first letters. As long as two probes may take, and not for the directory.
   */
  async looked(): Promise<void> {
    await this.loaded().catch(() => {});
    await Promise.allSettled(
      this.volumes.map((volume) => volume.ready().catch(() => volume.verify())),
    );
  }

  /**
   * Where an account's mailbox lies by what the directory says; undefined when it has no
   * placement yet. @throws StoreError 'volume-down' when the placement cannot be used
   */
  async locate(account: MailboxOwner): Promise<Located | undefined> {
    if (!this.#loaded) await this.loaded();
    let placement = this.#place(account);
    if (placement.kind === 'unknown-volume' && this.#mayRefresh()) {
      await this.refresh().catch(() => {}); // The old table counts while the directory is away.
      placement = this.#place(account);
    }
    if (placement.kind === 'unplaced') return undefined;
    const name = placement.kind === 'placed' ? placement.volume.name : placement.volume;
    const volume = this.#volumes.get(name);
    if (placement.kind !== 'placed' || volume === undefined) {
      throw new StoreError('volume-down', `Volume ${name} of ${account.id} is not in the table`);
    }
    return { volume, maildir: placement.maildir };
  }

  /** Ends the readings and all volumes. */
  close(): void {
    this.#stop.abort(new Error('closed'));
    for (const volume of this.#volumes.values()) volume.close();
    this.#dropped.push(...this.#volumes.values());
    this.#volumes.clear();
  }

  #place(account: MailboxOwner): Placement {
    try {
      return placementOf(account, this.#entries);
    } catch (error) {
      if (!(error instanceof PlacementError)) throw error;
      this.#tell(`${account.id}: ${error.message}`, 'a placement cannot be used');
      throw new StoreError('volume-down', `Placement of ${account.id}: ${error.message}`, {
        cause: error,
      });
    }
  }

  #mayRefresh(): boolean {
    return this.#options.clock.now() - this.#refreshedAt >= EARLY_REFRESH_MS;
  }

  async #loop(): Promise<void> {
    const { clock, options, log } = this.#options;
    const { signal } = this.#stop;
    let away = false; // Told once, not every some seconds.
    while (!signal.aborted) {
      try {
        await this.refresh();
        away = false;
      } catch (error) {
        if (!away) log.warn({ err: error }, 'volume table not read; the last one counts');
        away = true;
      }
      await clock.sleep(options['volume.refresh'], signal).catch(() => {});
    }
  }

  async #read(): Promise<void> {
    this.#refreshedAt = this.#options.clock.now();
    const entries = await this.#options.directory.volumes();
    if (this.#stop.signal.aborted) return;
    this.#entries = entries.filter((entry) => this.#isUsable(entry));
    const entryOf = new Map(this.#entries.map((entry) => [entry.name, entry]));
    for (const [name, volume] of this.#volumes) {
      const entry = entryOf.get(name);
      if (entry === undefined || !isSameVolume(volume.entry, entry)) this.#drop(volume);
    }
    this.#dropped = this.#dropped.filter(({ busy }) => busy);
    const threads = this.#share(this.#entries.length);
    for (const entry of this.#entries) this.#take(entry, threads);
    this.#loaded = true;
  }

  /** How many threads each of so many volumes may hold. */
  #share(volumes: number): number {
    const { threads, log, options } = this.#options;
    if (threads === undefined || volumes === 0) return Infinity;
    const share = shareOf(threads, volumes, {
      gone: this.#dropped.reduce((sum, { threadsHeld }) => sum + threadsHeld, 0),
      here: [...this.#volumes.values()].map(({ threadsStuck }) => threadsStuck),
    });
    const wanted = options['volume.inflight.max'];
    const isScarce = share < wanted / 2;
    if (isScarce && !this.#scarce) {
      const fields = { code: 'MF-VOL-007', threads, reserved: THREADS_RESERVED, volumes, share };
      log.warn({ ...fields, wanted }, 'few threads for each volume');
    }
    this.#scarce = isScarce;
    return share;
  }

  #take(entry: VolumeEntry, threads: number): void {
    const known = this.#volumes.get(entry.name);
    if (known !== undefined) {
      known.update(entry);
      return known.resize(threads);
    }
    this.#volumes.set(entry.name, new GuardedVolume(entry, this.#options, threads));
    this.#options.log.info({ volume: entry.name, path: entry.path }, 'volume added');
  }

  #drop(volume: GuardedVolume): void {
    this.#dropped.push(volume);
    this.#volumes.delete(volume.name);
    volume.close();
    this.#options.log.info({ volume: volume.name }, 'volume removed');
  }

  #isUsable(entry: VolumeEntry): boolean {
    const fault =
      pathFault(entry.path) ??
      (entry.path === '/' ? 'is the root of the file system' : undefined) ??
      (entry.identity === '' ? 'has no identity' : undefined);
    if (fault !== undefined) this.#tell(`${entry.name}: ${fault}`, 'a volume cannot be used');
    return fault === undefined;
  }

  #tell(fault: string, message: string): void {
    if (this.#told.has(fault)) return;
    if (this.#told.size >= 1000) this.#told.clear();
    this.#told.add(fault);
    this.#options.log.error({ code: 'MF-VOL-004', fault }, message);
  }
}

const isSameVolume = (a: VolumeEntry, b: VolumeEntry): boolean =>
  a.path === b.path &&
  a.identity === b.identity &&
  (a.state === 'offline') === (b.state === 'offline');
