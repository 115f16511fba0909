/**
 * Calls on many files in one go, by a thread of our own that makes them one after the other and
 * synchronously, where a file system is this machine's own.
 *
 * Why: a call through libuv's pool wakes a thread and is answered through the loop. Open, read and
 * close of one small file cost 30 to 65 µs of CPU so, and 6 µs when they are made synchronously; a
 * list of 50,000 messages is nothing else. A job costs some 40 µs to hand over, so jobs are of many
 * files, and what is about few goes through the pool as ever.
 *
 * Invariants:
 * - A thread makes calls of one volume at a time, and a volume has one thread at most. So a volume
 *   that hangs takes one of THREADS_MAX; with all of them hung, nobody has a thread and all goes
 *   through the pool. Nobody waits for the thread of another volume.
 * - A job that has begun is under way until the thread answers, however late: whoever asked holds
 *   a slot of the bulkhead for it as for any operation, so that it counts as stuck.
 * - A job that has not begun after WAIT_MS is given back: its owner makes the calls
 *   himself. It shares the fate of the job before it for that long only.
 * - What is read lies in memory that both threads see, until the job is answered; it is copied out
 *   in the turn in which the answer comes, before another job begins. A job whose owner has gone
 *   still writes there, and nobody reads it.
 *
 * Not over NFS: there the pool makes sixteen calls at once, each of a round trip, which a thread
 * makes one after the other. For the same reason a disk that is slow (SLOW_MS a file) is left to
 * the pool for some time.
 *
 * A thread takes 20 MB and 60 ms of CPU to start. It is started when MANY_FILES were asked for in
 * a short time, and ended when nobody has asked for a minute.
 *
 * Rejected: threads for all calls (decision 14: what B costs in memory and at few calls at once);
 * synchronous calls in the loop's own thread (a failing disk would stop all sessions); io_uring
 * (off in libuv, and forbidden in many containers).
 */
import { Worker } from 'node:worker_threads';
import { MANY_OCTETS_MAX, type ManyFiles } from '#maildir';
import type { Fault, Job, Report } from './many-files-thread.ts';

const PROGRAM = new URL('./many-files-thread.ts', import.meta.url);
/** Threads of a process: one hung volume leaves one for the others. */
const THREADS_MAX = 2;
/** So many files, asked for within ASKED_MS, are worth a thread. */
const MANY_FILES = 512;
const ASKED_MS = 10_000;
/** A job waits so long for those of its own volume. */
const WAIT_MS = 50;
const WAITING_MAX = 8;
const IDLE_MS = 60_000;
/**
 * Milliseconds a file from which on the pool is the better choice, and for how long. A machine that
 * is busy takes some tenths.
 */
const SLOW_MS = 2;
const SLOW_FOR_MS = 10_000;

/** What a thread is asked, and where octets go that it reads. */
interface Asked {
  readonly job: Job;
  readonly into: Uint8Array | undefined;
}

interface Waiting extends Asked {
  readonly done: (report: Report | undefined) => void;
  readonly failed: (error: Error) => void;
}

/** A thread and the jobs of the volume that it works for. */
class FilesThread {
  readonly #memory = new SharedArrayBuffer(MANY_OCTETS_MAX);
  readonly #worker: Worker;
  readonly #waitMs: number;
  readonly #gone: () => void;
  readonly #queue = new Set<Waiting>();
  #running: Waiting | undefined;
  #idle: NodeJS.Timeout | undefined;
  #started = false;
  volume: string | undefined;

