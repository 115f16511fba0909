import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { renderAll } from '../metrics/export.ts';
import { nodeFs, systemError } from '#maildir';
import { StoreError } from './error.ts';
import { createMailbox } from './mailboxes.ts';
import { lateResults } from './metrics.ts';
import type { Volumes } from './open.ts';
import { initVolume, SENTINEL_NAME, SentinelError } from './sentinel.ts';
import type { VolumeOptions } from './options.ts';
import type { Space } from './space.ts';
import type { Located } from './table.ts';
import { THREADS_RESERVED } from './threads.ts';
import {
  eventually,
  gate,
  MemoryPlacements,
  openTestVolumes,
  owner,
  strikingFs,
  temporaryVolumes,
  type Strike,
  type TemporaryVolumes,
} from './testing/volumes.ts';
import type { MailboxOwner } from './types.ts';

const ALICE = owner('alice', { volume: 'v1' });
const BOB = owner('bob', { volume: 'v2' });

let disk: TemporaryVolumes;
let volumes: Volumes<MailboxOwner>;
let strike: Strike;
let log: string[];
let space: Space;

const FOR_EVER_MS = 600_000;
/** No operation and no probe that answers is too slow, however busy the machine is. */
const PATIENT: Partial<VolumeOptions> = {
  'volume.deadline': 15_000,
  'volume.probe.deadline': 15_000,
};
/** What hangs is not found out. */
const FOR_EVER: Partial<VolumeOptions> = { 'volume.probe.deadline': FOR_EVER_MS };
const HANGS_SOON: Partial<VolumeOptions> = { 'volume.probe.deadline': 1000 };

/** Opens the volumes, instead of those that are open. */
function reopen(limits: Partial<VolumeOptions>): void {
  volumes?.close();
  const record = (fields: object): void => {
    if ('code' in fields) log.push(String(fields.code));
  };
  const logger = { debug() {}, info() {}, warn() {}, error: record, child: () => logger };
  volumes = openTestVolumes(new MemoryPlacements(disk.entries), {
    fs: strikingFs((call, path) => strike(call, path)),
    log: logger,
    askSpace: async () => space,
    limits: { ...PATIENT, ...limits },
  });
}

beforeEach(async () => {
  disk = await temporaryVolumes('v1', 'v2');
  strike = () => undefined;
  log = [];
  space = { freeBytes: 1e9, freeInodes: 1e6, fileSystem: 'local', mode: 'unknown' };
  reopen({});
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

const at = async (account: MailboxOwner): Promise<Located> => {
  const located = await volumes.table.locate(account);
  if (located === undefined) throw new Error('not placed');
  return located;
};

async function made(account: MailboxOwner): Promise<Located> {
  const located = await at(account);
  await createMailbox(account, located.volume);
  return located;
}

const stage = ({ volume, maildir }: Located, base: string): Promise<void> =>
  volume.stage({ maildir, base, offset: 0, bytes: Buffer.from('x\n'), last: true });

const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreError ? error.kind : error),
  );

const tmpOf = ({ maildir }: Located): string[] => readdirSync(join(maildir, 'tmp'));

test('[N-05] when all were looked at, one that failed a first look is up, others say why not', async () => {
  const [one = '', two = ''] = disk.entries.map(({ path }) => join(path, SENTINEL_NAME));
  let looks = 0;
  strike = (call, path) =>
    call === 'openRead' && path === one && (looks += 1) === 1
      ? systemError('EIO', call, path)
      : undefined;
  rmSync(two);
  reopen({ 'volume.probe.interval': FOR_EVER_MS });
  await volumes.table.looked();
  const seen = volumes.table.volumes.map(({ up, absent }) => ({ up, absent }));
  expect(seen).toEqual([
    { up: true, absent: false },
    { up: false, absent: true },
  ]);
});

test('[N-05] a volume that hangs is not waited for beyond its probe', async () => {
  const hanging = gate();
  strike = (_, path) => (path.includes('/v1/') ? hanging.closed : undefined);
  reopen({ ...HANGS_SOON, 'volume.probe.interval': FOR_EVER_MS });
  await volumes.table.looked();
  const seen = volumes.table.volumes.map(({ up, absent }) => ({ up, absent }));
  expect(seen).toEqual([
    { up: false, absent: false },
    { up: true, absent: false },
  ]);
  hanging.open();
});

test('[N-05] a volume without its sentinel takes nothing, and works again when it has it', async () => {
  const alice = await made(ALICE);
  const file = join(alice.volume.entry.path, SENTINEL_NAME);
  const text = readFileSync(file);
  rmSync(file);
  await eventually(() => !alice.volume.up);
  expect(await kindOf(stage(alice, 'a'))).toBe('volume-down');
  expect(await kindOf(alice.volume.list(alice.maildir))).toBe('volume-down');
  expect(tmpOf(alice)).toEqual([]);
  expect(log).toEqual(['MF-VOL-001']);
  writeFileSync(file, text);
  await eventually(() => alice.volume.up);
  expect(await kindOf(stage(alice, 'a'))).toBe('done');
});

