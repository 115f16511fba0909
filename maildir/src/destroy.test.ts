import { expect, test } from 'vitest';
import { wrapFs } from '../test/call-fs.ts';
import { deliver, engineOn, ROOT } from '../test/engine.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { systemError } from './index.ts';

const BOX = `${ROOT}/3f/alice`;
const ASIDE = `${ROOT}/3f/.purge-alice`;
const destroy = { maildir: BOX, aside: ASIDE, max: 1_000 };

async function box(letters = 3) {
  const memory = new MemoryFs();
  await memory.mkdir(ROOT);
  const engine = engineOn(memory);
  await engine.create(BOX, { root: ROOT });
  await engine.createFolder(BOX, 'Sent');
  for (let i = 0; i < letters; i++) await deliver(engine, [BOX], Buffer.from('x\n'));
  await deliver(engine, [`${BOX}/.Sent`], Buffer.from('x\n'));
  return { memory, engine };
}

test('a Maildir goes with its folders; again, it is absent; its neighbour stays', async () => {
  const { memory, engine } = await box();
  await engine.create(`${ROOT}/3f/bob`, { root: ROOT });
  expect(await engine.destroy(destroy)).toBe('gone');
  expect(await memory.list(`${ROOT}/3f`)).toEqual(['bob']);
  expect(await engine.destroy(destroy)).toBe('absent');
});

test('in pieces: after the first nothing is left under its name, and the last says gone', async () => {
  const { memory, engine } = await box(7);
  const said: string[] = [];
  do {
    said.push(await engine.destroy({ ...destroy, max: 2 }));
    expect(await engine.exists(BOX)).toBe(false);
  } while (said.at(-1) === 'more');
  expect(said.length).toBeGreaterThan(3);
  expect(said.at(-1)).toBe('gone');
  expect(await memory.list(`${ROOT}/3f`)).toEqual([]);
});

test('a crash at any call leaves no half mailbox, and the next purge finishes it', async () => {
  for (let at = 1; at < 1_000; at++) {
    const { memory, engine } = await box();
    let calls = 0;
    const dying = wrapFs(memory, async (_call, _args, run) => {
      if (++calls >= at) throw systemError('EIO', 'crash', BOX);
      return await run();
    });
    const result = await engineOn(dying)
      .destroy(destroy)
      .catch(() => 'crashed');
    const there = (await memory.list(`${ROOT}/3f`)).includes('alice');
    if (there) expect(await engine.list(BOX)).toHaveLength(3);
    expect(await engine.destroy(destroy)).toBe(result === 'gone' ? 'absent' : 'gone');
    expect(await memory.list(`${ROOT}/3f`)).toEqual([]);
    if (result === 'gone') break;
  }
});

test('what was set aside goes before a Maildir of the same name is', async () => {
  const { memory, engine } = await box();
  await memory.rename(BOX, ASIDE);
  await engine.create(BOX, { root: ROOT });
  expect(await engine.destroy(destroy)).toBe('gone');
  expect(await memory.list(`${ROOT}/3f`)).toEqual([]);
});

test('a directory that is more than a Maildir is left alone, whole', async () => {
  const { memory, engine } = await box();
  const above = { maildir: `${ROOT}/3f`, aside: `${ROOT}/.purge-x`, max: 1_000 };
  await expect(engine.destroy(above)).rejects.toThrow(/ENOTEMPTY/);
  await memory.mkdir(`${BOX}/0a`); // A Maildir with another's directories in it.
  await expect(engine.destroy(destroy)).rejects.toThrow(/ENOTEMPTY/);
  expect(await engine.list(BOX)).toHaveLength(3);
  for (const aside of [BOX, `${ROOT}/elsewhere`, `${BOX}/tmp/x`]) {
    await expect(engine.destroy({ ...destroy, aside })).rejects.toThrow(/EINVAL/);
  }
});
