import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isErrno, type ManyFiles } from '#maildir';
import { type ManyFilesParts, ManyFilesThreads } from './many-files.ts';
import { eventually } from './testing/volumes.ts';

/** As many as make a thread start. */
const MANY = 512;
/** Takes jobs and answers none, as one that hangs in a call. */
const HANGS = new URL(
  'data:text/javascript,import{parentPort}from"node:worker_threads";parentPort.on("message",()=>{})',
);

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'many-files-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

const threadsAt = (at: { ms: number }, set: Partial<ManyFilesParts> = {}): ManyFilesThreads =>
  new ManyFilesThreads({ now: () => at.ms, ...set });

/** Asks until the thread runs. */
async function ready(many: ManyFiles): Promise<ManyFiles> {
  many.ready(MANY);
  await eventually(() => many.ready(1));
  return many;
}

const begin = (
  many: ManyFiles,
  paths: readonly string[],
  octets = 8,
): ReturnType<typeof many.read> =>
  many.read({ paths, octets: paths.map(() => octets), into: Buffer.alloc(paths.length * octets) });

const text = (octets: unknown): string => Buffer.from(octets as Uint8Array).toString();

test('files are read in order, each its begin; what failed has its own error', async () => {
  writeFileSync(join(dir, 'a'), 'short');
  writeFileSync(join(dir, 'b'), 'longer than asked');
  const many = await ready(threadsAt({ ms: 0 }).of('v'));
  const read = await begin(
    many,
    ['a', 'none', 'b', '.'].map((name) => join(dir, name)),
  );
  expect(read).toHaveLength(4);
  expect(text(read?.[0])).toBe('short');
  expect(isErrno(read?.[1], 'ENOENT')).toBe(true);
  expect(text(read?.[2])).toBe('longer t');
  expect(isErrno(read?.[3], 'EISDIR')).toBe(true);
});

test('jobs that wait for each other get what they asked for, not the octets of another', async () => {
  const many = await ready(threadsAt({ ms: 0 }, { waitMs: 600_000 }).of('v'));
  const names = Array.from({ length: 6 }, (_, i) => `q${i}`);
  for (const name of names) writeFileSync(join(dir, name), name.repeat(4));
  const all = await Promise.all(names.map((name) => begin(many, [join(dir, name)])));
  expect(all.map((read) => text(read?.[0]))).toEqual(names.map((name) => name.repeat(4)));
});

test('renames go on after a file that is gone, and stop at any other failure', async () => {
  const many = await ready(threadsAt({ ms: 0 }).of('v'));
  const at = join(dir, 'renames');
  mkdirSync(at);
  for (const name of ['1', '2', '3']) writeFileSync(join(at, name), name);
  const pair = (from: string, to: string): [string, string] => [join(at, from), join(at, to)];
  const pairs = [pair('1', 'one'), pair('gone', 'x'), pair('2', '3/two'), pair('3', 'three')];
  const results = await many.rename(pairs);
  expect(results?.map((error) => (error as { code?: unknown } | undefined)?.code)).toEqual([
    undefined,
    'ENOENT',
    'ENOTDIR',
  ]);
  expect(readdirSync(at).toSorted()).toEqual(['2', '3', 'one']);
});

test('few files start no thread, and many of a volume one', async () => {
  const at = { ms: 0 };
  const threads = threadsAt(at);
  const many = threads.of('v');
  for (let i = 0; i < 20; i++, at.ms += 10_001) expect(many.ready(MANY - 1)).toBe(false);
  expect(threads.size).toBe(0);
  expect(await begin(many, [join(dir, 'a')])).toBeUndefined();
  await ready(many);
  await Promise.all(Array.from({ length: 20 }, () => begin(many, [join(dir, 'a')])));
  expect(threads.size).toBe(1);
});

test('a thread that hangs holds its own volume back and no other, and there are two at most', async () => {
  const threads = threadsAt({ ms: 0 }, { program: HANGS });
  const first = await ready(threads.of('first'));
  void begin(first, [join(dir, 'a')]);
  const waiting = begin(first, [join(dir, 'a')]);
  const second = await ready(threads.of('second'));
  void begin(second, [join(dir, 'a')]);
  expect(await waiting).toBeUndefined(); // Given back: whoever asked makes the calls himself.
  const third = threads.of('third');
  expect(third.ready(MANY * 10)).toBe(false);
  expect(await begin(third, [join(dir, 'a')])).toBeUndefined();
  expect(threads.size).toBe(2);
});

test('files of a slow disk are left to the pool for some time', async () => {
  const at = { ms: 0 };
  const slow = new URL(
    'data:text/javascript,import{parentPort}from"node:worker_threads";' +
      'parentPort.on("message",()=>parentPort.postMessage({results:[0],ms:100}))',
  );
  const many = await ready(threadsAt(at, { program: slow }).of('v'));
  await begin(many, [join(dir, 'a')]);
  expect(many.ready(1)).toBe(false);
  at.ms += 10_001;
  expect(many.ready(1)).toBe(true);
});
