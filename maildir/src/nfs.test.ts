import { expect, test } from 'vitest';
import { deliver, engineOn, ROOT } from '../test/engine.ts';
import { recordCalls, wrapFs, type Call } from '../test/call-fs.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { systemError, UnknownResultError, type ErrnoName } from './errno.ts';
import type { Lie } from './types.ts';

// One lie at a time: what the engine answers, and that it counted. The lies in all combinations
// are in test/lies.test.ts.

const A = `${ROOT}/alice`;
const B = `${ROOT}/bob`;
const BYTES = Buffer.from('Subject: x\n\nbody\n');

interface Strike {
  readonly call: Call;
  readonly error: ErrnoName;
  /** Whether the call takes effect before it says that it failed. */
  readonly done: boolean;
  /** How many times in a row. */
  readonly times?: number;
}

async function lied(strike: Strike) {
  const memory = new MemoryFs();
  await memory.mkdir(ROOT);
  const honest = engineOn(memory);
  for (const maildir of [A, B]) await honest.create(maildir, { root: ROOT });
  let left = strike.times ?? 1;
  const lies: Lie[] = [];
  const fs = wrapFs(memory, async (call, args, perform) => {
    if (call !== strike.call || left-- <= 0) return perform();
    if (strike.done) await perform();
    throw systemError(strike.error, call, String(args[0]));
  });
  return { memory, honest, lies, engine: engineOn(fs, { onLie: (lie) => lies.push(lie) }) };
}

type Verdict = 'ok' | 'unknown' | ErrnoName;
// title, strike, verdict, whether the message is there, lies counted
const DELIVERIES: readonly [string, Strike, Verdict, boolean, Lie[]][] = [
  [
    'rename worked, reply lost',
    { call: 'rename', error: 'ENOENT', done: true },
    'ok',
    true,
    ['rename'],
  ],
  [
    'rename worked, timeout',
    { call: 'rename', error: 'ETIMEDOUT', done: true },
    'ok',
    true,
    ['rename'],
  ],
  [
    'rename not done, timeout',
    { call: 'rename', error: 'ETIMEDOUT', done: false },
    'unknown',
    false,
    [],
  ],
  ['rename not done, EIO', { call: 'rename', error: 'EIO', done: false }, 'unknown', false, []],
  ['rename stale once', { call: 'rename', error: 'ESTALE', done: false }, 'ok', true, ['stale']],
  [
    'rename stale twice',
    { call: 'rename', error: 'ESTALE', done: false, times: 2 },
    'unknown',
    false,
    ['stale'],
  ],
  ['target not seen yet', { call: 'rename', error: 'ENOENT', done: false }, 'ok', true, ['lookup']],
  [
    'target denied twice',
    { call: 'rename', error: 'ENOENT', done: false, times: 2 },
    'unknown',
    false,
    ['lookup'],
  ],
  ['rename refused', { call: 'rename', error: 'EACCES', done: false }, 'EACCES', false, []],
  ['rename: no space', { call: 'rename', error: 'ENOSPC', done: false }, 'ENOSPC', false, []],
  ['tmp not seen yet', { call: 'create', error: 'ENOENT', done: false }, 'ok', true, ['lookup']],
  ['create stale once', { call: 'create', error: 'ESTALE', done: false }, 'ok', true, ['stale']],
  [
    'create stale twice',
    { call: 'create', error: 'ESTALE', done: false, times: 2 },
    'ESTALE',
    false,
    [],
  ],
  ['create finds a file', { call: 'create', error: 'EEXIST', done: false }, 'EEXIST', false, []],
  ['full at write', { call: 'write', error: 'ENOSPC', done: false }, 'ENOSPC', false, []],
  ['full at fsync', { call: 'fsync', error: 'ENOSPC', done: false }, 'ENOSPC', false, ['write']],
  ['quota at fsync', { call: 'fsync', error: 'EDQUOT', done: false }, 'EDQUOT', false, ['write']],
  ['quota at close', { call: 'close', error: 'EDQUOT', done: true }, 'EDQUOT', false, ['write']],
  ['EIO at close', { call: 'close', error: 'EIO', done: true }, 'EIO', false, ['write']],
];

