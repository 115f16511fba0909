/**
 * Facts that nodes tell each other by empty files on the spool volumes: how much somebody sent,
 * that an address was seen a minute ago.
 *
 *     <volume>/spool/marks/<kind>/<key>/<slot>,V=<value>,H=<holder>
 *
 * All of a mark is in names: the key's hash names a directory, a file in it what one process
 * added within one slot of time, by the spool server's clock. To add is to rename one's own file to
 * a higher value, or to make it; a listing of the directory is the sum over all nodes.
 *
 * Invariants: a process changes only its own files, whose names nobody else makes, so there is no
 * lock, no append and no lost update. Values only grow, and are forgotten by the age of their slot.
 *
 * Races: two processes of a node, or a node that was started anew, have different holders, so both
 * count. A rename whose reply was lost: the file has its new name or the old one; the next look at
 * the directory finds it by its slot and holder. A directory removed while it gets a first file is
 * made anew. A listing amid a rename may miss a file or see it twice: a limit is that much off.
 *
 * Which volume: the one that the key's hash prefers among those that are up; all are asked. While
 * one is down what was told there is not known, so a limit over the farm is laxer for that time.
 * Nothing is fsynced: a power cut forgets some, which is as well.
 *
 * Cost: a first mark in a slot 2 calls, each later one a rename; a sum one listing for each volume.
 *
 * Rejected: a file of numbers (read, write, lock); an LDAP attribute (a write for each letter to
 * all replicas); counting in each node (a limit times the nodes).
 */
import { hash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { StoreError } from '../volumes/error.ts';
import type { VolumeTable } from '../volumes/table.ts';
import type { Volume } from '../volumes/volume.ts';
import { isOneOf, removeIfThere, renameExact, writePiece } from '#maildir';
import { TreeFiles } from './tree-files.ts';

export interface MarksParts {
  readonly table: Pick<VolumeTable, 'volumes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
}

export interface Mark {
  /** What is told, such as `sent` or `pop`: 1 to 24 of a-z and -. */
  readonly kind: string;
  /** Whom it is about: an account, an address; any text. */
  readonly key: string;
}

/** Marks are counted together in steps of this time, which a sum may be off by. */
const SLOT_MS = 60_000;
/** A mark is removed by whoever lists it when it is older. */
export const MARKS_KEPT_MS = 25 * 3_600_000;
/** Own files that are remembered; of others a listing says what they hold. */
const OWN_MAX = 10_000;
const KIND = /^[a-z-]{1,24}$/;
const FILE = /^(\d{1,12}),V=(\d{1,15}),H=([A-Za-z0-9_-]{1,48})$/;

interface Own {
  readonly slot: number;
  readonly value: number;
  readonly name: string;
}

interface Told {
  readonly name: string;
  readonly at: number;
  readonly value: number;
  readonly holder: string;
}

export class Marks {
  readonly #parts: MarksParts;
  readonly #trees = new Map<Volume, TreeFiles>();
  /** What this process has told, by directory. */
  readonly #own = new Map<string, Own | 'unknown'>();
  /** What is not in it may have been told: a listing says it. */
  #hasForgotten = false;
  /** One change at a time for each directory: they rename the same file. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(parts: MarksParts) {
    this.#parts = parts;
  }

  /** Adds to what the farm knows. @throws StoreError when no spool volume could be told */
  async add(mark: Mark, value = 1): Promise<void> {
    let failed: unknown;
    requireKind(mark);
    for (const tree of this.#up(mark)) {
      try {
        return await this.#inTurn(directoryOf(tree, mark), (at) => this.#add(tree, at, value));
      } catch (error) {
        failed = error;
      }
    }
    throw noneUp(failed);
  }

  /**
   * The sum of what all nodes added within the last so many ms: marks of one kind
   * and key are kept for `MARKS_KEPT_MS`, or as long as who asks for them looks back.
   * @throws StoreError when no spool volume could be asked
   */
  async sum(mark: Mark, withinMs: number): Promise<number> {
    requireKind(mark);
    const sums = await Promise.allSettled(
      this.#up(mark).map((tree) => this.#sum(tree, directoryOf(tree, mark), withinMs)),
    );
    const known = sums.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = sums.find((one) => one.status === 'rejected');
    if (known.length === 0) throw noneUp(failed?.reason);
    return known.reduce((sum, one) => sum + one, 0);
  }

  async #add(tree: TreeFiles, directory: string, value: number): Promise<void> {
    const slot = Math.floor((await tree.serverNow()) / SLOT_MS) * (SLOT_MS / 1000);
    const own = await this.#known(tree, directory, slot);
    const next = { slot, value: (own?.value ?? 0) + value };
    const path = `${directory}/${next.slot},V=${next.value},H=${tree.holder}`;
    this.#own.set(directory, 'unknown'); // Until it is told.
    if (own === undefined || !(await renamed(tree, `${directory}/${own.name}`, path))) {
      const nothing = { offset: 0, bytes: new Uint8Array(), last: false };
      await tree.making('stage', path, (nfs) => writePiece(nfs, path, nothing));
    }
    if (this.#own.size >= OWN_MAX) this.#forget();
    this.#own.set(directory, { ...next, name: path.slice(directory.length + 1) });
  }

  #forget(): void {
    this.#own.clear();
    this.#hasForgotten = true;
  }

  /** What this process has told already; a listing says it where an answer was lost. */
  async #known(tree: TreeFiles, directory: string, slot: number): Promise<Own | undefined> {
    const known = this.#own.get(directory);
    if (known === undefined && !this.#hasForgotten) return undefined;
    if (known !== undefined && known !== 'unknown') return known.slot === slot ? known : undefined;
    const all = await listed(tree, directory);
    const own = all.find(({ at, holder }) => at === slot * 1000 && holder === tree.holder);
    return own && { slot, value: own.value, name: own.name };
  }

  async #sum(tree: TreeFiles, directory: string, withinMs: number): Promise<number> {
    const all = await listed(tree, directory);
    if (all.length === 0) return 0;
    const now = await tree.serverNow();
    const kept = Math.max(MARKS_KEPT_MS, withinMs + SLOT_MS);
    const old = all.filter(({ at }) => now - at > kept);
    if (old.length > 0) void forget(tree, directory, old, all.length === old.length);
    return all
      .filter(({ at }) => now - at - SLOT_MS < withinMs)
      .reduce((sum, { value }) => sum + value, 0);
  }

  async #inTurn(directory: string, work: (directory: string) => Promise<void>): Promise<void> {
    const before = this.#turns.get(directory);
    const turn = (before ?? Promise.resolve()).catch(() => {}).then(() => work(directory));
    this.#turns.set(directory, turn);
    try {
      await turn;
    } finally {
      if (this.#turns.get(directory) === turn) this.#turns.delete(directory);
    }
  }

  /** The trees that can be used, that which the key prefers first. */
  #up({ key }: Mark): readonly TreeFiles[] {
    const { table, ...parts } = this.#parts;
    const volumes = table.volumes.filter(({ entry }) => entry.use === 'spool');
    for (const volume of this.#trees.keys()) {
      if (!volumes.includes(volume)) this.#trees.delete(volume);
    }
    const preference = ({ name }: Volume): string => hash('sha256', `${name}/${key}`, 'hex');
    return volumes
      .filter(({ up, entry }) => up && entry.state !== 'offline')
      .toSorted((a, b) => (preference(a) < preference(b) ? -1 : 1))
      .map((volume) => {
        const known = this.#trees.get(volume) ?? new TreeFiles({ ...parts, volume, tree: 'marks' });
        this.#trees.set(volume, known);
        return known;
      });
  }
}

