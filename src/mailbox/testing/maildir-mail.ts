import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import { memoryAccount, memoryDirectory } from '../../directory/memory.ts';
import type { Account } from '../../directory/types.ts';
import { silentLogger } from '../../log/types.ts';
import type { Volumes } from '../../volumes/open.ts';
import type { Fs } from '#maildir';
import { openTestVolumes, temporaryVolumes } from '../../volumes/testing/volumes.ts';
import type { Volume } from '../../volumes/volume.ts';
import { MAILBOX_OPTIONS, type MailboxOptions } from '../options.ts';
import { MaildirStore } from '../store.ts';
import type { MailLimits, MailUnderTest } from './mail-under-test.ts';

const WAIT = { 'volume.deadline': 60_000, 'volume.probe.deadline': 60_000 }; // Nothing hangs.

export interface MaildirUnderTest extends MailUnderTest {
  readonly account: Account;
  /** Of each front end. */
  readonly stores: readonly [MaildirStore, MaildirStore];
  readonly volumes: readonly [Volumes<Account>, Volumes<Account>];
  readonly maildir: string;
  readonly volume: Volume;
}

/** What the machine gives otherwise. */
export interface MachineParts {
  readonly clock?: Clock;
  readonly fs?: Fs;
}

/** Two front ends with engines of their own, on one real volume. */
export async function openMaildirMail(
  limits: MailLimits = {},
  set: Partial<MailboxOptions> = {},
  machine: MachineParts = {},
): Promise<MaildirUnderTest> {
  const { quotaBytes = 0, foldersMax, messageMax } = limits;
  const disk = await temporaryVolumes('v1');
  const account = { ...memoryAccount({ login: 'alice@example.test' }), quotaBytes };
  const newcomer = { ...memoryAccount({ login: 'bob@example.test' }), quotaBytes };
  const directory = memoryDirectory({ accounts: [account, newcomer], volumes: disk.entries });
  const options = {
    ...defaults(MAILBOX_OPTIONS),
    'mailbox.watch.min': 250,
    'mailbox.watch.max': 250,
    ...set,
    ...(foldersMax !== undefined && { 'mailbox.folders.max': foldersMax }),
    ...(messageMax !== undefined && { 'mailbox.message.max': messageMax }),
  };
  const fronts = [1, 2].map(() => {
    const volumes = openTestVolumes<Account>(directory, { limits: WAIT, ...machine });
    const { mailboxes } = volumes;
    const { clock = systemClock } = machine;
    return { volumes, store: new MaildirStore({ mailboxes, clock, log: silentLogger, options }) };
  });
  const [one, two] = fronts as [(typeof fronts)[0], (typeof fronts)[0]];
  const { volume, maildir } = await one.volumes.mailboxes.ensure(account);
  const placed = { ...account, volume: volume.name };
  return {
    account: placed,
    stores: [one.store, two.store],
    volumes: [one.volumes, two.volumes],
    maildir,
    volume,
    one: await one.store.openMail(placed),
    two: await two.store.openMail(placed),
    newcomer: await one.store.openMail(newcomer),
    deliver: async (stored, name) => {
      const bytes = Buffer.from(stored, 'latin1');
      if (name !== undefined) {
        return writeFileSync(join(maildir, name.includes(':') ? 'cur' : 'new', name), bytes);
      }
      const base = volume.uniqueName();
      const wireOctets = bytes.length + stored.split('\n').length - 1;
      await volume.stage({ maildir, base, offset: 0, bytes, last: true });
      const targets = [maildir];
      await volume.publish({ maildir, base, octets: bytes.length, wireOctets, targets });
    },
    close: async () => {
      for (const { volumes } of fronts) volumes.close();
      disk.remove();
    },
  };
}
