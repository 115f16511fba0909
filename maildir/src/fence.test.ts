import { expect, test } from 'vitest';
import { wrapFs, type Call } from '../test/call-fs.ts';
import { deliver, engineOn, ROOT } from '../test/engine.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { isErrno, systemError, UnknownResultError, type ErrnoName } from './errno.ts';
import { attemptName, fence } from './fence.ts';
import { linkOurs, moveOurs, type Nfs } from './nfs.ts';
import type { Fs } from './types.ts';

const A = `${ROOT}/alice`;
const BYTES = Buffer.from('Subject: x\n\nbody\n');
const nfsOn = (fs: Fs): Nfs => ({ fs, directorySync: 'always', lie: () => {} });

async function prepared() {
  const fs = new MemoryFs();
  await fs.mkdir(ROOT);
  const engine = engineOn(fs);
  await engine.create(A, { root: ROOT });
  return { fs, engine, key: engine.uniqueName() };
}

const staged = (base: string) => ({ maildir: A, base, offset: 0, bytes: BYTES, last: true });
const published = (base: string, as: string) => ({
  maildir: A,
  base,
  as,
  octets: BYTES.length,
  wireOctets: BYTES.length + 3,
  targets: [A],
});

test('an attempt publishes under the key that was chosen before', async () => {
  const { fs, engine, key } = await prepared();
  const base = attemptName(key, '1');
  await engine.stage(staged(base));
  await engine.publish(published(base, key));
  expect(await fs.list(`${A}/new`)).toEqual([`${key},S=17,W=20`]);
  expect([...(await fence(nfsOn(fs), A, new Set([key]))).keys()]).toEqual([key]);
  await expect(engine.publish(published(base, 'a/b'))).rejects.toThrow('EINVAL');
});

test('[N-03] after the fence an attempt that slept publishes nothing, however late it wakes', async () => {
  const { fs, engine, key } = await prepared();
  const sleeper = attemptName(key, '1');
  await engine.stage(staged(sleeper));
  await deliver(engine, [A], BYTES); // Others are left alone.
  const under = engine.uniqueName();
  await engine.stage(staged(under));
  expect((await fence(nfsOn(fs), A, new Set([key]))).size).toBe(0);
  const base = attemptName(key, '2');
  await engine.stage(staged(base));
  const [late] = await engine.publish(published(sleeper, key));
  expect(late?.name).toBe(undefined);
  const [now] = await engine.publish(published(base, key));
  expect(now?.error).toBe(undefined);
  expect((await fs.list(`${A}/new`)).filter((name) => name.startsWith(key))).toHaveLength(1);
  expect(await fs.list(`${A}/tmp`)).toEqual([under]);
});

test('a message is found in cur too, under any flags', async () => {
  const { fs, engine, key } = await prepared();
  await engine.stage(staged(attemptName(key, '1')));
  await engine.publish(published(attemptName(key, '1'), key));
  const [entry] = await engine.list(A);
  if (entry === undefined) throw new Error('none');
  await engine.setFlags({ maildir: A, entry, add: 'SR', remove: '' });
  expect((await fence(nfsOn(fs), A, new Set([key]))).get(key)?.directory).toBe('cur');
});

interface Lie {
  readonly call: Call;
  readonly error: ErrnoName;
  readonly done: boolean;
}
// title, lie, what moveOurs says, whether it is at its target
const MOVES: readonly [string, Lie, 'moved' | 'unknown' | ErrnoName, boolean][] = [
  ['reply lost', { call: 'rename', error: 'ENOENT', done: true }, 'moved', true],
  ['done, timeout', { call: 'rename', error: 'ETIMEDOUT', done: true }, 'moved', true],
  ['not done, timeout', { call: 'rename', error: 'ETIMEDOUT', done: false }, 'unknown', false],
  ['looked up in a cache', { call: 'rename', error: 'ENOENT', done: false }, 'moved', true],
  ['stale', { call: 'rename', error: 'ESTALE', done: false }, 'moved', true],
  ['full', { call: 'rename', error: 'ENOSPC', done: false }, 'ENOSPC', false],
];
for (const [title, lie, verdict, there] of MOVES) {
  test(`a file that only we would move, ${title}: ${verdict}`, async () => {
    const fs = new MemoryFs();
    for (const path of [ROOT, `${ROOT}/a`, `${ROOT}/b`]) await fs.mkdir(path);
    await fs.close(await fs.create(`${ROOT}/a/x`));
    let left = 1;
    const lying = wrapFs(fs, async (call, args, perform) => {
      if (call !== lie.call || left-- <= 0) return perform();
      if (lie.done) await perform();
      throw systemError(lie.error, call, String(args[0]));
    });
    const said = await moveOurs(nfsOn(lying), `${ROOT}/a/x`, `${ROOT}/b/y`).catch(
      (error: unknown) => error,
    );
    if (verdict === 'unknown') expect(said).toBeInstanceOf(UnknownResultError);
    else if (verdict === 'moved') expect(said).toBe('moved');
    else expect(isErrno(said, verdict)).toBe(true);
    expect(await fs.list(`${ROOT}/b`)).toEqual(there ? ['y'] : []);
  });
}

test('no directory to move to is said, and nothing happened; taken on by others is unknown', async () => {
  const fs = new MemoryFs();
  for (const path of [ROOT, `${ROOT}/a`, `${ROOT}/b`]) await fs.mkdir(path);
  await fs.close(await fs.create(`${ROOT}/a/x`));
  expect(await moveOurs(nfsOn(fs), `${ROOT}/a/x`, `${ROOT}/c/y`)).toBe('no-directory');
  expect(await fs.list(`${ROOT}/a`)).toEqual(['x']);
  const quick = wrapFs(fs, async (call, args, perform) => {
    const answer = await perform();
    if (call !== 'rename') return answer;
    await fs.unlink(`${ROOT}/b/y`);
    throw systemError('ENOENT', call, String(args[0]));
  });
  const moving = moveOurs(nfsOn(quick), `${ROOT}/a/x`, `${ROOT}/b/y`);
  await expect(moving).rejects.toBeInstanceOf(UnknownResultError);
});

test('a link that is there already is a lost reply', async () => {
  const fs = new MemoryFs();
  await fs.mkdir(ROOT);
  await fs.close(await fs.create(`${ROOT}/x`));
  await linkOurs(nfsOn(fs), `${ROOT}/x`, `${ROOT}/y`);
  await linkOurs(nfsOn(fs), `${ROOT}/x`, `${ROOT}/y`);
  expect(await fs.list(ROOT)).toEqual(['x', 'y']);
});
