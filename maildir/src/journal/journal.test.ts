import { expect, test } from 'vitest';
import { recordCalls, wrapFs } from '../../test/call-fs.ts';
import { ARCHIVE, BOX, factsOf, INBOX, rowsOf, Yard, type Host } from '../../test/journal-yard.ts';
import { isErrno, systemError } from '../errno.ts';
import { emailIdOf, nameKey } from '../names.ts';
import type { FlagChange } from './types.ts';

const LOG = `${BOX}/mailfarm/log`;
const change = (
  uids: readonly number[],
  how: FlagChange['how'],
  letters: string,
  keywords: readonly string[] = [],
): FlagChange => ({ uids, how, letters, keywords });

test('[N-11] messages are numbered as they arrived, the same for all hosts', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  const keys = [await yard.deliver(one), await yard.deliver(two)];
  const { state, claimed } = await one.journals.sync(INBOX);
  expect(state.messages.map(({ key }) => key)).toEqual(keys);
  expect([claimed, state.uidNext, state.unnumbered]).toEqual([[], 3, 0]);
  keys.push(await yard.deliver(one));
  const other = await two.journals.sync(INBOX);
  expect(other.state.messages.map(({ uid, key }) => [uid, key])).toEqual([
    [1, keys[0]],
    [2, keys[1]],
    [3, keys[2]],
  ]);
  expect(factsOf((await one.journals.sync(INBOX)).state)).toEqual(factsOf(other.state));
});

test('letters of one second are numbered as they arrived, though their names sort otherwise', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  const keys: string[] = [];
  for (const ms of [99.9, 100, 9, 1]) {
    yard.now = 1_700_000_000_000 + ms;
    keys.push(await yard.deliver(host));
  }
  const { state } = await host.journals.sync(INBOX);
  expect(state.messages.map(({ key }) => key)).toEqual([keys[3], keys[2], keys[0], keys[1]]);
});

test('[N-11] claim moves new messages to cur/, and one host alone has them as recent', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.deliver(one);
  await one.journals.sync(INBOX);
  expect((await two.journals.sync(INBOX, { claim: true })).claimed).toEqual([1]);
  expect((await one.journals.sync(INBOX, { claim: true })).claimed).toEqual([]);
  expect(await yard.fs.list(`${BOX}/new`)).toEqual([]);
  expect(one.journals.known(INBOX)?.messages[0]?.entry.directory).toBe('cur');
});

test('a poll of an unchanged folder is three listings, or three stats', async () => {
  const yard = await Yard.make();
  const recorded = recordCalls(yard.fs);
  const vague = yard.host({}, recorded.fs);
  const exact = yard.host({}, recorded.fs, 'exact');
  await yard.add(vague, 3);
  for (const [host, calls] of [
    [vague, ['list', 'list', 'list']],
    [exact, ['changed', 'changed', 'changed']],
  ] as const) {
    for (let look = 0; look < 3; look++) {
      await host.journals.sync(INBOX);
      yard.now += 3_000;
    }
    recorded.calls.length = 0;
    await host.journals.sync(INBOX);
    expect(recorded.calls).toEqual(calls);
  }
});

test('[N-11] store changes letters in names and keywords in commits, in one commit', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 3);
  const before = await two.journals.sync(INBOX);
  const logged = (await yard.fs.list(LOG)).length;
  const stored = await one.journals.store(INBOX, change([1, 2, 9], 'add', 'S', ['Work', '$Junk']));
  expect([stored.gone, stored.modified]).toEqual([[9], []]);
  expect(rowsOf(stored.state)).toEqual(['1 S $Junk Work', '2 S $Junk Work', '3 ']);
  expect((await yard.fs.list(LOG)).length).toBe(logged + 1);
  const after = await two.journals.sync(INBOX);
  expect(factsOf(after.state)).toEqual(factsOf(stored.state));
  expect(after.state.modseq).toBeGreaterThan(before.state.modseq);
  expect(after.state.messages.map(({ modseq }) => modseq > before.state.modseq)).toEqual([
    true,
    true,
    false,
  ]);
  // Keywords are the same without regard to case, and remain as they were first written.
  await two.journals.store(INBOX, change([1], 'add', '', ['WORK']));
  await two.journals.store(INBOX, change([3], 'add', 'F', ['wORk']));
  await two.journals.store(INBOX, change([2], 'remove', 'S', ['work']));
  const last = await one.journals.store(INBOX, change([1], 'replace', 'D', ['new']));
  expect(rowsOf(last.state)).toEqual(['1 D new', '2  $Junk', '3 F Work']);
});

