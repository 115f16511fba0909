import { expect, test } from 'vitest';
import { recordCalls, wrapFs } from '../../test/call-fs.ts';
import { ARCHIVE, BOX, factsOf, INBOX, rowsOf, Yard, type Host } from '../../test/journal-yard.ts';
import { isErrno, systemError, UnknownResultError } from '../errno.ts';
import type { ErrnoName } from '../errno.ts';
import type { Fs } from '../types.ts';
import type { FolderState } from './types.ts';

// What fails and is not lost, and what says so.

const LOG = `${BOX}/mailfarm/log`;
const LAST = `${BOX}/mailfarm/last`;

const sync = async (host: Host, ref = INBOX): Promise<FolderState> =>
  (await host.journals.sync(ref)).state;
const S = { how: 'add' as const, letters: 'S', keywords: [] };

/** Fails `times` calls whose first path begins so, before or after they are performed. */
function failing(
  fs: Fs,
  fail: {
    readonly call: string;
    readonly path: string;
    readonly error: ErrnoName;
    readonly when: 'before' | 'after';
    times: number;
  },
): Fs {
  return wrapFs(fs, async (call, args, perform) => {
    const path = String(args.at(call === 'link' ? 1 : 0));
    const strikes = call === fail.call && path.startsWith(fail.path) && fail.times-- > 0;
    if (strikes && fail.when === 'before') throw systemError(fail.error, call, path);
    const result = await perform();
    if (strikes) throw systemError(fail.error, call, path);
    return result;
  });
}

test('[N-11] a commit whose file could not be completed is written again under its name', async () => {
  const yard = await Yard.make();
  const fail = { call: 'identity', path: LAST, error: 'ENOENT', when: 'before', times: 1 } as const;
  const host = yard.host({}, failing(yard.fs, { ...fail }));
  await yard.deliver(host);
  expect(rowsOf(await sync(host))).toEqual(['1 ']);
});

test('[N-11] a listing of log/ that shows nothing is taken again before anything is lost', async () => {
  const yard = await Yard.make();
  await yard.add(yard.host(), 2);
  const before = await sync(yard.host());
  yard.now += 5_000;
  let empty = 1;
  const fs = wrapFs(yard.fs, async (call, args, perform) =>
    call === 'list' && args[0] === LOG && empty-- > 0 ? [] : perform(),
  );
  expect(factsOf(await sync(yard.host({}, fs)))).toEqual(factsOf(before));
});

test('[N-11] an append whose commit fails once has its UIDs and keywords all the same', async () => {
  for (const [call, path, error, when] of [
    ['link', LOG, 'EIO', 'before'],
    ['link', LOG, 'EIO', 'after'],
    ['create', LAST, 'EIO', 'before'],
  ] as const) {
    const yard = await Yard.make();
    await yard.add(yard.host(), 1);
    const fail = { call, path, error, when, times: 0 };
    const host = yard.host({}, failing(yard.fs, fail));
    await sync(host);
    const staged = await yard.staged(host, BOX, { keywords: ['work'] });
    fail.times = 1;
    const added = await host.journals.add(INBOX, [staged]);
    expect([call, added.uids, rowsOf(added.state)]).toEqual([call, [2], ['1 ', '2  work']]);
    expect(factsOf(await sync(yard.host()))).toEqual(factsOf(added.state));
  }
});

test('[N-11] appends that wait together share a commit; each has its own numbers or its own error', async () => {
  const yard = await Yard.make();
  const recorded = recordCalls(yard.fs);
  const host = yard.host({}, recorded.fs);
  await yard.add(host, 1);
  const logged = (await yard.fs.list(LOG)).length;
  const calls = [];
  for (let call = 0; call < 5; call++) {
    calls.push([await yard.staged(host, BOX, { keywords: call === 2 ? ['work'] : [] })]);
  }
  await yard.fs.unlink(`${BOX}/tmp/${calls[3]?.[0]?.base}`);
  recorded.calls.length = 0;
  const all = await Promise.allSettled(calls.map((call) => host.journals.add(INBOX, call)));
  expect(all.map((each) => each.status === 'fulfilled' && each.value.uids)).toEqual([
    [2],
    [3],
    [4],
    false,
    [5],
  ]);
  expect((await yard.fs.list(LOG)).length).toBe(logged + 1);
  // The commit, its name, and cur/.
  expect(recorded.calls.filter((call) => call === 'fsync')).toHaveLength(3);
  expect(rowsOf(await sync(yard.host()))).toEqual(['1 ', '2 ', '3 ', '4  work', '5 ']);
});

