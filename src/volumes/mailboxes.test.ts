import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { StoreError } from './error.ts';
import { createMailbox } from './mailboxes.ts';
import type { OpenVolumesOptions, Volumes } from './open.ts';
import type { VolumeOptions } from './options.ts';
import { hashedPath } from './placement.ts';
import type { AskSpace } from './space.ts';
import {
  eventually,
  gate,
  MemoryPlacements,
  openTestVolumes,
  owner,
  strikingFs,
  temporaryVolumes,
  volumeEntry,
  type TemporaryVolumes,
} from './testing/volumes.ts';
import type { MailboxOwner } from './types.ts';

let disk: TemporaryVolumes;
let directory: MemoryPlacements;
const opened: Volumes<MailboxOwner>[] = [];

beforeEach(async () => {
  disk = await temporaryVolumes('v1', 'v2');
  directory = new MemoryPlacements(disk.entries);
});
afterEach(() => {
  for (const volumes of opened.splice(0)) volumes.close();
  disk.remove();
});

/** A front end of its own, as another process would be. */
function frontEnd(
  set: Partial<OpenVolumesOptions<MailboxOwner>> & {
    readonly limits?: Partial<VolumeOptions>;
  } = {},
): Volumes<MailboxOwner> {
  const volumes = openTestVolumes(directory, {
    ...set,
    limits: { 'volume.refresh': 50, ...set.limits },
  });
  opened.push(volumes);
  return volumes;
}

const roomOnlyOn =
  (name: string): AskSpace =>
  async (path) => ({
    freeBytes: path.endsWith(name) ? 1e9 : 0,
    freeInodes: undefined,
    fileSystem: 'other',
    mode: 'writable',
  });

const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreError ? error.kind : error),
  );

const mailboxOn = (volume: string, id: string): string => hashedPath(join(disk.root, volume), id);

test('a first delivery makes the mailbox and stores its volume; the next one finds it', async () => {
  const { mailboxes } = frontEnd();
  const first = await mailboxes.ensure(owner('alice'));
  expect(directory.stored.get('alice')).toBe(first.volume.name);
  expect(readdirSync(first.maildir).toSorted()).toEqual(['cur', 'new', 'tmp']);
  // The directory's cache may still say that there is no volume.
  expect(await mailboxes.ensure(owner('alice'))).toEqual(first);
  const stored = owner('alice', { volume: first.volume.name });
  expect((await frontEnd().mailboxes.ensure(stored)).maildir).toBe(first.maildir);
});

test('[S1-03] [S1-04] a rule chooses the volume; the choice is stored and outlives the rule', async () => {
  const { mailboxes } = frontEnd({ askSpace: roomOnlyOn('v2') });
  directory.rule = ({ id }) => (id < 'l' ? 'v2' : undefined);
  expect((await mailboxes.ensure(owner('alice'))).volume.name).toBe('v2');
  directory.rule = () => 'v1';
  expect((await mailboxes.ensure(owner('alice'))).volume.name).toBe('v2');
  const stored = owner('alice', { volume: 'v2' });
  expect((await frontEnd().mailboxes.ensure(stored)).maildir).toBe(mailboxOn('v2', 'alice'));
  expect([...directory.stored]).toEqual([['alice', 'v2']]);
});

test('[S1-03] a rule that cannot be followed defers, and stores nothing', async () => {
  directory.entries = [
    ...disk.entries.slice(0, 1),
    ...disk.entries.slice(1).map((entry) => ({ ...entry, state: 'closed' as const })),
  ];
  const { mailboxes } = frontEnd();
  const results: unknown[] = [];
  for (const name of ['v9', 'v2', '']) {
    directory.rule = () => name;
    results.push(await kindOf(mailboxes.ensure(owner('alice'))));
  }
  directory.rule = () => {
    throw new Error('bad rule');
  };
  results.push(await kindOf(mailboxes.ensure(owner('alice'))));
  directory.rule = () => 'v1';
  const limits = { 'volume.reserve.bytes': 1 };
  const full = frontEnd({ askSpace: roomOnlyOn('v2'), limits });
  results.push(await kindOf(full.mailboxes.ensure(owner('al'))));
  expect(results).toEqual([...Array<string>(4).fill('volume-down'), 'volume-full']);
  expect(directory.stored.size).toBe(0);
  expect(existsSync(mailboxOn('v1', 'alice'))).toBe(false);
  // Without a rule the space decides as ever.
  directory.rule = () => undefined;
  expect((await mailboxes.ensure(owner('alice'))).volume.name).toBe('v1');
});