test('changes that wait for one folder share a commit, in their order', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host, 2);
  const logged = (await yard.fs.list(LOG)).length;
  const all = await Promise.all([
    host.journals.store(INBOX, change([1], 'add', 'S', ['a'])),
    host.journals.store(INBOX, change([1, 2], 'add', 'F')),
    host.journals.store(INBOX, change([1, 7], 'remove', 'S', ['a'])),
  ]);
  expect((await yard.fs.list(LOG)).length).toBe(logged + 1);
  expect(all.map(({ gone }) => gone)).toEqual([[], [], [7]]);
  expect(rowsOf(all[0].state)).toEqual(['1 F', '2 F']);
  const fresh = await yard.host().journals.sync(INBOX);
  expect(factsOf(fresh.state)).toEqual(factsOf(all[0].state));
});

test('$Forwarded is the letter P', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host);
  const stored = await host.journals.store(INBOX, change([1], 'add', '', ['$forwarded']));
  expect(rowsOf(stored.state)).toEqual(['1 P $Forwarded']);
  expect(await yard.fs.list(`${BOX}/cur`)).toEqual([expect.stringMatching(/:2,P$/)]);
  expect(rowsOf((await yard.host().journals.sync(INBOX)).state)).toEqual(['1 P $Forwarded']);
  const again = await host.journals.store(INBOX, change([1], 'replace', 'S', []));
  expect(rowsOf(again.state)).toEqual(['1 S']);
});

test('[N-11] UNCHANGEDSINCE leaves alone what has changed, here or elsewhere', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 2);
  const { state } = await one.journals.sync(INBOX);
  yard.now += 10;
  await two.journals.store(INBOX, change([1], 'add', '', ['elsewhere']));
  const asked = { ...change([1, 2], 'add', 'S'), unchangedSince: state.modseq };
  const stored = await one.journals.store(INBOX, asked);
  expect(stored.modified).toEqual([1]);
  expect(rowsOf(stored.state)).toEqual(['1  elsewhere', '2 S']);
  expect((await one.journals.store(INBOX, asked)).modified).toEqual([1, 2]);
});

test('[P-14] what other tools do to names gets a MODSEQ, and their letters their names', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host, 2);
  const { state } = await host.journals.sync(INBOX);
  const [first, second] = state.messages.map(({ entry }) => `${BOX}/cur/${entry.name}`);
  yard.now += 1_000;
  await yard.fs.rename(`${first}`, `${first}Sac`);
  const after = (await host.journals.sync(INBOX)).state;
  expect(rowsOf(after)).toEqual(['1 Sac', '2 ']);
  expect(after.messages.map(({ modseq }) => modseq > state.modseq)).toEqual([true, false]);
  const fd = await yard.fs.create(`${BOX}/dovecot-keywords`);
  await yard.fs.write(fd, Buffer.from('0 $Junk\n2 holiday\n'), 0);
  const other = yard.host();
  expect(rowsOf((await other.journals.sync(INBOX)).state)).toEqual(['1 Sac $Junk holiday', '2 ']);
  const stored = await other.journals.store(INBOX, change([1, 2], 'remove', 'S', ['holiday']));
  expect(rowsOf(stored.state)).toEqual(['1 a $Junk', '2 ']);
  expect(await yard.fs.list(`${BOX}/cur`)).toContain(`${second?.split('/').pop()}`);
});

test('[P-14] a message that another removed is gone after two looks 10 s apart, not before', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host, 2);
  const { state } = await host.journals.sync(INBOX);
  const name = state.messages[0]?.entry.name ?? '';
  await yard.fs.unlink(`${BOX}/cur/${name}`);
  for (const ms of [0, 5_000, 4_999]) {
    yard.now += ms;
    expect((await host.journals.sync(INBOX)).state.messages).toHaveLength(2);
  }
  yard.now += 1;
  const after = (await host.journals.sync(INBOX)).state;
  expect(rowsOf(after)).toEqual(['2 ']);
  expect(after.expunged).toMatchObject([{ uid: 1, modseq: after.modseq }]);
  // It comes back: another message.
  const fd = await yard.fs.create(`${BOX}/cur/${name}`);
  await yard.fs.close(fd);
  expect(rowsOf((await host.journals.sync(INBOX)).state)).toEqual(['2 ', '3 ']);
});