test('[N-05] another volume at the mount point is not ours', async () => {
  const alice = await made(ALICE);
  const { path } = alice.volume.entry;
  writeFileSync(join(path, SENTINEL_NAME), 'identity=another\nname=x\nformat=1\n');
  await expect(alice.volume.verify()).rejects.toThrow(/holds volume another/);
  expect(await kindOf(alice.volume.ready())).toBe('volume-down');
});

test('[N-05] a mount that goes away is not a missing mailbox, and gets no directories', async () => {
  const alice = await made(ALICE);
  const { path } = alice.volume.entry;
  renameSync(path, `${path}.away`);
  // The sentinel was seen a moment ago and counts still: the missing directory gives it away.
  expect(alice.volume.up).toBe(true);
  expect(await kindOf(stage(alice, 'a'))).toBe('volume-down');
  await expect(createMailbox(owner('new'), alice.volume)).rejects.toThrow(/no sentinel/);
  renameSync(`${path}.away`, path);
  await eventually(() => alice.volume.up);
  expect(await kindOf(stage(alice, 'a'))).toBe('done');
});

test('a missing mailbox on a volume that is there is just that', async () => {
  const alice = await at(ALICE);
  expect(await kindOf(stage(alice, 'a'))).toBe('mailbox-missing');
  expect(await kindOf(alice.volume.list(alice.maildir))).toBe('mailbox-missing');
  expect(await alice.volume.exists(alice.maildir)).toBe(false);
});

test('a message that another session deleted is gone', async () => {
  const { volume, maildir } = await made(ALICE);
  const entry = { directory: 'new', name: '1.M1P1Q1R0.x,S=1,W=1' } as const;
  const read = volume.read({ maildir, entry, offset: 0, length: 10 });
  expect(await kindOf(read)).toBe('message-gone');
  expect(await volume.remove({ maildir, entries: [entry] })).toEqual([undefined]);
});

const ERRNOS = [
  ['ENOSPC', 'volume-full'],
  ['EDQUOT', 'volume-full'],
  ['EIO', 'volume-down'],
  ['EROFS', 'volume-down'],
  ['EACCES', 'volume-down'],
  ['ETIMEDOUT', 'volume-down'],
] as const;
for (const [errno, kind] of ERRNOS) {
  for (const call of ['create', 'write', 'fsync', 'close'] as const) {
    test(`${errno} at ${call} is ${kind}, never success`, async () => {
      const alice = await made(ALICE);
      strike = (struck, path) =>
        struck === call && path.includes('/tmp/') ? systemError(errno, call, path) : undefined;
      expect(await kindOf(stage(alice, 'a'))).toBe(kind);
    });
  }
}

test('a rename without an answer is not a success', async () => {
  const alice = await made(ALICE);
  const { volume, maildir } = alice;
  await stage(alice, 'a');
  strike = (call, path) => (call === 'rename' ? systemError('EIO', call, path) : undefined);
  const request = { maildir, base: 'a', octets: 2, wireOctets: 3, targets: [maildir] };
  const [published] = await volume.publish(request);
  expect(published).toMatchObject({ name: undefined, error: { kind: 'volume-down' } });
});

for (const [errno, writable, code] of [
  ['ENOSPC', 'full', 'MF-VOL-005'],
  ['EDQUOT', 'full', 'MF-VOL-005'],
  ['EROFS', 'read-only', 'MF-VOL-006'],
] as const) {
  test(`${errno} closes the volume to new mail, not to readers, until a write may try again`, async () => {
    const alice = await made(ALICE);
    await stage(alice, 'before');
    expect([alice.volume.fits(1), alice.volume.writable]).toEqual([true, 'yes']);
    const [call] = writable === 'full' ? (['fsync'] as const) : (['create'] as const);
    strike = (struck, path) => (struck === call ? systemError(errno, call, path) : undefined);
    await kindOf(stage(alice, 'a'));
    expect([alice.volume.fits(1), alice.volume.writable]).toEqual([false, writable]);
    expect(await kindOf(alice.volume.list(alice.maildir))).toBe('done');
    expect(await kindOf(alice.volume.discard({ maildir: alice.maildir, base: 'before' }))).toBe(
      'done',
    );
    expect(alice.volume.up).toBe(true);
    // No probe sees why; it fails a second time and is told once.
    await eventually(() => alice.volume.fits(1));
    await kindOf(stage(alice, 'b'));
    expect(log).toEqual([code]);
    strike = () => undefined;
    await eventually(() => alice.volume.fits(1));
    expect(await kindOf(stage(alice, 'c'))).toBe('done');
    expect(alice.volume.writable).toBe('yes');
  });
}

