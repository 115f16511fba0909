import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import { defaults } from '../config/options.ts';
import { memoryAccount, memoryDirectory } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MAILBOX_OPTIONS } from '../mailbox/options.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { StoreError } from '../volumes/error.ts';
import type { Volumes } from '../volumes/open.ts';
import {
  openTestVolumes,
  temporaryVolumes,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { openDelivery, type OpenedDelivery } from './delivery.ts';

const QUOTA = 10_000;
const WAIT = { 'volume.deadline': 60_000, 'volume.probe.deadline': 60_000 }; // Nothing hangs.

interface Front {
  readonly volumes: Volumes<Account>;
  readonly store: MaildirStore;
  readonly delivery: OpenedDelivery;
}

let disk: TemporaryVolumes;
let account: Account;
let fronts: Front[];
/** What caches go by; timers run by the real one. */
let ahead: number;

beforeEach(async () => {
  ahead = 0;
  disk = await temporaryVolumes('v1');
  account = memoryAccount({ login: 'alice@example.test', quotaBytes: QUOTA });
  const directory = memoryDirectory({ accounts: [account], volumes: disk.entries });
  const clock: Clock = { now: () => systemClock.now() + ahead, sleep: systemClock.sleep };
  fronts = [1, 2, 3].map(() => {
    const volumes = openTestVolumes<Account>(directory, { limits: WAIT });
    const { mailboxes } = volumes;
    const options = { ...defaults(MAILBOX_OPTIONS), 'mailbox.usage.cache': 3_600_000 };
    const store = new MaildirStore({ mailboxes, clock, log: silentLogger, options });
    return { volumes, store, delivery: openDelivery({ mailboxes, store, log: silentLogger }) };
  });
  const { volume } = await (fronts[0] as Front).volumes.mailboxes.ensure(account);
  account = { ...account, volume: volume.name };
});
afterEach(() => {
  for (const { volumes } of fronts) volumes.close();
  disk.remove();
});

const answers = (octets: number): Promise<readonly unknown[]> =>
  Promise.all(
    fronts.map(({ delivery }) =>
      delivery.check(account, octets).then(
        () => 'ok',
        (error: unknown) => (error instanceof StoreError ? error.kind : error),
      ),
    ),
  );

async function append(front: Front, folder: string, octets: number): Promise<void> {
  const mail = await front.store.openMail(account);
  const draft = await mail.draft(folder, { letters: '', keywords: [] });
  await draft.write(Buffer.alloc(octets, 'x'));
  await mail.append(folder, [draft]);
  mail.close();
}

async function deliver(front: Front, octets: number): Promise<void> {
  const recipients = [{ address: account.login, account }];
  const message = front.delivery.begin({
    id: 't',
    recipients,
    header: () => Buffer.from('a: b\n'),
  });
  await message.write(Buffer.alloc(octets - 5, 'x'));
  const [result] = await message.commit();
  expect(result?.error).toBeUndefined();
}

test('[N-09] any MX answers RCPT by the sum of all folders, whoever wrote them', async () => {
  const [one, two] = fronts as [Front, Front];
  await (await one.store.openMail(account)).create('Archive');
  await append(one, 'Archive', 4000);
  await deliver(two, 3000);
  await append(two, 'INBOX', 1000);
  ahead += 3_600_000; // Sizes known for an hour are listed anew.
  expect(await answers(2000)).toEqual(['ok', 'ok', 'ok']);
  expect(await answers(2001)).toEqual(['over-quota', 'over-quota', 'over-quota']);
  const inbox = await (await one.store.openMail(account)).open('Archive');
  await inbox.expunge((await inbox.refresh()).messages.map(({ uid }) => uid));
  expect((await answers(2001))[0]).toBe('ok'); // Who removed it knows at once.
  ahead += 3_600_000;
  expect(await answers(6000)).toEqual(['ok', 'ok', 'ok']);
  expect(await answers(6001)).toEqual(['over-quota', 'over-quota', 'over-quota']);
});

test('[N-09] the overshoot is what each front end takes before it lists again, and no more', async () => {
  expect(await answers(1)).toEqual(['ok', 'ok', 'ok']); // Now all know a size.
  for (const front of fronts) {
    for (let i = 0; i < 3; i++) await deliver(front, 3000);
  }
  expect(await answers(1001)).toEqual(['over-quota', 'over-quota', 'over-quota']);
  ahead += 3_600_000;
  expect(await answers(1)).toEqual(['over-quota', 'over-quota', 'over-quota']);
  for (const { store } of fronts) expect(await store.usage(account)).toBe(27_000);
});