test('the explicit path of a user outranks the rules', async () => {
  directory.rule = () => 'v9';
  const path = join(disk.root, 'v1', '12', 'tevie');
  const mailbox = await frontEnd().mailboxes.ensure(owner('alice', { path }));
  expect(mailbox.maildir).toBe(path);
});

test('nothing is made for a user who only logs in', async () => {
  const { mailboxes } = frontEnd();
  expect(await mailboxes.locate(owner('alice'))).toBeUndefined();
  expect(directory.stored.size).toBe(0);
});

test('two front ends choose different volumes: one add wins, both use its volume', async () => {
  const [one, two] = [
    frontEnd({ askSpace: roomOnlyOn('v1') }),
    frontEnd({ askSpace: roomOnlyOn('v2') }),
  ];
  const { closed, open } = gate();
  let waiting = 0;
  directory.beforeAssign = async () => {
    waiting += 1;
    if (waiting === 2) open(); // Both have made their directories.
    await closed;
  };
  const found = await Promise.all([
    one.mailboxes.ensure(owner('alice')),
    two.mailboxes.ensure(owner('alice')),
  ]);
  const winner = directory.stored.get('alice') ?? '';
  expect(found.map(({ volume }) => volume.name)).toEqual([winner, winner]);
  expect(found.map(({ maildir }) => maildir)).toEqual([
    mailboxOn(winner, 'alice'),
    mailboxOn(winner, 'alice'),
  ]);
  // The loser's directories are empty and in nobody's way.
  const loser = winner === 'v1' ? 'v2' : 'v1';
  expect(existsSync(mailboxOn(loser, 'alice'))).toBe(true);
  expect(await kindOf(one.mailboxes.ensure(owner('alice')))).toBe('done');
});

test('many first deliveries at once in one process store one volume and make one mailbox', async () => {
  const { mailboxes } = frontEnd();
  const many = Array.from({ length: 20 }, () => mailboxes.ensure(owner('alice')));
  const maildirs = new Set((await Promise.all(many)).map(({ maildir }) => maildir));
  expect(maildirs.size).toBe(1);
  const made = ['v1', 'v2'].filter((name) => existsSync(mailboxOn(name, 'alice')));
  expect(made).toEqual([directory.stored.get('alice')]);
});

test('a crash between the directories and the add: the next delivery makes it whole', async () => {
  const { table, mailboxes } = frontEnd();
  await table.loaded();
  for (const volume of table.volumes) await createMailbox(owner('alice'), volume);
  expect(directory.stored.size).toBe(0);
  expect(await kindOf(mailboxes.ensure(owner('alice')))).toBe('done');
  expect(directory.stored.size).toBe(1);
});

test('the directory is away at the add: a temporary failure, and well afterwards', async () => {
  const { mailboxes, table } = frontEnd();
  await table.loaded();
  directory.down = true;
  expect(await kindOf(mailboxes.ensure(owner('alice')))).toBe('volume-down');
  directory.down = false;
  expect(await kindOf(mailboxes.ensure(owner('alice')))).toBe('done');
});

test('a stored mailbox that is missing is never made anew', async () => {
  const { mailboxes } = frontEnd();
  const { maildir, volume } = await mailboxes.ensure(owner('alice'));
  rmSync(maildir, { recursive: true });
  const later = frontEnd().mailboxes;
  const alice = owner('alice', { volume: volume.name });
  expect(await kindOf(later.ensure(alice))).toBe('mailbox-missing');
  expect(existsSync(maildir)).toBe(false);
  await createMailbox(alice, volume); // The administrator restores it.
  expect(await kindOf(later.ensure(alice))).toBe('done');
});

test('a volume pinned by the administrator is used whatever room it has', async () => {
  const { table, mailboxes } = frontEnd({ askSpace: roomOnlyOn('v1') });
  await table.loaded();
  const pinned = owner('alice', { volume: 'v2' });
  expect(await kindOf(mailboxes.ensure(pinned))).toBe('mailbox-missing');
  const v2 = table.get('v2');
  if (v2 === undefined) throw new Error('no v2');
  expect(await createMailbox(pinned, v2)).toBe(mailboxOn('v2', 'alice'));
  expect((await mailboxes.ensure(pinned)).volume.name).toBe('v2');
});

