import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeFs, systemClock, systemError, systemRandom, type Fs } from '#maildir';
import { diagnose } from './checks.ts';
import { examine } from './examine.ts';
import { look } from './look.ts';
import { FARM } from './testing.ts';
import { runTrial, TRIAL_NAME } from './trial.ts';
import { TRIALS, type TrialFacts, type VolumeFacts } from './types.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mailfarm-doctor-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const SENTINEL = 'identity=one\nname=v\nformat=1\n';

async function facts(more: Partial<Parameters<typeof examine>[0]> = {}): Promise<VolumeFacts> {
  const volume = { name: 'v', path: root, identity: 'one', state: 'active' } as const;
  const [found] = await examine({ volumes: [volume], waitMs: 0, ...more });
  if (found === undefined) throw new Error('nothing was found');
  return found;
}

test('[N-04] a volume is examined from end to end, and left as it was', async () => {
  writeFileSync(join(root, '.mailfarm-volume'), SENTINEL);
  mkdirSync(join(root, '3f/a2/some-id/new'), { recursive: true });
  const found = await facts();
  expect(found.failed).toEqual([]);
  expect(found.sentinel).toEqual({ kind: 'whole', identity: 'one', name: 'v' });
  expect(found.trial?.kept).toEqual(expect.arrayContaining([...TRIALS]));
  expect(found.trial?.made?.uid).toBe(process.geteuid?.());
  const [least = 1e9, most = -1e9] = found.trial?.skew ?? [];
  expect(least - 100).toBeLessThan(0);
  expect(most + 100).toBeGreaterThan(0);
  expect(found.below?.map(({ path }) => path.slice(root.length))).toEqual([
    '/3f',
    '/3f/a2',
    '/3f/a2/some-id',
    '/3f/a2/some-id/new',
  ]);
  expect(found.room?.totalBytes).toBeGreaterThan(0);
  expect(readdirSync(root).toSorted()).toEqual(['.mailfarm-volume', '3f']);
});

test.each([
  ['another volume', SENTINEL.replace('one', 'two')],
  ['a torn sentinel', SENTINEL.slice(0, 10)],
  ['no sentinel', undefined],
])('[N-05] nothing is written where there is %s', async (_, text) => {
  if (text !== undefined) writeFileSync(join(root, '.mailfarm-volume'), text);
  utimesSync(root, 1, 1);
  const found = await facts();
  expect(found.trial).toBeUndefined();
  expect((await look(root)).modifiedMs).toBe(1000);
});

test('a volume that is offline is not touched', async () => {
  const volume = { name: 'v', path: root, identity: 'one', state: 'offline' } as const;
  const [found] = await examine({ volumes: [volume], waitMs: 0, program: '/nowhere.js' });
  expect(found).toMatchObject({ name: 'v', failed: [] });
});

test('[N-04] [N-02] a call that never comes back is told, with what was known before', async () => {
  const program = join(root, 'hangs.mjs');
  const room = { totalBytes: 9, freeBytes: 1, totalInodes: 0, freeInodes: 0 };
  writeFileSync(
    program,
    `process.send({ facts: ${JSON.stringify({ room })} });
     process.send({ at: 'trial: fsync' }, () =>
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));`,
  );
  const began = performance.now();
  const found = await facts({ program, hangMs: 300 });
  expect(performance.now() - began).toBeLessThan(30_000);
  expect(found.hung).toEqual({ at: 'trial: fsync', ms: 300, port: undefined });
  expect(found.room).toEqual(room);
  const { complaints } = diagnose(found, FARM);
  expect(complaints[0]?.wrong).toContain('Has not answered for 0 s, in: trial: fsync');
});

test('an examining process that dies is told, and not taken for a healthy volume', async () => {
  const program = join(root, 'dies.mjs');
  writeFileSync(program, 'process.exit(3);');
  const found = await facts({ program });
  expect(found.failed[0]?.message).toBe('the examining process ended: 3');
  expect(diagnose(found, { ...FARM, table: undefined, nodes: [] }).complaints).not.toEqual([]);
});

const tryOn = (fs: Fs): Promise<TrialFacts> =>
  runTrial({
    fs,
    look,
    clock: systemClock,
    random: systemRandom,
    root,
    at: () => {},
    calls: async () => undefined,
  });

test('what another doctor left is removed after an hour, what is not ours never', async () => {
  const all = join(root, TRIAL_NAME);
  const now = Math.floor(systemClock.now() / 1000);
  for (const name of [`${now - 4000}-${'a'.repeat(16)}`, `${now - 60}-${'b'.repeat(16)}`, 'x']) {
    mkdirSync(join(all, name), { recursive: true });
    writeFileSync(join(all, name, 'first'), '');
  }
  await tryOn(nodeFs);
  expect(readdirSync(all).toSorted()).toEqual([`${now - 60}-${'b'.repeat(16)}`, 'x']);
});

const lies: readonly (readonly [string, Partial<Fs>, Partial<TrialFacts['broken']>])[] = [
  [
    'O_EXCL that excludes nobody',
    {
      create: (path) => nodeFs.create(path).catch(() => nodeFs.openWrite(path)),
    },
    { exclusive: 'a second O_EXCL of one name was let through' },
  ],
  [
    'no hard links',
    { link: () => Promise.reject(systemError('EPERM', 'link', '')) },
    { link: expect.stringContaining('EPERM') as string },
  ],
  [
    'a copy in place of a link',
    { link: async (_, added) => nodeFs.close(await nodeFs.create(added)) },
    { link: 'a file with two names says that it has 1' },
  ],
  [
    'one case only',
    { create: (path) => nodeFs.create(join(dirname(path), basename(path).toLowerCase())) },
    { case: '"case" and "CASE" are one file' },
  ],
  [
    'no colon in names',
    { create: (path) => nodeFs.create(path.replace(':', '_')) },
    { colon: 'the name is another now' },
  ],
  [
    'a listing that lags',
    { list: async (path) => (await nodeFs.list(path)).filter((name) => name !== 'listed2') },
    { listing: 'a file just made is not listed' },
  ],
  [
    'fsync that fails',
    { fsync: () => Promise.reject(systemError('EPERM', 'fsync', '')) },
    { fsync: expect.stringContaining('EPERM') as string },
  ],
];

test.each(lies)('[N-04] it is noticed: %s', async (_, lie, broken) => {
  const fs: Fs = { ...nodeFs, ...lie };
  expect((await tryOn(fs)).broken).toMatchObject(broken);
});

test.each(['ENOSPC', 'EIO', 'ETIMEDOUT'] as const)(
  '%s is trouble of the volume, not how it behaves; the trial leaves nothing',
  async (name) => {
    const fsync = (): Promise<void> => Promise.reject(systemError(name, 'fsync', ''));
    await expect(tryOn({ ...nodeFs, fsync })).rejects.toThrow(name);
    expect(readdirSync(root)).toEqual([]);
  },
);
