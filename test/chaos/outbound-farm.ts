/** Processes of several nodes over one outbound spool in memory, which can lose power. */
import { MemoryFs } from '../../maildir/test/memory-fs.ts';
import { openOutboundSpools, type OutboundTrees } from '../../src/spool/outbound-spools.ts';
import { outboundPlaces, OutboundTree } from '../../src/spool/outbound-tree.ts';
import type { OutboundSpooled } from '../../src/spool/outbound-names.ts';
import { sweepOutbound } from '../../src/spool/sweep.ts';
import { TEXT } from '../../src/spool/testing/letters.ts';
import { StoreError } from '../../src/volumes/error.ts';
import type { Volume } from '../../src/volumes/volume.ts';
import { isErrno, UnknownResultError, type Fs } from '#maildir';

export const time = { now: 1_700_000_000_000 };
export const LEASE_OVER_MS = 300_000;
const WEEKS_MS = 9 * 24 * 3_600_000;
const clock = { now: () => time.now, sleep: async () => {} };

let chance = 0;
const random = {
  bytes: (n: number): Uint8Array => {
    const bytes = Buffer.alloc(Math.max(n, 4));
    bytes.writeUInt32BE(++chance, bytes.length - 4);
    return bytes.subarray(bytes.length - n);
  },
};

/** As GuardedVolume tells failures, on a file system that hangs nowhere. */
export function volumeOn(fs: Fs, fileSystem: 'local' | 'nfs'): Volume {
  const told = (error: unknown): never => {
    if (error instanceof StoreError) throw error;
    const gone = isErrno(error, 'ENOENT') && !(error instanceof UnknownResultError);
    const kind = gone ? 'mailbox-missing' : 'volume-down';
    throw new StoreError(kind, String(error), { cause: error });
  };
  const [name, path] = ['spool1', '/spool1'];
  const whole: Partial<Volume> = {
    name,
    entry: { name, path, identity: name, weight: 1, state: 'active', use: 'spool' },
    up: true,
    space: { freeBytes: 1e9, freeInodes: undefined, fileSystem, mode: 'writable' },
    ready: async () => {},
    verify: async () => {},
    fits: () => true,
    guard: ({ run }) => run(fs).catch(told),
  };
  return whole as Volume;
}

export function processOn(
  fs: Fs,
  node: string,
  fileSystem: 'local' | 'nfs' = 'local',
): OutboundTrees {
  const table = { volumes: [volumeOn(fs, fileSystem)] };
  const options = { 'spool.look': 10, 'spool.slot': 60_000 };
  return openOutboundSpools({ table, clock, random, node, options });
}

export const treeOn = (fs: Fs, node: string): OutboundTree =>
  new OutboundTree({
    volume: volumeOn(fs, 'nfs'),
    clock,
    random,
    node,
    slotMs: 60_000,
  });

export async function emptySpool(): Promise<MemoryFs> {
  const fs = new MemoryFs();
  fs.serverNow = () => time.now;
  await fs.mkdir('/spool1');
  await fs.fsync(await fs.openRead('/'));
  return fs;
}

/** Every letter in every state. */
export async function lettersOn(fs: Fs): Promise<OutboundSpooled[]> {
  const tree = treeOn(fs, 'look');
  const found: OutboundSpooled[] = [];
  for await (const at of outboundPlaces(tree)) found.push(...(await tree.list(at)));
  return found;
}

/** What a process sent: who got which letter. @throws when a letter is not whole */
export async function sendAll(fs: Fs, node: string): Promise<string[]> {
  const spools = processOn(fs, node);
  const sent: string[] = [];
  for (let idle = 0; idle < 2;) {
    time.now += idle === 0 ? 1000 : 31_000; // By then it has looked for claims of the dead.
    const claims = await spools.take({ limit: 10, perRoute: () => 10 });
    idle = claims.length === 0 ? idle + 1 : 0;
    for (const claim of claims) {
      const message = await claim.read(0, 1000);
      if (!message?.equals(TEXT)) throw new Error(`${claim.envelope.id}: ${String(message)}`);
      sent.push(...claim.envelope.recipients.map(({ address }) => address));
      if (!(await claim.settle({ kind: 'done' })))
        throw new Error('a claim of nobody else is lost');
    }
  }
  return sent;
}

/** Other nodes send what is there when leases are over and hours have passed. */
export async function recovered(fs: Fs): Promise<string[]> {
  const sent: string[] = [];
  for (const node of ['mx8', 'mx9']) {
    time.now += LEASE_OVER_MS;
    sent.push(...(await sendAll(fs, node)));
    time.now += 24 * 3_600_000;
    sent.push(...(await sendAll(fs, node)));
  }
  return sent.toSorted();
}

/** Files that are left when the sweeps of weeks have passed. */
export async function swept(fs: MemoryFs): Promise<string[]> {
  for (let turn = 0; turn < 2; turn++) {
    time.now += WEEKS_MS;
    const tree = treeOn(fs, 'sweep');
    const kinds = ['message', 'draft', 'version', 'aside'];
    const buckets = await Promise.all(
      kinds.map((kind) => fs.list(`${tree.root}/${kind}`).catch(() => [])),
    );
    for (const bucket of new Set(buckets.flat())) await sweepOutbound(tree, bucket);
  }
  return filesOf(fs, '/spool1/spool/outbound');
}

async function filesOf(fs: MemoryFs, path: string): Promise<string[]> {
  const names = await fs.list(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    if (isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  });
  if (names === undefined) return [path];
  return (await Promise.all(names.map((name) => filesOf(fs, `${path}/${name}`)))).flat();
}
