import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DirectoryUnavailable } from '../types.ts';
import { SnapshotFile } from './file.ts';
import { HEADER_BYTES, SnapshotError } from './format.ts';
import { openSnapshot } from './open.ts';
import { KEYS } from './records.ts';
import { readingOf, userOf } from './testing.ts';
import { writeReading } from './write.ts';

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-snapshot-'));
afterAll(() => rmSync(dir, { recursive: true }));

const USERS = 300;
const path = join(dir, 'whole.snapshot');
const clock = { now: () => 0, sleep: () => Promise.resolve() };
beforeAll(async () => {
  const users = Array.from({ length: USERS }, (_, n) =>
    userOf(n, { mailAlias: [`alias${n}@example.test`], mwVolume: 'mail1' }),
  );
  await writeReading(readingOf({ users }), { output: path });
});

const fault = async (bytes: Buffer): Promise<string> => {
  const other = join(dir, 'other.snapshot');
  writeFileSync(other, bytes);
  return await SnapshotFile.open(other).then(
    (file) => {
      file.close();
      return 'opened';
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(SnapshotError);
      return (error as Error).message.replace(`${other} `, '');
    },
  );
};

test('every key is found, and no other', async () => {
  const file = await SnapshotFile.open(path);
  for (let n = 0; n < USERS; n += 1) {
    const record = file.find(KEYS.holder(`alias${n}@example.test`));
    expect(record?.value).toMatchObject({ login: `user${n}@example.test`, volume: 'mail1' });
    expect(file.find(KEYS.holder(`nobody${n}@example.test`))).toBeUndefined();
  }
  expect(file.find('')).toBeUndefined();
  expect(file.find('h:\0'.repeat(10_000))).toBeUndefined();
  file.close();
  expect(() => file.find('h:x')).toThrow('is closed');
});

test('a torn, truncated or foreign file is noticed at open and named', async () => {
  const whole = readFileSync(path);
  expect(await fault(whole)).toBe('opened');
  expect(await fault(Buffer.alloc(0))).toBe('is no snapshot of a directory');
  expect(await fault(Buffer.from('dn: cn=farm,dc=mailfarm\n'))).toBe(
    'is no snapshot of a directory',
  );
  expect(await fault(whole.subarray(0, 100))).toBe('is cut off within its header');
  expect(await fault(whole.subarray(0, whole.length - 1))).toMatch(/it was not copied whole$/);
  expect(await fault(Buffer.concat([whole, Buffer.alloc(1)]))).toMatch(/not copied whole$/);
  const torn = Buffer.from(whole);
  torn.fill(0, whole.length - 4096); // What a crash of the host may leave.
  expect(await fault(torn)).toMatch(/^is damaged: its SHA-256/);
  const newer = Buffer.from(whole);
  newer.writeUInt32LE(2, 8);
  expect(await fault(newer)).toBe('has a damaged header');
  await expect(SnapshotFile.open(join(dir, 'none'))).rejects.toThrow(/none cannot be read: ENOENT/);
  await expect(SnapshotFile.open(dir)).rejects.toThrow(/is not a file|EISDIR/);
});

test('[N-10] a flipped bit anywhere is refused at open', async () => {
  const whole = readFileSync(path);
  const at = fc.nat(whole.length * 8 - 1);
  await fc.assert(
    fc.asyncProperty(at, async (bit) => {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(await fault(bytes)).not.toBe('opened');
    }),
    { numRuns: 200 },
  );
});

test('[N-10] what rots or is overwritten while it is open never gives a wrong answer', async () => {
  const used = join(dir, 'used.snapshot');
  const whole = readFileSync(path);
  const change = fc.record({
    at: fc.integer({ min: HEADER_BYTES, max: whole.length - 64 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 40 }), async (changes) => {
      writeFileSync(used, whole);
      const directory = openSnapshot(used, { clock });
      await directory.resolve('user0@example.test');
      const bytes = Buffer.from(whole);
      for (const { at, bytes: some } of changes) bytes.set(some, at);
      writeFileSync(used, bytes); // In place, as `rsync --inplace` does.
      for (let n = 0; n < 40; n += 1) await answerIsRight(directory, n);
      await directory.close();
    }),
    { numRuns: 60 },
  );
});

async function answerIsRight(directory: ReturnType<typeof openSnapshot>, n: number): Promise<void> {
  try {
    const answer = await directory.resolve(`alias${n}@example.test`);
    expect(answer).toMatchObject({ account: { login: `user${n}@example.test` } });
  } catch (error) {
    expect(error).toBeInstanceOf(DirectoryUnavailable);
  }
}

test('parts of two snapshots never make a third', async () => {
  const a = join(dir, 'a.snapshot');
  const users = [userOf(1, { mwVolume: 'mail1' })];
  await writeReading(readingOf({ users }), { output: a });
  const directory = openSnapshot(a, { clock });
  await directory.resolve('user1@example.test');
  const b = join(dir, 'b.snapshot');
  await writeReading(readingOf({ users: [userOf(1, { mwVolume: 'mail2' })] }), { output: b });
  expect(statSync(b).size).toBe(statSync(a).size);
  writeFileSync(a, readFileSync(b));
  await expect(directory.resolve('user2@example.test')).rejects.toThrow(/is damaged/);
  await directory.close();
});

test('[S1-08] kill -9 at any moment of writing leaves the old file whole', async () => {
  const target = join(dir, 'killed.snapshot');
  await writeReading(readingOf({ users: [userOf(7)] }), { output: target });
  const program = `
    const { writeReading } = await import(${JSON.stringify(join(import.meta.dirname, 'write.ts'))});
    const { readingOf, userOf } =
      await import(${JSON.stringify(join(import.meta.dirname, 'testing.ts'))});
    const users = Array.from({ length: 20_000 }, (_, n) => userOf(n));
    process.stdout.write('begun');
    await writeReading(readingOf({ users }), { output: ${JSON.stringify(target)} });
    process.stdout.write('done');
    setInterval(() => {}, 1000);`;
  let left = 0;
  for (const ms of [0, 20, 60, 120, 'at work'] as const) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    await once(child.stdout, 'data');
    if (ms !== 'at work') await new Promise((resolve) => setTimeout(resolve, ms));
    else
      while (!existsSync(`${target}.new`)) await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGKILL');
    await once(child, 'exit');
    if (existsSync(`${target}.new`)) left += 1;
    const file = await SnapshotFile.open(target);
    expect(file.find(KEYS.holder('user7@example.test'))?.value).toMatchObject({ uid: 7 });
    file.close();
  }
  expect(left, 'a kill found it at work').toBeGreaterThan(0);
  await writeReading(readingOf({ users: [userOf(8)] }), { output: target });
  expect(existsSync(`${target}.new`)).toBe(false);
}, 60_000);
