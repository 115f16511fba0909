import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import {
  isErrno,
  type Facts,
  type Fs,
  type Journals,
  type Maildirs,
  type Published,
  type PublishRequest,
} from '#maildir';
import { Bulkhead, type BulkheadLimits } from './bulkhead.ts';
import type { Engine } from './engine.ts';
import { asStoreError, isAbsent } from './errno.ts';
import { StoreError, type StoreErrorKind } from './error.ts';
import { guardedFacts, guardedJournals } from './guarded-journals.ts';
import { VolumeHealth, type Health, type ProbeResult } from './health.ts';
import {
  closedVolume,
  lateResults,
  openedVolume,
  operationEnded,
  operations,
  type Gauged,
  type VolumeOperation,
} from './metrics.ts';
import type { VolumeOptions } from './options.ts';
import { Room, type Writable } from './room.ts';
import { readSentinel } from './sentinel.ts';
import type { AskSpace, Space } from './space.ts';
import type { VolumeEntry } from './types.ts';

/**
 * A volume as the rest of the program sees it: the engine's coarse operations, values in and
 * values out, each under the bulkhead, the breaker and a deadline, each failing with a
 * StoreError. Callers know nothing of what is under it, so that threads or processes can be.
 */
export interface Volume extends Maildirs {
  readonly journals: Journals;
  readonly facts: Facts;
  readonly name: string;
  readonly entry: VolumeEntry;
  /** Seen well at its last probe. Asks nothing. */
  readonly up: boolean;
  /** Something else, or nothing, lay at its path at the last probe: it is not mounted here. */
  readonly absent: boolean;
  /** As of the last probe; undefined before. */
  readonly space: Space | undefined;
  /** @throws StoreError 'volume-down'; waits only when the volume was not verified lately. */
  ready(): Promise<void>;
  /** Reads the sentinel now. @throws StoreError 'volume-down' */
  verify(): Promise<void>;
  /** Whether new mail can be stored, as far as is known without asking; all else goes on. */
  readonly writable: Writable;
  /** Whether `bytes` more can be stored, as far as is known without asking. */
  fits(bytes: number): boolean;
  /**
   * Runs what is no mailbox's on the volume's file system, under the same bulkhead, breaker and
   * deadline as the engine's operations. @throws StoreError
   */
  guard<T>(task: GuardedTask<T>): Promise<T>;
}

/** A coarse operation of another module: values in, values out, no handle leaves it. */
export interface GuardedTask<T> {
  readonly operation: VolumeOperation;
  /** For messages: the path it is about. */
  readonly where: string;
  /** What "not there" means. */
  readonly absent: StoreErrorKind;
  readonly run: (fs: Fs) => Promise<T>;
  /** Receives a success that came after the deadline; the slot is held until it has ended. */
  readonly onLate?: (value: T) => unknown;
}

export interface VolumeParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly options: VolumeOptions;
  /** For the sentinel; the engine has its own. */
  readonly fs: Fs;
  readonly askSpace: AskSpace;
  /** Made anew when the file system turns out to be of another kind. */
  readonly engine: (entry: VolumeEntry, space: Space | undefined) => Engine;
}

/** Publishing to many recipients takes longer: one deadline for each so many of them. */
const TARGETS_PER_DEADLINE = 50;
/** So does reading many messages. */
const READ_PER_DEADLINE = 50;

/** What "not there" means for each operation. */
const WHEN_ABSENT: Readonly<Record<VolumeOperation, StoreErrorKind>> = {
  create: 'volume-down',
  exists: 'mailbox-missing',
  stage: 'mailbox-missing',
  publish: 'mailbox-missing',
  discard: 'mailbox-missing',
  list: 'mailbox-missing',
  listOnce: 'mailbox-missing',
  read: 'message-gone',
  readMany: 'message-gone',
  setFlags: 'message-gone',
  setSizes: 'message-gone',
  remove: 'volume-down',
  folders: 'mailbox-missing',
  createFolder: 'mailbox-missing',
  removeFolder: 'mailbox-missing',
  destroy: 'volume-down',
  sweep: 'mailbox-missing',
  hosts: 'volume-down',
  journalSync: 'mailbox-missing',
  journalStore: 'mailbox-missing',
  journalExpunge: 'mailbox-missing',
  journalAdd: 'mailbox-missing',
  journalCopy: 'mailbox-missing',
  journalMove: 'mailbox-missing',
  journalRename: 'mailbox-missing',
  journalSeed: 'mailbox-missing',
  facts: 'mailbox-missing',
  readFact: 'message-gone',
  putFact: 'mailbox-missing',
  removeFact: 'mailbox-missing',
  modified: 'message-gone',
};

