import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { silentLogger } from '../log/types.ts';
import { hostBeat } from './host-facts.ts';
import { askName, formatBeat, parseBeat, parseHostsName, type HostBeat } from './hosts-file.ts';
import { HostBeats, tendHosts } from './hosts.ts';
import {
  eventually,
  MemoryPlacements,
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
} from './testing/volumes.ts';

const NOW = 1_800_000_000_000;
const beatOf = (node: string): HostBeat => ({
  node,
  host: { bootId: 'b', nodename: 'n', identifier: '', kernel: '6.1' },
  source: 'filer:/mail1',
  type: 'nfs4',
  options: 'rw,vers=4.2',
  clock: NOW,
  release: '1',
  uid: 8,
});

let directory: string;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mailfarm-hosts-'));
  directory = join(root, '.mailfarm-hosts');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const fs = strikingFs(() => undefined);
let mounted = true;
const tend = (node: string, atMs: number): Promise<boolean> => {
  const beat = async (): Promise<HostBeat> => ({ ...beatOf(node), clock: NOW + atMs });
  const isOurs = async (): Promise<boolean> => mounted;
  return tendHosts({ fs, directory, node, random, now: () => NOW + atMs, beat, isOurs });
};
const names = (): string[] => readdirSync(directory).toSorted();
const at = (seconds: number): number => NOW / 1000 + seconds;

test('[N-04] a node beats when its last beat is old, and keeps one file', async () => {
  expect(await tend('n1', 0)).toBe(false);
  expect(names()).toEqual([`beat.n1.${at(0)}`]);
  await tend('n1', 30_000);
  expect(names(), 'another worker has just beaten').toEqual([`beat.n1.${at(0)}`]);
  await tend('n1', 60_000);
  expect(names()).toEqual([`beat.n1.${at(60)}`]);
  const text = readFileSync(join(directory, names()[0] ?? ''), 'utf8');
  expect(parseBeat(text)).toEqual({ ...beatOf('n1'), clock: NOW + 60_000 });
});

test('[N-05] nothing is made in the mount point of a volume that is not mounted', async () => {
  mounted = false;
  await expect(tend('n1', 0)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(readdirSync(root)).toEqual([]);
  mounted = true;
  await tend('n1', 0);
  expect(names()).toEqual([`beat.n1.${at(0)}`]);
});

test('a beat of the future, left by a clock that was set back, is replaced', async () => {
  await tend('n1', 3_600_000);
  await tend('n1', 0);
  expect(names()).toEqual([`beat.n1.${at(0)}`]);
});

test('[N-04] files of nodes that are gone are removed after a day, by anyone; others stay', async () => {
  await tend('gone', 0);
  writeFileSync(join(directory, `draft.abc.${at(0)}`), '');
  writeFileSync(join(directory, `answer.abc.${at(0)}.n2`), '');
  for (const name of ['README', '.nfs000', 'beat.x', `ask.${'z'.repeat(40)}.1`]) {
    writeFileSync(join(directory, name), '');
  }
  await tend('n1', 86_000_000);
  expect(names()).toContain(`beat.gone.${at(0)}`);
  expect(names().filter((name) => /^(draft|answer)/.test(name))).toEqual([]);
  await tend('n1', 86_500_000);
  expect(names()).not.toContain(`beat.gone.${at(0)}`);
  expect(names()).toEqual(expect.arrayContaining(['README', '.nfs000', 'beat.x']));
});

test('[N-04] who is asked answers once, and listens more closely while anybody asks', async () => {
  mkdirSync(directory);
  writeFileSync(join(directory, askName('q1', at(0))), '');
  expect(await tend('n1', 1000)).toBe(true);
  expect(names()).toContain(`answer.q1.${at(0)}.n1`);
  fs.calls.clear();
  expect(await tend('n1', 11_000)).toBe(true);
  expect(Object.fromEntries(fs.calls)).toEqual({ list: 1 });
  expect(await tend('n1', 700_000), 'an old question is nobody’s any more').toBe(false);
});

test('[N-04] a quiet minute costs a listing; a beat five calls more and one for the last', async () => {
  await tend('n1', 0);
  fs.calls.clear();
  await tend('n1', 20_000);
  expect(Object.fromEntries(fs.calls)).toEqual({ list: 1 });
  await tend('n1', 60_000);
  const beat = { list: 2, create: 1, write: 1, close: 1, rename: 1, unlink: 1 };
  expect(Object.fromEntries(fs.calls)).toEqual(beat);
});

test('what others wrote is a beat wholly, or none', () => {
  const text = formatBeat(beatOf('n1'));
  expect(parseBeat(text)).toEqual(beatOf('n1'));
  for (let cut = 0; cut < text.length; cut++) expect(parseBeat(text.slice(0, cut))).toBeUndefined();
  for (const wrong of ['null\n', '[]\n', '{"host":null}\n', text.replace('8}', '"8"}')]) {
    expect(parseBeat(wrong)).toBeUndefined();
  }
  expect(parseBeat(text.replace('filer', 'x'.repeat(2000)))).toBeUndefined();
  for (const wrong of ['beat.../x.1', 'beat.a/b.1', 'ask.q', 'answer.q.1.', 'beat..1', '']) {
    expect(parseHostsName(wrong)).toBeUndefined();
  }
  const dotted = { kind: 'beat', node: 'mx1.example.test', epoch: 12 };
  expect(parseHostsName('beat.mx1.example.test.12')).toEqual(dotted);
});

test('[N-04] a process beats on each of its volumes, and says how it mounts them', async () => {
  const volumes = await temporaryVolumes('v1', 'v2');
  const open = openTestVolumes(new MemoryPlacements(volumes.entries));
  // Sleeps are short for the test, and the time that passes is the real one.
  const clock = { ...systemClock, sleep: (_: number, s?: AbortSignal) => systemClock.sleep(20, s) };
  const { table } = open;
  const parts = { table, clock, random, log: silentLogger, node: 'n1', release: '9' };
  const beats = new HostBeats(parts);
  const listed = (name: string): string[] => {
    try {
      return readdirSync(join(volumes.root, name, '.mailfarm-hosts'));
    } catch {
      return [];
    }
  };
  const isBeat = (name: string): boolean => name.startsWith('beat.n1.');
  await eventually(() => listed('v1').some(isBeat) && listed('v2').some(isBeat));
  beats.close();
  open.close();
  const name = listed('v1').find(isBeat) ?? '';
  const found = parseBeat(readFileSync(join(volumes.root, 'v1', '.mailfarm-hosts', name), 'utf8'));
  const { clock: when, ...beat } = found ?? beatOf('');
  expect(beat).toEqual(await hostBeat(join(volumes.root, 'v1'), 'n1', '9'));
  expect(Math.abs(when - systemClock.now())).toBeLessThan(10_000);
  expect(beat.host.bootId).toMatch(/^[0-9a-f-]{36}$/);
  volumes.remove();
});
