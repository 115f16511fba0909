import { isErrno, type Fs } from '#maildir';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Logger } from '../log/types.ts';
import { hostBeat } from './host-facts.ts';
import {
  answerName,
  beatName,
  draftName,
  formatBeat,
  HOSTS_NAME,
  nodeInName,
  parseHostsName,
  type HostBeat,
  type HostsFile,
} from './hosts-file.ts';
import { readSentinel } from './sentinel.ts';
import type { VolumeTable } from './table.ts';
import type { Volume } from './volume.ts';

/**
 * Each node keeps one small file on each volume that says who mounts it and how, so that `mailfarm
 * doctor` on one host can tell what the others see.
 *
 * Invariant: harmless. Nothing in the mail path reads these files; all of them can be removed at
 * any time, and are written anew within a minute.
 *
 * One worker a node is enough, and none is chosen: each lists now and then (a minute, with
 * jitter), and whoever sees that the node's last beat is old writes the next. The time is in the
 * name, so a listing alone judges. Cost: a node and volume has one listing a worker and minute (a
 * GETATTR while nothing changed), and eight calls a minute for the beat (listing, OPEN, SETATTR,
 * WRITE, CLOSE, RENAME, REMOVE of the last). While a doctor asks, a listing each ten seconds, and
 * five calls for the answer.
 *
 * Races: two workers beat at once: two files, the older goes at the next beat. Both answer: the
 * same name, the second replaces the first. A reader between the two names of a rename: it reads
 * the next one. A worker that slept past its rename leaves an older beat: the newest counts. A
 * host whose clock is days ahead removes everybody's files: they come back within a minute, and
 * the doctor speaks of that clock. A clock that was set back leaves a beat of the future: older
 * than a minute ahead counts as old, and is removed.
 *
 * Rejected: a file that is replaced under one name (another host may read the old one from its
 * cache); fs.watch (sees nothing of other hosts); choosing one worker by a lock; asking the nodes
 * over HTTP (that shows that they live, and not that they see this volume).
 */
export interface HostBeatsOptions {
  readonly table: Pick<VolumeTable, 'volumes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly node: string;
  /** The release of Mailfarm that runs. */
  readonly release: string;
}

/** How old the last beat is before the next is written; a node is silent after three. */
export const BEAT_MS = 60_000;
const ASKED_MS = 10_000;
const START_MS = 5_000;
const JITTER = 0.25;
/** Questions older than this are not answered any more. */
const ANSWERED_MS = 600_000;
const REMOVED_MS = { beat: 86_400_000, ask: 3_600_000, answer: 3_600_000, draft: 3_600_000 };

/** Beats on all volumes until `close`. */
export class HostBeats {
  readonly #options: HostBeatsOptions;
  readonly #stop = new AbortController();

  constructor(options: HostBeatsOptions) {
    this.#options = options;
    void this.#loop();
  }