  constructor(program: URL, waitMs: number, gone: () => void) {
    this.#waitMs = waitMs;
    this.#gone = gone;
    this.#worker = new Worker(program, {
      workerData: { memory: this.#memory },
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 32 },
    });
    this.#worker.once('online', () => (this.#started = true));
    this.#worker.on('message', (report: Report) => this.#answered(report));
    this.#worker.once('error', (error: Error) => this.#lost(error));
    this.#worker.once('exit', () => this.#lost(new Error('The thread for files ended')));
    this.#rest();
  }

  /** May a job of the volume begin, or wait for another of it? */
  takes(volume: string): boolean {
    if (!this.#started) return false;
    if (this.#running === undefined) return true;
    return this.volume === volume && this.#queue.size < WAITING_MAX;
  }

  /** @returns undefined: it did not begin in time, and will not */
  run(volume: string, asked: Asked): Promise<Report | undefined> {
    return new Promise((done, failed) => {
      const waiting: Waiting = { ...asked, done, failed };
      this.volume = volume;
      if (this.#running === undefined) return this.#begin(waiting);
      this.#queue.add(waiting);
      setTimeout(() => {
        if (this.#queue.delete(waiting)) done(undefined);
      }, this.#waitMs);
    });
  }

  #begin(waiting: Waiting): void {
    clearTimeout(this.#idle);
    this.#running = waiting;
    this.#worker.ref();
    this.#worker.postMessage(waiting.job);
  }

  #answered(report: Report): void {
    const { into, done } = this.#running as Waiting;
    if (into !== undefined) {
      const octets = report.results.reduce<number>((sum, one) => sum + octetsOf(one), 0);
      into.set(new Uint8Array(this.#memory, 0, octets));
    }
    this.#running = undefined;
    done(report);
    const [next] = this.#queue;
    if (next === undefined) return this.#rest();
    this.#queue.delete(next);
    this.#begin(next);
  }

  #rest(): void {
    this.volume = undefined;
    this.#worker.unref();
    this.#idle = setTimeout(() => void this.#worker.terminate(), IDLE_MS).unref();
  }

  #lost(error: Error): void {
    clearTimeout(this.#idle);
    this.#gone();
    this.#running?.failed(error);
    this.#running = undefined;
    for (const waiting of this.#queue) waiting.done(undefined);
    this.#queue.clear();
  }
}

const octetsOf = (result: number | Fault): number => (typeof result === 'number' ? result : 0);

export interface ManyFilesParts {
  /** Milliseconds, of any clock. */
  readonly now: () => number;
  /** What threads run, and how long jobs wait: for tests. */
  readonly program?: URL;
  readonly waitMs?: number;
}

/** The threads of a process, and when they are worth it. */
export class ManyFilesThreads {
  readonly #parts: Required<ManyFilesParts>;
  readonly #threads = new Set<FilesThread>();
  /** Volumes whose files take long, and until when they are left alone. */
  readonly #slowUntil = new Map<string, number>();
  #asked = { files: 0, since: -Infinity };

  constructor(parts: ManyFilesParts) {
    this.#parts = { program: PROGRAM, waitMs: WAIT_MS, ...parts };
  }

  /** Threads that there are, whatever they do. */
  get size(): number {
    return this.#threads.size;
  }

  /** What the engine of a volume is given. */
  of(volume: string): ManyFiles {
    return {
      ready: (files) => this.#threadFor(volume, files) !== undefined,
      read: async ({ paths, octets, into }) => {
        const asked = { job: { kind: 'read', paths, octets } as const, into };
        const results = await this.#run(volume, asked, paths.length);
        if (results === undefined) return undefined;
        let at = 0;
        return results.map((result) => {
          if (typeof result !== 'number') return systemErrorOf(result);
          const bytes = into.subarray(at, at + result);
          at += result;
          return bytes;
        });
      },
      rename: async (pairs) => {
        const from = pairs.map(([path]) => path);
        const to = pairs.map(([, path]) => path);
        const asked = { job: { kind: 'rename', from, to } as const, into: undefined };
        const results = await this.#run(volume, asked, pairs.length);
        return results?.map((result) =>
          typeof result === 'number' ? undefined : systemErrorOf(result),
        );
      },
    };
  }

  async #run(volume: string, asked: Asked, files: number): Promise<Report['results'] | undefined> {
    const report = await this.#threadFor(volume, files)?.run(volume, asked);
    if (report === undefined) return undefined;
    if (report.ms > SLOW_MS * files) this.#slowUntil.set(volume, this.#parts.now() + SLOW_FOR_MS);
    return report.results;
  }

  #threadFor(volume: string, files: number): FilesThread | undefined {
    if ((this.#slowUntil.get(volume) ?? -Infinity) > this.#parts.now()) return undefined;
    const all = [...this.#threads];
    const own = all.find((thread) => thread.volume === volume);
    if (own !== undefined) return own.takes(volume) ? own : undefined;
    const free = all.find((thread) => thread.takes(volume));
    if (free === undefined) this.#wish(files);
    return free;
  }

  /** Starts a thread when there is reason to; it is of use when it has started. */
  #wish(files: number): void {
    const now = this.#parts.now();
    if (now - this.#asked.since > ASKED_MS) this.#asked = { files: 0, since: now };
    this.#asked.files += files;
    if (this.#asked.files < MANY_FILES || this.#threads.size >= THREADS_MAX) return;
    this.#asked.files = 0;
    const { program, waitMs } = this.#parts;
    const thread = new FilesThread(program, waitMs, () => this.#threads.delete(thread));
    this.#threads.add(thread);
  }
}

/** As the call would have thrown it. */
const systemErrorOf = ({ message, ...fields }: Fault): Error =>
  Object.assign(new Error(message), fields);
