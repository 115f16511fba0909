import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemRandom } from '../base/random.ts';
import { temporaryVolumes, type TemporaryVolumes } from '../volumes/testing/volumes.ts';
import type { Volume } from '../volumes/volume.ts';
import { asStoreError } from '../volumes/errno.ts';
import { nodeFs } from '#maildir';
import { byId, bucketOf, formatName, isId, isOwner, parseName } from './names.ts';
import { sweepBucket } from './sweep.ts';
import { SpoolTree, type Spooled } from './tree.ts';

const DAY_MS = 24 * 3_600_000;
const TEXT = Buffer.from('Subject: parked\n\nWhole.\n');

let disk: TemporaryVolumes;
let now: number;
let tree: SpoolTree;

beforeEach(async () => {
  disk = await temporaryVolumes('spool1');
  now = performance.timeOrigin + performance.now();
  tree = treeOf('mx1');
});
afterEach(() => disk.remove());

/** On a real directory, without a bulkhead; the clock is the test's. */
function treeOf(node: string): SpoolTree {
  const [entry] = disk.entries;
  const volume: Pick<Volume, 'name' | 'guard' | 'verify' | 'space'> & { entry: unknown } = {
    name: 'spool1',
    entry,
    space: undefined,
    verify: async () => {},
    guard: ({ run, absent, where }) =>
      run(nodeFs).catch((error: unknown) => {
        throw asStoreError(error, { what: where, absent });
      }),
  };
  const clock = { now: () => now, sleep: async () => {} };
  const parts = { tree: 'parked', clock, random: systemRandom, node };
  return new SpoolTree({ ...parts, volume: volume as Volume });
}

async function put(owner: string, by = tree): Promise<Spooled> {
  const place = { id: by.newId(), owner };
  await by.write(place, { offset: 0, bytes: TEXT, last: true });
  const sizes = { octets: TEXT.length, wireOctets: TEXT.length + 3 };
  const whose = { login: 'a', address: 'a', lane: 'mail1', trace: 't', node: by.node };
  const envelope = { ...place, ...sizes, ...whose, parked: '' };
  await by.draft(envelope);
  await by.commit(envelope);
  const letter = await found(place.id, owner);
  if (letter === undefined) throw new Error('a letter that was committed is not listed');
  return letter;
}

const found = async (id: string, owner: string): Promise<Spooled | undefined> =>
  (await tree.list('waiting', 'mail1', bucketOf(owner))).find((one) => one.id === id);

const below = (path: string): string => join(disk.root, 'spool1/spool/parked', path);

test('our clock goes back: the time of the spool server is asked anew', async () => {
  await tree.serverNow();
  const before = now;
  now -= 3_600_000;
  expect(Math.abs((await tree.serverNow()) - before)).toBeLessThan(60_000);
  now += 7_200_000;
  expect(Math.abs((await tree.serverNow()) - before)).toBeLessThan(60_000);
});

test('the directory of claims goes away under a process: made anew', async () => {
  const letter = await put('a');
  const claim = await tree.claim(letter);
  await tree.release(claim as Spooled);
  rmSync(below('taken'), { recursive: true });
  now += 61_000;
  expect(await tree.claim(letter)).toBeDefined();
});

test('whatever the name of a node, its letters and claims can be read', async () => {
  for (const node of ['mx1', 'mx1.example.test', 'x'.repeat(255), 'ümlaut,/:= ', '', '-', '.']) {
    const letter = await put(`owner-${node.length}`, treeOf(node));
    const claim = await treeOf(node).claim(letter);
    expect(claim?.lease?.holder).toBeTruthy();
    expect(parseName(claim?.name ?? '')?.lease).toEqual(claim?.lease);
    expect(Buffer.byteLength(claim?.name ?? '')).toBeLessThan(256);
  }
});