test('[S2-29] an explicit path overrides the hash, and its first delivery makes and marks it', async () => {
  const path = join(disk.root, 'v2', '12', '34', 'tevie');
  const { mailboxes } = frontEnd();
  const tevie = owner('tevie', { path });
  expect(await mailboxes.locate(tevie)).toMatchObject({ maildir: path, stored: false });
  expect(await mailboxes.ensure(tevie)).toMatchObject({ maildir: path, stored: true });
  expect(directory.stored.get('tevie')).toBe('v2');
  expect(readdirSync(path).toSorted()).toEqual(['cur', 'new', 'tmp']);
  rmSync(path, { recursive: true });
  const marked = owner('tevie', { path, volume: 'v2' });
  expect(await kindOf(frontEnd().mailboxes.ensure(marked))).toBe('mailbox-missing');
});

test('what a crashed delivery left in tmp is removed when it is old, once in a while', async () => {
  const { maildir, volume } = await frontEnd().mailboxes.ensure(owner('alice'));
  const tmp = join(maildir, 'tmp');
  const old = systemClock.now() / 1000 - 37 * 3600;
  writeFileSync(join(tmp, 'abandoned'), 'x');
  utimesSync(join(tmp, 'abandoned'), old, old);
  writeFileSync(join(tmp, 'under-way'), 'x');
  const { mailboxes } = frontEnd();
  const mailbox = await mailboxes.ensure(owner('alice', { volume: volume.name }));
  await eventually(() => !existsSync(join(tmp, 'abandoned')));
  await eventually(() => readdirSync(tmp).length === 1);
  expect(readdirSync(tmp)).toEqual(['under-way']);
  // Of a later hour than the listing of the first sweep, which may still look at the other one.
  writeFileSync(join(tmp, 'later'), 'x');
  utimesSync(join(tmp, 'later'), old, old);
  mailboxes.sweep(mailbox); // Not again so soon.
  await systemClock.sleep(50);
  expect(readdirSync(tmp).toSorted()).toEqual(['later', 'under-way']);
});

test('a hostile path in the directory is a temporary failure and makes nothing', async () => {
  const { mailboxes } = frontEnd();
  for (const path of ['/etc/passwd', `${disk.root}/v1/../../x`, `${disk.root}/v1`, 'v1/x']) {
    expect(await kindOf(mailboxes.ensure(owner('eve', { path })))).toBe('volume-down');
  }
  for (const id of ['../../x', 'a/b', '', '.']) {
    expect(await kindOf(mailboxes.ensure(owner(id)))).toBe('volume-down');
    expect(await kindOf(mailboxes.locate(owner(id, { volume: 'v1' })))).toBe('volume-down');
  }
  expect(readdirSync(join(disk.root, 'v1'))).toEqual(['.mailfarm-volume']);
});

test('[N-07] closed, full and down volumes get no new users', async () => {
  directory.entries = disk.entries.map((entry) =>
    entry.name === 'v1' ? { ...entry, state: 'closed' as const } : entry,
  );
  const { mailboxes } = frontEnd();
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    expect((await mailboxes.ensure(owner(id))).volume.name).toBe('v2');
  }
  const full = frontEnd({ askSpace: roomOnlyOn('v1') }).mailboxes;
  expect(await kindOf(full.ensure(owner('f')))).toBe('volume-full');
  rmSync(join(disk.root, 'v2', '.mailfarm-volume'));
  expect(await kindOf(frontEnd().mailboxes.ensure(owner('g')))).toBe('volume-down');
});

test('[N-07] no mailbox is ever put on a spool volume, whoever says so', async () => {
  directory.entries = disk.entries.map((entry) =>
    entry.name === 'v1' ? { ...entry, use: 'spool' as const, weight: 1e6 } : entry,
  );
  const { mailboxes } = frontEnd();
  for (let n = 0; n < 20; n++) {
    expect((await mailboxes.ensure(owner(`u${n}`))).volume.name).not.toBe('v1');
  }
  const told = [owner('t', { volume: 'v1' }), owner('t', { path: `${disk.root}/v1/a/t` })];
  for (const who of told) expect(await kindOf(mailboxes.ensure(who))).toBe('volume-down');
  directory.rule = () => 'v1';
  expect(await kindOf(mailboxes.ensure(owner('ruled')))).toBe('volume-down');
  expect(readdirSync(join(disk.root, 'v1'))).toEqual(['.mailfarm-volume']);
});

