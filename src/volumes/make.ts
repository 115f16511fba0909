import type { Random } from '../base/random.ts';
import { nodeFs } from '#maildir';
import { initVolume, readSentinel } from './sentinel.ts';

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
  const found = options.identity === undefined ? await readSentinel(nodeFs, path) : undefined;
  if (found) return found.identity;
  const identity = options.identity ?? `${name}-${Buffer.from(random.bytes(9)).toString('hex')}`;
  await initVolume(nodeFs, path, { name, identity });
  return identity;
}
