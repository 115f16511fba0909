/**
 * Parking and landing, killed before each of their system calls, with and without a power cut that
 * keeps every possible share of the names still unwritten. Whatever happens, a letter that was
 * acknowledged is in its mailbox once when landers have had their time.
 */
import { expect, test } from 'vitest';
import { killedAfter } from '../../maildir/test/call-fs.ts';
import { engineOn } from '../../maildir/test/engine.ts';
import { lyingFs, type Fault } from '../../maildir/test/lying-fs.ts';
import { MemoryFs } from '../../maildir/test/memory-fs.ts';
import { defaults } from '../../src/config/options.ts';
import { Landed, landLetters } from '../../src/delivery/land.ts';
import { DELIVERY_OPTIONS } from '../../src/delivery/options.ts';
import { memoryAccount, memoryDirectory } from '../../src/directory/memory.ts';
import { silentLogger } from '../../src/log/types.ts';
import { sweepBucket } from '../../src/spool/sweep.ts';
import { SpoolTree } from '../../src/spool/tree.ts';
import { StoreError } from '../../src/volumes/error.ts';
import type { Mailbox } from '../../src/volumes/mailboxes.ts';
import type { Volume } from '../../src/volumes/volume.ts';
import { isErrno, UnknownResultError, type Fs, type Maildirs } from '#maildir';

const MAILDIR = '/mail1/3f/a2/alice';
const TEXT = Buffer.from('Subject: parked\n\nWhole, and once.\n');
const alice = { ...memoryAccount({ login: 'alice@example.test' }), volume: 'mail1' };
const directory = memoryDirectory({ accounts: [alice] });

let now = 1_700_000_000_000;
let chance = 0;
const clock = { now: () => now, sleep: async () => {} };
const random = {
  bytes: (n: number) => {
    const bytes = Buffer.alloc(n);
    bytes.writeUInt32BE(++chance, 0);
    return bytes;
  },
};

/** As GuardedVolume tells failures, on a file system that hangs nowhere. */
function volumeOn(fs: Fs, name: string, node: string): Volume {
  const engine = engineOn(fs, { node });
  const path = `/${name}`;
  const told = (absent: 'mailbox-missing') => (error: unknown) => {
    if (error instanceof StoreError) throw error;
    const gone = isErrno(error, 'ENOENT') && !(error instanceof UnknownResultError);
    throw new StoreError(gone ? absent : 'volume-down', String(error), { cause: error });
  };
  const whole: Partial<Volume> & Pick<Maildirs, 'stage' | 'publish' | 'discard'> = {
    name,
    entry: { name, path, identity: name, weight: 1, state: 'active', use: 'mail' },
    up: true,
    space: { freeBytes: 1e9, freeInodes: undefined, fileSystem: 'local', mode: 'writable' },
    ready: async () => {},
    verify: async () => {},
    fits: () => true,
    guard: ({ run }) => run(fs).catch(told('mailbox-missing')),
    stage: (request) => engine.stage(request).catch(told('mailbox-missing')),
    publish: (request) => engine.publish(request),
    discard: (request) => engine.discard(request),
  };
  return whole as Volume;
}

const treeOn = (fs: Fs, node: string): SpoolTree =>
  new SpoolTree({ volume: volumeOn(fs, 'spool1', node), tree: 'parked', clock, random, node });

async function prepared(): Promise<MemoryFs> {
  const fs = new MemoryFs();
  fs.serverNow = () => now;
  for (const path of ['/mail1', '/spool1']) await fs.mkdir(path);
  await engineOn(fs).create(MAILDIR, { root: '/mail1' });
  return fs;
}

async function park(tree: SpoolTree): Promise<string> {
  const place = { id: tree.newId(), owner: alice.id };
  await tree.write(place, { offset: 0, bytes: TEXT.subarray(0, 9), last: false });
  await tree.write(place, { offset: 9, bytes: TEXT.subarray(9), last: true });
  const sizes = { octets: TEXT.length, wireOctets: TEXT.length + 3 };
  const whose = { login: alice.login, address: alice.login, lane: 'mail1', trace: 't' };
  const envelope = { ...place, ...sizes, ...whose, node: tree.node, parked: '' };
  await tree.draft(envelope);
  await tree.commit(envelope);
  return place.id;
}

/** One look of a lander at the only lane. @throws StoreError */
async function land(fs: Fs, node: string): Promise<void> {
  const tree = treeOn(fs, node);
  const mailbox: Mailbox = { volume: volumeOn(fs, 'mail1', node), maildir: MAILDIR, stored: true };
  const mailboxes = {
    ensure: () => Promise.resolve(mailbox),
    missing: () => new StoreError('mailbox-missing', ''),
  };
  const options = { ...defaults(DELIVERY_OPTIONS), 'delivery.piece.bytes': 16 };
  const told = { onDelivered: () => {}, log: silentLogger };
  const own = { landed: new Landed(), signal: new AbortController().signal };
  const parts = { directory, mailboxes, options, ...told, ...own };
  await tree.reclaim('mail1');
  for (const bucket of await tree.buckets('waiting', 'mail1')) {
    const letters = await tree.list('waiting', 'mail1', bucket);
    if (letters.length > 0) await landLetters(parts, tree, letters);
    await tree.tidy('mail1', bucket);
  }
}

const LEASE_OVER_MS = 300_000;
const WEEKS_MS = 9 * 24 * 3_600_000;

