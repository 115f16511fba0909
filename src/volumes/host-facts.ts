import { readFile } from 'node:fs/promises';
import { hostname, release as kernelRelease } from 'node:os';
import { mountOf, parseMountinfo } from './doctor/mounts.ts';
import type { HostBeat, HostFacts } from './hosts-file.ts';

/** This host, and how it mounts the volume at `path`. Reads /proc and /sys only. */
export async function hostBeat(
  path: string,
  node: string,
  release: string,
): Promise<Omit<HostBeat, 'clock'>> {
  const mount = mountOf(parseMountinfo(await readText('/proc/self/mountinfo')), path);
  const options = [...(mount?.options ?? [])].map(([k, v]) => (v === '' ? k : `${k}=${v}`));
  return {
    node,
    host: await hostFacts(),
    source: mount?.source ?? '',
    type: mount?.type ?? '',
    options: options.join(',').slice(0, 1000),
    release,
    uid: process.geteuid?.() ?? 0,
  };
}

/** What tells this host and its NFS client from others. */
export async function hostFacts(): Promise<HostFacts> {
  const identifier = await readText('/sys/fs/nfs/net/nfs_client/identifier');
  return {
    bootId: await readText('/proc/sys/kernel/random/boot_id'),
    nodename: hostname(),
    identifier: identifier === '(null)' ? '' : identifier,
    kernel: kernelRelease(),
  };
}

/** A file of /proc or /sys; '' where it is not there. */
export const readText = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    (text) => text.trim().slice(0, 1_000_000),
    () => '',
  );