test('[N-14] metrics of each volume by its name; of one that left the table none', async () => {
  const [alice, bob] = [await made(ALICE), await made(BOB)];
  await stage(alice, 'a');
  strike = (call, path) => (call === 'fsync' ? systemError('ENOSPC', call, path) : undefined);
  await kindOf(stage(bob, 'b'));
  const text = await renderAll();
  const line = (name: string, labels: string): string =>
    text.split('\n').find((row) => row.startsWith(`mailfarm_volume_${name}{${labels}}`)) ?? 'none';
  expect(line('up', 'volume="v1"')).toMatch(/ 1$/);
  expect(line('full', 'volume="v1"')).toMatch(/ 0$/);
  expect(line('full', 'volume="v2"')).toMatch(/ 1$/);
  expect(line('read_only', 'volume="v2"')).toMatch(/ 0$/);
  expect(line('results_total', 'volume="v1",result="volume-full"')).toMatch(/ 0$/);
  expect(line('results_total', 'volume="v2",result="volume-full"')).toMatch(/ 1$/);
  expect(line('results_total', 'volume="v1",result="ok"')).toMatch(/ [1-9]\d*$/);
  expect(line('operation_seconds_count', 'volume="v2"')).toMatch(/ [1-9]\d*$/);
  expect(line('free_bytes', 'volume="v1"')).toMatch(/ [1-9]\d*$/);
  const age = async (): Promise<number> =>
    Number(/^mailfarm_volume_probe_age_seconds\{volume="v1"\} (.*)$/m.exec(await renderAll())?.[1]);
  await expect.poll(age).toBeLessThan(2);
  volumes.close();
  expect(await renderAll()).not.toContain('volume="v');
});

test('[N-02] a hung volume: the other does not notice', async () => {
  reopen({ ...FOR_EVER, 'volume.deadline': FOR_EVER_MS });
  const [alice, bob] = [await made(ALICE), await made(BOB)];
  const { closed, open } = gate();
  strike = (_, path) => (path.startsWith(alice.volume.entry.path) ? closed : undefined);
  let ended = 0;
  const stuck = Array.from({ length: 40 }, async (_, i) => {
    await stage(alice, `a${i}`);
    ended += 1;
  });
  for (let i = 0; i < 40; i++) await stage(bob, `b${i}`);
  // Bob waited for nobody: neither for an answer nor for a deadline, for there was none.
  expect([ended, tmpOf(bob).length]).toEqual([0, 40]);
  open();
  await Promise.all(stuck);
});

test('[N-02] operations on a hung volume fail at their deadline', async () => {
  reopen({ ...FOR_EVER, 'volume.deadline': 1500 });
  const alice = await made(ALICE);
  const { closed, open } = gate();
  strike = () => closed;
  const stuck = Array.from({ length: 40 }, (_, i) => kindOf(stage(alice, `a${i}`)));
  // Some began and may yet happen, the others had no turn.
  const kinds = new Set(['volume-busy', 'volume-down']);
  expect(new Set(await Promise.all(stuck))).toEqual(kinds);
  open();
});

test('[N-02] a volume found to hang fails all at once, and is used again when it answers', async () => {
  reopen({ ...HANGS_SOON, 'volume.deadline': FOR_EVER_MS });
  const alice = await made(ALICE);
  const { closed, open } = gate();
  strike = (_, path) => (path.startsWith(alice.volume.entry.path) ? closed : undefined);
  const stuck = Array.from({ length: 40 }, (_, i) => kindOf(stage(alice, `a${i}`)));
  expect(new Set(await Promise.all(stuck))).toEqual(new Set(['volume-down']));
  // The breaker is open: nobody waits any more, and no more threads hang.
  expect(alice.volume.up).toBe(false);
  expect(await kindOf(stage(alice, 'later'))).toBe('volume-down');
  expect(log).toEqual(['MF-VOL-002']);
  // The server comes back: what was staged late is removed, the volume is used again.
  const late = lateResults.value('stage');
  open();
  await eventually(() => alice.volume.up);
  await eventually(() => lateResults.value('stage') > late && tmpOf(alice).length === 0);
  expect(await kindOf(stage(alice, 'again'))).toBe('done');
});

