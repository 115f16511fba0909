/** The laboratory as tests inside it see it: hosts, the server, calls on the wire. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { CONTROL_SOCKET, type ControlAnswer, type ControlRequest } from './protocol.ts';

export const CLIENTS = ['c1', 'c2', 'c3'] as const;
export type Client = (typeof CLIENTS)[number];
/** `mail1` and `mail2` always are; others while `other-servers.lab.ts` runs. */
export type VolumeName = 'mail1' | 'mail2' | 'xfs' | 'btrfs' | 'tmpfs' | 'ganesha';

/** Where a client's mount of a volume is for everybody; a host's own processes see /mnt/VOLUME. */
export const mountOf = (client: Client, volume: VolumeName = 'mail1'): string =>
  `/mnt/${client}/${volume}`;

async function ask(request: ControlRequest): Promise<ControlAnswer> {
  const socket = connect({ path: CONTROL_SOCKET, allowHalfOpen: true });
  socket.end(JSON.stringify(request));
  return JSON.parse(await text(socket)) as ControlAnswer;
}

/** Runs a command as root. @returns its output. @throws Error with it, on any other exit than 0 */
export async function asRoot(...argv: readonly string[]): Promise<string> {
  const answer = await ask({ argv });
  if (answer.code === 0) return answer.output;
  throw new Error(`${argv.join(' ')}: exit ${answer.code}\n${answer.output}`);
}

/** The NFS server's threads: none, and it is stopped; clients wait. */
export const serverThreads = (count: number): Promise<string> =>
  count === 0 ? asRoot('rpc.nfsd', '0') : asRoot('rpc.nfsd', '-N', '3', '-V', '4.2', String(count));

/**
 * After a restart of the server: clients at rest come back too, at once. Grace ends when all are
 * back who had state; by themselves they would be so when their lease is due.
 */
export const clientsBack = (): Promise<unknown> =>
  Promise.all(CLIENTS.map((client) => statfs(mountOf(client))));

export interface HostProcess {
  readonly pid: number;
  readonly log: string;
  output(): string;
  /** Sends a signal to it and all that it started. */
  signal(name: 'TERM' | 'KILL'): Promise<void>;
}

/**
 * Starts a program as a process of a client: in its network, with its mounts at /mnt/mail1 and
 * /mnt/mail2, as the service user.
 */
export async function startOn(
  client: Client,
  name: string,
  argv: readonly string[],
): Promise<HostProcess> {
  const log = `/tmp/out/${name}.log`;
  const script = `
    mount --make-rprivate /
    mount --bind ${mountOf(client, 'mail1')} /mnt/mail1
    mount --bind ${mountOf(client, 'mail2')} /mnt/mail2
    exec setpriv --reuid mail --regid mail --clear-groups "$@"`;
  const enter = ['nsenter', `--net=/run/netns/${client}`, 'unshare', '--mount'];
  const answer = await ask({ argv: [...enter, 'bash', '-c', script, name, ...argv], log });
  if (answer.pid === undefined) throw new Error(`${name} was not started`);
  const pid = answer.pid;
  return {
    pid,
    log,
    output: () => readFileSync(log, 'utf8'),
    signal: async (signal) => void (await asRoot('kill', `-${signal}`, '--', `-${pid}`)),
  };
}

export type Calls = ReadonlyMap<string, number>;

/** Calls that a client has sent so far for one mount, by operation. */
export function callsOf(client: Client, volume: VolumeName = 'mail1'): Calls {
  const stats = readFileSync('/proc/self/mountstats', 'utf8');
  const own = stats
    .split(/^(?=device )/m)
    .find((part) => part.includes(` mounted on ${mountOf(client, volume)} `));
  if (own === undefined) throw new Error(`${mountOf(client, volume)} is not mounted`);
  const lines = own.slice(own.indexOf('per-op statistics')).matchAll(/^\s+([A-Z_0-9]+): (\d+) /gm);
  return new Map([...lines].map(([, name, count]) => [name ?? '', Number(count)]));
}

/** Not of the work: leases are kept up whatever one does. */
const HOUSEKEEPING = new Set(['SEQUENCE', 'RENEW']);

/** What `work` cost a client, or several, by operation, and in all. */
export async function callsDuring(
  client: Client | readonly Client[],
  work: () => Promise<unknown>,
  volume: VolumeName = 'mail1',
): Promise<{ readonly total: number; readonly calls: string; readonly by: Calls }> {
  const all = [client].flat().map((one) => ({ one, before: callsOf(one, volume) }));
  await work();
  const by = new Map<string, number>();
  for (const { one, before } of all) {
    for (const [name, count] of callsOf(one, volume)) {
      const more = count - (before.get(name) ?? 0);
      if (more > 0 && !HOUSEKEEPING.has(name)) by.set(name, (by.get(name) ?? 0) + more);
    }
  }
  const total = [...by.values()].reduce((sum, count) => sum + count, 0);
  const calls = [...by].map(([name, count]) => `${name} ${count}`).join(', ');
  return { total, calls, by };
}

/** Calls for locks by a host on a volume. */
export const locksOf = (client: Client, volume: VolumeName): number => {
  const calls = callsOf(client, volume);
  return ['LOCK', 'LOCKT', 'LOCKU'].reduce((sum, name) => sum + (calls.get(name) ?? 0), 0);
};

const FOREIGN_LOCKS = '/tmp/foreign-locks';

/** Runs programs of others, which may lock: what they asked for is none of ours. */
export async function withForeign(work: () => Promise<void>): Promise<void> {
  const count = (): number => CLIENTS.reduce((sum, client) => sum + locksOf(client, 'mail1'), 0);
  const before = count();
  try {
    await work();
  } finally {
    writeFileSync(FOREIGN_LOCKS, String(foreignLocks() + count() - before));
  }
}

/** Calls for locks that programs of others have made on mail1. */
export const foreignLocks = (): number =>
  existsSync(FOREIGN_LOCKS) ? Number(readFileSync(FOREIGN_LOCKS, 'utf8')) : 0;
