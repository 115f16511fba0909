import { expect, test } from 'vitest';
import { wrapFs } from '../test/call-fs.ts';
import { deliver, engineOn, ROOT } from '../test/engine.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { folderNameFault } from './folders.ts';

const BOX = `${ROOT}/3f/alice`;

async function box() {
  const memory = new MemoryFs();
  await memory.mkdir(ROOT);
  const engine = engineOn(memory);
  await engine.create(BOX, { root: ROOT });
  return { memory, engine };
}

const GOOD = [
  'Sent',
  'Archive.2026',
  'a b',
  'Entw&APw-rfe',
  'Entwürfe',
  'x'.repeat(254),
  'a,b:2,S',
];
for (const folder of GOOD) {
  test(`[P-14] folder ${folder.slice(0, 20)} is made, listed and removed`, async () => {
    const { engine, memory } = await box();
    expect(folderNameFault(folder)).toBeUndefined();
    await engine.createFolder(BOX, folder);
    await engine.createFolder(BOX, folder); // Idempotent.
    expect(await engine.folders(BOX)).toEqual([folder]);
    const path = `${BOX}/.${folder}`;
    expect(await memory.list(path)).toEqual(['cur', 'maildirfolder', 'new', 'tmp']);
    await deliver(engine, [path], Buffer.from('x\n'));
    await engine.removeFolder(BOX, folder);
    expect(await engine.folders(BOX)).toEqual([]);
    expect(await memory.list(`${BOX}/tmp`)).toEqual([]);
  });
}

const BAD: readonly string[] = [
  '',
  '.',
  '..',
  '.Sent',
  'Sent.',
  'a..b',
  'a/b',
  '../bob',
  'a\0b',
  'a\nb',
  'x'.repeat(255),
  'ü'.repeat(128),
  'nfs00000000000000000000000a',
  '\ud800',
];
for (const folder of BAD) {
  test(`folder name ${JSON.stringify(folder).slice(0, 30)} is refused`, async () => {
    const { engine, memory } = await box();
    const bad = { code: 'EINVAL' };
    await expect(engine.createFolder(BOX, folder)).rejects.toMatchObject(bad);
    await expect(engine.removeFolder(BOX, folder)).rejects.toMatchObject(bad);
    expect(await memory.list(BOX)).toEqual(['cur', 'new', 'tmp']);
  });
}

test('what else begins with a dot is not a folder', async () => {
  const { engine, memory } = await box();
  for (const name of ['.lock', '.nfs0000000000000001']) {
    await memory.close(await memory.create(`${BOX}/${name}`));
  }
  await memory.mkdir(`${BOX}/.Empty`); // Half made: not a folder yet.
  await memory.mkdir(`${BOX}/mailfarm`);
  await engine.createFolder(BOX, 'Sent');
  expect(await engine.folders(BOX)).toEqual(['Sent']);
});

test('subfolders stay when their parent is removed', async () => {
  const { engine } = await box();
  await engine.createFolder(BOX, 'A');
  await engine.createFolder(BOX, 'A.B');
  await engine.removeFolder(BOX, 'A');
  expect(await engine.folders(BOX)).toEqual(['A.B']);
});

test('a folder that holds caches of another tool goes whole', async () => {
  const { engine, memory } = await box();
  await engine.createFolder(BOX, 'A');
  await memory.mkdir(`${BOX}/.A/cache`);
  await memory.close(await memory.create(`${BOX}/.A/cache/index`));
  await engine.removeFolder(BOX, 'A');
  expect(await engine.folders(BOX)).toEqual([]);
  expect(await memory.list(`${BOX}/tmp`)).toEqual([]);
});

const ROOTS: readonly [string, string][] = [
  ['/mail2/x', ROOT],
  [ROOT, ROOT],
  [`${ROOT}/../etc`, ROOT],
  [`${ROOT}//x`, ROOT],
  [`${ROOT}/./x`, ROOT],
  [`${ROOT}x/y`, ROOT],
];
for (const [maildir, root] of ROOTS) {
  test(`create of ${maildir} below ${root} is refused`, async () => {
    const { engine } = await box();
    await expect(engine.create(maildir, { root })).rejects.toMatchObject({ code: 'EINVAL' });
  });
}

test('create makes every new name durable on a local disk, and asks nothing of NFS', async () => {
  for (const [directorySync, expected] of [
    ['always', [ROOT, `${ROOT}/77`, `${ROOT}/77/bob`]],
    ['never', []],
  ] as const) {
    const { memory } = await box();
    const opened: unknown[] = [];
    const fs = wrapFs(memory, (call, args, perform) => {
      if (call === 'openRead') opened.push(args[0]);
      return perform();
    });
    await engineOn(fs, { directorySync }).create(`${ROOT}/77/bob`, { root: ROOT });
    expect(opened).toEqual(expected);
  }
});

test('create never makes the root: an unmounted volume stays empty', async () => {
  const { engine, memory } = await box();
  await expect(engine.create('/mail9/a/b', { root: '/mail9' })).rejects.toMatchObject({
    code: 'ENOENT',
  });
  expect(await memory.list('/')).toEqual(['mail1']);
});

test('create is idempotent, also at once from two hosts', async () => {
  const { memory, engine } = await box();
  const maildir = `${ROOT}/77/88/bob`;
  const other = engineOn(memory, { node: 'mx2' });
  await Promise.all([
    engine.create(maildir, { root: ROOT }),
    other.create(maildir, { root: ROOT }),
  ]);
  await engine.create(maildir, { root: ROOT });
  expect(await engine.exists(maildir)).toBe(true);
});

test('a Maildir without cur does not exist; a file does not either', async () => {
  const { memory, engine } = await box();
  await memory.rmdir(`${BOX}/cur`);
  expect(await engine.exists(BOX)).toBe(false);
  expect(await engine.exists(`${ROOT}/nobody`)).toBe(false);
  await memory.close(await memory.create(`${ROOT}/file`));
  expect(await engine.exists(`${ROOT}/file`)).toBe(false);
});
