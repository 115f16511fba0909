import {
  appendFile,
  copyFile,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { silentLogger, type Logger } from '../../log/types.ts';
import type { Entry } from './entry.ts';
import { recordToEntry } from './ldif.ts';
import { lockDirectory } from './lock.ts';
import { Store, StoreFailure } from './store.ts';

const toRemove: string[] = [];
afterEach(async () => {
  for (const path of toRemove.splice(0)) await rm(path, { recursive: true, force: true });
});

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'mailfarm-store-'));
  toRemove.push(path);
  return path;
}

/** What a start finds. */
async function contents(path: string, logger: Logger = silentLogger): Promise<string[]> {
  const found = new Map<string, Entry>();
  const store = await Store.open(
    { directory: path, journalBytesMax: () => 4_096, logger },
    (change) => {
      if (change.kind === 'put') found.set(change.entry.key, change.entry);
      else found.delete(change.entry.key);
    },
  );
  await store.close();
  return [...found.values()].map((e) => `${e.dn} ${JSON.stringify(e.attributes)}`).toSorted();
}

const entry = (n: number, value = 'x'): Entry =>
  recordToEntry({
    dn: `cn=user${n},ou=users,dc=mailfarm`,
    changetype: undefined,
    attributes: { cn: [`user${n}`], description: [value] },
  });

const open = (path: string): Promise<Store> =>
  Store.open({ directory: path, journalBytesMax: () => 4_096, logger: silentLogger }, () => {});

test('every kind of value survives: spaces, colons, newlines, UTF-8, base64, empty lines', async () => {
  const path = await directory();
  const values = [
    ' lead',
    'trail ',
    ':colon',
    '<less',
    'a\nb',
    'a\r\n\r\ndn: x',
    'ö😀',
    '\0',
    '# c',
    'dn: y',
    '::',
  ];
  const store = await open(path);
  for (const [n, value] of values.entries())
    await store.append([{ kind: 'put', entry: entry(n, value) }]);
  await store.close();
  const wanted = values.map(
    (value, n) => `${entry(n).dn} ${JSON.stringify({ cn: [`user${n}`], description: [value] })}`,
  );
  expect(await contents(path)).toEqual(wanted.toSorted());
});

test('cut at every octet the journal gives every whole change and never half of one', async () => {
  const path = await directory();
  const store = await open(path);
  const ends: number[] = [0];
  const states: string[][] = [[]];
  const journal = join(path, 'changes-0.ldif');
  for (let n = 0; n < 3; n += 1) {
    // A rename is two records in one batch: half of it would lose a user.
    await store.append([
      { kind: 'put', entry: entry(n) },
      ...(n > 0 ? [{ kind: 'delete' as const, entry: entry(n - 1) }] : []),
    ]);
    ends.push((await readFile(journal)).length);
    states.push([`${entry(n).dn} ${JSON.stringify(entry(n).attributes)}`]);
  }
  await store.close();
  const whole = await readFile(journal);
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, text) => void warnings.push(text) };
  const copy = await directory();
  for (let length = 0; length <= whole.length; length += 1) {
    await writeFile(join(copy, 'changes-0.ldif'), whole.subarray(0, length));
    const changes = ends.filter((end) => end <= length).length - 1;
    warnings.length = 0;
    expect(await contents(copy, logger), `cut at ${length}`).toEqual(states[changes]);
    expect(warnings.length, `warning at ${length}`).toBe(ends.includes(length) ? 0 : 1);
    expect((await readFile(join(copy, 'changes-0.ldif'))).length).toBe(ends[changes]);
  }
});

test('after a torn record the next one is appended behind the last whole one', async () => {
  const path = await directory();
  const first = await open(path);
  await first.append([{ kind: 'put', entry: entry(1) }]);
  await first.close();
  await appendFile(
    join(path, 'changes-0.ldif'),
    '# batch length=500 sum=0123456789abcdef\ndn: cn=half',
  );
  const second = await open(path);
  await second.append([{ kind: 'put', entry: entry(2) }]);
  await second.close();
  expect(await contents(path)).toHaveLength(2);
});

test('damage before the end is refused, with its place, and nothing is overwritten', async () => {
  const path = await directory();
  const store = await open(path);
  for (let n = 0; n < 3; n += 1) await store.append([{ kind: 'put', entry: entry(n) }]);
  await store.close();
  const journal = join(path, 'changes-0.ldif');
  const bytes = await readFile(journal);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(journal, bytes);
  await expect(contents(path)).rejects.toThrow(/damaged at octet 0 \(MF-DIR-011\)/);
  expect(await readFile(journal)).toEqual(bytes);
});

test('a fold keeps everything, whatever moment it stops at', async () => {
  const path = await directory();
  const store = await open(path);
  const entries = Array.from({ length: 50 }, (_, n) => entry(n));
  for (const one of entries) await store.append([{ kind: 'put', entry: one }]);
  await store.append([{ kind: 'delete', entry: entry(0) }]);
  expect(store.foldIsDue).toBe(true);
  const before = await directory();
  await cp(path, before, { recursive: true });
  await store.fold(entries.slice(1));
  await store.append([{ kind: 'put', entry: entry(100) }]);
  await store.close();
  expect((await readdir(path)).toSorted()).toEqual(['changes-1.ldif', 'directory.ldif']);
  const after = await contents(path);
  expect(after).toHaveLength(50);

  // Stopped while the new snapshot was written, and before it was renamed: the old state counts.
  for (const length of [0, 10, 1_000]) {
    const copy = await directory();
    await cp(before, copy, { recursive: true });
    await copyFile(join(path, 'directory.ldif'), join(copy, 'directory.ldif.new'));
    await truncate(join(copy, 'directory.ldif.new'), length);
    await writeFile(join(copy, 'changes-1.ldif'), '');
    expect(await contents(copy)).toHaveLength(49);
    expect((await readdir(copy)).toSorted()).toEqual(['changes-0.ldif']);
  }
  // Stopped right after the rename, before the old journal was removed: the new state counts.
  const copy = await directory();
  await cp(before, copy, { recursive: true });
  await copyFile(join(path, 'directory.ldif'), join(copy, 'directory.ldif'));
  expect(await contents(copy)).toHaveLength(49);
});

test('a snapshot whose end is missing is refused; one written by hand is read', async () => {
  const path = await directory();
  await writeFile(
    join(path, 'directory.ldif'),
    '# Mailfarm directory, generation 1\n\ndn: cn=a,dc=x\ncn: a\n\n',
  );
  await expect(contents(path)).rejects.toThrow(StoreFailure);
  await writeFile(
    join(path, 'directory.ldif'),
    'version: 1\ndn: cn=a,dc=x\ncn: a\ndescription: one\n  two\n',
  );
  expect(await contents(path)).toEqual(['cn=a,dc=x {"cn":["a"],"description":["one two"]}']);
});

test('one process at a time serves a data directory, and its death lets go', async () => {
  const path = await directory();
  const release = await lockDirectory(path);
  expect(release).toBeDefined();
  expect(await lockDirectory(path)).toBeUndefined();
  await release?.();
  const again = await lockDirectory(path);
  expect(again).toBeDefined();
  await again?.();
});