const directoryOf = ({ root }: TreeFiles, { kind, key }: Mark): string =>
  `${root}/${kind}/${hash('sha256', key, 'hex').slice(0, 32)}`;

/** It becomes a path. */
function requireKind({ kind }: Mark): void {
  if (!KIND.test(kind)) throw new Error(`no kind of mark: ${kind}`);
}

async function renamed(tree: TreeFiles, from: string, to: string): Promise<boolean> {
  const how = await tree.guard('publish', to, (nfs) => renameExact(nfs, from, to));
  return how === 'renamed';
}

async function listed(tree: TreeFiles, directory: string): Promise<readonly Told[]> {
  return (await tree.names(directory)).flatMap((name) => {
    const [, slot, value, holder] = FILE.exec(name) ?? [];
    if (slot === undefined || value === undefined || holder === undefined) return [];
    return [{ name, at: Number(slot) * 1000, value: Number(value), holder }];
  });
}

/** Never rejects: what is not removed now is found by the next listing. */
async function forget(
  tree: TreeFiles,
  directory: string,
  old: readonly Told[],
  all: boolean,
): Promise<void> {
  try {
    await tree.guard('sweep', directory, async (nfs) => {
      for (const { name } of old) await removeIfThere(nfs, `${directory}/${name}`);
    });
    if (all) await tree.removeEmpty([directory]);
  } catch (error) {
    if (!(error instanceof StoreError) && !isOneOf(error, ['ENOENT'])) throw error;
  }
}

const noneUp = (cause: unknown): StoreError =>
  cause instanceof StoreError
    ? cause
    : new StoreError('volume-down', 'No spool volume is up', { cause });
