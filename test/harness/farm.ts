/**
 * The whole product as a user starts it: `mailfarm demo` with a data directory and a port base of
 * the test's own, ready when it says so on its standard output.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Running, type RunResult, run, start } from './process.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');

/** Longer than the farm's own drain. */
const STOP_MS = 90_000;

/** Standard ports; the farm listens on base + port. */
const STANDARD = {
  smtp: 25,
  relay: 26,
  submission: 587,
  submissions: 465,
  lmtp: 24,
  health: 90,
  pop3: 110,
  imap: 143,
  ldap: 389,
  pop3s: 995,
  imaps: 993,
  http: 80,
  https: 443,
} as const;
export type FarmPort = keyof typeof STANDARD;

/** Users of the demo; their password is `demo`. */
export const DEMO_USERS = ['alice@example.test', 'bob@example.test', 'admin@example.test'] as const;
export const DEMO_PASSWORD = 'demo';

export interface FarmOptions {
  /** Its data; made when missing. A second start on the same directory finds the mail again. */
  readonly dir: string;
  /** Added to the command line and to the environment. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What it starts with. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Milliseconds until it must be ready. */
  readonly readyMs?: number;
  /** Ports of an earlier start of the same farm. */
  readonly base?: number;
}

export interface Farm {
  readonly dir: string;
  readonly base: number;
  readonly ports: Readonly<Record<FarmPort, number>>;
  /** The first process; all others are below it. */
  readonly pid: number;
  readonly process: Running;
  /** The certificate of its TLS ports and its own authority, for `localhost`. */
  readonly authority: string;
  /** Runs `mailfarm …` as this farm's administrator. */
  command(words: readonly string[], input?: string): Promise<RunResult>;
  output(): string;
  /** SIGTERM, and SIGKILL when it does not drain. @returns exit code or signal. */
  stop(): Promise<number | string>;
}

/** Starts the farm and waits for its line. @throws Error with all it said. */
export async function startFarm(options: FarmOptions): Promise<Farm> {
  const base = options.base ?? (await freePortBase());
  const place = ['--data', options.dir, '--port-base', String(base)];
  const settings = Object.entries(options.settings ?? {});
  const set = settings.flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const words = ['demo', ...place, ...set, ...(options.args ?? [])];
  const running = start([process.execPath, MAIN, ...words], {
    cwd: ROOT,
    withParent: 'TERM',
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  try {
    await running.waitFor(/^mailfarm is ready/m, options.readyMs ?? 240_000);
  } catch (error) {
    await running.stop(2_000);
    throw error;
  }
  const ports = Object.fromEntries(
    Object.entries(STANDARD).map(([name, port]) => [name, base + port]),
  ) as Record<FarmPort, number>;
  return {
    dir: options.dir,
    base,
    ports,
    pid: running.pid,
    process: running,
    authority: join(options.dir, 'tls', 'cert.pem'),
    command: (asked, input) =>
      run([process.execPath, MAIN, ...asked], {
        cwd: ROOT,
        env: { MAILFARM_CONFIG: join(options.dir, 'admin.yaml') },
        ...(input === undefined ? {} : { input: Buffer.from(input) }),
      }),
    output: () => running.output(),
    stop: () => stop(running),
  };
}

/** Asks the first process only, as an operator would; the others are its business. */
async function stop(running: Running): Promise<number | string> {
  if (running.running()) process.kill(running.pid, 'SIGTERM');
  const timer = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
  const how = await running.exited;
  clearTimeout(timer);
  return how;
}

/** A base from which all ports of the farm are free now, below the range of outgoing ports. */
export async function freePortBase(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const base = 11_000 + Math.floor(Math.random() * 20_000);
    const ports = Object.values(STANDARD).map((port) => base + port);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free range of ports');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.listen(port, '127.0.0.1');
  const free = await listening;
  if (free) {
    server.close();
    await once(server, 'close');
  }
  return free;
}