for (const [title, strike, verdict, there, counted] of DELIVERIES) {
  test(`[N-19] delivery, ${title}: ${verdict}`, async () => {
    const { engine, honest, lies, memory } = await lied(strike);
    const { errors } = await deliver(engine, [A], BYTES);
    expect(verdictOf(errors[0])).toBe(verdict);
    expect(await honest.list(A)).toHaveLength(there ? 1 : 0);
    expect(lies).toEqual(counted);
    expect(await memory.list(`${A}/tmp`)).toEqual([]);
    expect(memory.openFiles).toBe(0);
  });
}

const LINKS: readonly [string, Strike, Verdict, boolean, Lie[]][] = [
  ['link worked, reply lost', { call: 'link', error: 'EEXIST', done: true }, 'ok', true, ['link']],
  ['EEXIST without the name', { call: 'link', error: 'EEXIST', done: false }, 'unknown', false, []],
  ['link stale once', { call: 'link', error: 'ESTALE', done: false }, 'ok', true, ['stale']],
  ['link: too many links', { call: 'link', error: 'EMLINK', done: false }, 'EMLINK', false, []],
  ['link timeout', { call: 'link', error: 'ETIMEDOUT', done: false }, 'unknown', false, []],
];
for (const [title, strike, verdict, there, counted] of LINKS) {
  test(`delivery to two, ${title}: the first ${verdict}, the second ok`, async () => {
    const { engine, honest, lies } = await lied(strike);
    const { errors } = await deliver(engine, [B, A], BYTES);
    expect(errors.map(verdictOf)).toEqual([verdict, 'ok']);
    expect(await honest.list(B)).toHaveLength(there ? 1 : 0);
    expect(await honest.list(A)).toHaveLength(1);
    expect(lies).toEqual(counted);
  });
}

test('an error at fsync of new/ is unknown: the message is visible and not durable', async () => {
  const { engine, honest } = await lied({ call: 'openRead', error: 'EIO', done: false });
  const { errors } = await deliver(engine, [A], BYTES);
  expect(verdictOf(errors[0])).toBe('unknown');
  expect(await honest.list(A)).toHaveLength(1);
});

test('a lost reply is seen through though another host has moved the message on to cur', async () => {
  const { memory, honest, lies } = await lied({ call: 'modified', error: 'EIO', done: false });
  const fs = wrapFs(memory, async (call, args, perform) => {
    if (call !== 'rename') return perform();
    await perform();
    const [entry] = await honest.list(A);
    if (entry !== undefined) await honest.setFlags({ maildir: A, entry, add: 'S', remove: '' });
    throw systemError('ENOENT', call, String(args[0]));
  });
  const engine = engineOn(fs, { onLie: (lie) => lies.push(lie) });
  expect((await deliver(engine, [A], BYTES)).errors).toEqual([undefined]);
  expect(await honest.list(A)).toMatchObject([{ directory: 'cur' }]);
  expect(lies).toEqual(['rename']);
});

test('a lost reply is unknown when another host has removed the message already', async () => {
  const { memory, honest } = await lied({ call: 'modified', error: 'EIO', done: false });
  const fs = wrapFs(memory, async (call, args, perform) => {
    if (call !== 'rename') return perform();
    await perform();
    await honest.remove({ maildir: A, entries: await honest.list(A) });
    throw systemError('ENOENT', call, String(args[0]));
  });
  const { errors } = await deliver(engineOn(fs), [A], BYTES);
  expect(errors.map(verdictOf)).toEqual(['unknown']);
});

test('a refusal after an unclear answer is unknown: the first call may have worked', async () => {
  const { memory } = await lied({ call: 'modified', error: 'EIO', done: false });
  const answers: ErrnoName[] = ['ESTALE', 'EACCES'];
  const fs = wrapFs(memory, async (call, args, perform) => {
    const answer = call === 'rename' ? answers.shift() : undefined;
    if (answer !== undefined) throw systemError(answer, call, String(args[0]));
    return perform();
  });
  const { errors } = await deliver(engineOn(fs), [A], BYTES);
  expect(errors.map(verdictOf)).toEqual(['unknown']);
});

