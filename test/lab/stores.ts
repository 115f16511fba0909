/** The product's store on the laboratory's clients. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFs } from '#maildir';
import { systemClock } from '../../src/base/clock.ts';
import { defaults } from '../../src/config/options.ts';
import { memoryAccount, memoryDirectory } from '../../src/directory/memory.ts';
import type { Account } from '../../src/directory/types.ts';
import { silentLogger } from '../../src/log/types.ts';
import type { StoreUnderTest } from '../../src/mailbox/conformance.ts';
import { MAILBOX_OPTIONS } from '../../src/mailbox/options.ts';
import { MaildirStore } from '../../src/mailbox/store.ts';
import type { Volumes } from '../../src/volumes/open.ts';
import { initVolume } from '../../src/volumes/sentinel.ts';
import { openTestVolumes, volumeEntry } from '../../src/volumes/testing/volumes.ts';
import { type Client, mountOf, type VolumeName } from './inside.ts';
import { SharedMaildir } from './mailboxes.ts';

/** No probe falls into what is counted; a busy machine is no volume that is down. */
const LIMITS = {
  'volume.deadline': 20_000,
  'volume.probe.interval': 600_000,
  'volume.probe.deadline': 20_000,
};

/** The store as two hosts have it: one delivers, the other reads and removes. */
export async function openOn(
  deliverer: Client,
  reader: Client,
  on: VolumeName = 'mail1',
): Promise<StoreUnderTest> {
  const place = new SharedMaildir(on).name;
  const account = memoryAccount({ login: 'alice@example.test' });
  const newcomer = memoryAccount({ login: 'bob@example.test' });
  const root = join(mountOf(deliverer, on), place);
  mkdirSync(join(root, 'v1'), { recursive: true });
  const { identity, name, path } = volumeEntry(root, 'v1');
  await initVolume(nodeFs, path, { identity, name });
  const volumesOf = (client: Client): Volumes<Account> => {
    const entries = [volumeEntry(join(mountOf(client, on), place), 'v1')];
    const directory = memoryDirectory({ accounts: [account, newcomer], volumes: entries });
    return openTestVolumes<Account>(directory, { node: client, limits: LIMITS });
  };
  const [there, here] = [volumesOf(deliverer), volumesOf(reader)];
  const { volume, maildir } = await there.mailboxes.ensure(account);
  const store = new MaildirStore({
    mailboxes: here.mailboxes,
    clock: systemClock,
    log: silentLogger,
    options: defaults(MAILBOX_OPTIONS),
  });
  return {
    store,
    account: { ...account, volume: 'v1' },
    newcomer,
    deliver: async (stored, foreign) => {
      if (foreign !== undefined) return writeFileSync(join(maildir, 'new', foreign), stored);
      const base = volume.uniqueName();
      const octets = stored.length;
      const wireOctets = octets + stored.filter((octet) => octet === 10).length;
      await volume.stage({ maildir, base, offset: 0, bytes: stored, last: true });
      await volume.publish({ maildir, base, octets, wireOctets, targets: [maildir] });
    },
    close: async () => {
      there.close();
      here.close();
    },
  };
}
