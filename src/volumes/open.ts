import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import type { Logger } from '../log/types.ts';
import { nodeFs, type Fs } from '#maildir';
import { openEngine } from './engine.ts';
import { Mailboxes } from './mailboxes.ts';
import { ManyFilesThreads } from './many-files.ts';
import { journalFailures, nfsLies } from './metrics.ts';
import { VOLUME_OPTIONS, type VolumeOptions } from './options.ts';
import { askSpace, directorySyncOf, directoryTimesOf, type AskSpace } from './space.ts';
import { VolumeTable } from './table.ts';
import type { MailboxOwner, VolumeDirectory } from './types.ts';

export interface OpenVolumesOptions<A extends MailboxOwner> {
  readonly directory: VolumeDirectory<A>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** This host's name: a token of it goes into message names. */
  readonly node: string;
  readonly options?: VolumeOptions;
  /** Threads of this process for calls on files (UV_THREADPOOL_SIZE), shared by the volumes. */
  readonly threads?: number | undefined;
  /** The file system of a volume; the real one by default. For tests that need one that fails. */
  readonly fs?: Fs;
  readonly askSpace?: AskSpace;
}

/** The volumes of a process: the table, and the mailboxes on them. */
export interface Volumes<A extends MailboxOwner> {
  readonly table: VolumeTable;
  readonly mailboxes: Mailboxes<A>;
  /** Ends all readings and probes. Running operations end as they will. */
  close(): void;
}

/** Opens the volume table of this process. Nothing is waited for: volumes are probed meanwhile. */
export function openVolumes<A extends MailboxOwner>(parts: OpenVolumesOptions<A>): Volumes<A> {
  const { directory, clock, random, log, node } = parts;
  const options = parts.options ?? defaults(VOLUME_OPTIONS);
  const fs = parts.fs ?? nodeFs;
  const threads = new ManyFilesThreads({ now: () => clock.now() });
  const table = new VolumeTable({
    directory,
    clock,
    log,
    options,
    threads: parts.threads,
    fs,
    askSpace: parts.askSpace ?? askSpace,
    engine: ({ path }, space) =>
      openEngine({
        fs,
        many: fs === nodeFs && space?.fileSystem === 'local' ? threads.of(path) : undefined,
        clock,
        random,
        node,
        pid: process.pid,
        directorySync: directorySyncOf(space),
        directoryTimes: directoryTimesOf(space),
        onLie: (lie) => nfsLies.inc(lie),
        onFailure: (what) => journalFailures.inc(what),
      }),
  });
  const mailboxes = new Mailboxes({ table, directory, clock, random, log, options });
  return { table, mailboxes, close: () => table.close() };
}
