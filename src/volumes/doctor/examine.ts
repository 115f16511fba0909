import { fork } from 'node:child_process';
import { join } from 'node:path';
import { portState } from '../../net/reach.ts';
import { readText } from '../host-facts.ts';
import type { VolumeEntry } from '../types.ts';
import {
  isNfs,
  mountOf,
  parseFileSystems,
  parseFstab,
  parseMountinfo,
  serverOf,
  type Mount,
} from './mounts.ts';
import type { Failed, PortState, VolumeFacts } from './types.ts';

/**
 * Examines volumes, each in a child of its own, all at once. This process touches no volume: it
 * reads /proc, and listens. A child that says nothing for HANG_MS is stuck in the call that it
 * named last; it is sent SIGKILL (which a call on NFS mostly obeys, fsync not), abandoned, and
 * the report goes on without it.
 *
 * Rejected: threads (process.exit() waits for ever for one that is stuck); one child for all
 * volumes (a hung one would hide the others); `timeout 10 stat` of each (a process that is stuck in
 * fsync stays, and says nothing of what it knows already).
 */
export interface ExamineTask {
  readonly path: string;
  readonly identity: string | undefined;
  readonly waitMs: number;
}

export type FromChild =
  | { readonly at: string }
  | { readonly facts: Partial<VolumeFacts> }
  | { readonly failed: Failed }
  | { readonly done: true };

export interface ExamineOptions {
  readonly volumes: readonly (Pick<VolumeEntry, 'name' | 'path' | 'state'> & {
    readonly identity: string | undefined;
  })[];
  readonly waitMs: number;
  /** What examines, and how long one call of it may take. For tests. */
  readonly program?: string;
  readonly hangMs?: number;
}

/** No single call takes this long on a volume that can serve mail. */
const HANG_MS = 7_000;
/** A child that is only starting touches no volume; the machine may be busy. */
const START_MS = 60_000;
const PORT_MS = 2_000;
const NFS_PORT = 2049;

/** @returns the facts of each volume, in their order */
export async function examine(options: ExamineOptions): Promise<readonly VolumeFacts[]> {
  const mounts = parseMountinfo(await readText('/proc/self/mountinfo'));
  const fileSystems = parseFileSystems(await readText('/proc/self/net/nfsfs/volumes'));
  const fstab = parseFstab(await readText('/etc/fstab'));
  return Promise.all(
    options.volumes.map(async ({ name, path, identity, state }) => {
      const mount = mountOf(mounts, path);
      const fileSystem = mount && (fileSystems.get(mount.device) ?? mount.device);
      const about = { mount, fileSystem, fstab: fstab.get(path) };
      const known = { name, path, identity, state, ...about, failed: [] };
      if (state === 'offline') return known; // Not to be touched.
      return {
        ...known,
        ...(await inChild({ path, identity, waitMs: options.waitMs }, mount, options)),
      };
    }),
  );
}

type Found = Partial<VolumeFacts> & Pick<VolumeFacts, 'failed'>;

function inChild(
  task: ExamineTask,
  mount: Mount | undefined,
  { program, hangMs = HANG_MS }: ExamineOptions,
): Promise<Found> {
  // Its own output would keep our caller's pipe open for as long as it hangs.
  const child = fork(program ?? join(import.meta.dirname, 'child.ts'), {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  let found: Partial<VolumeFacts> = {};
  const failed: Failed[] = [];
  let at = 'start';
  return new Promise((resolve) => {
    let timer = setTimeout(() => void hung(START_MS), START_MS);
    const end = (more: Partial<VolumeFacts>): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => {});
      child.kill('SIGKILL');
      if (child.connected) child.disconnect();
      child.unref();
      resolve({ ...found, ...more, failed });
    };
    const hung = async (ms: number): Promise<void> => {
      const port = await portOf(mount);
      end({ hung: { at, ms, port } });
    };
    child.on('message', (message: FromChild) => {
      clearTimeout(timer);
      timer = setTimeout(() => void hung(hangMs), hangMs);
      if ('at' in message) at = message.at;
      else if ('facts' in message) found = { ...found, ...message.facts };
      else if ('failed' in message) failed.push(message.failed);
      else end({});
    });
    child.once('error', (error) => {
      failed.push({ at, code: '', message: `the examining process: ${error.message}` });
      end({});
    });
    child.once('exit', (code, signal) => {
      failed.push({ at, code: '', message: `the examining process ended: ${signal ?? code}` });
      end({});
    });
    child.send(task);
  });
}

function portOf(mount: Mount | undefined): Promise<PortState> {
  if (mount === undefined || !isNfs(mount)) return Promise.resolve(undefined);
  const port = Number(mount.options.get('port') ?? NFS_PORT);
  return portState({ host: serverOf(mount), port, timeoutMs: PORT_MS });
}