/** Other nodes land what is there when leases are over. @returns ids that are in the mailbox */
async function recovered(fs: MemoryFs): Promise<string[]> {
  for (let round = 0; round < 2; round++) {
    now += LEASE_OVER_MS;
    await land(fs, `mx${3 + round}`);
  }
  const engine = engineOn(fs);
  const entries = await engine.list(MAILDIR);
  for (const { directory: part, name } of entries) {
    expect(fs.content(`${MAILDIR}/${part}/${name}`)).toEqual(TEXT);
  }
  expect(entries.map(({ name }) => name.split(',')[0])).toHaveLength(entries.length);
  return entries.map(({ name }) => name.split(',')[0] ?? '');
}

/** What is left on the spool after the sweeps of weeks. */
async function swept(fs: MemoryFs): Promise<string[]> {
  const left: string[] = [];
  for (let turn = 0; turn < 2; turn++) {
    now += WEEKS_MS;
    const tree = treeOn(fs, 'mx9');
    for (const bucket of await fs.list(`${tree.root}/message`).catch(() => [])) {
      await sweepBucket(tree, bucket);
    }
  }
  for (const kind of ['message', 'draft', 'aside', 'waiting/mail1']) {
    const path = `/spool1/spool/parked/${kind}`;
    for (const bucket of await fs.list(path).catch(() => [])) {
      left.push(...(await fs.list(`${path}/${bucket}`)));
    }
  }
  return left;
}

/** Kills `act` before each call; then with each share of the names at risk kept by a power cut. */
async function killedAnywhere(
  act: (fs: Fs) => Promise<string | undefined>,
  start: () => Promise<{ readonly fs: MemoryFs; readonly parked: readonly string[] }>,
  power: 'stays' | 'cut',
): Promise<number> {
  for (let killed = true, calls = 0; ; calls++) {
    let atRisk = 0;
    for (let kept = 0; kept <= atRisk; kept++) {
      const { fs, parked } = await start();
      const process = killedAfter(fs, calls);
      const acked = await act(process.fs).catch(() => undefined);
      ({ killed } = process);
      if (power === 'cut') {
        atRisk = fs.atRisk;
        fs.powerCut(kept);
      }
      const there = await recovered(fs);
      const sure = killed || acked === undefined ? parked : [...parked, acked];
      for (const id of sure) expect(there.filter((one) => one === id)).toHaveLength(1);
      expect(new Set(there).size).toBe(there.length);
      expect(await swept(fs)).toEqual([]);
    }
    if (!killed) return calls;
  }
}

for (const power of ['stays', 'cut'] as const) {
  test(`[N-03] parking killed before any call, power ${power}: acknowledged is there once`, async () => {
    const start = async () => ({ fs: await prepared(), parked: [] });
    const calls = await killedAnywhere((fs) => park(treeOn(fs, 'mx1')), start, power);
    expect(calls).toBeGreaterThan(30);
  }, 900_000);

  test(`[N-03] landing killed before any call, power ${power}: each letter is there once`, async () => {
    const start = async () => {
      const fs = await prepared();
      const parked = [await park(treeOn(fs, 'mx1')), await park(treeOn(fs, 'mx1'))];
      return { fs, parked };
    };
    const act = async (fs: Fs): Promise<undefined> => void (await land(fs, 'mx2'));
    expect(await killedAnywhere(act, start, power)).toBeGreaterThan(60);
  }, 900_000);
}

test('[N-03] a lander that sleeps past its lease, at any call, doubles nothing when it wakes', async () => {
  let slept = true;
  for (let call = 0; slept; call++) {
    slept = false;
    const fs = await prepared();
    const id = await park(treeOn(fs, 'mx1'));
    let calls = 0;
    const sleepy: Fs = new Proxy(fs, {
      get: (target, name: keyof Fs) => {
        const real = target[name];
        if (typeof real !== 'function') return real;
        return async (...args: never[]) => {
          if (calls++ === call) {
            slept = true;
            now += LEASE_OVER_MS;
            await land(fs, 'mx3'); // Everything happens while it sleeps.
          }
          return (real as (...all: never[]) => unknown).apply(target, args);
        };
      },
    });
    await land(sleepy, 'mx2').catch(() => {});
    expect(await recovered(fs)).toEqual([id]);
    expect(await swept(fs)).toEqual([]);
  }
}, 900_000);

const LIES = ['lost-reply', 'done-timeout', 'timeout', 'stale', 'no-such', 'io'] as const;
for (const kind of LIES) {
  test(`[N-03] ${kind} at any call of parking or landing: acknowledged is there once`, async () => {
    for (let skip = 0; skip < 40; skip++) {
      const fault: Fault = { kind, skip, pick: 0 };
      const fs = await prepared();
      const before = await park(treeOn(fs, 'mx1'));
      const parking = lyingFs(fs, [fault]);
      const acked = await park(treeOn(parking.fs, 'mx1')).catch(() => undefined);
      await parking.settle();
      const landing = lyingFs(fs, [fault]);
      await land(landing.fs, 'mx2').catch(() => {});
      await landing.settle();
      const there = await recovered(fs);
      expect(there.filter((one) => one === before)).toHaveLength(1);
      if (acked !== undefined) expect(there.filter((one) => one === acked)).toHaveLength(1);
      expect(new Set(there).size).toBe(there.length);
    }
  }, 900_000);
}
