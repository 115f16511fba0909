/** The machines as tests in the hub see them: power, cables, clocks, commands, processes. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, ask, OUTSIDE, readOrNothing, type Request } from './box.ts';
import { EXPORTS, type ExportName, type Filer, type Frontend, type Host } from './hosts.ts';
import { FRONTENDS, HOSTS, VOLUMES } from './hosts.ts';

export { EXPORTS, FILERS, FRONTENDS, HOSTS, VOLUMES } from './hosts.ts';
export type { ExportName, Filer, Frontend, Host } from './hosts.ts';

const FOLDER = '/mnt/host';
const POWER_MS = 180_000;
const COMMAND_MS = 60_000;

/** Where a front end's processes see a volume. */
export const mountOf = (volume: ExportName): string => `/mnt/${volume}`;
/** Where the filer that has it sees its disk. */
export const diskOf = (volume: ExportName): string => `/mnt/srv/${volume}`;

const tell = (to: string, request: Request, ms: number): Promise<Answer> =>
  ask(FOLDER, { to, from: 'hub', ms }, request);

export interface RunOptions {
  /** `mail`, the service user, unless told. */
  readonly as?: 'root' | 'mail';
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** It fails after this; the command goes on. */
  readonly ms?: number;
}

/**
 * Runs a command on a machine, in the tree. @returns what it printed, both streams.
 * @throws Error with that, on any other exit than 0; when the machine loses its power
 */
export async function run(
  host: Host,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { as = 'mail', ms = COMMAND_MS, ...more } = options;
  const answer = await tell(host, { do: 'run', argv, as, ...more }, ms);
  if (answer.code === 0) return answer.output;
  throw new Error(`${host}: ${argv.join(' ')}: exit ${answer.code}\n${answer.output}`);
}

/** A shell's command as root on the filer of a volume, in the volume's directory on its disk. */
export const atFiler = (volume: ExportName, script: string): Promise<string> =>
  run(VOLUMES[volume], ['bash', '-ec', `cd ${diskOf(volume)}\n${script}`], { as: 'root' });

export interface HostProcess {
  readonly host: Host;
  readonly pid: number;
  /** All it printed; also when its machine is dead. */
  output(): string;
  /** Sends a signal to it and all that it started. */
  signal(name: 'TERM' | 'KILL' | 'INT' | 'HUP' | 'STOP' | 'CONT' | 'USR1' | 'USR2'): Promise<void>;
  /** Its exit code, once it ended by itself or by a signal (128); not when its machine died. */
  ended(): number | undefined;
  /** @throws Error with its output when it ends, or `ms` pass, before it printed that */
  waitFor(pattern: RegExp, ms: number): Promise<void>;
}

let starts = 0;

/** Starts a program on a machine and leaves it running. `name` need not be unique. */
export async function startOn(
  host: Host,
  name: string,
  argv: readonly string[],
  options: Pick<RunOptions, 'as' | 'env'> = {},
): Promise<HostProcess> {
  const unique = `${host}-${name}-${starts++}`;
  const { as = 'mail', ...more } = options;
  const request = { do: 'start', name: unique, argv, as, ...more } as const;
  const { pid } = await tell(host, request, COMMAND_MS);
  if (pid === undefined) throw new Error(`${host}: ${argv.join(' ')} was not started`);
  const log = join(FOLDER, 'log', unique);
  const output = (): string => readOrNothing(`${log}.log`) ?? '';
  const ended = (): number | undefined => {
    const text = readOrNothing(`${log}.end`);
    return text === undefined ? undefined : (JSON.parse(text) as { code: number }).code;
  };
  return {
    host,
    pid,
    output,
    ended,
    signal: async (signal) =>
      void (await run(host, ['kill', `-${signal}`, '--', `-${pid}`], { as: 'root' })),
    waitFor: async (pattern, ms) => {
      const until = performance.now() + ms;
      while (!pattern.test(output())) {
        if (ended() !== undefined) throw new Error(`${unique} ended:\n${output()}`);
        if (performance.now() > until) {
          throw new Error(`${unique}: no ${pattern} in ${ms} ms:\n${output()}`);
        }
        await sleep(50);
      }
    },
  };
}

