import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { memoryAccount, memoryDirectory } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import {
  gate,
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  type Strike,
} from '../volumes/testing/volumes.ts';
import { systemError, UnknownResultError } from '#maildir';
import { openDelivery } from './delivery.ts';
import type { Delivered, Delivery, Recipient } from './types.ts';

/**
 * One delivery to three users of two volumes, once for each call it makes on the file system and
 * each way in which that call can fail. Whatever fails:
 *
 * - a recipient whose result is success has the message, whole and once;
 * - one whose result is failure does not have it, unless its result is unknown;
 * - when something failed before the first name was published, nobody has it (SMTP);
 * - nothing is left in tmp.
 */
interface Farm {
  readonly delivery: Delivery;
  readonly recipients: readonly Recipient[];
  strike: Strike;
  /** Messages in a recipient's new/. */
  mail(recipient: Recipient): string[];
  /** Lists the second recipient's mailbox, and takes a turn on the volume for it. */
  listSecond(): void;
  /** Files in tmp, everywhere. */
  tmp(): string[];
  close(): void;
}

let farm: Farm | undefined;
afterEach(() => farm?.close());

const TEXT = 'A: b\n\nbody\n';

async function openFarm(deadlineMs: number, inFlightMax = 16): Promise<Farm> {
  const disk = await temporaryVolumes('v1', 'v2');
  const users = ['a', 'b', 'c'].map((name) => memoryAccount({ login: `${name}@example.test` }));
  const directory = memoryDirectory({ accounts: users, volumes: disk.entries });
  let strike: Strike = () => undefined;
  const volumes = openTestVolumes<Account>(directory, {
    fs: strikingFs((call, path) => strike(call, path)),
    limits: {
      'volume.deadline': deadlineMs,
      'volume.probe.interval': 60_000,
      'volume.probe.deadline': 10_000, // A busy machine is not what is tested.
      'volume.inflight.max': inFlightMax,
    },
  });
  const { mailboxes, table } = volumes;
  const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
  const delivery = openDelivery({ mailboxes, store, log: silentLogger });
  await table.loaded();
  const recipients: Recipient[] = [];
  const paths = new Map<Recipient, string>();
  for (const [index, user] of users.entries()) {
    const account = { ...user, volume: index < 2 ? 'v1' : 'v2' };
    const located = await table.locate(account);
    const maildir = located?.maildir ?? '';
    for (const part of ['tmp', 'new', 'cur']) mkdirSync(join(maildir, part), { recursive: true });
    const recipient = { address: account.login, account };
    recipients.push(recipient);
    paths.set(recipient, maildir);
    await delivery.check(account, 1);
  }
  await systemClock.sleep(5); // Sweeps of tmp, once.
  const files = (recipient: Recipient, directoryName: string): string[] => {
    const path = join(paths.get(recipient) ?? '', directoryName);
    return readdirSync(path).map((name) => readFileSync(join(path, name), 'latin1'));
  };
  return {
    delivery,
    recipients,
    set strike(now: Strike) {
      strike = now;
    },
    mail: (recipient) => files(recipient, 'new'),
    listSecond: () => {
      const { id = '', volume, path } = recipients[1]?.account ?? {};
      const located = table.locate({ id, volume, path });
      void located.then((found) => found?.volume.listOnce(found.maildir)).catch(() => {});
    },
    tmp: () => recipients.flatMap((recipient) => files(recipient, 'tmp')),
    close: () => {
      volumes.close();
      disk.remove();
    },
  };
}

async function deliver({ delivery, recipients }: Farm): Promise<readonly Delivered[]> {
  const message = delivery.begin({ id: 't', recipients, header: () => Buffer.from('H: 1\n') });
  await message.write(Buffer.from(TEXT));
  return message.commit();
}

const isUnknown = ({ error }: Delivered): boolean => error?.cause instanceof UnknownResultError;
const isMail = (path: string): boolean => /\/(tmp|new|cur)(\/|$)/.test(path);

