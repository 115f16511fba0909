import { expect, test } from 'vitest';
import { wrapFs } from '../../test/call-fs.ts';
import { ARCHIVE, BOX, factsOf, INBOX, rowsOf, Yard, type Host } from '../../test/journal-yard.ts';
import { isErrno } from '../errno.ts';
import type { FolderState } from './types.ts';

// What deleting, copying, restoring and tearing the journal's files does, and compaction.

const TOP = `${BOX}/mailfarm`;
const LOG = `${TOP}/log`;
const LAST = `${TOP}/last`;
const S = { how: 'add' as const, letters: 'S', keywords: [] };

const sync = async (host: Host, ref = INBOX): Promise<FolderState> =>
  (await host.journals.sync(ref)).state;

test('[N-11] a journal that is deleted begins anew, with a UIDVALIDITY above; all hosts agree', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 3);
  await one.journals.expunge(INBOX, [2]);
  const before = await sync(two);
  await yard.removeTree(TOP);
  yard.now += 1_000;
  const after = await sync(two);
  expect(after.uidValidity).toBeGreaterThan(before.uidValidity);
  expect(rowsOf(after)).toEqual(['1 ', '2 ']);
  expect(factsOf(await sync(one))).toEqual(factsOf(after));
  expect(factsOf(await sync(yard.host()))).toEqual(factsOf(after));
});

test('deleted within the second in which it began: the next begin waits for another second', async () => {
  const yard = await Yard.make();
  const before = await sync(yard.host());
  for (const name of await yard.fs.list(LOG)) await yard.fs.unlink(`${LOG}/${name}`);
  for (const name of await yard.fs.list(LAST)) await yard.fs.unlink(`${LAST}/${name}`);
  const after = await sync(yard.host());
  expect(after.uidValidity).toBeGreaterThan(before.uidValidity);
});

test('any commit that is deleted from the middle is a loss, the newest is linked again', async () => {
  for (const lost of [0, 2, 4]) {
    const yard = await Yard.make();
    const host = yard.host();
    for (let count = 0; count < 4; count++) await yard.add(host);
    const before = await sync(host);
    const names = await yard.fs.list(LOG);
    await yard.fs.unlink(`${LOG}/${names[lost]}`);
    yard.now += 1_000;
    for (const each of [yard.host(), host]) {
      const after = await sync(each);
      if (lost === 4) expect(factsOf(after)).toEqual(factsOf(before));
      else expect(after.uidValidity).toBeGreaterThan(before.uidValidity);
    }
  }
});

test('[N-11] the newest commits deleted, but for what last/ proves: a loss', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  for (let count = 0; count < 4; count++) await yard.add(host);
  const before = await sync(host);
  for (const name of (await yard.fs.list(LOG)).slice(-2)) await yard.fs.unlink(`${LOG}/${name}`);
  yard.now += 1_000;
  expect((await sync(yard.host())).uidValidity).toBeGreaterThan(before.uidValidity);
  expect((await sync(host)).uidValidity).toBeGreaterThan(before.uidValidity);
});

test('a process that knows more than the log says does not give its numbers again', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  for (let count = 0; count < 3; count++) await yard.add(host);
  const before = await sync(host);
  const newest = (await yard.fs.list(LOG)).at(-1);
  await yard.fs.unlink(`${LOG}/${newest}`);
  for (const name of await yard.fs.list(LAST)) await yard.fs.unlink(`${LAST}/${name}`);
  yard.now += 1_000;
  expect((await sync(host)).uidValidity).toBeGreaterThan(before.uidValidity);
});

test('a crash between the commit and its link: whoever opens the folder next links it', async () => {
  const yard = await Yard.make();
  const healthy = yard.host();
  await yard.add(healthy, 2);
  let dead = false;
  const dying = wrapFs(yard.fs, async (call, args, perform) => {
    dead ||= call === 'link' && String(args[1]).startsWith(LOG);
    if (dead) throw new Error('killed');
    return perform();
  });
  const host = yard.host({}, dying);
  const change = { ...S, uids: [1], keywords: ['kept'] };
  await expect(host.journals.store(INBOX, change)).rejects.toThrow(/unknown/);
  expect(rowsOf(await sync(yard.host()))).toEqual(['1 S kept', '2 ']);
  expect(rowsOf(await sync(healthy))).toEqual(['1 S kept', '2 ']);
});

