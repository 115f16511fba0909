import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { memoryAccount, memoryDirectory } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import type { Volumes } from '../volumes/open.ts';
import {
  openTestVolumes,
  temporaryVolumes,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { openDelivery } from './delivery.ts';

let disk: TemporaryVolumes;
let volumes: Volumes<Account>;

beforeEach(async () => {
  disk = await temporaryVolumes('v1');
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

const MIB = 1024 * 1024;

setFlagsFromString('--expose-gc');
/** Collects garbage, so that only what is held is measured. */
const collect = runInNewContext('gc') as () => void;

test(
  'memory does not grow with the size of a message, in nor out',
  { timeout: 60_000 },
  async () => {
    const account = memoryAccount({ login: 'alice@example.test' });
    const directory = memoryDirectory({ accounts: [account], volumes: disk.entries });
    // Collecting garbage stops all else for a while: a probe that is late is no part of this.
    const limits = { 'volume.deadline': 20_000, 'volume.probe.deadline': 10_000 };
    volumes = openTestVolumes<Account>(directory, { limits });
    const { mailboxes } = volumes;
    const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
    const delivery = openDelivery({ mailboxes, store, log: silentLogger });
    const recipients = [{ address: account.login, account }];
    const chunk = Buffer.from(`${'x'.repeat(76)}\n`.repeat(851)); // As a socket gives them.
    let peak = 0;
    const held = (): number => {
      collect();
      const { external, heapUsed } = process.memoryUsage();
      return external + heapUsed;
    };
    const measure = (): void => {
      peak = Math.max(peak, held());
    };
    const baseline = held();
    const message = delivery.begin({ id: 't', recipients, header: () => Buffer.from('A: b\n') });
    const chunks = Math.ceil((40 * MIB) / chunk.length);
    for (let i = 0; i < chunks; i++) {
      await message.write(chunk);
      if (i % 20 === 0) measure();
    }
    const [result] = await message.commit();
    expect(result?.error).toBeUndefined();
    const drop = await store.openMaildrop({ ...account, volume: 'v1' });
    let octets = 0;
    let pieces = 0;
    for await (const piece of drop.read(0)) {
      octets += piece.length;
      if (pieces++ % 10 === 0) measure();
    }
    expect(octets).toBe(6 + chunks * (chunk.length + 851));
    // Held are two pieces of 1 MiB on the way in, two of 256 KiB on the way out; the message is 40.
    expect((peak - baseline) / MIB).toBeLessThan(12);
  },
);