/** Where an operation works, for messages, and what "not there" means. */
type Place = Pick<Guarded<unknown>, 'maildir' | 'absent'>;

interface Guarded<T> {
  readonly maildir: string;
  /** The mailbox whose share of the volume it takes; the maildir where nothing is said. */
  readonly key?: string | undefined;
  readonly run: (engine: Engine) => Promise<T>;
  readonly deadlines?: number;
  readonly onLate?: (value: T) => unknown;
  /** What "not there" means, where it is not what the operation's row says. */
  readonly absent?: StoreErrorKind | undefined;
}

/** After these a volume that was full or read-only has shown that it takes new mail. */
const WRITES: ReadonlySet<VolumeOperation> = new Set(['stage', 'create']);

export class GuardedVolume implements Volume, Gauged {
  readonly name: string;
  readonly #parts: VolumeParts;
  readonly #bulkhead: Bulkhead;
  readonly #health: VolumeHealth;
  readonly #room: Room;
  readonly #journals: Journals;
  readonly #facts: Facts;
  #entry: VolumeEntry;
  #engine: Engine;

  /** @param threads how many of the process's it may hold; the options say how many are of use. */
  constructor(entry: VolumeEntry, parts: VolumeParts, threads = Infinity) {
    const { options, clock } = parts;
    this.name = entry.name;
    this.#entry = entry;
    this.#parts = parts;
    this.#engine = parts.engine(entry, undefined);
    const run = this.#run.bind(this);
    this.#journals = guardedJournals(run, () => this.#engine);
    this.#facts = guardedFacts(run);
    this.#bulkhead = new Bulkhead(limitsOf(options, threads));
    this.#room = new Room({
      volume: entry.name,
      log: parts.log,
      now: () => clock.now(),
      reserve: {
        bytes: options['volume.reserve.bytes'],
        inodes: options['volume.reserve.inodes'],
      },
      retryMs: options['volume.full.retry'],
    });
    this.#health = new VolumeHealth({
      volume: entry.name,
      clock,
      intervalMs: options['volume.probe.interval'],
      deadlineMs: options['volume.probe.deadline'],
      failuresMax: options['volume.probe.failures'],
      probe: () => this.#probe(),
      onChange: (health) => this.#changed(health),
    });
    openedVolume(this);
    if (entry.state !== 'offline') this.#health.start();
  }

  get journals(): Journals {
    return this.#journals;
  }
  get facts(): Facts {
    return this.#facts;
  }
  get entry(): VolumeEntry {
    return this.#entry;
  }
  get up(): boolean {
    return this.#health.up;
  }
  get absent(): boolean {
    return this.#health.absent;
  }
  get space(): Space | undefined {
    return this.#room.space;
  }
  get writable(): Writable {
    return this.#room.writable;
  }
  get inFlight(): number {
    return this.#bulkhead.inFlight;
  }
  get waiting(): number {
    return this.#bulkhead.waiting;
  }
  get overdue(): number {
    return this.#bulkhead.overdue;
  }
  /** Whether calls on it are under way, its probe's included. */
  get busy(): boolean {
    return this.threadsHeld > 0;
  }
  /** Threads that its calls hold, its probe's included. */
  get threadsHeld(): number {
    return this.#bulkhead.inFlight + (this.#health.busy ? 1 : 0);
  }
  /** Those of them that hold one beyond their time. */
  get threadsStuck(): number {
    return this.#bulkhead.overdue + (this.#health.busy && !this.up ? 1 : 0);
  }
  get probeAgeMs(): number {
    return this.#parts.clock.now() - this.#health.answeredAt;
  }

  /** Takes over weight and state; path, identity and being offline make another volume. */
  update(entry: VolumeEntry): void {
    this.#entry = entry;
  }

  /** There are more volumes now, or fewer: another share of the process's threads. */
  resize(threads: number): void {
    this.#bulkhead.resize(limitsOf(this.#parts.options, threads));
  }

  /** Forgets the volume: new operations fail, running ones end as they will. */
  close(): void {
    closedVolume(this);
    this.#health.close();
    this.#bulkhead.refuseWaiting(
      new StoreError('volume-down', `Volume ${this.name} left the volume table`),
    );
  }

  async ready(): Promise<void> {
    if (this.#entry.state === 'offline') {
      throw new StoreError('volume-down', `Volume ${this.name} is offline`);
    }
    await this.#health.ready();
  }

  async verify(): Promise<void> {
    if (this.#entry.state === 'offline') return this.ready();
    await this.#health.verify();
  }

  fits(bytes: number): boolean {
    return this.writable === 'yes' && this.#room.fits(bytes);
  }

  uniqueName(): string {
    return this.#engine.uniqueName();
  }

  create(maildir: string, options: { readonly root: string }): Promise<void> {
    return this.#run('create', { maildir, run: (engine) => engine.create(maildir, options) });
  }

  async exists(maildir: string): Promise<boolean> {
    const there = await this.#run('exists', { maildir, run: (engine) => engine.exists(maildir) });
    if (!there) await this.verify(); // Missing is believed of a volume that is there only.
    return there;
  }

  stage(request: Parameters<Maildirs['stage']>[0]): Promise<void> {
    const { maildir, base } = request;
    // Whoever staged it was told that it failed and may have removed it before it was there.
    const onLate = (): Promise<void> => this.#engine.discard({ maildir, base });
    return this.#run('stage', { maildir, run: (engine) => engine.stage(request), onLate });
  }

  async publish(request: PublishRequest): Promise<readonly Published[]> {
    const results = await this.#run('publish', {
      maildir: request.maildir,
      run: (engine) => engine.publish(request),
      deadlines: 1 + Math.floor(request.targets.length / TARGETS_PER_DEADLINE),
    });
    if (results.every(({ error }) => error === undefined)) return results;
    return Promise.all(
      results.map(async (result) => {
        if (result.error === undefined) return result;
        return {
          ...result,
          error: await this.#failed('publish', { maildir: result.target }, result.error),
        };
      }),
    );
  }

  discard(request: Parameters<Maildirs['discard']>[0]): Promise<void> {
    const { maildir } = request;
    return this.#run('discard', { maildir, run: (engine) => engine.discard(request) });
  }

  list(maildir: string): ReturnType<Maildirs['list']> {
    return this.#run('list', { maildir, run: (engine) => engine.list(maildir) });
  }

  listOnce(maildir: string): ReturnType<Maildirs['listOnce']> {
    return this.#run('listOnce', { maildir, run: (engine) => engine.listOnce(maildir) });
  }

  read(request: Parameters<Maildirs['read']>[0]): ReturnType<Maildirs['read']> {
    const { maildir } = request;
    return this.#run('read', { maildir, run: (engine) => engine.read(request) });
  }

  readsMany(messages: number): boolean {
    return this.#engine.readsMany(messages);
  }

  async readMany(
    request: Parameters<Maildirs['readMany']>[0],
  ): Promise<Awaited<ReturnType<Maildirs['readMany']>>> {
    const { maildir, entries } = request;
    const results = await this.#run('readMany', {
      maildir,
      run: (engine) => engine.readMany(request),
      deadlines: 1 + Math.floor(entries.length / READ_PER_DEADLINE),
    });
    if (!results.some((result) => result instanceof Error)) return results;
    return Promise.all(
      results.map(async (result) =>
        result instanceof Error ? await this.#failed('readMany', { maildir }, result) : result,
      ),
    );
  }

  setFlags(request: Parameters<Maildirs['setFlags']>[0]): ReturnType<Maildirs['setFlags']> {
    const { maildir } = request;
    return this.#run('setFlags', { maildir, run: (engine) => engine.setFlags(request) });
  }

  setSizes(request: Parameters<Maildirs['setSizes']>[0]): ReturnType<Maildirs['setSizes']> {
    const { maildir } = request;
    return this.#run('setSizes', { maildir, run: (engine) => engine.setSizes(request) });
  }

  async remove(
    request: Parameters<Maildirs['remove']>[0],
  ): Promise<readonly (Error | undefined)[]> {
    const { maildir } = request;
    const errors = await this.#run('remove', { maildir, run: (engine) => engine.remove(request) });
    if (errors.every((error) => error === undefined)) return errors;
    return Promise.all(
      errors.map(async (error) => error && (await this.#failed('remove', { maildir }, error))),
    );
  }

  folders(maildir: string): ReturnType<Maildirs['folders']> {
    return this.#run('folders', { maildir, run: (engine) => engine.folders(maildir) });
  }

  createFolder(maildir: string, folder: string): Promise<void> {
    const run = (engine: Engine): Promise<void> => engine.createFolder(maildir, folder);
    return this.#run('createFolder', { maildir, run });
  }

  removeFolder(maildir: string, folder: string): Promise<void> {
    const run = (engine: Engine): Promise<void> => engine.removeFolder(maildir, folder);
    return this.#run('removeFolder', { maildir, run });
  }

  async destroy(request: Parameters<Maildirs['destroy']>[0]): ReturnType<Maildirs['destroy']> {
    await this.verify(); // What is destroyed must be what is meant.
    const { maildir } = request;
    const left = await this.#run('destroy', { maildir, run: (engine) => engine.destroy(request) });
    if (left === 'absent') await this.verify(); // Missing is believed of a volume that is there.
    return left;
  }

  sweep(maildir: string, options: { readonly olderThanMs: number }): Promise<number> {
    return this.#run('sweep', { maildir, run: (engine) => engine.sweep(maildir, options) });
  }

  guard<T>({ operation, where, absent, run, onLate }: GuardedTask<T>): Promise<T> {
    const work = (): Promise<T> => run(this.#parts.fs);
    const at = { maildir: where, key: undefined };
    return this.#run(operation, { ...at, absent, run: work, ...(onLate && { onLate }) });
  }

  async #run<T>(operation: VolumeOperation, guarded: Guarded<T>): Promise<T> {
    const { clock, options } = this.#parts;
    const started = clock.now();
    let result: StoreErrorKind | 'ok' = 'ok';
    try {
      if (this.#entry.state === 'offline') await this.ready();
      const waits = this.#health.ready();
      if (waits !== undefined) await waits;
      const value = await this.#bulkhead.run({
        what: operation,
        key: 'key' in guarded ? guarded.key : guarded.maildir,
        deadlineMs: options['volume.deadline'] * (guarded.deadlines ?? 1),
        run: () => guarded.run(this.#engine),
        onLate: (late) => {
          lateResults.inc(operation);
          return guarded.onLate?.(late);
        },
      });
      if (WRITES.has(operation)) this.#room.written();
      return value;
    } catch (error) {
      const failed = await this.#failed(operation, guarded, error);
      result = failed.kind;
      throw failed;
    } finally {
      operations.inc(operation);
      operationEnded(this, result, (clock.now() - started) / 1000);
    }
  }

  /** The failure as a StoreError. "Not there" is believed of a volume that is there only. */
  async #failed(operation: VolumeOperation, at: Place, error: unknown): Promise<StoreError> {
    const failed = await this.#explain(operation, at, error);
    if (failed.kind === 'volume-full') this.#room.refused('full', failed);
    else if (isErrno(error, 'EROFS')) this.#room.refused('read-only', failed);
    return failed;
  }

  async #explain(operation: VolumeOperation, at: Place, error: unknown): Promise<StoreError> {
    const what = `${operation} in ${at.maildir} on volume ${this.name}`;
    if (isAbsent(error)) {
      try {
        await this.verify();
      } catch (down) {
        return asStoreError(down, { what, absent: 'volume-down' });
      }
    }
    return asStoreError(error, { what, absent: at.absent ?? WHEN_ABSENT[operation] });
  }

  async #probe(): Promise<ProbeResult> {
    const { path, identity } = this.#entry;
    const sentinel = await readSentinel(this.#parts.fs, path);
    if (sentinel === undefined) return { kind: 'wrong', why: `no sentinel in ${path}` };
    if (sentinel.identity !== identity) {
      const why = `${path} holds volume ${sentinel.identity} and not ${identity}`;
      return { kind: 'wrong', why };
    }
    const space = await this.#parts.askSpace(path);
    if (space.fileSystem !== this.space?.fileSystem) {
      this.#engine = this.#parts.engine(this.#entry, space);
    }
    this.#room.seen(space);
    return { kind: 'ok' };
  }

  #changed(health: Health): void {
    const { log } = this.#parts;
    if (health.state !== 'down') return log.info({ volume: this.name }, 'volume is up');
    const code = health.fault === 'wrong' ? 'MF-VOL-001' : 'MF-VOL-002';
    log.error({ code, volume: this.name, why: health.why }, 'volume is down');
    this.#bulkhead.giveUp(
      new StoreError('volume-down', `Volume ${this.name} is down: ${health.why}`),
    );
  }
}

const limitsOf = (options: VolumeOptions, threads: number): BulkheadLimits => ({
  inFlightMax: Math.max(1, Math.min(options['volume.inflight.max'], threads)),
  waitingMax: options['volume.queue.max'],
});
