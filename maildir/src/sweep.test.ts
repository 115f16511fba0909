import { expect, test } from 'vitest';
import { recordCalls, wrapFs } from '../test/call-fs.ts';
import { deliver, engineOn, ROOT } from '../test/engine.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { systemError } from './errno.ts';

const BOX = `${ROOT}/alice`;
const TMP = `${BOX}/tmp`;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const olderThanMs = 36 * HOUR_MS;

/** A Maildir on a server whose clock is years from the engine's. */
async function box() {
  const memory = new MemoryFs();
  let now = 1_000_000;
  memory.serverNow = () => now;
  await memory.mkdir(ROOT);
  const engine = engineOn(memory);
  await engine.create(BOX, { root: ROOT });
  const touch = async (path: string) => memory.close(await memory.create(path));
  return { memory, engine, touch, pass: (ms: number) => (now += ms) };
}

test('age is judged by the server: what it made 36 hours ago goes, what is younger stays', async () => {
  const { memory, engine, touch, pass } = await box();
  await touch(`${TMP}/old`);
  pass(HOUR_MS);
  await touch(`${TMP}/younger`);
  pass(35 * HOUR_MS);
  expect(await engine.sweep(BOX, { olderThanMs })).toBe(1);
  expect(await memory.list(TMP)).toEqual(['younger']);
});

test('messages are never swept, however old', async () => {
  const { engine, pass } = await box();
  await deliver(engine, [BOX], Buffer.from('x\n'));
  pass(1000 * DAY_MS);
  expect(await engine.sweep(BOX, { olderThanMs })).toBe(0);
  expect(await engine.list(BOX)).toHaveLength(1);
});

test('a delivery in pieces that still grows is not swept', async () => {
  const { engine, pass } = await box();
  const base = engine.uniqueName();
  const bytes = Buffer.from('x\n');
  await engine.stage({ maildir: BOX, base, offset: 0, bytes, last: false });
  pass(35 * HOUR_MS);
  await engine.stage({ maildir: BOX, base, offset: 2, bytes, last: false });
  pass(35 * HOUR_MS);
  expect(await engine.sweep(BOX, { olderThanMs })).toBe(0);
});

test('the open file of another host waits a week', async () => {
  const { memory, engine, touch, pass } = await box();
  await touch(`${TMP}/.nfs0000000000000001`);
  pass(6 * DAY_MS);
  expect(await engine.sweep(BOX, { olderThanMs })).toBe(0);
  pass(DAY_MS);
  expect(await engine.sweep(BOX, { olderThanMs })).toBe(1);
  expect(await memory.list(TMP)).toEqual([]);
});

test('what is left of a removed folder goes with all in it', async () => {
  const { memory, engine, touch, pass } = await box();
  await memory.mkdir(`${TMP}/trash`);
  await memory.mkdir(`${TMP}/trash/cur`);
  await touch(`${TMP}/trash/cur/message`);
  pass(2 * DAY_MS);
  expect(await engine.sweep(BOX, { olderThanMs })).toBe(1);
  expect(await memory.list(TMP)).toEqual([]);
});

test('an empty tmp costs one listing', async () => {
  const { memory } = await box();
  const { fs, calls } = recordCalls(memory);
  expect(await engineOn(fs).sweep(BOX, { olderThanMs })).toBe(0);
  expect(calls).toEqual(['list']);
});

test('what may not be removed is left, the rest is swept', async () => {
  const { memory, touch, pass } = await box();
  await touch(`${TMP}/a`);
  await touch(`${TMP}/b`);
  pass(2 * DAY_MS);
  const fs = wrapFs(memory, (call, args, perform) => {
    const path = String(args[0]);
    if (call === 'unlink' && path.endsWith('/a')) throw systemError('EACCES', call, path);
    return perform();
  });
  expect(await engineOn(fs).sweep(BOX, { olderThanMs })).toBe(1);
  expect(await memory.list(TMP)).toEqual(['a']);
});
