/**
 * A front end of the laboratory that parks and lands: mail volume `v1` on the small disk, spool
 * volume `spool1` on the large one, through the mounts of one client. As a program it only lands:
 * `parking-host.ts CLIENT PLACE USERS`.
 */
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { defaults } from '../../src/config/options.ts';
import { openDelivery, type OpenedDelivery } from '../../src/delivery/delivery.ts';
import { DELIVERY_OPTIONS } from '../../src/delivery/options.ts';
import { memoryAccount, memoryDirectory } from '../../src/directory/memory.ts';
import type { Account } from '../../src/directory/types.ts';
import { silentLogger } from '../../src/log/types.ts';
import { MaildirStore } from '../../src/mailbox/store.ts';
import { Spools } from '../../src/spool/spools.ts';
import type { Volumes } from '../../src/volumes/open.ts';
import { openTestVolumes, volumeEntry } from '../../src/volumes/testing/volumes.ts';
import { CLIENTS, mountOf, type Client } from './inside.ts';

export interface ParkingHost {
  readonly delivery: OpenedDelivery;
  readonly volumes: Volumes<Account>;
  readonly spools: Spools;
  close(): void;
}

export const spoolPath = (client: Client, place: string): string =>
  join(mountOf(client, 'mail1'), place, 'spool1');
export const mailPath = (client: Client, place: string): string =>
  join(mountOf(client, 'mail2'), place, 'v1');

export const parkingUsers = (count: number): Account[] =>
  Array.from({ length: count }, (_, n) => ({
    ...memoryAccount({ login: `parked${n}@example.test` }),
    volume: 'v1',
  }));

export async function parkingHost(
  client: Client,
  place: string,
  { users, landMs, probeMs }: { users: number; landMs: number; probeMs: number },
): Promise<ParkingHost> {
  const entries = [
    volumeEntry(join(mountOf(client, 'mail2'), place), 'v1'),
    volumeEntry(join(mountOf(client, 'mail1'), place), 'spool1'),
  ];
  const directory = memoryDirectory({ accounts: parkingUsers(users), volumes: entries });
  const limits = {
    'volume.deadline': 20_000,
    'volume.probe.interval': probeMs,
    'volume.probe.deadline': 20_000,
    'volume.probe.failures': 1,
  };
  const volumes = openTestVolumes<Account>(directory, { node: client, limits });
  const { mailboxes, table } = volumes;
  const [clock, random, log] = [systemClock, systemRandom, silentLogger];
  const store = new MaildirStore({ mailboxes, clock, log });
  const options = {
    ...defaults(DELIVERY_OPTIONS),
    'delivery.land.interval': landMs,
    'delivery.land.idle': landMs,
  };
  const spools = new Spools({ table, clock, random, node: client });
  const degraded = { spools, clock, random, directory, table };
  const delivery = openDelivery({ mailboxes, store, log, options, degraded });
  await table.loaded();
  const close = (): void => {
    void delivery.close();
    volumes.close();
  };
  return { delivery, volumes, spools, close };
}

if (import.meta.main) {
  const [name, place = '', users] = process.argv.slice(2);
  const client = CLIENTS.find((one) => one === name);
  if (client === undefined) throw new Error('which client?');
  await parkingHost(client, place, { users: Number(users), landMs: 100, probeMs: 1000 });
  process.stdout.write('landing\n');
  setInterval(() => {}, 1000);
}