test('[N-02] a rename under way when the volume is found to hang: unknown, and it stays', async () => {
  reopen({ ...HANGS_SOON, 'volume.deadline': FOR_EVER_MS }); // Only that it is down can end it.
  const alice = await made(ALICE);
  const { volume, maildir } = alice;
  await stage(alice, 'a');
  const { closed, open } = gate();
  strike = (_, path) => (path.startsWith(volume.entry.path) ? closed : undefined);
  const request = { maildir, base: 'a', octets: 2, wireOctets: 3, targets: [maildir] };
  const failed: unknown = await volume.publish(request).catch((error: unknown) => error);
  expect(failed).toMatchObject({ kind: 'volume-down' });
  expect(String(failed)).toContain('its result is unknown');
  expect(volume.up).toBe(false);
  open();
  await eventually(() => volume.up);
  await eventually(() => readdirSync(join(maildir, 'new')).length === 1);
  expect(tmpOf(alice)).toEqual([]);
});

test('slow operations of one mailbox do not close the volume', async () => {
  reopen({ 'volume.deadline': 1500 });
  const alice = await made(ALICE);
  const carol = await made(owner('carol', { volume: 'v1' }));
  strike = (call) => (call === 'fsync' ? gate().closed : undefined);
  expect(await kindOf(stage(alice, 'a'))).toBe('volume-down');
  for (let probe = 0; probe < 3; probe++) await alice.volume.verify();
  expect(alice.volume.up).toBe(true);
  expect(await kindOf(carol.volume.list(carol.maildir))).toBe('done');
  // Its own operations are refused at once, so that no more of them hang.
  expect(await kindOf(alice.volume.list(alice.maildir))).toBe('volume-busy');
});

test('[N-02] volumes come and go while they hang: what hangs is in no share of the others', async () => {
  const directory = new MemoryPlacements(disk.entries);
  let hanging = new Set<string>();
  const { closed, open } = gate();
  const hung = new Set<string>();
  const heldOf = (name: string): number => [...hung].filter((path) => path.includes(name)).length;
  const fs = strikingFs((_, path) => {
    const [name] = /(?<=\/)v\d(?=\/)/.exec(path) ?? [''];
    if (!hanging.has(name)) return undefined;
    hung.add(path.replace(/(nobody\/\d+)\/.*/, '$1'));
    return closed;
  });
  // 24 threads to share: 11 operations and a probe for each of two volumes.
  const threads = THREADS_RESERVED + 24;
  const limits = { ...HANGS_SOON, 'volume.refresh': 50, 'volume.inflight.max': 64 };
  const many = openTestVolumes(directory, { fs, threads, limits });
  await many.table.loaded();
  const [v1, v2] = [many.table.get('v1'), many.table.get('v2')];
  if (v1 === undefined || v2 === undefined) throw new Error('no volumes');
  await Promise.all([v1.verify(), v2.verify()]);
  const fill = (volume: typeof v1): Promise<unknown>[] =>
    Array.from({ length: 40 }, (_, n) =>
      kindOf(volume.list(join(volume.entry.path, 'nobody', String(n)))),
    );
  hanging = new Set(['v1']);
  await Promise.all(fill(v1));
  await eventually(() => heldOf('/v1/') >= 12 && !v1.up);
  const [, entry] = disk.entries;
  if (entry === undefined) throw new Error('no entry');
  directory.entries = [entry];
  await eventually(() => many.table.get('v1') === undefined);
  hanging = new Set(['v1', 'v2']);
  await Promise.all(fill(v2));
  await eventually(() => heldOf('/v2/') >= 12 && !v2.up);
  expect([heldOf('/v1/'), heldOf('/v2/')]).toEqual([12, 12]);
  open();
  await eventually(() => v2.up);
  many.close();
});

test('an offline volume is not touched', async () => {
  const directory = new MemoryPlacements(
    disk.entries.map((entry) => ({ ...entry, state: 'offline' as const })),
  );
  const fs = strikingFs(() => undefined);
  const offline = openTestVolumes(directory, { fs });
  const located = await offline.table.locate(ALICE);
  expect(await kindOf(located?.volume.list(located.maildir) ?? Promise.resolve())).toBe(
    'volume-down',
  );
  expect(await kindOf(located?.volume.verify() ?? Promise.resolve())).toBe('volume-down');
  expect(fs.calls.size).toBe(0);
  offline.close();
});

test('a sentinel is made once, mended when torn, and never that of another volume', async () => {
  const path = join(disk.root, 'v1');
  const own = { identity: 'identity-of-v1', name: 'v1' };
  expect(await initVolume(nodeFs, path, own)).toBe('there');
  await expect(initVolume(nodeFs, path, { ...own, identity: 'other' })).rejects.toThrow(
    SentinelError,
  );
  writeFileSync(join(path, SENTINEL_NAME), 'identity=ide');
  expect(await initVolume(nodeFs, path, own)).toBe('made');
  expect(await initVolume(nodeFs, path, own)).toBe('there');
  await expect(initVolume(nodeFs, join(path, 'nowhere'), own)).rejects.toThrow(/ENOENT/);
});
