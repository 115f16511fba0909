/** Calls on many files in one go say what calls one by one say, whoever makes them. */
import { expect, test } from 'vitest';
import { ROOT } from '../test/engine.ts';
import { MemoryFs } from '../test/memory-fs.ts';
import { asError, isErrno, systemError, UnknownResultError } from './errno.ts';
import { readMessage, readMessages } from './message.ts';
import { renameAllExact, type Nfs } from './nfs.ts';
import type { Entry, ManyFiles } from './types.ts';

const CUR = `${ROOT}/cur`;

/** Makes the calls of `fs` one after the other; `lies` says what it answers instead. */
function manyOver(fs: MemoryFs, set: { readonly given?: 'back' } = {}): ManyFiles {
  return {
    ready: () => true,
    read: async ({ paths, octets, into }) => {
      if (set.given) return undefined;
      let at = 0;
      const results: (Uint8Array | Error)[] = [];
      for (const [index, path] of paths.entries()) {
        try {
          const fd = await fs.openRead(path);
          const room = into.subarray(at, at + (octets[index] as number));
          const got = await fs.read(fd, room, 0);
          await fs.close(fd);
          at += got;
          results.push(room.subarray(0, got));
        } catch (error) {
          results.push(asError(error));
        }
      }
      return results;
    },
    rename: async (pairs) => {
      if (set.given) return undefined;
      const results: (Error | undefined)[] = [];
      for (const [from, to] of pairs) {
        try {
          await fs.rename(from, to);
          results.push(undefined);
        } catch (error) {
          results.push(asError(error));
          if (!isErrno(error, 'ENOENT')) break;
        }
      }
      return results;
    },
  };
}

async function box(names: Readonly<Record<string, number>>): Promise<MemoryFs> {
  const fs = new MemoryFs();
  for (const at of [ROOT, CUR, `${ROOT}/new`]) await fs.mkdir(at);
  for (const [name, octets] of Object.entries(names)) {
    const fd = await fs.create(`${CUR}/${name}`);
    await fs.write(fd, Buffer.alloc(octets, name), 0);
    await fs.close(fd);
  }
  return fs;
}

const nfsOf = (fs: MemoryFs, many?: ManyFiles): Nfs => ({
  fs,
  directorySync: 'never',
  lie: () => {},
  many,
});

const entry = (name: string): Entry => ({ directory: 'cur', name });

const FILES = {
  'a.M1,S=10:2,': 10,
  'b.M2,S=100:2,': 90, // Shorter than its name says.
  'c.M3,S=100:2,': 130, // Longer.
  'd.M4:2,S': 70, // It does not say.
  'e.M5,S=1000:2,': 1000,
  'f.M6,S=0:2,': 0,
  'g.M7,S=64:2,F': 64,
};

test('many messages are read as each of them alone would be', async () => {
  const fs = await box(FILES);
  const names = [...Object.keys(FILES), 'gone.M8,S=5:2,', 'g.M7,S=64:2,'];
  const entries = names.map(entry);
  for (const length of [1, 10, 64, 65, 100, 101, 4096]) {
    const alone = await Promise.all(
      entries.map((each) =>
        readMessage(nfsOf(fs), { maildir: ROOT, entry: each, offset: 0, length }, 2).catch(asError),
      ),
    );
    const request = { maildir: ROOT, entries, length };
    for (const many of [manyOver(fs), manyOver(fs, { given: 'back' }), undefined]) {
      const together = await readMessages(nfsOf(fs, many), request, 2);
      const copied = together.map((each) =>
        each instanceof Error ? each : { ...each, bytes: Buffer.from(each.bytes) },
      );
      expect(copied).toEqual(
        alone.map((each) =>
          each instanceof Error ? each : { ...each, bytes: Buffer.from(each.bytes) },
        ),
      );
    }
  }
});

test('more octets than one call may ask for are several calls', async () => {
  const large = Object.fromEntries(
    Array.from({ length: 5 }, (_, i) => [`l${i}.M${i},S=400000:2,`, 400_000]),
  );
  const fs = await box(large);
  const entries = Object.keys(large).map(entry);
  const request = { maildir: ROOT, entries, length: 500_000 };
  const results = await readMessages(nfsOf(fs, manyOver(fs)), request, 2);
  const wanted = entries.map(({ name }) => Buffer.alloc(400_000, name));
  for (const [index, result] of results.entries()) {
    expect('bytes' in result && wanted[index]?.equals(result.bytes)).toBe(true);
  }
});

const PAIRS = ['a.M1,S=10:2,', 'b.M2,S=100:2,', 'x.M9:2,', 'd.M4:2,S', 'f.M6,S=0:2,'].map(
  (name) => [`${CUR}/${name}`, `${CUR}/${name}T`] as const,
);

test('many renames do what as many renames do; a name that is not there is lost', async () => {
  for (const many of [true, false]) {
    const fs = await box(FILES);
    const nfs = nfsOf(fs, many ? manyOver(fs) : undefined);
    const results = await renameAllExact(nfs, PAIRS);
    expect(results).toEqual(['renamed', 'renamed', 'lost', 'renamed', 'renamed']);
    expect((await fs.list(CUR)).filter((name) => name.endsWith('T'))).toHaveLength(4);
  }
});

test('the first rename that is refused is the last, and says why', async () => {
  for (const many of [true, false]) {
    const fs = await box(FILES);
    const rename = fs.rename.bind(fs);
    fs.rename = async (from, to) => {
      if (from.includes('d.M4')) throw systemError('ENOSPC', 'rename', from);
      return rename(from, to);
    };
    const results = await renameAllExact(nfsOf(fs, many ? manyOver(fs) : undefined), PAIRS);
    expect(results.slice(0, 3)).toEqual(['renamed', 'renamed', 'lost']);
    expect(results).toHaveLength(4);
    const last = results[3] as { readonly failed: unknown };
    expect(isErrno(last.failed, 'ENOSPC')).toBe(true);
  }
});

test('of renames whose thread was lost nobody knows the result', async () => {
  const fs = await box(FILES);
  const lost = { ...manyOver(fs), rename: () => Promise.reject(new Error('the thread ended')) };
  const [first, ...others] = await renameAllExact(nfsOf(fs, lost), PAIRS);
  expect((first as { readonly failed: unknown }).failed).toBeInstanceOf(UnknownResultError);
  expect(others).toEqual([]);
});