test('hostile names are no letters, no ids, no owners', () => {
  const letter = { id: '1.M1P1Q1R1.n', owner: 'a', octets: 1, wireOctets: 1 };
  const name = formatName({ ...letter, tries: 2, reason: 'damaged' });
  expect(parseName(name)?.letter).toEqual({ ...letter, tries: 2, reason: 'damaged' });
  expect(parseName(`${name},Z=new`)?.letter.tries).toBe(2); // Of a newer release.
  for (const bad of ['', '.nfs000', '../x', name.replace('S=1', 'S=-1'), `${name},R=../..`]) {
    expect(parseName(bad.replace(',A=a', ',A=../b'))).toBeUndefined();
  }
  for (const bad of ['../../x', '1.a/b.c', '1.a.b\n', '1..b', '']) expect(isId(bad)).toBe(false);
  for (const bad of ['..', 'a/b', '', 'a\n', 'a'.repeat(65)]) expect(isOwner(bad)).toBe(false);
});

test('the order of arrival is that of microseconds, not of their digits', () => {
  const ids = ['7.M9P1Q1R1.n', '7.M25363P1Q2R1.n', '7.M119405P1Q3R1.n', '8.M1P1Q1R1.n'];
  const all = ids.map((id) => ({ id }));
  expect(all.toReversed().toSorted(byId)).toEqual(all);
});

test('a message that was moved aside by mistake is still read, and swept in the end', async () => {
  const letter = await put('a');
  const bucket = bucketOf('a');
  mkdirSync(below(`aside/${bucket}`), { recursive: true });
  const since = Math.floor(now / 1000);
  const from = below(`message/${bucket}/${letter.id}`);
  renameSync(from, below(`aside/${bucket}/${letter.id},T=${since}`));
  expect(await tree.read(letter, 0, 100)).toEqual(TEXT);
  expect(await tree.read(letter, 9, 6)).toEqual(TEXT.subarray(9, 15));
  now += 8 * DAY_MS;
  await sweepAhead(bucket, 8 * DAY_MS); // Somebody may still need it.
  expect(await tree.read(letter, 0, 100)).toEqual(TEXT);
  await tree.finish((await tree.claim(letter)) as Spooled);
  expect(await sweepAhead(bucket, 8 * DAY_MS)).toBe(1);
  expect(readdirSync(below(`aside/${bucket}`))).toEqual([]);
});

/** The server's clock is this machine's: what is there is made older instead. */
async function sweepAhead(bucket: string, ms: number): Promise<number> {
  const old = new Date(now - ms);
  for (const kind of ['draft', 'message', 'aside']) {
    const directory = below(`${kind}/${bucket}`);
    for (const name of existsSync(directory) ? readdirSync(directory) : []) {
      utimesSync(join(directory, name), old, old);
      const [id = '', since] = name.split(',T=');
      if (since === undefined) continue;
      const earlier = Math.floor(Number(since) - ms / 1000);
      renameSync(join(directory, name), join(directory, `${id},T=${earlier}`));
    }
  }
  return sweepBucket(tree, bucket);
}

test('the sweep: what nobody answers for goes aside, then away; what waits stays', async () => {
  now -= 3 * DAY_MS;
  const bucket = bucketOf('a');
  const kept = await put('a');
  const lost = { id: tree.newId(), owner: 'a' };
  await tree.write(lost, { offset: 0, bytes: TEXT, last: true });
  now += 3 * DAY_MS;
  expect(await sweepBucket(tree, bucket)).toBe(0); // The server's time: just written.
  expect(readdirSync(below(`message/${bucket}`))).toHaveLength(2);
  await sweepAhead(bucket, 2 * DAY_MS);
  expect(readdirSync(below(`message/${bucket}`))).toEqual([kept.id]);
  expect(readdirSync(below(`aside/${bucket}`))).toHaveLength(1);
  expect(await sweepAhead(bucket, 6 * DAY_MS)).toBe(0);
  expect(await sweepAhead(bucket, 2 * DAY_MS)).toBe(1);
  expect(await tree.read(kept, 0, 100)).toEqual(TEXT);
  expect(await found(kept.id, 'a')).toBeDefined();
});
