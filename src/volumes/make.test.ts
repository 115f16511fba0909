import { chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { makeMailbox, makeVolume } from './make.ts';
import { SentinelError } from './sentinel.ts';
import { owner, temporaryVolumes, type TemporaryVolumes } from './testing/volumes.ts';

let disk: TemporaryVolumes | undefined;
afterEach(() => disk?.remove());

test('[S2-26] nothing is made on a volume of another user: the farm could not use it', async (context) => {
  if (process.geteuid?.() !== 0) context.skip();
  disk = await temporaryVolumes('v1');
  const { entries } = disk;
  const path = join(disk.root, 'v1');
  const account = owner('alice');
  const maildir = await makeMailbox({ account, volume: 'v1', entries, clock, random });
  expect(statSync(maildir).uid).toBe(0);
  chownSync(path, 65_534, 65_534);
  const bob = { account: owner('bob'), volume: 'v1', entries, clock, random };
  await expect(makeMailbox(bob)).rejects.toThrow(SentinelError);
  await expect(makeVolume({ path, name: 'v9', random })).rejects.toThrow(/uid 65534/);
});