test('[N-11] a torn commit of flags counts as empty, and its number is not used again', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host, 2);
  const { modseq } = (await host.journals.store(INBOX, { ...S, uids: [1] })).state;
  const newest = (await yard.fs.list(LOG)).at(-1) ?? '';
  for (const name of await yard.fs.list(LAST)) await yard.fs.unlink(`${LAST}/${name}`);
  await yard.fs.unlink(`${LOG}/${newest}`);
  await yard.fs.close(await yard.fs.create(`${LOG}/${newest}`));
  yard.now += 10;
  const fresh = yard.host();
  const state = await sync(fresh);
  expect(rowsOf(state)).toEqual(['1 S', '2 ']);
  expect(state.modseq).toBeGreaterThan(modseq);
  await fresh.journals.store(INBOX, { ...S, uids: [2] });
  expect(factsOf(await sync(yard.host()))).toEqual(factsOf(await sync(fresh)));
  expect((await sync(fresh)).uidValidity).toBe(state.uidValidity);
});

test('a folder that is copied, or restored over itself, gets a new UIDVALIDITY', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host, 2);
  await host.journals.copy(INBOX, [1, 2], ARCHIVE);
  const before = await sync(host, ARCHIVE);
  await yard.copyTree(`${BOX}/.Archive`, `${BOX}/.Copy`);
  const copied = await sync(host, { maildir: BOX, folder: 'Copy' });
  expect(copied.uidValidity).toBeGreaterThan(before.uidValidity);
  expect(copied.messages).toHaveLength(2);
  // Last night's log comes back into the directory that is there.
  await yard.copyTree(`${BOX}/.Archive/mailfarm/log`, `${BOX}/backup`);
  await host.journals.copy(INBOX, [1], ARCHIVE);
  await yard.removeTree(`${BOX}/.Archive/mailfarm/log`);
  await yard.copyTree(`${BOX}/backup`, `${BOX}/.Archive/mailfarm/log`);
  yard.now += 1_000;
  for (const each of [yard.host(), host]) {
    expect((await sync(each, ARCHIVE)).uidValidity).toBeGreaterThan(copied.uidValidity);
  }
});

test('a renamed folder keeps its numbers; no name meets an old UIDVALIDITY again', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 1);
  await one.journals.copy(INBOX, [1], ARCHIVE);
  const before = await sync(two, ARCHIVE);
  const other = { maildir: BOX, folder: 'Other' };
  await one.journals.rename(ARCHIVE, other);
  expect(factsOf(await sync(two, other))).toEqual(factsOf(before));
  await expect(two.journals.sync(ARCHIVE)).rejects.toSatisfy((error) => isErrno(error, 'ENOENT'));
  const seen = new Set([before.uidValidity]);
  // Everything within one second.
  for (let turn = 0; turn < 3; turn++) {
    await one.maildirs.createFolder(BOX, ARCHIVE.folder);
    const { uidValidity } = await sync(turn === 1 ? two : one, ARCHIVE);
    expect([...seen].every((old) => old < uidValidity)).toBe(true);
    seen.add(uidValidity);
    await one.maildirs.removeFolder(BOX, ARCHIVE.folder);
  }
  await one.maildirs.createFolder(BOX, ARCHIVE.folder);
  await expect(one.journals.rename(other, ARCHIVE)).rejects.toSatisfy((error) =>
    isErrno(error, 'EEXIST'),
  );
});

test('log/ stays small, and whoever was away for long reads the snapshot', async () => {
  const yard = await Yard.make();
  const rules = { snapshotEvery: 5, namesMax: 6 };
  const [busy, sleepy] = [yard.host(rules), yard.host(rules)];
  await yard.add(busy, 3);
  const before = await sync(sleepy);
  for (let turn = 0; turn < 60; turn++) {
    yard.now += 1;
    const how = turn % 2 === 0 ? 'add' : 'remove';
    await busy.journals.store(INBOX, { ...S, how, uids: [1 + (turn % 3)] });
    if (turn === 30) await busy.journals.expunge(INBOX, [3]);
    expect((await yard.fs.list(LOG)).length).toBeLessThan(25);
  }
  expect(await yard.fs.list(LAST)).toHaveLength(1);
  const after = await sync(sleepy);
  expect(factsOf(after)).toEqual(factsOf(await sync(busy)));
  expect(factsOf(await sync(yard.host(rules)))).toEqual(factsOf(after));
  expect(after.uidValidity).toBe(before.uidValidity);
  expect(after.expunged.map(({ uid }) => uid)).toEqual([3]);
  expect(after.expungedSince).toBeLessThanOrEqual(before.modseq);
});

