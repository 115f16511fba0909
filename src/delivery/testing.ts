/**
 * Front ends over three mail volumes and a spool volume below a temporary directory, whose volumes
 * go away and come back, and whose calls are struck.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { systemClock, type Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { memoryAccount, memoryDirectory, type MemoryDirectory } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { Spools } from '../spool/spools.ts';
import type { Mark } from '../spool/marks.ts';
import { MemoryOutbound } from '../spool/testing/memory-outbound.ts';
import { StoreError } from '../volumes/error.ts';
import type { Volumes } from '../volumes/open.ts';
import {
  eventually,
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  type Strike,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { openDelivery, type OpenedDelivery } from './delivery.ts';
import { MODERATION_TREE } from './moderation.ts';
import { DELIVERY_OPTIONS, type DeliveryOptions } from './options.ts';
import type { Delivered, IncomingOptions, Recipient } from './types.ts';

export let disk: TemporaryVolumes;
export let directory: MemoryDirectory;
let strike: Strike;
/** What becomes of calls from now on. */
export const strikeBy = (now: Strike): void => {
  strike = now;
};
const opened: { close(): void }[] = [];
export let front: FrontEnd;

/** Once in a file of tests: each begins with a farm of its own, and with more volumes if named. */
export function useParkingFarm(...more: readonly string[]): void {
  beforeEach(async () => {
    disk = await temporaryVolumes('v1', 'v2', 'v3', 'spool1', ...more);
    directory = memoryDirectory({ volumes: disk.entries });
    strike = () => undefined;
    front = await frontEnd();
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) one.close();
    await systemClock.sleep(20); // A lander may be at its last call.
    disk.remove();
  });
}

export interface FrontEnd {
  readonly delivery: OpenedDelivery;
  readonly volumes: Volumes<Account>;
  readonly outbound: MemoryOutbound;
  /** Marks as they were made, `kind key`; while it is undefined there is no spool to ask. */
  marks: string[] | undefined;
}

/** A process of a node: its own volume table, its own lander, which looks when a test says so. */
export async function frontEnd(
  set: Partial<DeliveryOptions> = {},
  node = 'mx1',
  time: Partial<Clock> = {},
): Promise<FrontEnd> {
  const fs = strikingFs((call, path) => strike(call, path));
  // Room for a busy machine: a probe that is slow is no volume that is down.
  const probe = { 'volume.probe.failures': 1, 'volume.probe.deadline': 5000 };
  const limits = { 'volume.deadline': 2000, ...probe };
  const volumes = openTestVolumes<Account>(directory, { fs, limits });
  const { mailboxes, table } = volumes;
  const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
  const options = {
    ...defaults(DELIVERY_OPTIONS),
    'delivery.buffer.max': 4096,
    'delivery.piece.bytes': 8192,
    'delivery.land.interval': 600_000,
    'delivery.land.idle': 600_000,
    'delivery.moderation.interval': 600_000,
    ...set,
  };
  const clock = systemClock;
  const random = systemRandom;
  const spools = new Spools({ table, clock, random, node });
  const degraded = { spools, clock, random, directory, table };
  const outbound = new MemoryOutbound(clock);
  const made: { marks: string[] | undefined } = { marks: [] };
  const known = (): string[] => {
    if (made.marks === undefined) throw new StoreError('volume-down', 'test: no spool');
    return made.marks;
  };
  const marks = {
    add: async ({ kind, key }: Mark): Promise<void> => void known().push(`${kind} ${key}`),
    sum: async ({ kind, key }: Mark): Promise<number> =>
      known().filter((one) => one === `${kind} ${key}`).length,
  };
  const own = { ...systemClock, ...time };
  const answering = { directory, marks, hostName: 'mx.example.test', clock: own, random };
  const held = new Spools({ table, clock, random, node, tree: MODERATION_TREE });
  const moderated = { spools: held, directory, clock, random };
  const leaving = { outbound, answering, moderated };
  const parts = { mailboxes, store, log: silentLogger, options, degraded, ...leaving };
  const delivery = openDelivery(parts);
  await table.loaded();
  opened.push({
    close: () => {
      void delivery.close();
      volumes.close();
    },
  });
  return Object.assign(made, { delivery, volumes, outbound });
}

export async function user(
  name: string,
  volume: string,
  more: Partial<Account> = {},
): Promise<Recipient> {
  const account = { ...memoryAccount({ login: `${name}@example.test`, ...more }), volume };
  directory.putAccount(account);
  const located = await front.volumes.table.locate(account);
  await located?.volume.create(located.maildir, { root: located.volume.entry.path });
  return { address: account.login, account };
}

export const maildirOf = async ({ account }: Recipient): Promise<string> => {
  const now = await directory.accountById(account.id);
  return (await front.volumes.table.locate(now ?? account))?.maildir ?? '';
};

export const bodies = async (recipient: Recipient): Promise<string[]> => {
  const maildir = await maildirOf(recipient);
  return ['new', 'cur'].flatMap((part) =>
    readdirSync(join(maildir, part)).map((name) => readFileSync(join(maildir, part, name), 'utf8')),
  );
};

const unmounted = (name: string): string => join(disk.root, `${name}.away`);

/** The mount goes away: an empty directory is where it was. */
export async function away(name: string, ...fronts: readonly FrontEnd[]): Promise<void> {
  renameSync(join(disk.root, name), unmounted(name));
  mkdirSync(join(disk.root, name));
  for (const { volumes } of [front, ...fronts]) {
    await eventually(() => volumes.table.get(name)?.up === false);
  }
}

export async function back(name: string, ...fronts: readonly FrontEnd[]): Promise<void> {
  rmSync(join(disk.root, name), { recursive: true });
  renameSync(unmounted(name), join(disk.root, name));
  for (const { volumes } of [front, ...fronts]) {
    await eventually(() => volumes.table.get(name)?.up === true);
  }
}

export async function send(
  recipients: readonly Recipient[],
  text: string,
  more: Partial<IncomingOptions> = {},
  through = front,
): Promise<readonly Delivered[]> {
  const header = (): Uint8Array => Buffer.from('H: 1\n');
  const message = through.delivery.begin({ id: 'trace', recipients, header, ...more });
  await message.write(Buffer.from(text));
  return message.commit();
}

/** What became of each: the volume it is on, where it is parked, or why neither. */
export const outcome = (results: readonly Delivered[]): unknown[] =>
  results.map(({ error, parkedOn, volume }) => error?.kind ?? parkedOn ?? volume);

export const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'accepted',
    (error: unknown) => (error instanceof StoreError ? error.kind : error),
  );

/** Files of the spool, below its tree. */
export function spooled(): string[] {
  const root = join(disk.root, 'spool1/spool/parked');
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

export const land = async (...fronts: readonly FrontEnd[]): Promise<number[]> =>
  Promise.all(fronts.map(async ({ delivery }) => (await delivery.lander?.look()) ?? -1));
