import { isErrno, isOneOf, type Fs } from '#maildir';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { callsBetween } from './mounts.ts';
import type { Owned, Trial, TrialFacts } from './types.ts';

/**
 * Tries on the volume what delivery relies on, in `.mailfarm-doctor/<seconds>-<random>`, which is
 * removed afterwards. What a doctor left who was ended meanwhile, the next one removes after an
 * hour. Nothing else on the volume is touched.
 */
export const TRIAL_NAME = '.mailfarm-doctor';
const LEFT_BEHIND_S = 3600;
const ROUNDS = 5;
const NAME_MAX = 255;
const LETTER = Buffer.alloc(5000, 'x\n');

export interface Looked extends Owned {
  readonly links: number;
  readonly modifiedMs: number;
}

export interface TrialParts {
  readonly fs: Fs;
  readonly look: (path: string) => Promise<Looked>;
  readonly clock: Clock;
  readonly random: Random;
  /** The volume's mount point. */
  readonly root: string;
  /** Told before each call: the last one told is the one that hangs. */
  readonly at: (call: string) => void;
  /** NFS calls sent so far for this mount; undefined where nobody counts. */
  readonly calls: () => Promise<ReadonlyMap<string, number> | undefined>;
}

/** @throws a system error when not even a directory can be made or a file written */
export async function runTrial(parts: TrialParts): Promise<TrialFacts> {
  const { fs, random, clock, root, at } = parts;
  const all = `${root}/${TRIAL_NAME}`;
  const id = Buffer.from(random.bytes(8)).toString('hex');
  const own = `${all}/${Math.floor(clock.now() / 1000)}-${id}`;
  at('mkdir');
  await fs.mkdir(all).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error;
  });
  await fs.mkdir(own);
  try {
    return await tryAll(parts, own);
  } finally {
    at('removing what was tried');
    await clear(fs, own);
    await clearOld(fs, all, clock.now() / 1000);
    await fs.rmdir(all).catch(() => {}); // Another doctor may be at work.
  }
}

async function tryAll(parts: TrialParts, own: string): Promise<TrialFacts> {
  const { clock, look, at, fs } = parts;
  at('create');
  const before = clock.now();
  const fd = await fs.create(`${own}/first`);
  await fs.close(fd);
  const after = clock.now();
  at('stat');
  const made = await look(`${own}/first`);
  const broken: Partial<Record<Trial, string>> = {};
  const kept: Trial[] = [];
  for (const [trial, run] of Object.entries(TRIALS_RUN) as [Trial, TrialRun][]) {
    at(trial);
    const saw = await run(parts, own).catch((error: unknown) => {
      if (isOneOf(error, NOT_OF_THE_TRIAL)) throw error;
      return (error as Error).message;
    });
    if (saw === undefined) kept.push(trial);
    else broken[trial] = saw;
  }
  // Without fsync there is no delivery to measure.
  const measured = broken.fsync ? { durations: {} } : await measure(parts, own);
  const { path, uid, gid, mode } = made;
  const skew = [made.modifiedMs - after, made.modifiedMs - before] as const;
  return { made: { path, uid, gid, mode }, skew, broken, kept, ...measured };
}

/** What says nothing of how the file system behaves: the volume is full, or fails. */
const NOT_OF_THE_TRIAL = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'ESTALE', 'ETIMEDOUT'] as const;

/** @returns what was seen in place of what has to be; undefined when all is well. */
type TrialRun = (parts: TrialParts, own: string) => Promise<string | undefined>;