test('[N-11] absence is proved in 10 s in a folder that is never quiet, and a name seen begins anew', async () => {
  const yard = await Yard.make();
  const [host, busy] = [yard.host(), yard.host()];
  await yard.add(host, 3);
  const [gone, other, back] = (await host.journals.sync(INBOX)).state.messages;
  await yard.fs.unlink(`${BOX}/cur/${gone?.entry.name}`);
  const [there, away] = [`${BOX}/cur/${back?.entry.name}`, `${BOX}/kept`];
  await yard.fs.rename(there, away);
  let name = `${BOX}/cur/${other?.entry.name}`;
  for (let second = 0; second < 10; second++) {
    // By another program, by another host, by this one.
    await yard.fs.rename(name, `${name}S`);
    name += 'S';
    expect((await host.journals.sync(INBOX)).state.messages).toHaveLength(3);
    await busy.journals.sync(INBOX);
    const how = second % 2 === 0 ? 'add' : 'remove';
    name = `${BOX}/cur/${await renamedBy(busy, how)}`;
    await host.journals.store(INBOX, change([2], how, 'F'));
    name = `${BOX}/cur/${host.journals.known(INBOX)?.messages[1]?.entry.name}`;
    if (second === 5) await yard.fs.rename(away, there);
    if (second === 5) await host.journals.sync(INBOX);
    if (second === 5) await yard.fs.rename(there, away);
    yard.now += 1_000;
  }
  expect(rowsOf((await host.journals.sync(INBOX)).state).map((row) => row.split(' ')[0])).toEqual([
    '2',
    '3',
  ]);
});

/** A letter of message 2 is changed by a host. @returns its name */
async function renamedBy({ journals }: Host, how: 'add' | 'remove'): Promise<string | undefined> {
  const { state } = await journals.store(INBOX, change([2], how, 'D'));
  return state.messages.find(({ uid }) => uid === 2)?.entry.name;
}

test('[N-11] an expunge that a crash cut short is completed by whoever comes next', async () => {
  const yard = await Yard.make();
  const healthy = yard.host();
  await yard.add(healthy, 2);
  let dead = false;
  const dying = wrapFs(yard.fs, async (call, args, perform) => {
    dead ||= call === 'unlink' && String(args[0]).includes('/cur/');
    if (dead) throw new Error('killed');
    return perform();
  });
  const host = yard.host({}, dying);
  await expect(host.journals.expunge(INBOX, [1])).rejects.toThrow('killed');
  expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(2);
  const { state } = await healthy.journals.sync(INBOX);
  expect([rowsOf(state), state.expunged.map(({ uid }) => uid)]).toEqual([['2 '], [1]]);
  expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(1);
  expect(factsOf((await yard.host().journals.sync(INBOX)).state)).toEqual(
    factsOf((await healthy.journals.sync(INBOX)).state),
  );
});

test('[P-14] a restored letter is a new message, and is not removed for its old name', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 1);
  const name = (await two.journals.sync(INBOX)).state.messages[0]?.entry.name;
  await one.journals.expunge(INBOX, [1]);
  await yard.fs.close(await yard.fs.create(`${BOX}/cur/${name}`));
  expect(rowsOf((await two.journals.sync(INBOX)).state)).toEqual(['2 ']);
  expect(await yard.fs.list(`${BOX}/cur`)).toEqual([name]);
});

test('[N-11] copy and move keep flags, keywords and the date; a crash of move leaves both', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 3);
  await one.journals.store(INBOX, change([2], 'add', 'FS', ['work']));
  const copied = await one.journals.copy(INBOX, [2, 9], ARCHIVE);
  expect(copied.pairs).toEqual([{ from: 2, to: 1 }]);
  const moved = await two.journals.move(INBOX, [2, 3], ARCHIVE);
  expect(moved.pairs).toEqual([
    { from: 2, to: 2 },
    { from: 3, to: 3 },
  ]);
  expect(rowsOf(moved.state)).toEqual(['1 FS work', '2 FS work', '3 ']);
  expect(rowsOf((await one.journals.sync(INBOX)).state)).toEqual(['1 ']);
  const fresh = (await yard.host().journals.sync(ARCHIVE)).state;
  expect(factsOf(fresh)).toEqual(factsOf(moved.state));
  expect(fresh.messages.map(({ key }) => key.split('.')[0])).toEqual(
    fresh.messages.map(() => '1700000005'),
  );
});

test('a move keeps the EMAILID, and what is expunged tells it, after any compaction too', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host({ snapshotEvery: 2, namesMax: 4 }), yard.host()];
  await yard.add(one, 3);
  const before = (await one.journals.sync(INBOX)).state;
  const ids = before.messages.map(({ key }) => emailIdOf(key));
  const moved = await one.journals.move(INBOX, [2], ARCHIVE);
  expect(moved.state.messages.map(({ key }) => emailIdOf(key))).toEqual([ids[1]]);
  const back = await two.journals.move(ARCHIVE, [1], INBOX);
  expect(back.state.messages.map(({ key }) => emailIdOf(key))).toEqual([ids[0], ids[2], ids[1]]);
  for (let i = 0; i < 20; i++) {
    await one.journals.store(INBOX, change([1], i % 2 === 0 ? 'add' : 'remove', 'F'));
  }
  await one.journals.expunge(INBOX, [4]);
  const fresh = (await yard.host().journals.sync(INBOX)).state;
  expect(fresh.expunged.map(({ uid, emailId }) => [uid, emailId])).toEqual([
    [2, ids[1]],
    [4, ids[1]],
  ]);
  expect(fresh.journalId).toBe(before.journalId);
  expect(back.state.journalId).toBe(before.journalId);
  expect(moved.state.journalId).not.toBe(before.journalId);
});

