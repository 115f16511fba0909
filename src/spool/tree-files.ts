/**
 * What all trees of a spool volume are made of: files and directories below `spool/<tree>`, names
 * that only we make, leases by the server's clock. The trees (tree.ts, outbound-tree.ts) say which
 * states there are and what a step means; their essays have the races.
 *
 * A directory for a lane comes and goes with its letters. It is made when a rename says that it is
 * not there: in the state's directory, which was made once, so that an unmounted volume cannot get
 * one; that of the state, and what is above it, only between two readings of the sentinel.
 */
import { closeSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { DeadlineError } from '../base/deadline.ts';
import type { Random } from '../base/random.ts';
import { StoreError } from '../volumes/error.ts';
import { nfsLies, type VolumeOperation } from '../volumes/metrics.ts';
import { directorySyncOf } from '../volumes/space.ts';
import type { Volume } from '../volumes/volume.ts';
import {
  believed,
  isErrno,
  listFresh,
  makeDirectory,
  moveOurs,
  nodeFs,
  nodeToken,
  parentOf,
  removeDirectory,
  renameExact,
  serverTime,
  syncDirectory,
  uniqueNames,
  UnknownResultError,
  type Fs,
  type Nfs,
} from '#maildir';
import type { Lease } from './names.ts';
import { SharedRuns } from './shared-runs.ts';

/** Long beyond any deadline; short for whoever waits for the letters of a node that died. */
export const LEASE_MS = 120_000;
const CLOCK_KEPT_MS = 60_000;
const MADE_KEPT_MS = 60_000;
/** Shorter than the time after which what is empty is removed. */
const USED_KEPT_MS = 10_000;
const MADE_KEPT_MAX = 10_000;
/** A measurement that took longer says too little. */
const CLOCK_TAKES_MS = 10_000;
const ATTEMPTS = 3;
/** Of a file whose size is not known: most envelopes have less. */
const FIRST_OCTETS = 16_384;
/**
 * On a file system of this machine close waits for nothing: what was written is synced before, a
 * directory or what was read has nothing to write. A thread of the pool costs more than the call.
 * Over NFS it may wait for the server, and goes to the pool as everything else does.
 */
const LOCAL_FS: Fs = {
  ...nodeFs,
  close: async (fd) => closeSync(fd),
};

export interface TreeParts {
  readonly volume: Volume;
  /** Name below `spool/`. */
  readonly tree: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
}

export class TreeFiles {
  readonly volume: Volume;
  readonly root: string;
  readonly node: string;
  /** Who this process is in the names of its claims. */
  readonly holder: string;
  readonly newId: () => string;
  readonly #clock: Clock;
  #leases = 0;
  /** Directories of claims that were there, by our clock: somebody may have removed them. */
  readonly #made = new Map<string, number>();
  readonly #syncs = new SharedRuns();
  /** How far the server's clock is ahead of ours, and when that was measured. */
  #server: { readonly aheadMs: number; readonly at: number } | undefined;

  constructor({ volume, tree, clock, random, node }: TreeParts) {
    this.volume = volume;
    this.node = node;
    this.root = `${volume.entry.path}/spool/${tree}`;
    this.#clock = clock;
    const { pid } = process;
    this.newId = uniqueNames({ clock, random, node, pid });
    const chance = Buffer.from(random.bytes(6)).toString('hex');
    this.holder = `${nodeToken(node)}-${pid}-${chance}`;
  }

  /** One that no claim had before, from now. @throws StoreError */
  async lease(): Promise<Lease> {
    const at = Math.floor((await this.serverNow()) / 1000);
    return { count: this.#leases++, at, holder: this.holder };
  }

  /** The spool server's time in ms, as far as one can know it from here. @throws StoreError */
  async serverNow(): Promise<number> {
    const now = this.#clock.now();
    // Asked anew also when our own clock went back.
    if (this.#server === undefined || !isWithin(now, this.#server.at, CLOCK_KEPT_MS)) {
      const path = `${this.root}/clock/${this.newId()}`;
      const stamped = await this.making('stage', path, (nfs) => serverTime(nfs, path));
      const took = this.#clock.now() - now;
      if (took > CLOCK_TAKES_MS) throw new StoreError('volume-busy', `${path} took ${took} ms`);
      this.#server = { aheadMs: stamped - this.#clock.now(), at: now };
    }
    return this.#clock.now() + this.#server.aheadMs;
  }

  /** Names in a directory; none where there is no directory. @throws StoreError */
  async names(directory: string): Promise<readonly string[]> {
    try {
      return await this.guard('list', directory, (nfs) => listFresh(nfs, directory));
    } catch (error) {
      if (isAbsentHere(error)) return [];
      throw error;
    }
  }

  /**
   * A file of unknown size that says itself when it is whole, which spares a call; undefined when
   * there is none. @throws StoreError
   */
  async readWhole(
    path: string,
    max: number,
    isWhole: (bytes: Buffer) => boolean,
  ): Promise<Buffer | undefined> {
    const first = await this.read(path, 0, Math.min(max, FIRST_OCTETS), isWhole);
    if (first === undefined || first.length < FIRST_OCTETS) return first;
    const rest = await this.read(path, first.length, max - first.length);
    return rest && Buffer.concat([first, rest]);
  }

  /** Octets of a file; undefined when there is none. @throws StoreError */
  async read(
    path: string,
    offset: number,
    length: number,
    isWhole?: (bytes: Buffer) => boolean,
  ): Promise<Buffer | undefined> {
    try {
      // Another host has just made it: "not there" may come from a cache.
      return await this.guard('read', path, (nfs) =>
        believed(nfs, path, () => readRange(nfs.fs, path, { offset, length, isWhole })),
      );
    } catch (error) {
      if (isAbsentHere(error)) return undefined;
      throw error;
    }
  }

  /** A rename of what is ours alone, into a lane that may not be there. @throws StoreError */
  async moveOurs(from: string, to: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const how = await this.guard('publish', to, async (nfs) => {
        const moved = await moveOurs(nfs, from, to);
        if (moved === 'moved') await this.syncNames(nfs, parentOf(to));
        return moved;
      });
      if (how === 'moved') return;
      if (attempt === ATTEMPTS) throw new StoreError('volume-busy', `${to}: no directory for it`);
      await this.makeDirectories(parentOf(to));
    }
  }

  /**
   * A rename of what others may rename too; false when they did. The directory it goes to is made
   * when that may have been the cause: always, or where that was not done lately, since many lose
   * a claim. @throws StoreError
   */
  async renamed(from: string, to: string, mend: 'always' | 'seldom'): Promise<boolean> {
    const rename = (): Promise<'renamed' | 'lost'> =>
      this.guard('publish', to, (nfs) => renameExact(nfs, from, to));
    if ((await rename()) === 'renamed') return true;
    const directory = parentOf(to);
    const now = this.#clock.now();
    if (mend === 'seldom' && isWithin(now, this.#made.get(directory), MADE_KEPT_MS)) return false;
    await this.makeDirectories(directory);
    this.#note(directory, now);
    return (await rename()) === 'renamed';
  }

  #note(directory: string, now: number): void {
    if (this.#made.size >= MADE_KEPT_MAX) this.#made.clear();
    this.#made.set(directory, now);
  }

  /** Undefined when there is no directory. */
  async #shows(path: string): Promise<boolean | undefined> {
    const directory = parentOf(path);
    try {
      const names = await this.guard('list', directory, (nfs) => listFresh(nfs, directory));
      return names.includes(path.slice(directory.length + 1));
    } catch (error) {
      if (isAbsentHere(error)) return undefined;
      throw error;
    }
  }

  /**
   * A step of whoever holds a claim: a rename to a name that only this step makes, so that after an
   * answer that may be wrong a listing says whether it happened. False when the claim is lost.
   * @throws StoreError; it may have happened, or may yet, when `isUnknown`
   */
  async step(from: string, to: string): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      let failed: StoreError | undefined;
      try {
        const how = await this.guard('publish', to, (nfs) => renameExact(nfs, from, to));
        if (how === 'renamed') return true;
      } catch (error) {
        if (!(error instanceof StoreError) || !isUnknown(error)) throw error;
        failed = error;
      }
      const shown = await this.#shows(to);
      if (shown === true) nfsLies.inc('rename');
      if (shown === true) return true;
      if (failed !== undefined) throw failed;
      if (shown === false) return false;
      // Nowhere to go to; somebody may remove it once more, being empty, before we are there.
      if (attempt === ATTEMPTS) throw new StoreError('volume-busy', `${to}: no directory for it`);
      await this.makeDirectories(parentOf(to));
    }
  }

  /** Makes a directory that was not used by this process of late. @throws StoreError */
  async ensure(directory: string): Promise<void> {
    const now = this.#clock.now();
    if (!isWithin(now, this.#made.get(directory), USED_KEPT_MS)) {
      await this.makeDirectories(directory);
      this.#note(directory, now);
    }
  }

  /** It may not be there, after all. */
  forget(directory: string): void {
    this.#made.delete(directory);
  }

  /** Runs it again when its directory had to be made. @throws StoreError */
  async making<T>(
    operation: VolumeOperation,
    path: string,
    work: (nfs: Nfs) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.guard(operation, path, work);
    } catch (error) {
      // The sentinel was read: it is this volume, and something of the path is not there.
      if (!isAbsentHere(error)) throw error;
    }
    await this.makeDirectories(parentOf(path));
    return this.guard(operation, path, work);
  }

  /** Makes a directory of the tree and those above it. @throws StoreError */
  async makeDirectories(path: string): Promise<void> {
    const [state = '', ...steps] = path.slice(this.root.length + 1).split('/');
    const top = `${this.root}/${state}`;
    const isThere = steps.length > 0 && (await this.#makeBelow(top, steps));
    if (isThere) return;
    const { volume } = this;
    const root = volume.entry.path;
    await volume.verify();
    await this.#makeBelow(root, path.slice(root.length + 1).split('/'));
    await volume.verify(); // Unmounted in between, they are in the mount point.
  }

  /** False when the directory itself is not there. */
  async #makeBelow(directory: string, steps: readonly string[]): Promise<boolean> {
    return this.guard('create', directory, async (nfs) => {
      for (let attempt = 1; ; attempt++) {
        const missing = await makeSteps(nfs, directory, steps);
        if (missing === undefined) return true;
        if (missing === directory) return false;
        // Somebody removed what was empty, between two steps of ours.
        if (attempt === ATTEMPTS)
          throw new StoreError('volume-busy', `${missing} is removed again`);
      }
    });
  }

  /** Makes names in a directory durable; who asks while that is under way shares the next. */
  syncNames(nfs: Nfs, directory: string): Promise<void> {
    if (nfs.directorySync === 'never') return Promise.resolve();
    return this.#syncs.run(directory, () => syncDirectory(nfs, directory));
  }

  /** Removes directories that are empty; the first that is not ends it. @throws StoreError */
  async removeEmpty(directories: readonly string[]): Promise<void> {
    await this.guard('remove', directories[0] ?? this.root, async (nfs) => {
      for (const directory of directories) {
        try {
          await removeDirectory(nfs, directory);
        } catch (error) {
          if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return;
          throw error;
        }
      }
    });
  }

  /** Runs a coarse operation on the volume. @throws StoreError */
  guard<T>(operation: VolumeOperation, where: string, work: (nfs: Nfs) => Promise<T>): Promise<T> {
    const { space } = this.volume;
    const directorySync = directorySyncOf(space);
    const isLocal = space?.fileSystem === 'local';
    return this.volume.guard({
      operation,
      where,
      absent: 'mailbox-missing',
      run: (given) => {
        const fs = isLocal && given === nodeFs ? LOCAL_FS : given;
        return work({ fs, directorySync, lie: (lie) => nfsLies.inc(lie) });
      },
    });
  }
}

