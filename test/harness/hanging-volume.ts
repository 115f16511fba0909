/**
 * A volume that hangs as one with a dead server does under a hard mount: calls on it do not return,
 * and each holds the thread that makes it. As a preload of every process of a farm it stands below
 * all our code, between node:fs and the system: a call on a path below the volume, or on a file
 * that was opened there, first opens a pipe (the gate). While the test holds the gate open that is
 * done at once; else opening a pipe that nobody writes to blocks in the kernel, for as long as it
 * takes.
 *
 * Calls that the loop's own thread makes synchronously pass: on a volume there must be none, and
 * one would stop the process, which no test could tell from a hang that is ours to survive.
 */
import { execFileSync } from 'node:child_process';
import fs, { closeSync, constants, openSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const VOLUME = 'MAILFARM_TEST_HANGING_VOLUME';
const GATE = 'MAILFARM_TEST_HANGING_GATE';

type Anything = (...args: unknown[]) => unknown;
type Table = Record<string, Anything>;

const PATHS = ['open', 'readdir', 'stat', 'lstat', 'rename', 'link', 'unlink', 'mkdir', 'rmdir'];
const OF_FILES = ['read', 'write', 'fstat', 'fsync', 'close'];
const PROMISED = [...PATHS, 'statfs', 'access', 'readFile', 'writeFile'];

export interface HangingVolume {
  /** For all processes of the farm. */
  readonly env: Readonly<Record<string, string>>;
  hang(): void;
  /** The server is back: what hangs is done now. */
  pass(): void;
}

/** @param gate a path for the pipe, outside of the volume */
export function hangingVolume(volume: string, gate: string): HangingVolume {
  execFileSync('mkfifo', ['-m', '600', gate]);
  const open = (): number => openSync(gate, constants.O_RDWR);
  let held: number | undefined = open();
  return {
    env: { NODE_OPTIONS: `--import=${import.meta.filename}`, [VOLUME]: volume, [GATE]: gate },
    hang: () => {
      if (held !== undefined) closeSync(held);
      held = undefined;
    },
    pass: () => {
      held ??= open();
    },
  };
}

function standBelow(root: string, pipe: string): void {
  const files = new Set<number>();
  const concerns = (one: unknown): boolean =>
    typeof one === 'number' ? files.has(one) : one === root || String(one).startsWith(`${root}/`);
  const { open, close } = fs;
  const { open: openPromised } = fs.promises;
  const table = fs as unknown as Table;
  for (const name of [...PATHS, ...OF_FILES]) {
    const real = table[name] as Anything;
    table[name] = (...args) => {
      if (!concerns(args[0]) && !concerns(args[1])) return real(...args);
      if (name === 'close') files.delete(args[0] as number);
      if (name === 'open') noting(files, args);
      return open(pipe, 'r', (error, fd) => {
        if (error) throw error;
        close(fd, () => real(...args));
      });
    };
    const sync = table[`${name}Sync`] as Anything;
    table[`${name}Sync`] = (...args) => {
      if (!isMainThread && concerns(args[0])) closeSync(openSync(pipe, 'r'));
      return sync(...args);
    };
  }
  const promised = fs.promises as unknown as Table;
  for (const name of PROMISED) {
    const real = promised[name] as Anything;
    promised[name] = async (...args) => {
      if (concerns(args[0])) await (await openPromised(pipe, 'r')).close();
      return await real(...args);
    };
  }
  syncBuiltinESMExports();
}

/** What is opened is of the volume from then on. */
function noting(files: Set<number>, args: unknown[]): void {
  const done = args.at(-1) as (error: Error | null, fd: number) => void;
  args[args.length - 1] = (error: Error | null, fd: number) => {
    if (!error) files.add(fd);
    done(error, fd);
  };
}

const { [VOLUME]: volume, [GATE]: gate } = process.env;
if (volume !== undefined && gate !== undefined) standBelow(volume, gate);