/** Delivers with the call of this number failing. @returns false when there was no such call. */
async function strikeAt(
  number: number,
  fail: (call: string, path: string) => Error,
): Promise<boolean> {
  const opened = await openFarm(20_000);
  farm = opened;
  let count = 0;
  let published = 0;
  let publishedBefore = 0;
  let struck = false;
  opened.strike = (call, path) => {
    if (!isMail(path)) return undefined;
    if (count++ !== number) {
      if (call === 'rename' || call === 'link') published += 1;
      return undefined;
    }
    struck = true;
    publishedBefore = published;
    return fail(call, path);
  };
  const results = await deliver(opened);
  opened.strike = () => undefined;
  for (const result of results) {
    const mail = opened.mail(result.recipient);
    if (result.error === undefined) expect(mail).toEqual([`H: 1\n${TEXT}`]);
    else if (!isUnknown(result)) expect(mail).toEqual([]);
  }
  const staged = results.some(({ error }) => error !== undefined) && publishedBefore === 0;
  if (staged && published === 0)
    for (const to of opened.recipients) expect(opened.mail(to)).toEqual([]);
  await expect.poll(() => opened.tmp(), { interval: 5 }).toEqual([]);
  opened.close();
  farm = undefined;
  return struck;
}

for (const errno of ['EIO', 'ENOSPC', 'ENOENT', 'EDQUOT', 'ESTALE'] as const) {
  test(`${errno} at any call of a delivery`, { timeout: 60_000 }, async () => {
    let number = 0;
    while (await strikeAt(number, (call, path) => systemError(errno, call, path))) number += 1;
    // Two files of four calls, a link, two renames, three directories of three calls.
    expect(number).toBeGreaterThanOrEqual(20);
  });
}

/** Delivers with the call of this number hanging. @returns false when there was no such call. */
async function hangAt(number: number): Promise<boolean> {
  const opened = await openFarm(500);
  const { closed, open } = gate();
  try {
    let count = 0;
    let hung = '';
    opened.strike = (call, path) => {
      if (!isMail(path) || count++ !== number) return undefined;
      hung = `${call} ${path}`;
      return closed;
    };
    const results = await deliver(opened);
    if (hung !== '') expect(results.map(({ error }) => error?.kind)).toContain('volume-down');
    opened.strike = () => undefined;
    open();
    await expect.poll(() => opened.tmp(), { interval: 5, message: hung }).toEqual([]);
    for (const { error, recipient } of results) {
      const copies = opened.mail(recipient).length;
      expect(copies).toBeLessThanOrEqual(1);
      if (error === undefined) expect(copies).toBe(1);
    }
    return hung !== '';
  } finally {
    open();
    opened.close();
  }
}

test('no answer at any call of a delivery: never a success, and tmp is clean when it comes', async () => {
  // Most of the time is waiting, so all at once.
  const struck = await Promise.all(Array.from({ length: 30 }, (_, number) => hangAt(number)));
  expect(struck.filter(Boolean).length).toBeGreaterThanOrEqual(20);
  expect(struck.at(-1)).toBe(false);
}, 60_000);

test('a message that got no turn to be published leaves nothing in tmp', async () => {
  // Room for a busy machine: all but the one operation has to end in its time.
  const opened = await openFarm(2000, 1);
  farm = opened;
  const { closed, open } = gate();
  let listed = false;
  opened.strike = (call, path) => {
    if (call === 'list' && isMail(path)) return closed;
    if (call !== 'fsync' || listed || !path.includes('/v1/')) return undefined;
    listed = true;
    // Another's mailbox: nothing is begun on one that hangs itself, not even the removal.
    opened.listSecond();
    return undefined;
  };
  const results = await deliver(opened);
  expect(results.map(({ error }) => error?.kind)).toEqual([
    'volume-busy',
    'volume-busy',
    undefined,
  ]);
  expect(opened.tmp().length).toBe(1);
  opened.strike = () => undefined;
  open();
  await expect.poll(() => opened.tmp(), { timeout: 30_000 }).toEqual([]);
}, 30_000);
