import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { cpuSeconds } from './processes.ts';

/** Output kept per process; beyond it the oldest goes. */
const OUTPUT_CHARACTERS_MAX = 1_000_000;

export interface StartOptions {
  readonly cwd?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
  /** Signal that the kernel sends it when this process dies, however it dies. */
  readonly withParent?: 'KILL' | 'TERM';
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A process of a group of its own: stopped as a group, never by name. */
export interface Running {
  readonly pid: number;
  /** What it printed, both streams in the order of arrival. */
  output(): string;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  running(): boolean;
  /** Resolves when `pattern` was printed. @throws Error when it ends or `ms` pass before. */
  waitFor(pattern: RegExp, ms: number): Promise<void>;
  /** SIGTERM to the group, SIGKILL after `graceMs`. Twice is fine. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** CPU seconds, user and system, of it and all its descendants, ended ones included. */
  cpuSeconds(): number;
}

/** What it printed, for the text of an error. */
export const saidBy = (result: RunResult): string =>
  result.stderr + result.stdout.toString('utf8').slice(0, 10_000);

/** Runs to its end. @throws Error only when it cannot be started or `ms` pass. */
export async function run(
  argv: readonly string[],
  options: StartOptions & { readonly ms?: number } = {},
): Promise<RunResult> {
  const child = launch(argv, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), options.ms ?? 120_000);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    const stderr = Buffer.concat(err).toString('utf8');
    const killed = signal === null ? '' : `\n${argv.join(' ')}: ended by ${signal}`;
    return { code, stdout: Buffer.concat(out), stderr: stderr + killed };
  } finally {
    clearTimeout(timer);
  }
}

/** As `run`. @throws Error with the command's own words on any other exit code than 0. */
export async function runOrThrow(
  argv: readonly string[],
  options: StartOptions & { readonly ms?: number } = {},
): Promise<Buffer> {
  const result = await run(argv, options);
  if (result.code === 0) return result.stdout;
  throw new Error(`${argv.join(' ')}: exit ${result.code}\n${saidBy(result)}`);
}

/** Starts something that stays. */
export function start(argv: readonly string[], options: StartOptions = {}): Running {
  const child = launch(argv, options);
  const watchers = new Set<() => void>();
  let text = '';
  let ended = false;
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString('utf8')).slice(-OUTPUT_CHARACTERS_MAX);
    for (const watcher of watchers) watcher();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      ended = true;
      resolve(code ?? signal ?? 'unknown');
      for (const watcher of watchers) watcher();
    });
  });
  exited.catch(() => undefined); // Whoever waits for it sees the error; nobody has to.
  return {
    pid: child.pid ?? -1,
    output: () => text,
    exited,
    running: () => !ended,
    waitFor: (pattern, ms) =>
      new Promise((resolve, reject) => {
        const finish = (error?: Error): void => {
          clearTimeout(timer);
          watchers.delete(look);
          if (error === undefined) resolve();
          else reject(error);
        };
        const look = (): void => {
          if (pattern.test(text)) finish();
          else if (ended) finish(new Error(`${argv.join(' ')} ended:\n${text}`));
        };
        const late = (): void => finish(new Error(`no ${pattern} in ${ms} ms:\n${text}`));
        const timer = setTimeout(late, ms);
        watchers.add(look);
        look();
      }),
    stop: async (graceMs = 10_000) => {
      if (ended) return;
      signalGroup(child, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
    kill: (signal) => signalGroup(child, signal),
    cpuSeconds: () => cpuSeconds([child.pid ?? -1]),
  };
}

/** A port of `host` that nobody has now. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Resolves when someone accepts. @throws Error when `process` ends or `ms` pass before. */
export async function waitForPort(
  port: number,
  running: Running,
  ms = 120_000,
  host = '127.0.0.1',
): Promise<void> {
  const until = performance.now() + ms;
  while (!(await accepts(port, host))) {
    if (!running.running()) throw new Error(`it ended:\n${running.output()}`);
    if (performance.now() > until) {
      throw new Error(`nothing on port ${port} after ${ms} ms:\n${running.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function launch(argv: readonly string[], options: StartOptions): ChildProcess {
  // setpriv is of an essential package: a test that is killed leaves no daemon behind.
  const bound = options.withParent !== undefined && existsSync('/usr/bin/setpriv');
  const full = bound
    ? ['/usr/bin/setpriv', '--pdeathsig', options.withParent ?? 'KILL', ...argv]
    : argv;
  const [command = '', ...rest] = full;
  const child = spawn(command, rest, {
    detached: true, // A process group of its own.
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.stdin.on('error', () => undefined); // EPIPE: it ended without reading all.
  child.stdin.end(options.input);
  return child;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
