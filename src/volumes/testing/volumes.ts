import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import { silentLogger } from '../../log/types.ts';
import { nodeFs, type Fs } from '#maildir';
import { openVolumes, type OpenVolumesOptions, type Volumes } from '../open.ts';
import { VOLUME_OPTIONS, type VolumeOptions } from '../options.ts';
import { initVolume } from '../sentinel.ts';
import type { MailboxOwner, VolumeDirectory, VolumeEntry } from '../types.ts';

/** Real volumes below a temporary directory, with their sentinels. */
export interface TemporaryVolumes {
  readonly root: string;
  readonly entries: readonly VolumeEntry[];
  remove(): void;
}

export async function temporaryVolumes(...names: string[]): Promise<TemporaryVolumes> {
  const root = mkdtempSync(join(tmpdir(), 'mailfarm-volumes-'));
  const entries = names.map((name) => volumeEntry(root, name));
  for (const { path, identity, name } of entries) {
    mkdirSync(path);
    await initVolume(nodeFs, path, { identity, name });
  }
  return { root, entries, remove: () => rmSync(root, { recursive: true, force: true }) };
}

export const volumeEntry = (root: string, name: string): VolumeEntry => ({
  name,
  path: join(root, name),
  identity: `identity-of-${name}`,
  weight: 1,
  state: 'active',
  use: name.startsWith('spool') ? 'spool' : 'mail',
});

export const owner = (id: string, more: Partial<MailboxOwner> = {}): MailboxOwner => ({
  id,
  path: undefined,
  volume: undefined,
  ...more,
});

/** The directory's part, in memory: the first add of a volume wins, as in LDAP. */
export class MemoryPlacements implements VolumeDirectory<MailboxOwner> {
  readonly stored = new Map<string, string>();
  entries: readonly VolumeEntry[];
  down = false;
  /** What the rules choose. */
  rule: (account: MailboxOwner) => string | undefined = () => undefined;
  /** Waited for before each add: lets a test order two racing front ends. */
  beforeAssign: () => Promise<void> = async () => {};

  constructor(entries: readonly VolumeEntry[]) {
    this.entries = entries;
  }

  async volumes(): Promise<readonly VolumeEntry[]> {
    if (this.down) throw new Error('the directory is down');
    return this.entries;
  }

  async assignVolume(account: MailboxOwner, volume: string): Promise<string> {
    await this.beforeAssign();
    if (this.down) throw new Error('the directory is down');
    const stored = this.stored.get(account.id) ?? volume;
    this.stored.set(account.id, stored);
    return stored;
  }

  async volumeByRule(account: MailboxOwner): Promise<string | undefined> {
    if (this.down) throw new Error('the directory is down');
    return this.rule(account);
  }

  async storedVolume(account: MailboxOwner): Promise<string | undefined> {
    if (this.down) throw new Error('the directory is down');
    return this.stored.get(account.id);
  }
}

/** In a kernel where every call is slow: what answers in the end does not hang. */
const SLOW = process.env['MAILFARM_TEST_SLOW'] !== undefined;

/** Options of the defaults with quick probes, and what a test sets. */
export const volumeOptions = (set: Partial<VolumeOptions> = {}): VolumeOptions => ({
  ...defaults(VOLUME_OPTIONS),
  'volume.probe.interval': 50,
  'volume.probe.deadline': SLOW ? 20_000 : 1000,
  'volume.deadline': SLOW ? 20_000 : 3000, // What does not hang needs less on a busy machine too.
  'volume.full.retry': 200,
  'volume.reserve.bytes': 0,
  'volume.reserve.inodes': 0,
  ...set,
});

/** Volumes as a process opens them, over the real file system unless given another. */
export const openTestVolumes = <A extends MailboxOwner>(
  directory: VolumeDirectory<A>,
  set: Partial<OpenVolumesOptions<A>> & { readonly limits?: Partial<VolumeOptions> } = {},
): Volumes<A> =>
  openVolumes({
    directory,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    node: 'test',
    options: volumeOptions(set.limits),
    ...set,
  });

export type FsCall = keyof Fs;

/** What happens in place of a call: nothing, an error, or no answer for as long as it likes. */
export type Strike = (call: FsCall, path: string) => Error | Promise<void> | undefined;

/** The real file system, where `strike` says what goes wrong. Calls on files know their path. */
export function strikingFs(strike: Strike): Fs & { readonly calls: Map<FsCall, number> } {
  const paths = new Map<number, string>();
  const calls = new Map<FsCall, number>();
  const wrap = (call: FsCall) => {
    const real = nodeFs[call] as (...args: readonly unknown[]) => Promise<unknown>;
    return async (...args: readonly unknown[]): Promise<unknown> => {
      const [first] = args;
      const path = typeof first === 'number' ? (paths.get(first) ?? '') : String(first);
      calls.set(call, (calls.get(call) ?? 0) + 1);
      const struck = strike(call, path);
      if (struck instanceof Error) throw struck;
      await struck;
      const result = await real(...args);
      if (typeof result === 'number' && typeof first === 'string') paths.set(result, path);
      return result;
    };
  };
  const wrapped = Object.keys(nodeFs).map((call) => [call, wrap(call as FsCall)]);
  return { ...(Object.fromEntries(wrapped) as unknown as Fs), calls };
}

/** A promise that a test settles when it likes. */
export function gate(): { readonly closed: Promise<void>; open(): void } {
  let open = (): void => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { closed, open: () => open() };
}

/** Waits until `condition` holds. @throws after ten seconds: a busy machine is no failure */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn === 5000) throw new Error(`never: ${condition.toString()}`);
    await systemClock.sleep(10);
  }
}