/** A front end's volumes are mounted. @throws Error after a minute */
async function mounted(host: Frontend, volumes: readonly ExportName[]): Promise<void> {
  const each = volumes.map(mountOf).join(' ');
  const script = `for m in ${each}; do until mountpoint -q $m; do sleep 0.1; done; done`;
  await run(host, ['timeout', '60', 'bash', '-c', script], { as: 'root', ms: 70_000 });
}

const isFrontend = (host: Host): host is Frontend => FRONTENDS.some((name) => name === host);

export const power = {
  /** Pulls the cord: what its memory held is gone; its disks have what they were given. */
  off: async (host: Exclude<Host, 'hub'>): Promise<void> => {
    await tell(OUTSIDE, { do: 'power-off', host }, POWER_MS);
  },
  /**
   * Boots it; resolves when its agent answers and, on a front end, `volumes` are mounted (all,
   * unless told: name those whose filer is on).
   */
  on: async (
    host: Exclude<Host, 'hub'>,
    volumes: readonly ExportName[] = EXPORTS,
  ): Promise<void> => {
    await tell(OUTSIDE, { do: 'power-on', host }, POWER_MS);
    if (isFrontend(host)) await mounted(host, volumes);
  },
};

const cableCommand = async (...words: readonly (string | number)[]): Promise<void> =>
  void (await tell(OUTSIDE, { do: 'cable', command: words.join(' ') }, COMMAND_MS));

export const cable = {
  /** No frame goes to or from the host; with `other`, none between the two. */
  cut: (host: Host, other?: Host) => cableCommand('cut', host, ...(other ? [other] : [])),
  heal: (host: Host, other?: Host) => cableCommand('heal', host, ...(other ? [other] : [])),
  /** It hears nothing, but is heard. */
  cutTo: (host: Host) => cableCommand('cut-to', host),
  /** It hears, but is not heard. */
  cutFrom: (host: Host) => cableCommand('cut-from', host),
  /** What it sends comes that much later; 0: at once. */
  delay: (host: Host, ms: number) => cableCommand('delay', host, ms),
  healAll: () => cableCommand('heal-all'),
};

/**
 * For `afterEach`: whole cables, every machine on, every volume mounted on every front end; a
 * front end's node that lost its power is not started.
 */
export async function restore(): Promise<void> {
  await tell(OUTSIDE, { do: 'restore' }, POWER_MS);
  await Promise.all(FRONTENDS.map((host) => mounted(host, EXPORTS)));
}

/** Sets a machine's clock that far from the right time. A new boot sets it right. */
export const setClock = (host: Host, seconds: number): Promise<string> => {
  const at = (Date.now() / 1000 + seconds).toFixed(3);
  return run(host, ['date', '-s', `@${at}`], { as: 'root' });
};

/** Mounts all volumes anew on a front end; nobody may use them. `options`: `hard` unless told. */
export async function mountAll(host: Frontend, options = 'hard'): Promise<void> {
  const mounts = EXPORTS.map((name) => `${name}=${HOSTS[VOLUMES[name]].address}`).join(',');
  const script = `
    for m in ${EXPORTS.map(mountOf).join(' ')}; do if mountpoint -q $m; then umount $m; fi; done
    exec test/lab/machines/mount-all.sh ${options} ${mounts}`;
  await run(host, ['bash', '-ec', script], { as: 'root' });
}

/** The NFS server's threads of a filer: none, and it is stopped; clients wait. */
export const serverThreads = (filer: Filer, count: number): Promise<string> => {
  const how = count === 0 ? ['0'] : ['-N', '3', '-V', '4.2', String(count)];
  return run(filer, ['rpc.nfsd', ...how], { as: 'root' });
};
