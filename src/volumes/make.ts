import { stat } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { silentLogger } from '../log/types.ts';
import { nodeFs } from '#maildir';
import { StoreError } from './error.ts';
import { createMailbox } from './mailboxes.ts';
import { openVolumes } from './open.ts';
import { initVolume, readSentinel, SentinelError } from './sentinel.ts';
import type { MailboxOwner, VolumeEntry } from './types.ts';

/**
 * Makes the mounted directory at `path` a volume, or finds that it is one: the identity that its
 * sentinel carries. A new identity is random, so that no two volumes are ever taken for one.
 * @throws SentinelError; a system error (no such directory, no permission, no space).
 */
export async function makeVolume(options: {
  readonly path: string;
  readonly name: string;
  /** The identity it must have; else whatever it has, else a new one. */
  readonly identity?: string;
  readonly random: Random;
}): Promise<string> {
  const { path, name, random } = options;
  await requireOwner(path);
  const found = options.identity === undefined ? await readSentinel(nodeFs, path) : undefined;
  if (found) return found.identity;
  const identity = options.identity ?? `${name}-${Buffer.from(random.bytes(9)).toString('hex')}`;
  await initVolume(nodeFs, path, { name, identity });
  return identity;
}

/**
 * What a command makes on a volume belongs to whoever runs it, with no right for others: made by
 * root, the service user could neither read the sentinel nor deliver.
 * @throws SentinelError, a system error
 */
export async function requireOwner(path: string): Promise<void> {
  const { uid } = await stat(path);
  const own = process.geteuid?.() ?? uid;
  if (uid === own) return;
  throw new SentinelError(
    `${path} belongs to uid ${uid} and this command runs as uid ${own}: ` +
      'run it as the user that the farm runs as, who has to own the volume',
  );
}

/**
 * What is wrong with a volume as this host sees it now, in a sentence; undefined when it is well.
 */
export async function inspectVolume(volume: VolumeEntry): Promise<string | undefined> {
  const { name, path, identity, state } = volume;
  if (state === 'offline') return undefined;
  try {
    const found = await readSentinel(nodeFs, path);
    if (found === undefined) {
      return `volume ${name}: no sentinel in ${path}: mount it, or give it one by mailfarm volume add`;
    }
    if (found.identity === identity) return undefined;
    return `volume ${name}: ${path} holds ${found.identity}, not ${identity}: mount the right one`;
  } catch (error) {
    return `volume ${name}: ${path} cannot be read: ${(error as Error).message}`;
  }
}

/**
 * Makes a mailbox for a command, on the volume that an administrator chose; to be done before the
 * volume is stored in the entry, since from then on the mailbox must be there.
 * @throws StoreError (volume-down: not mounted here, no or another sentinel; volume-full, …)
 */
export async function makeMailbox(options: {
  readonly account: MailboxOwner;
  readonly volume: string;
  readonly entries: readonly VolumeEntry[];
  readonly clock: Clock;
  readonly random: Random;
}): Promise<string> {
  const { account, entries, clock, random } = options;
  const directory = {
    volumes: () => Promise.resolve(entries),
    assignVolume: () => Promise.resolve(options.volume),
    volumeByRule: () => Promise.resolve(undefined),
    storedVolume: () => Promise.resolve(undefined),
  };
  const volumes = openVolumes({ directory, clock, random, log: silentLogger, node: 'command' });
  try {
    await volumes.table.loaded();
    const volume = volumes.table.get(options.volume);
    if (!volume) throw new StoreError('volume-down', `There is no volume ${options.volume}`);
    await requireOwner(volume.entry.path);
    return await createMailbox(account, volume);
  } finally {
    volumes.close();
  }
}
