/**
 * A process of its own with three volumes, all of which hang for good: opening a pipe that nobody
 * writes to holds a thread of the pool as a dead server does. Argument: the root of the volumes,
 * with a pipe `hang` in it. Prints what still works, and ends the only way that is left.
 */
import { lookup } from 'node:dns/promises';
import { open, readFile } from 'node:fs/promises';
import { scrypt } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { systemClock } from '../../base/clock.ts';
import { withDeadline } from '../../base/deadline.ts';
import { MemoryPlacements, openTestVolumes, owner, strikingFs, volumeEntry } from './volumes.ts';

const WAIT_MS = 40_000;
const [root = ''] = process.argv.slice(2);
let hangs = false;
const hung = async (): Promise<void> => void (await open(join(root, 'hang')));
const names = ['v1', 'v2', 'v3'];
const volumes = openTestVolumes(
  new MemoryPlacements(names.map((name) => volumeEntry(root, name))),
  {
    threads: Number(process.env['UV_THREADPOOL_SIZE']),
    limits: { 'volume.inflight.max': 1000, 'volume.deadline': 1000 },
    fs: strikingFs(() => (hangs ? hung() : undefined)),
  },
);
const places = await Promise.all(
  names.map(async (volume) => {
    const place = await volumes.table.locate(owner('alice', { volume }));
    if (place === undefined) throw new Error('not placed');
    await place.volume.ready();
    return place;
  }),
);
hangs = true;
const failed = places.flatMap((place) =>
  Array.from({ length: 200 }, (_, i) =>
    place.volume.list(`${place.maildir}${i}`).then(
      () => 0,
      () => 1,
    ),
  ),
);
await systemClock.sleep(1500); // The probes hang as well.
const within = async (what: string, work: Promise<unknown>): Promise<string> =>
  withDeadline(work, { ms: WAIT_MS, what }).then(
    () => 'works',
    (error: unknown) => String(error),
  );
const report = {
  failed: (await Promise.all(failed)).reduce<number>((sum, one) => sum + one, 0),
  names: await within('a lookup', lookup('127.0.0.1', { all: true })),
  files: await within('a local file', readFile('/etc/hostname')),
  hashing: await within('a hash', promisify(scrypt)('password', 'salt', 16)),
  compression: await within('compression', promisify(gzip)(Buffer.alloc(1000))),
};
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.kill(process.pid, 'SIGKILL'));
