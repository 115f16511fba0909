import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryDirectory } from '../directory/memory.ts';
import type { Volumes } from '../volumes/open.ts';
import type { MailboxOwner } from '../volumes/types.ts';
import {
  eventually,
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  type FsCall,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { Marks, MARKS_KEPT_MS } from './marks.ts';

const HOUR_MS = 3_600_000;

let disk: TemporaryVolumes;
let volumes: Volumes<MailboxOwner>;
let ahead = 0;
let fails: (call: FsCall, path: string) => boolean;
const clock = { ...systemClock, now: () => systemClock.now() + ahead };

beforeEach(async () => {
  ahead = 0;
  fails = () => false;
  disk = await temporaryVolumes('spool1', 'spool2');
  const struck = strikingFs((call, path) =>
    fails(call, path) ? Object.assign(new Error('EIO'), { errno: -5 }) : undefined,
  );
  const fs = { ...struck, modified: async (path: string) => (await struck.modified(path)) + ahead };
  const limits = { 'volume.probe.deadline': 5000, 'volume.deadline': 20_000 };
  volumes = openTestVolumes(memoryDirectory({ volumes: disk.entries }), { fs, limits });
  await volumes.table.loaded();
  await Promise.all(volumes.table.volumes.map((volume) => volume.ready()));
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

const marksOf = (node: string): Marks =>
  new Marks({ table: volumes.table, clock, random: systemRandom, node });
const alice = { kind: 'sent', key: 'alice' };
const filesOf = (): string[] =>
  ['spool1', 'spool2'].flatMap((name) => {
    try {
      return readdirSync(join(disk.root, name, 'spool/marks/sent'), { recursive: true }).map(
        String,
      );
    } catch {
      return [];
    }
  });

test('[N-24] what every node adds is one sum, by kind and key, for as long as is asked', async () => {
  const nodes = ['mx1', 'mx2', 'mx3'].map(marksOf);
  await Promise.all(nodes.flatMap((one) => [1, 2, 3].map((value) => one.add(alice, value))));
  await nodes[0]?.add({ kind: 'sent', key: 'bob' }, 100);
  await nodes[0]?.add({ kind: 'pop', key: 'alice' });
  for (const one of [...nodes, marksOf('mx4')]) expect(await one.sum(alice, HOUR_MS)).toBe(18);
  expect(filesOf().filter((name) => name.includes(',V=6'))).toHaveLength(3); // One for each process.
  ahead = 1.5 * HOUR_MS;
  await nodes[1]?.add(alice, 5);
  expect(await nodes[0]?.sum(alice, HOUR_MS)).toBe(5);
  expect(await nodes[0]?.sum(alice, 24 * HOUR_MS)).toBe(23);
});

test('old marks go, with their directory, when somebody asks', async () => {
  const marks = marksOf('mx1');
  await marks.add(alice);
  ahead = MARKS_KEPT_MS + HOUR_MS;
  expect(await marks.sum(alice, 24 * HOUR_MS)).toBe(0);
  await eventually(() => filesOf().length === 0);
  await marks.add(alice, 3);
  expect(await marks.sum(alice, HOUR_MS)).toBe(3);
});

test('a rename that fails, or worked and was not told, neither loses nor doubles', async () => {
  const marks = marksOf('mx1');
  await marks.add(alice, 2);
  let once = true;
  fails = (call) => call === 'rename' && once && !(once = false);
  await marks.add(alice, 3); // Told elsewhere, or tried again.
  expect(await marks.sum(alice, HOUR_MS)).toBe(5);
  await marks.add(alice, 1);
  expect(await marks.sum(alice, HOUR_MS)).toBe(6);
});

test('one volume down: the others are told and asked; all down is an error', async () => {
  const marks = marksOf('mx1');
  fails = (_call, path) => path.includes('spool1/spool');
  for (let n = 0; n < 8; n++) await marks.add({ kind: 'sent', key: `user${n}` });
  expect(await marks.sum({ kind: 'sent', key: 'user3' }, HOUR_MS)).toBe(1);
  fails = (_call, path) => path.includes('/spool/');
  await expect(marks.add(alice)).rejects.toMatchObject({ kind: 'volume-down' });
  await expect(marks.sum(alice, HOUR_MS)).rejects.toMatchObject({ kind: 'volume-down' });
});

test('a key is any text and never a path; a kind is not', async () => {
  const marks = marksOf('mx1');
  for (const key of ['../../x', 'a/b', '', '\u0000', 'ü'.repeat(1000)]) {
    await marks.add({ kind: 'sent', key });
    expect(await marks.sum({ kind: 'sent', key }, HOUR_MS)).toBe(1);
  }
  await expect(marks.add({ kind: '../x', key: 'a' })).rejects.toThrow('no kind');
});
