/**
 * The program of the thread behind `many-files.ts`: calls on files as they are asked for, one after
 * the other and synchronously. It imports nothing of ours, so that it starts in some milliseconds.
 */
import { closeSync, constants, openSync, readSync, renameSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/** What the thread is asked. Octets that are read lie in the shared memory, one after the other. */
export type Job =
  | { readonly kind: 'read'; readonly paths: readonly string[]; readonly octets: readonly number[] }
  /** Stops at the first failure that is not of one file (NOT_THERE). */
  | { readonly kind: 'rename'; readonly from: readonly string[]; readonly to: readonly string[] };

/** A system error as it travels: of an Error `code` and `errno` would be lost. */
export interface Fault {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly path: string | undefined;
}

/** Of each file in order: octets read (0 where there is nothing to count), or what failed. */
export interface Report {
  readonly results: readonly (number | Fault)[];
  /** Milliseconds that it took. */
  readonly ms: number;
}

/** As `nodeFs.openRead`: a pipe among the messages must not hold the thread. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
const NOT_THERE: ReadonlySet<number> = new Set([-2, -116]); // ENOENT, ESTALE on Linux.

const { memory } = workerData as { readonly memory: SharedArrayBuffer };
const shared = new Uint8Array(memory);

function fault(error: unknown): Fault {
  const { message, code, errno, syscall, path } = error as NodeJS.ErrnoException;
  return { message, code, errno, syscall, path };
}

function readOne(path: string, at: number, octets: number): number {
  const fd = openSync(path, READ);
  try {
    return readSync(fd, shared, at, octets, 0);
  } finally {
    closeSync(fd);
  }
}

function readAll(paths: readonly string[], octets: readonly number[]): (number | Fault)[] {
  let at = 0;
  return paths.map((path, index) => {
    try {
      const length = readOne(path, at, octets[index] ?? 0);
      at += length;
      return length;
    } catch (error) {
      return fault(error);
    }
  });
}

function renameAll(from: readonly string[], to: readonly string[]): (number | Fault)[] {
  const results: (number | Fault)[] = [];
  for (const [index, path] of from.entries()) {
    try {
      renameSync(path, to[index] ?? '');
      results.push(0);
    } catch (error) {
      const failed = fault(error);
      results.push(failed);
      if (!NOT_THERE.has(failed.errno ?? 0)) break;
    }
  }
  return results;
}

parentPort?.on('message', (job: Job) => {
  const started = performance.now();
  const results =
    job.kind === 'read' ? readAll(job.paths, job.octets) : renameAll(job.from, job.to);
  const report: Report = { results, ms: performance.now() - started };
  parentPort?.postMessage(report);
});
