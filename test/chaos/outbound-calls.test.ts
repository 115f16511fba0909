import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { nodeFs } from '#maildir';
import { recordCalls, type Call } from '../../maildir/test/call-fs.ts';
import { temporaryVolumes, type TemporaryVolumes } from '../../src/volumes/testing/volumes.ts';
import { asStoreError } from '../../src/volumes/errno.ts';
import type { Volume } from '../../src/volumes/volume.ts';
import type { OutboundClaim } from '../../src/spool/outbound.ts';
import { openOutboundSpools, type OutboundTrees } from '../../src/spool/outbound-spools.ts';
import { post, TEXT } from '../../src/spool/testing/letters.ts';

/** What a letter costs: calls of the file system, each a round trip or more on NFS. */

let disk: TemporaryVolumes | undefined;
afterEach(() => {
  disk?.remove();
  disk = undefined;
});
let ahead = 0;
const clock = { ...systemClock, now: () => systemClock.now() + ahead };
const all = { limit: 10, perRoute: () => 10 };

interface Counted {
  readonly spools: OutboundTrees;
  /** Calls since it was asked last. */
  calls(): readonly Call[];
}

async function counted(fileSystem: 'nfs' | 'local', node = 'mx1'): Promise<Counted> {
  disk ??= await temporaryVolumes('spool1');
  const { fs, calls } = recordCalls({
    ...nodeFs,
    modified: async (path) => (await nodeFs.modified(path)) + ahead,
  });
  const [entry] = disk.entries;
  const whole: Partial<Volume> = {
    name: 'spool1',
    entry: entry as Volume['entry'],
    up: true,
    space: { freeBytes: 1e9, freeInodes: undefined, fileSystem, mode: 'writable' },
    verify: async () => {},
    ready: async () => {},
    fits: () => true,
    guard: ({ run, absent, where }) =>
      run(fs).catch((error: unknown) => {
        throw asStoreError(error, { what: where, absent });
      }),
  };
  const table = { volumes: [whole as Volume] };
  const options = { 'spool.look': 1000, 'spool.slot': 60_000 };
  const spools = openOutboundSpools({ table, clock, random: systemRandom, node, options });
  return { spools, calls: () => calls.splice(0) };
}

/** A process that has used the lane already: directories are there, the server's time is known. */
async function warm(fileSystem: 'nfs' | 'local'): Promise<Counted> {
  const one = await counted(fileSystem);
  for (let turn = 0; turn < 2; turn++) {
    await post(one.spools, ['example.net']);
    for (const claim of await one.spools.take(all)) await claim.settle({ kind: 'done' });
  }
  one.calls();
  return one;
}

const only = (claims: readonly OutboundClaim[]): OutboundClaim => {
  expect(claims).toHaveLength(1);
  return claims[0] as OutboundClaim;
};

test('a letter is committed by 9 calls, two of them fsync; on a local disk two directories more', async () => {
  const file = ['create', 'write', 'fsync', 'close'];
  const directory = ['openRead', 'fsync', 'close'];
  const nfs = await warm('nfs');
  await post(nfs.spools, ['example.net']);
  expect(nfs.calls()).toEqual([...file, ...file, 'rename']);
  await post(nfs.spools, ['example.net', 'example.net']);
  expect(nfs.calls()).toHaveLength(9 + 6); // Another link, envelope and rename.
  const local = await warm('local');
  await post(local.spools, ['example.net']);
  expect(local.calls().toSorted()).toEqual(
    [...file, ...file, 'rename', ...directory, ...directory].toSorted(),
  );
});

test('a letter is sent by 3 calls where it was committed, by 9 elsewhere, 1 for a renewal', async () => {
  const { spools, calls } = await warm('nfs');
  const send = async (by: Counted): Promise<readonly Call[]> => {
    const claim = only(await by.spools.take(all));
    const whole = await claim.read(0, 65_536);
    expect(await claim.read(0, 65_536)).toEqual(whole); // To be signed, and to be sent.
    expect(whole).toEqual(TEXT);
    const before = by.calls().filter((call) => call !== 'list');
    await claim.renew();
    expect(by.calls()).toEqual(['rename']);
    await claim.settle({ kind: 'done' });
    return [...before, ...by.calls()];
  };
  await post(spools, ['example.net']);
  calls();
  const message = ['openRead', 'read', 'close'];
  expect(await send({ spools, calls })).toEqual(['rename', 'unlink', 'unlink']);
  await post(spools, ['example.net']);
  const other = await counted('nfs', 'mx2');
  await other.spools.take({ limit: 10, perRoute: () => 0 });
  ahead += 2000;
  await only(await other.spools.take(all)).release(); // It knows the time by now.
  ahead += 2000;
  other.calls();
  expect(await send(other)).toEqual(['rename', ...message, ...message, 'unlink', 'unlink']);
});

test('tried again later: one rename where nothing changed, else a new envelope', async () => {
  const { spools, calls } = await warm('nfs');
  const postpone = async (text: string): Promise<readonly Call[]> => {
    const claim = only(await spools.take(all));
    calls();
    const { recipients, delayTold } = claim.envelope;
    const troubles = text === '' ? [] : [{ address: 'a', status: '4.0.0', text }];
    const dueAt = (await claim.now()) + 600_000;
    await claim.settle({ kind: 'later', dueAt, recipients, troubles, delayTold, tried: true });
    const made = calls().filter((call) => call !== 'list');
    ahead += 700_000;
    return made;
  };
  await post(spools, ['example.net']);
  const rename = ['rename', 'mkdir', 'mkdir', 'mkdir', 'rename']; // A slot of its own.
  const short = (made: readonly Call[]): string => made.join(' ');
  expect(short(await postpone(''))).toContain('rename');
  expect(await postpone('')).not.toContain('create');
  expect(short(await postpone('no'))).toContain('create write fsync close');
  const again = await postpone('never');
  expect(again.filter((call) => call === 'unlink')).toHaveLength(1); // What it was before.
  expect(again.length).toBeLessThanOrEqual(4 + rename.length + 1);
});

test('nothing to do: one listing a second for each process and volume, now and then some more', async () => {
  const { spools, calls } = await warm('nfs');
  ahead += 60_000;
  await spools.take(all);
  ahead += 40_000;
  await spools.take(all); // Empty lanes have gone by now.
  calls();
  for (let second = 0; second < 120; second++) {
    ahead += 1000;
    for (let turn = 0; turn < 5; turn++) expect(await spools.take(all)).toEqual([]);
  }
  const made = calls();
  process.stdout.write(`   an idle process: ${made.length} calls in two minutes\n`);
  expect(made.length).toBeLessThan(120 + 8 + 5 + 3 * 6 + 20);
});