test('[N-11] a writer that slept past a compaction has not won a number that was free again', async () => {
  const yard = await Yard.make();
  const rules = { snapshotEvery: 3, namesMax: 0 };
  const busy = yard.host(rules);
  await yard.add(busy, 2);
  let wake: (() => void) | undefined;
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  let sleeping = false;
  const drowsy = wrapFs(yard.fs, async (call, args, perform) => {
    if (call === 'link' && !sleeping && String(args[1]).startsWith(`${LOG}/`)) {
      sleeping = true;
      await asleep;
    }
    return perform();
  });
  const sleeper = yard.host(rules, drowsy);
  await sync(sleeper);
  const added = yard.add(sleeper);
  await expect.poll(() => sleeping).toBe(true);
  for (let turn = 0; turn < 12; turn++) await yard.add(busy);
  wake?.();
  const [uid] = await added;
  const state = await sync(yard.host(rules));
  expect(new Set(state.messages.map((each) => each.uid)).size).toBe(15);
  expect(factsOf(await sync(busy))).toEqual(factsOf(await sync(sleeper)));
  expect(factsOf(await sync(busy))).toEqual(factsOf(state));
  expect(state.messages.filter((each) => each.uid === uid)).toHaveLength(1);
});

test('what is remembered of expunges ends after 30 days', async () => {
  const yard = await Yard.make();
  const rules = { snapshotEvery: 2 };
  const host = yard.host(rules);
  await yard.add(host, 4);
  await host.journals.expunge(INBOX, [1]);
  const first = await sync(host);
  yard.now += 31 * 24 * 3_600_000;
  await host.journals.expunge(INBOX, [2]);
  await yard.add(host, 1);
  const after = await sync(yard.host(rules));
  expect(after.expunged.map(({ uid }) => uid)).toEqual([2]);
  expect(after.expungedSince).toBe(first.expunged[0]?.modseq);
});

test('[N-11] UIDs of a journal that was lost mean nothing in the next: all are gone', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 3);
  await one.journals.expunge(INBOX, [1]);
  const { uidValidity } = await sync(two);
  await yard.removeTree(TOP);
  yard.now += 1_000;
  // UID 2 was the second message and is now the third.
  const stored = await two.journals.store(INBOX, { ...S, uids: [2], uidValidity, keywords: ['k'] });
  // Its letter is in its name: the loss was not known yet. Its keyword is not anywhere.
  expect([rowsOf(stored.state), stored.gone]).toEqual([['1 S', '2 '], [2]]);
  const again = await two.journals.store(INBOX, { ...S, uids: [2], uidValidity });
  expect([rowsOf(again.state), again.gone]).toEqual([['1 S', '2 '], [2]]);
  const left = await two.journals.expunge(INBOX, [2], uidValidity);
  expect(rowsOf(left)).toEqual(['1 S', '2 ']);
  expect((await two.journals.copy(INBOX, [2], ARCHIVE, uidValidity)).pairs).toEqual([]);
  expect((await two.journals.move(INBOX, [2], ARCHIVE, uidValidity)).pairs).toEqual([]);
  expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(2);
});

test('[N-11] a journal that is lost while its messages are being changed: none of another number is', async () => {
  for (const what of ['expunge', 'store'] as const) {
    const yard = await Yard.make();
    const healthy = yard.host();
    await yard.add(healthy, 3);
    await healthy.journals.expunge(INBOX, [1]);
    let lost = false;
    const slow = wrapFs(yard.fs, async (call, args, perform) => {
      if (call === 'link' && !lost && String(args[1]).startsWith(LOG)) {
        lost = true;
        await yard.removeTree(TOP);
        yard.now += 1_000;
        await sync(yard.host());
      }
      return perform();
    });
    const host = yard.host({}, slow);
    await sync(host);
    if (what === 'expunge') await host.journals.expunge(INBOX, [2]);
    else await host.journals.store(INBOX, { ...S, letters: '', uids: [2], keywords: ['k'] });
    expect(lost).toBe(true);
    expect(rowsOf(await sync(yard.host()))).toEqual(['1 ', '2 ']);
    expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(2);
  }
});