  close(): void {
    this.#stop.abort(new Error('closed'));
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    let waitMs = START_MS;
    while (!signal.aborted) {
      await clock.sleep(this.#jittered(waitMs), signal).catch(() => {});
      if (signal.aborted) return;
      const volumes = this.#options.table.volumes.filter((volume) => volume.up);
      const asked = await Promise.all(volumes.map((volume) => this.#tend(volume)));
      waitMs = asked.includes(true) ? ASKED_MS : BEAT_MS;
    }
  }

  /** @returns whether somebody asks */
  async #tend(volume: Volume): Promise<boolean> {
    const { clock, random, log, node, release } = this.#options;
    const directory = `${volume.entry.path}/${HOSTS_NAME}`;
    const beat = async (): Promise<HostBeat> => ({
      ...(await hostBeat(volume.entry.path, node, release)),
      clock: clock.now(),
    });
    try {
      return await volume.guard({
        operation: 'hosts',
        where: directory,
        absent: 'volume-down',
        run: (fs) => {
          const isOurs = async (): Promise<boolean> =>
            (await readSentinel(fs, volume.entry.path))?.identity === volume.entry.identity;
          return tendHosts({ fs, directory, node, random, now: () => clock.now(), beat, isOurs });
        },
      });
    } catch (error) {
      log.debug({ volume: volume.name, err: error }, 'no beat on a volume');
      return false;
    }
  }

  #jittered(ms: number): number {
    const [byte = 0] = this.#options.random.bytes(1);
    return ms * (1 - JITTER + (2 * JITTER * byte) / 255);
  }
}

export interface TendOptions {
  readonly fs: Fs;
  readonly directory: string;
  readonly node: string;
  readonly random: Random;
  readonly now: () => number;
  /** What this host has to say now. */
  readonly beat: () => Promise<HostBeat>;
  /** Whether the volume is mounted: asked before a directory is made on it (N-05). */
  readonly isOurs: () => Promise<boolean>;
}

/** Lists, beats when it is time, answers, removes what is old. @returns whether somebody asks */
export async function tendHosts(options: TendOptions): Promise<boolean> {
  const { fs, directory, now } = options;
  const node = nodeInName(options.node);
  const names = await listOrMake(options);
  const files = names.flatMap((name) => {
    const file = parseHostsName(name);
    return file ? [{ name, file }] : [];
  });
  const at = now();
  const ageOf = (file: HostsFile): number => at - file.epoch * 1000;
  const own = files.filter(({ file }) => file.kind === 'beat' && file.node === node);
  const isCurrent = (file: HostsFile): boolean => Math.abs(ageOf(file)) < BEAT_MS * (1 - JITTER);
  const newest = Math.max(0, ...own.map(({ file }) => (isCurrent(file) ? file.epoch : 0)));
  const epoch = newest > 0 ? newest : Math.floor(at / 1000);
  if (newest === 0) await writeHostsFile(options, beatName(node, epoch));
  for (const { name, file } of own) {
    if (file.epoch !== epoch) await removeQuietly(fs, `${directory}/${name}`);
  }
  for (const { name, file } of files) {
    if (own.some((one) => one.name === name)) continue;
    if (ageOf(file) > REMOVED_MS[file.kind]) await removeQuietly(fs, `${directory}/${name}`);
  }
  let asked = false;
  for (const { file } of files) {
    if (file.kind !== 'ask' || Math.abs(ageOf(file)) > ANSWERED_MS) continue;
    asked = true;
    const answer = answerName(file.id, file.epoch, node);
    if (!names.includes(answer)) await writeHostsFile(options, answer);
  }
  return asked;
}

/** Whole under its name, or not there: a reader never sees half of it. */
async function writeHostsFile(options: TendOptions, name: string): Promise<void> {
  const text = formatBeat(await options.beat());
  await writeWholeFile(options, name, Buffer.from(text, 'utf8'));
}

/** Writes a file of the directory under a draft's name first. No fsync: it may be lost. */
export async function writeWholeFile(
  at: Pick<TendOptions, 'fs' | 'directory' | 'random' | 'now'>,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const { fs, directory } = at;
  const id = Buffer.from(at.random.bytes(8)).toString('hex');
  const draft = `${directory}/${draftName(id, Math.floor(at.now() / 1000))}`;
  const fd = await fs.create(draft);
  try {
    await fs.write(fd, bytes, 0);
  } finally {
    await fs.close(fd);
  }
  await fs.rename(draft, `${directory}/${name}`);
}

async function listOrMake({ fs, directory, isOurs }: TendOptions): Promise<readonly string[]> {
  try {
    return await fs.list(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    // It is not there: nor may the volume be, and this its empty mount point.
    if (!(await isOurs())) throw error;
  }
  await fs.mkdir(directory).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error;
  });
  return [];
}

const removeQuietly = (fs: Fs, path: string): Promise<void> => fs.unlink(path).catch(() => {});