test('a target that is gone fails alone, with ENOENT', async () => {
  const { engine, honest } = await lied({ call: 'modified', error: 'EIO', done: false });
  for (const order of [
    [A, `${ROOT}/nobody`, B],
    [A, B, `${ROOT}/nobody`],
  ]) {
    const { errors } = await deliver(engine, order, BYTES);
    const expected = order.map((to) => (to.endsWith('nobody') ? 'ENOENT' : 'ok'));
    expect(errors.map(verdictOf)).toEqual(expected);
  }
  expect(await honest.list(A)).toHaveLength(2);
  expect(await honest.list(B)).toHaveLength(2);
});

test('a target named twice gets the message once', async () => {
  const { engine, honest, memory } = await lied({ call: 'modified', error: 'EIO', done: false });
  const { errors } = await deliver(engine, [A, B, A, B], BYTES);
  expect(errors).toEqual([undefined, undefined, undefined, undefined]);
  expect(await honest.list(A)).toHaveLength(1);
  expect(await memory.list(`${A}/tmp`)).toEqual([]);
});

test('removal: ENOENT of a message that is there is not believed', async () => {
  const { engine, honest } = await lied({ call: 'unlink', error: 'ENOENT', done: false });
  await deliver(honest, [A], BYTES);
  const entries = await engine.list(A);
  expect(await engine.remove({ maildir: A, entries })).toEqual([undefined]);
  expect(await honest.list(A)).toEqual([]);
});

test('removal: what another has removed, or a lost reply, is success', async () => {
  const { engine, honest } = await lied({ call: 'unlink', error: 'ENOENT', done: true });
  await deliver(honest, [A], BYTES);
  const entries = await engine.list(A);
  expect(await engine.remove({ maildir: A, entries })).toEqual([undefined]);
  expect(await engine.remove({ maildir: A, entries })).toEqual([undefined]);
});

test('removal: one refused entry does not keep the others', async () => {
  const { engine, honest } = await lied({ call: 'unlink', error: 'EACCES', done: false });
  await deliver(honest, [A], BYTES);
  await deliver(honest, [A], BYTES);
  const entries = await engine.list(A);
  const errors = await engine.remove({ maildir: A, entries });
  expect(errors.map(verdictOf)).toEqual(['EACCES', 'ok']);
  expect(await honest.list(A)).toHaveLength(1);
});

test('mkdir that worked and says EEXIST is counted, and harmless', async () => {
  const memory = new MemoryFs();
  await memory.mkdir(ROOT);
  const lies: Lie[] = [];
  const fs = wrapFs(memory, async (call, args, perform) => {
    await perform();
    const lie = call === 'mkdir' && String(args[0]).endsWith('/new');
    if (lie) throw systemError('EEXIST', call, String(args[0]));
    return call === 'list' ? perform() : undefined;
  });
  const engine = engineOn(fs, { directorySync: 'never', onLie: (lie) => lies.push(lie) });
  await engine.create(A, { root: ROOT });
  expect(await engine.exists(A)).toBe(true);
  expect(lies).toEqual(['mkdir']);
});

test('a folder whose removal worked and says ENOENT is removed; the emptying is honest too', async () => {
  const { engine, honest, lies } = await lied({ call: 'rename', error: 'ENOENT', done: true });
  await honest.createFolder(A, 'Sent');
  await engine.removeFolder(A, 'Sent');
  expect(await honest.folders(A)).toEqual([]);
  expect(lies).toEqual(['rename']);
  await expect(honest.removeFolder(A, 'Sent')).rejects.toMatchObject({ code: 'ENOENT' });
});

const REMOVALS: readonly [string, Strike, Verdict, boolean, Lie[]][] = [
  ['timeout, done', { call: 'rename', error: 'ETIMEDOUT', done: true }, 'ok', false, ['rename']],
  ['timeout', { call: 'rename', error: 'ETIMEDOUT', done: false }, 'unknown', true, []],
  ['not seen', { call: 'rename', error: 'ENOENT', done: false }, 'ok', false, ['lookup']],
  ['stale once', { call: 'rename', error: 'ESTALE', done: false }, 'ok', false, ['stale']],
  [
    'stale twice',
    { call: 'rename', error: 'ESTALE', done: false, times: 2 },
    'unknown',
    true,
    ['stale'],
  ],
  ['refused', { call: 'rename', error: 'EACCES', done: false }, 'EACCES', true, []],
];
for (const [title, strike, verdict, there, counted] of REMOVALS) {
  test(`removal of a folder, ${title}: ${verdict}`, async () => {
    const { engine, honest, lies } = await lied(strike);
    await honest.createFolder(A, 'Sent');
    const error = await engine.removeFolder(A, 'Sent').catch((caught: unknown) => caught as Error);
    expect(verdictOf(error ?? undefined)).toBe(verdict);
    expect(await honest.folders(A)).toEqual(there ? ['Sent'] : []);
    expect(lies).toEqual(counted);
  });
}