const TRIALS_RUN: Readonly<Record<Trial, TrialRun>> = {
  exclusive: async ({ fs }, own) =>
    refused(fs.create(`${own}/first`), fs, 'a second O_EXCL of one name was let through'),
  link: async ({ fs, look }, own) => {
    await fs.link(`${own}/first`, `${own}/second`);
    const { links } = await look(`${own}/second`);
    if (links !== 2) return `a file with two names says that it has ${links}`;
    return refused(fs.link(`${own}/first`, `${own}/second`), fs, 'link replaced a name');
  },
  'rename-over': async ({ fs, look }, own) => {
    await put(fs, `${own}/from`, LETTER);
    await put(fs, `${own}/onto`, Buffer.from('x'));
    await fs.rename(`${own}/from`, `${own}/onto`);
    const names = await fs.list(own);
    if (names.includes('from')) return 'the old name is still listed';
    const fd = await fs.openRead(`${own}/onto`);
    try {
      const size = await fs.size(fd);
      await look(`${own}/onto`);
      return size === LETTER.length ? undefined : `the file has ${size} octets`;
    } finally {
      await fs.close(fd);
    }
  },
  fsync: async ({ fs }, own) => void (await put(fs, `${own}/synced`, LETTER)),
  'long-names': async ({ fs }, own) => {
    await put(fs, `${own}/${'n'.repeat(NAME_MAX)}`, Buffer.alloc(0));
    return undefined;
  },
  case: async ({ fs }, own) => {
    await put(fs, `${own}/case`, Buffer.alloc(0));
    try {
      await put(fs, `${own}/CASE`, Buffer.alloc(0));
      return undefined;
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return '"case" and "CASE" are one file';
      throw error;
    }
  },
  colon: async ({ fs }, own) => {
    await put(fs, `${own}/1.x,S=1:2,S`, Buffer.alloc(0));
    return (await fs.list(own)).includes('1.x,S=1:2,S') ? undefined : 'the name is another now';
  },
  'open-unlinked': async ({ fs }, own) => {
    await put(fs, `${own}/open`, LETTER);
    const fd = await fs.openRead(`${own}/open`);
    try {
      await fs.unlink(`${own}/open`);
      const got = await fs.read(fd, Buffer.alloc(LETTER.length), 0);
      return got === LETTER.length ? undefined : `only ${got} octets came`;
    } finally {
      await fs.close(fd);
    }
  },
  listing: async ({ fs }, own) => {
    for (let i = 0; i < ROUNDS; i++) {
      await put(fs, `${own}/listed${i}`, Buffer.alloc(0));
      if (!(await fs.list(own)).includes(`listed${i}`)) return 'a file just made is not listed';
    }
    return undefined;
  },
};

async function refused(
  made: Promise<number | void>,
  fs: Fs,
  otherwise: string,
): Promise<string | undefined> {
  try {
    const fd = await made;
    if (typeof fd === 'number') await fs.close(fd);
    return otherwise;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return undefined;
    throw error;
  }
}

async function put(fs: Fs, path: string, bytes: Uint8Array): Promise<void> {
  const fd = await fs.create(path);
  try {
    if (bytes.length > 0) await fs.write(fd, bytes, 0);
    await fs.fsync(fd);
  } finally {
    await fs.close(fd);
  }
}

/** Some deliveries, warm: the median of each call, and the fewest calls on the wire of one. */
async function measure(
  parts: TrialParts,
  own: string,
): Promise<Pick<TrialFacts, 'durations' | 'calls'>> {
  const { fs, clock, at } = parts;
  const taken = new Map<string, number[]>();
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    at(name);
    const began = clock.now();
    const value = await work();
    taken.set(name, [...(taken.get(name) ?? []), clock.now() - began]);
    return value;
  };
  let calls: TrialFacts['calls'];
  for (let round = 0; round < ROUNDS; round++) {
    const path = `${own}/m${round}`;
    const before = await parts.calls();
    const fd = await timed('create', () => fs.create(path));
    await timed('write', () => fs.write(fd, LETTER, 0));
    await timed('fsync', () => fs.fsync(fd));
    await timed('close', () => fs.close(fd));
    await timed('rename', () => fs.rename(path, `${path}.new`));
    const now = await parts.calls();
    const cost = before && now && callsBetween(before, now);
    if (cost && (calls === undefined || cost.count < calls.count)) calls = cost;
    await timed('list', () => fs.list(own));
    await timed('unlink', () => fs.unlink(`${path}.new`));
  }
  const durations = Object.fromEntries([...taken].map(([name, ms]) => [name, median(ms)]));
  return { durations, ...(calls && { calls }) };
}

const median = (values: readonly number[]): number => {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return Math.round(middle * 100) / 100;
};

/** Removes a directory of ours with the files in it. What refuses stays for the next doctor. */
async function clear(fs: Fs, directory: string): Promise<void> {
  const names = await fs.list(directory).catch(() => []);
  for (const name of names) await fs.unlink(`${directory}/${name}`).catch(() => {});
  await fs.rmdir(directory).catch(() => {});
}

async function clearOld(fs: Fs, all: string, nowS: number): Promise<void> {
  for (const name of await fs.list(all).catch(() => [])) {
    const made = /^(\d{1,12})-[0-9a-f]{16}$/.exec(name)?.[1];
    if (made !== undefined && nowS - Number(made) > LEFT_BEHIND_S)
      await clear(fs, `${all}/${name}`);
  }
}