test('copies that cross do not wait for each other; a copy finds renamed messages', async () => {
  const yard = await Yard.make();
  const [one, two] = [yard.host(), yard.host()];
  await yard.add(one, 2);
  await one.journals.copy(INBOX, [1], ARCHIVE);
  await two.journals.sync(INBOX);
  await one.journals.store(INBOX, change([1], 'add', 'S'));
  const [there, back] = await Promise.all([
    two.journals.copy(INBOX, [1], ARCHIVE),
    two.journals.copy(ARCHIVE, [1], INBOX),
  ]);
  expect(there.pairs).toEqual([{ from: 1, to: 2 }]);
  expect(back.pairs).toEqual([{ from: 1, to: 3 }]);
});

test('a full volume is read and emptied; new messages wait, and are numbered when there is room', async () => {
  const yard = await Yard.make();
  let full = false;
  const fs = wrapFs(yard.fs, async (call, args, perform) => {
    if (full && call === 'create') throw systemError('ENOSPC', call, String(args[0]));
    return perform();
  });
  const host = yard.host({}, fs);
  const healthy = yard.host();
  await yard.add(host, 3);
  const before = (await host.journals.sync(INBOX)).state;
  await yard.deliver(healthy);
  full = true;
  const seen = (await host.journals.sync(INBOX)).state;
  expect([rowsOf(seen), seen.unnumbered]).toEqual([rowsOf(before), 1]);
  const deleted = await host.journals.store(INBOX, change([1, 2], 'add', 'D'));
  expect(rowsOf(deleted.state)).toEqual(['1 D', '2 D', '3 ']);
  await expect(host.journals.store(INBOX, change([3], 'add', '', ['word']))).rejects.toSatisfy(
    (error) => isErrno(error, 'ENOSPC'),
  );
  expect(rowsOf(await host.journals.expunge(INBOX, [1]))).toEqual(['2 D', '3 ']);
  expect(rowsOf((await host.journals.sync(INBOX)).state)).toEqual(['2 D', '3 ']);
  expect(await yard.fs.list(`${BOX}/cur`)).toHaveLength(2);
  full = false;
  for (let look = 0; look < 3; look++) {
    await host.journals.sync(INBOX);
    yard.now += 10_000;
  }
  const after = (await host.journals.sync(INBOX)).state;
  expect([rowsOf(after), after.unnumbered]).toEqual([['2 D', '3 ', '4 '], 0]);
  expect(after.expunged.map(({ uid }) => uid)).toEqual([1]);
  expect(factsOf((await healthy.journals.sync(INBOX)).state)).toEqual(factsOf(after));
});

test('numbers of an import are taken over once', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  const keys = [await yard.deliver(host), await yard.deliver(host), await yard.deliver(host)];
  const seed = {
    uidValidity: 1_234_567_890,
    uidNext: 900,
    messages: new Map([
      [keys[0] ?? '', { uid: 800, keywords: ['work', '$Forwarded'] }],
      [keys[1] ?? '', { uid: 70 }],
      ['not-here', { uid: 899 }],
    ]),
  };
  const state = await host.journals.seed(INBOX, seed);
  expect([state.uidValidity, state.uidNext, rowsOf(state)]).toEqual([
    1_234_567_890,
    901,
    ['70 ', '800 P $Forwarded work', '900 '],
  ]);
  expect(state.messages.map(({ key }) => key)).toEqual([keys[1], keys[0], keys[2]]);
  await expect(host.journals.seed(INBOX, seed)).rejects.toSatisfy((error) =>
    isErrno(error, 'EEXIST'),
  );
  expect(factsOf((await yard.host().journals.sync(INBOX)).state)).toEqual(factsOf(state));
});

test('a key that has more than one file has one UID', async () => {
  const yard = await Yard.make();
  const host = yard.host();
  await yard.add(host);
  const name = (await host.journals.sync(INBOX)).state.messages[0]?.entry.name ?? '';
  await yard.fs.link(`${BOX}/cur/${name}`, `${BOX}/cur/${name}S`);
  for (let look = 0; look < 3; look++) {
    expect(rowsOf((await host.journals.sync(INBOX)).state)).toEqual(['1 S']);
  }
  const { modseq } = (await host.journals.sync(INBOX)).state;
  expect((await yard.host().journals.sync(INBOX)).state.modseq).toBe(modseq);
  expect(nameKey(name)).toBe(host.journals.known(INBOX)?.messages[0]?.key);
});