test('[N-11] an append whose commit cannot be is an error, and none of its files stays', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host, 1);
  const fail = { call: 'create', path: LAST, error: 'EIO' as ErrnoName, when: 'before' as const };
  const broken = yard.host({}, failing(yard.fs, { ...fail, times: Infinity }));
  const staged = [await yard.staged(broken), await yard.staged(broken)];
  await expect(broken.journals.add(INBOX, staged)).rejects.toSatisfy((e) => isErrno(e, 'EIO'));
  expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(1);
  // Without room there is no place for keywords; without keywords they wait.
  const full = yard.host({}, failing(yard.fs, { ...fail, error: 'ENOSPC', times: Infinity }));
  const labelled = [await yard.staged(full, BOX, { keywords: ['work'] })];
  await expect(full.journals.add(INBOX, labelled)).rejects.toSatisfy((e) => isErrno(e, 'ENOSPC'));
  expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(1);
  const added = await full.journals.add(INBOX, [await yard.staged(full)]);
  expect([added.uids, added.state.unnumbered]).toEqual([[undefined], 1]);
  expect(rowsOf(await sync(host))).toEqual(['1 ', '2 ']);
});

test('[N-11] an append whose commit may be there says so; nothing that may have a number goes', async () => {
  const yard = await Yard.make();
  await yard.add(yard.host(), 1);
  let linked = false;
  const fs = wrapFs(yard.fs, async (call, args, perform) => {
    if (linked && call === 'list') throw systemError('EIO', call, String(args[0]));
    linked ||= call === 'link';
    return perform();
  });
  const host = yard.host({}, fs);
  await sync(host);
  const staged = await yard.staged(host, BOX, { keywords: ['work'] });
  await expect(host.journals.add(INBOX, [staged])).rejects.toBeInstanceOf(UnknownResultError);
  expect(rowsOf(await sync(yard.host()))).toEqual(['1 ', '2  work']);
});

test('[N-11] a folder without a journal on a full volume is an error that says what to do', async () => {
  for (const error of ['ENOSPC', 'EDQUOT', 'EROFS'] as const) {
    const yard = await Yard.make();
    await yard.deliver(yard.host());
    const fail = { call: 'create', path: BOX, error, when: 'before', times: Infinity } as const;
    const host = yard.host({}, failing(yard.fs, { ...fail }));
    for (const ref of [INBOX, ARCHIVE]) {
      const failed: unknown = await host.journals.sync(ref).catch((e: unknown) => e);
      expect(failed).toSatisfy((e) => isErrno(e, error));
      expect((failed as Error).message).toMatch(/begin the journal .*make room on the volume/);
      expect(host.journals.known(ref)).toBeUndefined();
    }
    expect(rowsOf(await sync(yard.host()))).toEqual(['1 ']);
  }
});

test('snapshots and litter that cannot be written or removed are told, and cost nothing else', async () => {
  const yard = await Yard.make();
  const rules = { snapshotEvery: 3, namesMax: 0 };
  const error: ErrnoName = 'EACCES';
  const litter = { call: 'unlink', path: LAST, error, when: 'before' as const, times: 0 };
  const fs = wrapFs(failing(yard.fs, litter), async (call, args, perform) => {
    if (String(args.at(-1)).endsWith('.snapshot')) throw systemError('EACCES', call, 'snapshot');
    return perform();
  });
  const host = yard.host(rules, fs);
  await yard.add(host, 1);
  expect(yard.failures).toEqual([]);
  litter.times = Infinity;
  for (let turn = 0; turn < 4; turn++) {
    const how = turn % 2 === 0 ? 'add' : 'remove';
    await host.journals.store(INBOX, { ...S, how, uids: [1] });
  }
  expect(new Set(yard.failures)).toEqual(new Set(['litter', 'upkeep']));
  expect(factsOf(await sync(yard.host()))).toEqual(factsOf(await sync(host)));
});

test('[P-14] a letter of Dovecot gets its name when it is seen first, also in a folder that is open', async () => {
  const yard = await Yard.make();
  const [host, other] = [yard.host(), yard.host()];
  await yard.add(host, 2);
  const [first, second] = (await sync(host)).messages.map(
    ({ entry }) => `${BOX}/cur/${entry.name}`,
  );
  await yard.fs.rename(`${first}`, `${first}a`);
  expect(rowsOf(await sync(host))).toEqual(['1 a', '2 ']);
  expect(rowsOf(await sync(other))).toEqual(['1 a', '2 ']);
  const fd = await yard.fs.create(`${BOX}/dovecot-keywords`);
  await yard.fs.write(fd, Buffer.from('0 holiday\n1 $Junk\n'), 0);
  await yard.fs.close(fd);
  await yard.fs.rename(`${second}`, `${second}b`);
  for (const each of [host, other]) {
    expect(rowsOf(await sync(each))).toEqual(['1 a holiday', '2 b $Junk']);
  }
});
