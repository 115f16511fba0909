import { expect, test } from 'vitest';
import { wrapFs } from '../test/call-fs.ts';
import { deliver, engineOn, readAll, ROOT } from '../test/engine.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { systemError } from './errno.ts';
import { nameFlags } from './names.ts';
import type { Entry, Fs } from './types.ts';

const BOX = `${ROOT}/alice`;
const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, index) => index & 0xff));

async function box(wrap: (fs: MemoryFs) => Fs = (fs) => fs) {
  const memory = new MemoryFs();
  await memory.mkdir(ROOT);
  const honest = engineOn(memory);
  await honest.create(BOX, { root: ROOT });
  await deliver(honest, [BOX], BYTES);
  const [entry] = await honest.list(BOX);
  if (entry === undefined) throw new Error('nothing delivered');
  return { memory, honest, engine: engineOn(wrap(memory)), entry };
}

/** Puts a file with this name, as another tool would. */
async function put(memory: MemoryFs, name: string, bytes: Uint8Array): Promise<Entry> {
  const fd = await memory.create(`${BOX}/cur/${name}`);
  await memory.write(fd, bytes, 0);
  await memory.close(fd);
  return { directory: 'cur', name };
}

// offset, length, octets got, end
const RANGES: readonly [number, number, number, boolean][] = [
  [0, 4096, 1000, true],
  [0, 1000, 1000, false], // The end is not seen before a read goes past it.
  [0, 1001, 1000, true],
  [0, 10, 10, false],
  [990, 10, 10, false],
  [990, 11, 10, true],
  [1000, 10, 0, true],
  [2000, 10, 0, true],
];
for (const [offset, length, got, end] of RANGES) {
  test(`[N-19] reading ${length} octets from ${offset} of 1000`, async () => {
    const { engine, entry } = await box();
    const read = await engine.read({ maildir: BOX, entry, offset, length });
    expect(Buffer.from(read.bytes)).toEqual(BYTES.subarray(offset, offset + length));
    expect([read.bytes.byteLength, read.end]).toEqual([got, end]);
  });
}

const SIZE_CLAIMS = ['', ',S=1000', ',S=10', ',S=0', ',S=100000', ',S=x'];
for (const claim of SIZE_CLAIMS) {
  test(`[N-19] a file of 1000 octets that says '${claim}' is read whole`, async () => {
    const { engine, memory } = await box();
    const entry = await put(memory, `1.M1P1.other${claim}:2,S`, BYTES);
    for (const length of [7, 500, 1000, 1001, 65_536]) {
      expect(await readAll(engine, BOX, entry, length)).toEqual(BYTES);
    }
  });
}

test('[N-19] half reads are put together', async () => {
  const { engine, entry } = await box((memory) =>
    wrapFs(memory, (call, args, perform) => {
      if (call === 'read') args[1] = (args[1] as Uint8Array).subarray(0, 13);
      return perform();
    }),
  );
  expect(await readAll(engine, BOX, entry)).toEqual(BYTES);
});

test('a message whose flags changed meanwhile is found by its key', async () => {
  const { engine, entry } = await box();
  await engine.setFlags({ maildir: BOX, entry, add: 'S', remove: '' });
  const read = await engine.read({ maildir: BOX, entry, offset: 0, length: 2000 });
  expect(Buffer.from(read.bytes)).toEqual(BYTES);
  expect(read.entry.name).toBe(`${entry.name}:2,S`);
  expect(read.entry.directory).toBe('cur');
});

test('a message that is gone is ENOENT', async () => {
  const { engine, entry } = await box();
  await engine.remove({ maildir: BOX, entries: [entry] });
  const gone = { code: 'ENOENT' };
  const range = { offset: 0, length: 10 };
  await expect(engine.read({ maildir: BOX, entry, ...range })).rejects.toMatchObject(gone);
  const flags = { add: 'S', remove: '' };
  await expect(engine.setFlags({ maildir: BOX, entry, ...flags })).rejects.toMatchObject(gone);
});

test('a handle that goes stale under the reading is opened again', async () => {
  let stale = 2;
  const { engine, entry } = await box((memory) =>
    wrapFs(memory, (call, args, perform) => {
      if (call === 'read' && stale-- > 0) throw systemError('ESTALE', call, String(args[0]));
      return perform();
    }),
  );
  expect(await readAll(engine, BOX, entry)).toEqual(BYTES);
});

test('two engines that set flags on one old name both win', async () => {
  const { memory, honest, entry } = await box();
  const [a, b] = [engineOn(memory), engineOn(memory)];
  await Promise.all([
    a.setFlags({ maildir: BOX, entry, add: 'S', remove: '' }),
    b.setFlags({ maildir: BOX, entry, add: 'F', remove: '' }),
  ]);
  const [now] = await honest.list(BOX);
  expect(nameFlags(now?.name ?? '')).toBe('FS');
});

test('a flag that is set already is judged by the directory, not by the old name', async () => {
  const { honest, entry } = await box();
  const seen = await honest.setFlags({ maildir: BOX, entry, add: 'S', remove: '' });
  await honest.setFlags({ maildir: BOX, entry: seen, add: '', remove: 'S' });
  const again = await honest.setFlags({ maildir: BOX, entry: seen, add: 'S', remove: '' });
  const [now] = await honest.list(BOX);
  expect(now).toEqual(again);
  expect(nameFlags(again.name)).toBe('S');
});

test('a change that loses every race gives up with EAGAIN', async () => {
  const { engine, entry } = await box((memory) =>
    wrapFs(memory, (call, args, perform) => {
      if (call === 'rename') throw systemError('ENOENT', call, String(args[0]));
      return perform();
    }),
  );
  const change = engine.setFlags({ maildir: BOX, entry, add: 'S', remove: '' });
  await expect(change).rejects.toMatchObject({ code: 'EAGAIN' });
});

test('sizes go into the name; the UIDL key and the flags stay', async () => {
  const { engine, memory } = await box();
  const foreign = await put(memory, '1.M1P1.other:2,RS', BYTES);
  const sized = await engine.setSizes({ maildir: BOX, entry: foreign, octets: 5, wireOctets: 6 });
  expect(sized).toEqual({ directory: 'cur', name: '1.M1P1.other,S=5,W=6:2,RS' });
});

const BAD_ENTRIES: readonly string[] = [
  '',
  '.',
  '..',
  '../../etc/passwd',
  'a/b',
  '.hidden',
  'a\0b',
];
for (const name of BAD_ENTRIES) {
  test(`an entry named ${JSON.stringify(name)} reaches no path`, async () => {
    const { engine } = await box(() => ({}) as unknown as Fs); // Any call would throw TypeError.
    const entry: Entry = { directory: 'cur', name };
    const bad = { code: 'EINVAL' };
    const ask = { maildir: BOX, entry };
    await expect(engine.read({ ...ask, offset: 0, length: 1 })).rejects.toMatchObject(bad);
    await expect(engine.setFlags({ ...ask, add: 'S', remove: '' })).rejects.toMatchObject(bad);
    await expect(engine.remove({ maildir: BOX, entries: [entry] })).rejects.toMatchObject(bad);
    await expect(engine.discard({ maildir: BOX, base: name })).rejects.toMatchObject(bad);
  });
}

test('a flag that is not a letter reaches no path', async () => {
  const { engine, entry } = await box(() => ({}) as unknown as Fs);
  for (const add of ['/', '../x', ',', ':', 'S\0', ' ']) {
    const change = engine.setFlags({ maildir: BOX, entry, add, remove: '' });
    await expect(change).rejects.toMatchObject({ code: 'EINVAL' });
  }
});