/** Makes one directory in the other. @returns the one that was not there, if any */
async function makeSteps(
  nfs: Nfs,
  directory: string,
  steps: readonly string[],
): Promise<string | undefined> {
  let at = directory;
  for (const step of steps) {
    const parent = at;
    at = `${at}/${step}`;
    try {
      if ((await makeDirectory(nfs, at)) === 'made') await syncDirectory(nfs, parent);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return parent;
      throw error;
    }
  }
  return undefined;
}

/** A claim without a readable lease is nobody's; one from the future was made by a wrong clock. */
export function isOver(lease: Lease | undefined, serverNow: number): boolean {
  if (lease === undefined) return true;
  const age = serverNow - lease.at * 1000;
  return age > LEASE_MS || age < -LEASE_MS;
}

/** Whether what failed so may have happened all the same, or may yet. */
export const isUnknown = ({ kind, cause }: StoreError): boolean =>
  kind === 'volume-down' && (cause instanceof UnknownResultError || cause instanceof DeadlineError);

/** Whether that was lately; what is in the future was before a clock went back. */
const isWithin = (now: number, at: number | undefined, ms: number): boolean =>
  at !== undefined && at <= now && now - at <= ms;

/** "Not there", said of a volume whose sentinel was read after it. */
const isAbsentHere = (error: unknown): boolean =>
  error instanceof StoreError && error.kind === 'mailbox-missing';

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly isWhole: ((bytes: Buffer) => boolean) | undefined;
}

async function readRange(
  fs: Fs,
  path: string,
  { offset, length, isWhole }: Range,
): Promise<Buffer> {
  const fd = await fs.openRead(path);
  try {
    const buffer = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const read = await fs.read(fd, buffer.subarray(filled), offset + filled);
      if (read === 0) break;
      filled += read;
      if (isWhole?.(buffer.subarray(0, filled)) === true) break;
    }
    return buffer.subarray(0, filled);
  } finally {
    await fs.close(fd).catch(() => {}); // Nothing was written: no error can matter.
  }
}