test('rmdir that worked and says ENOENT is counted', async () => {
  const { engine, honest, lies, memory } = await lied({
    call: 'rmdir',
    error: 'ENOENT',
    done: true,
  });
  await honest.createFolder(A, 'Sent');
  await engine.removeFolder(A, 'Sent');
  expect(lies).toEqual(['rmdir']);
  expect(await memory.list(`${A}/tmp`)).toEqual([]);
});

test('the sweep removes its own probe though the reply is lost, and counts', async () => {
  const { engine, lies, memory } = await lied({ call: 'unlink', error: 'ENOENT', done: true });
  await engine.stage({ maildir: A, base: 'b', offset: 0, bytes: BYTES, last: true });
  expect(await engine.sweep(A, { olderThanMs: 1000 })).toBe(0);
  expect(lies).toEqual(['unlink']);
  expect(await memory.list(`${A}/tmp`)).toEqual(['b']);
});

test('a listing that differs is counted', async () => {
  const { memory, honest } = await lied({ call: 'modified', error: 'EIO', done: false });
  await deliver(honest, [A], BYTES);
  const lies: Lie[] = [];
  let listings = 0;
  const fs = wrapFs(memory, async (call, args, perform) => {
    const misses = call === 'list' && String(args[0]).endsWith('/new') && listings++ === 0;
    return misses ? [] : perform();
  });
  const engine = engineOn(fs, { onLie: (lie) => lies.push(lie) });
  expect(await engine.list(A)).toHaveLength(1);
  expect(lies).toEqual(['listing']);
});

// The budget: nothing above what durability needs.
const FILE: readonly Call[] = ['create', 'write', 'fsync', 'close'];
const SYNC: readonly Call[] = ['openRead', 'fsync', 'close'];
const BUDGETS: readonly [string, 'always' | 'never', readonly string[], readonly Call[]][] = [
  ['one Maildir on NFS', 'never', [A], [...FILE, 'rename']],
  ['one Maildir on a local disk', 'always', [A], [...FILE, 'rename', ...SYNC]],
  ['two on NFS', 'never', [A, B], [...FILE, 'link', 'rename']],
  ['two on a local disk', 'always', [A, B], [...FILE, 'link', 'rename', ...SYNC, ...SYNC]],
];
for (const [title, directorySync, targets, expected] of BUDGETS) {
  test(`[S2-03] a delivery to ${title} makes ${expected.length} calls, none of them a lock`, async () => {
    const { memory } = await lied({ call: 'modified', error: 'EIO', done: false });
    const { fs, calls } = recordCalls(memory);
    await deliver(engineOn(fs, { directorySync }), targets, BYTES);
    expect(calls).toEqual(expected);
  });
}

test('a poll lists new and cur twice and asks nothing else; a small message is three calls', async () => {
  const { memory, honest } = await lied({ call: 'modified', error: 'EIO', done: false });
  await deliver(honest, [A], BYTES);
  const { fs, calls } = recordCalls(memory);
  const engine = engineOn(fs);
  const [entry] = await engine.list(A);
  expect(calls.splice(0)).toEqual(['list', 'list', 'list', 'list']);
  if (entry === undefined) throw new Error('nothing listed');
  const read = await engine.read({ maildir: A, entry, offset: 0, length: 65_536 });
  expect(read.end).toBe(true);
  expect(calls.splice(0)).toEqual(['openRead', 'read', 'close']);
  const seen = await engine.setFlags({ maildir: A, entry, add: 'S', remove: '' });
  expect(calls.splice(0)).toEqual(['rename']);
  await engine.remove({ maildir: A, entries: [seen] });
  expect(calls).toEqual(['unlink']);
});

function verdictOf(error: Error | undefined): Verdict {
  if (error === undefined) return 'ok';
  if (error instanceof UnknownResultError) return 'unknown';
  return (error as NodeJS.ErrnoException).code as ErrnoName;
}