test('a volume whose mount is gone is passed over for the next one', async () => {
  const { table, mailboxes } = frontEnd({ askSpace: roomOnlyOn('v') });
  await table.loaded();
  await Promise.all(table.volumes.map((volume) => volume.ready()));
  rmSync(join(disk.root, 'v1', '.mailfarm-volume'));
  const everywhere = frontEnd();
  await everywhere.table.loaded();
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    expect((await everywhere.mailboxes.ensure(owner(id))).volume.name).toBe('v2');
  }
  expect(await kindOf(mailboxes.ensure(owner('x')))).toBe('volume-full');
});

test('volumes come, change and go without a restart', async () => {
  const { table } = frontEnd();
  await table.loaded();
  const before = table.get('v1');
  directory.entries = [
    { ...volumeEntry(disk.root, 'v1'), weight: 5 },
    { ...volumeEntry(disk.root, 'v2'), identity: 'another' },
    volumeEntry(disk.root, 'v3'),
  ];
  await eventually(() => table.get('v3') !== undefined);
  expect(table.get('v1')).toBe(before); // Only its weight changed.
  expect(table.get('v1')?.entry.weight).toBe(5);
  expect(await kindOf(table.get('v2')?.ready() ?? Promise.resolve())).toBe('volume-down');
  directory.entries = [volumeEntry(disk.root, 'v2')];
  await eventually(() => table.get('v1') === undefined);
  expect(await kindOf(before?.ready() ?? Promise.resolve())).toBe('volume-down');
  expect(await kindOf(table.locate(owner('a', { volume: 'v1' })))).toBe('volume-down');
});

test('a volume added a moment ago is found before the next reading is due', async () => {
  const volumes = openTestVolumes(directory, { limits: { 'volume.refresh': 60_000 } });
  opened.push(volumes);
  directory.entries = [];
  await volumes.table.refresh();
  directory.entries = disk.entries;
  await systemClock.sleep(1010);
  expect(await kindOf(volumes.table.locate(owner('a', { volume: 'v1' })))).toBe('done');
});

test('while the directory is away the last table counts; without one, nothing is known', async () => {
  const { table } = frontEnd();
  await table.loaded();
  directory.down = true;
  expect(await kindOf(table.refresh())).toBeInstanceOf(Error);
  expect(await kindOf(table.locate(owner('a', { volume: 'v1' })))).toBe('done');
  expect(await kindOf(frontEnd().mailboxes.locate(owner('a', { volume: 'v1' })))).toBe(
    'volume-down',
  );
});

test('[N-05] a volume unmounted while a mailbox is made on it: nothing is stored, no mail taken', async () => {
  directory.entries = disk.entries.slice(0, 1);
  const away = join(disk.root, 'away');
  const fs = strikingFs((call, path) => {
    if (call !== 'mkdir' || existsSync(away) || !path.startsWith(join(disk.root, 'v1'))) return;
    renameSync(join(disk.root, 'v1'), away); // What lay below the mount point shows: nothing.
    mkdirSync(join(disk.root, 'v1'));
    return undefined;
  });
  const limits = { 'volume.probe.interval': 60_000 };
  const volumes = openTestVolumes(directory, { fs, askSpace: roomOnlyOn('v1'), limits });
  opened.push(volumes);
  expect(await kindOf(volumes.mailboxes.ensure(owner('alice')))).toBe('volume-down');
  expect(existsSync(away)).toBe(true);
  expect(directory.stored.size).toBe(0);
});

test('no stored volume is believed only of the directory itself, never of an old answer', async () => {
  const first = await frontEnd().mailboxes.ensure(owner('alice'));
  const { mailboxes } = frontEnd(); // Another front end, whose cache is older than the mailbox.
  expect(await mailboxes.open(owner('alice'))).toEqual(first);
  expect(await mailboxes.open(owner('bob'))).toBeUndefined();
  directory.down = true;
  expect(await kindOf(mailboxes.open(owner('alice')))).toBe('done');
  expect(await kindOf(frontEnd().mailboxes.open(owner('alice')))).toBe('volume-down');
  expect(await kindOf(mailboxes.open(owner('bob')))).toBe('volume-down');
});
