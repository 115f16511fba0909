import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { defaults } from '../config/options.ts';
import { memoryAccount, memoryDirectory, type MemoryDirectory } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { StoreError } from '../volumes/error.ts';
import type { Volumes } from '../volumes/open.ts';
import {
  eventually,
  gate,
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  type FsCall,
  type Strike,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { systemError } from '#maildir';
import { openDelivery } from './delivery.ts';
import { deliveries, messages } from './metrics.ts';
import { DELIVERY_OPTIONS } from './options.ts';
import { Piece } from './piece.ts';
import type { Delivered, Delivery, Incoming, IncomingOptions, Recipient } from './types.ts';

let disk: TemporaryVolumes;
let directory: MemoryDirectory;
let volumes: Volumes<Account>;
let delivery: Delivery;
let strike: Strike;
let calls: ReadonlyMap<FsCall, number>;
/** Files begun for letters; what a volume's own care makes beside them is none. */
let letters: number;
const isLetter = (path: string): boolean => basename(dirname(path)) === 'tmp';

beforeEach(async () => {
  disk = await temporaryVolumes('v1', 'v2');
  directory = memoryDirectory({ volumes: disk.entries });
  strike = () => undefined;
  letters = 0;
  const fs = strikingFs((call, path) => {
    if (call === 'create' && isLetter(path)) letters += 1;
    return strike(call, path);
  });
  calls = fs.calls;
  volumes = openTestVolumes<Account>(directory, { fs, limits: { 'volume.deadline': 1000 } });
  const { mailboxes } = volumes;
  const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
  const options = {
    ...defaults(DELIVERY_OPTIONS),
    'delivery.buffer.max': 4096,
    'delivery.piece.bytes': 8192,
  };
  delivery = openDelivery({ mailboxes, store, log: silentLogger, options });
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

const HEADER = 'Received: by test\n';

/** An account whose mailbox is on this volume already. */
async function user(name: string, volume: string, more: Partial<Account> = {}): Promise<Recipient> {
  const account = memoryAccount({ login: `${name}@example.test`, ...more });
  directory.putAccount(account);
  await volumes.table.loaded();
  const on = volumes.table.get(volume);
  if (on === undefined) throw new Error(volume);
  const stored = { ...account, volume };
  const located = await volumes.table.locate(stored);
  await on.create(located?.maildir ?? '', { root: on.entry.path });
  return { address: account.login, account: stored };
}

const maildirOf = async ({ account }: Recipient): Promise<string> =>
  (await volumes.table.locate(account))?.maildir ?? '';

async function inNew(recipient: Recipient): Promise<string[]> {
  const path = join(await maildirOf(recipient), 'new');
  return readdirSync(path).map((name) => readFileSync(join(path, name), 'latin1'));
}

/** Files in tmp of every mailbox of the two volumes. */
const inTmp = (): string[] =>
  readdirSync(disk.root, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.includes('/tmp/'),
  );

const begin = (recipients: readonly Recipient[], more: Partial<IncomingOptions> = {}): Incoming =>
  delivery.begin({ id: 't', recipients, header: () => Buffer.from(HEADER), ...more });

async function send(
  recipients: readonly Recipient[],
  text: string,
  more: Partial<IncomingOptions> = {},
): Promise<readonly Delivered[]> {
  const message = begin(recipients, more);
  await message.write(Buffer.from(text, 'latin1'));
  return message.commit();
}

const kinds = (results: readonly Delivered[]): unknown[] =>
  results.map(({ error, name }) => error?.kind ?? (name === undefined ? 'neither' : 'done'));

const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreError ? error.kind : error),
  );

test('a message is header and body as they came, durable before the result', async () => {
  const alice = await user('alice', 'v1');
  const [result] = await send([alice], 'Subject: x\n\nbody\0\xff\r\n');
  const text = `${HEADER}Subject: x\n\nbody\0\xff\r\n`;
  expect(await inNew(alice)).toEqual([text]);
  expect(result?.name).toMatch(new RegExp(`,S=${text.length},W=${text.length + 4}$`));
  expect(inTmp()).toEqual([]);
  expect(calls.get('fsync')).toBeGreaterThanOrEqual(2); // The file and new/.
});

test('a first delivery makes the mailbox; nobody has to prepare it', async () => {
  const account = memoryAccount({ login: 'new@example.test' });
  directory.putAccount(account);
  await delivery.check(account, 100);
  const recipient = { address: account.login, account };
  expect(kinds(await send([recipient], 'x\n'))).toEqual(['done']);
  const stored = await directory.account(account.login);
  expect(['v1', 'v2']).toContain(stored?.volume);
});

test('many recipients of a volume: one file, written once', async () => {
  const many = await Promise.all(Array.from({ length: 20 }, (_, i) => user(`u${i}`, 'v1')));
  const before = letters;
  const results = await send(many, 'x\n');
  expect(new Set(kinds(results))).toEqual(new Set(['done']));
  expect(letters - before).toBe(1);
  for (const recipient of many) expect(await inNew(recipient)).toEqual([`${HEADER}x\n`]);
  expect(inTmp()).toEqual([]);
});

test('two volumes: one file each, and each share its own header', async () => {
  const [alice, bob, carol] = [await user('a', 'v1'), await user('b', 'v2'), await user('c', 'v2')];
  const before = letters;
  const results = await send([alice, bob, carol], 'x\n', {
    header: (share) => Buffer.from(`To: ${share.map(({ address }) => address).join(' ')}\n`),
  });
  expect(kinds(results)).toEqual(['done', 'done', 'done']);
  expect(letters - before).toBe(2);
  expect(await inNew(alice)).toEqual(['To: a@example.test\nx\n']);
  expect(await inNew(bob)).toEqual(['To: b@example.test c@example.test\nx\n']);
});

test('an account that is named twice gets one copy, both addresses the result', async () => {
  const alice = await user('alice', 'v1');
  const alias = { ...alice, address: 'other@example.test' };
  const shares: number[] = [];
  const results = await send([alice, alias], 'x\n', {
    header: (share) => {
      shares.push(share.length);
      return Buffer.from(HEADER);
    },
  });
  expect(kinds(results)).toEqual(['done', 'done']);
  expect(results.map(({ recipient }) => recipient)).toEqual([alice, alias]);
  expect(await inNew(alice)).toHaveLength(1);
  expect(shares).toEqual([1]);
});

for (const call of ['create', 'write', 'fsync', 'close'] as const) {
  test(`a volume that fails at ${call}: nobody sees anything, on no volume`, async () => {
    const [alice, bob] = [await user('a', 'v1'), await user('b', 'v2')];
    strike = (struck, path) =>
      struck === call && path.includes('/v2/') && path.includes('/tmp/')
        ? systemError('ENOSPC', call, path)
        : undefined;
    expect(kinds(await send([alice, bob], 'x\n'))).toEqual(['volume-full', 'volume-full']);
    expect([...(await inNew(alice)), ...(await inNew(bob))]).toEqual([]);
    expect(inTmp()).toEqual([]);
  });
}

test('where each recipient has a reply (LMTP, RFC 2033 §4.2), the others get it', async () => {
  const [alice, bob] = [await user('a', 'v1'), await user('b', 'v2')];
  strike = (call, path) =>
    call === 'fsync' && path.includes('/v2/') ? systemError('EIO', call, path) : undefined;
  const results = await send([alice, bob], 'x\n', { failure: 'each' });
  expect(kinds(results)).toEqual(['done', 'volume-down']);
  expect(await inNew(alice)).toHaveLength(1);
  await eventually(() => inTmp().length === 0);
});

for (const missing of [0, 1, 2]) {
  test(`a missing mailbox costs its own user only, whoever holds the file (${missing})`, async () => {
    const three = [await user('a', 'v1'), await user('b', 'v1'), await user('c', 'v1')];
    await Promise.all(three.map(({ account }) => delivery.check(account, 1)));
    const lost = three[missing] as Recipient;
    rmSync(await maildirOf(lost), { recursive: true });
    const each = await send(three, 'x\n', { failure: 'each' });
    expect(kinds(each)).toEqual([0, 1, 2].map((i) => (i === missing ? 'mailbox-missing' : 'done')));
    expect(inTmp()).toEqual([]);
    // It was forgotten: the next check says so, and the next message is not tried.
    expect(await kindOf(delivery.check(lost.account, 1))).toBe('mailbox-missing');
    expect(kinds(await send(three, 'y\n'))).toEqual(three.map(() => 'mailbox-missing'));
  });
}

test('what fails at the rename fails for its recipient alone, and is counted', async () => {
  const [alice, bob] = [await user('a', 'v1'), await user('b', 'v1')];
  const before = messages.value('partly');
  strike = (call, path) => (call === 'link' ? systemError('EACCES', call, path) : undefined);
  expect(kinds(await send([bob, alice], 'y\n'))).toEqual(['done', 'volume-down']);
  expect([await inNew(bob), await inNew(alice)]).toEqual([[`${HEADER}y\n`], []]);
  expect(messages.value('partly') - before).toBe(1);
  expect(inTmp()).toEqual([]);
});

test('a rename that is never answered is no success, and no later rename makes it one', async () => {
  const alice = await user('alice', 'v1');
  strike = (call) => (call === 'rename' ? gate().closed : undefined);
  const before = deliveries.value('delivered');
  expect(kinds(await send([alice], 'x\n'))).toEqual(['volume-down']);
  expect(deliveries.value('delivered')).toBe(before);
});

test('a large message streams to every volume and is whole', async () => {
  const [alice, bob] = [await user('a', 'v1'), await user('b', 'v2')];
  const message = begin([alice, bob]);
  let text = '';
  for (let i = 0; i < 50; i++) {
    const chunk = `${i}:${'x'.repeat(997)}\n`.repeat(1 + (i % 5));
    text += chunk;
    const bytes = Buffer.from(chunk);
    await message.write(bytes);
    bytes.fill(0); // The chunk is the caller's again.
  }
  expect(inTmp()).toHaveLength(2);
  expect(await inNew(alice)).toEqual([]);
  const results = await message.commit();
  expect(kinds(results)).toEqual(['done', 'done']);
  expect(await inNew(alice)).toEqual([HEADER + text]);
  expect(await inNew(bob)).toEqual([HEADER + text]);
  const octets = HEADER.length + text.length;
  const wire = octets + (HEADER + text).split('\n').length - 1;
  expect(results[0]?.name).toContain(`,S=${octets},W=${wire}`);
});

for (const size of [0, 1, 4095, 4096, 4097, 4096 + 8192, 4096 + 8192 + 1]) {
  test(`at the edges of the pieces: ${size} octets`, async () => {
    const alice = await user('alice', 'v1');
    const message = begin([alice]);
    const text = 'y'.repeat(size);
    for (let at = 0; at < size; at += 1000)
      await message.write(Buffer.from(text.slice(at, at + 1000)));
    expect(kinds(await message.commit())).toEqual(['done']);
    expect(await inNew(alice)).toEqual([HEADER + text]);
  });
}

test('a header longer than its room is whole too', async () => {
  const alice = await user('alice', 'v1');
  const header = `X: ${'h'.repeat(5000)}\n`;
  await send([alice], 'x\n', { header: () => Buffer.from(header) });
  expect(await inNew(alice)).toEqual([`${header}x\n`]);
});

test('an aborted message leaves nothing, and abort is harmless at any time', async () => {
  const alice = await user('alice', 'v1');
  const message = begin([alice]);
  await message.write(Buffer.alloc(100_000, 120));
  await message.abort();
  await message.abort();
  expect([inTmp(), await inNew(alice)]).toEqual([[], []]);
  await begin([alice]).abort();
  const done = begin([alice]);
  await done.commit();
  await done.abort();
  expect(await inNew(alice)).toEqual([HEADER]);
});

test('a write after the volume failed says so, and the message stays refused', async () => {
  const alice = await user('alice', 'v1');
  strike = (call, path) => (call === 'write' ? systemError('EIO', call, path) : undefined);
  const message = begin([alice]);
  const chunk = Buffer.alloc(20_000, 120);
  expect(await kindOf(message.write(chunk).then(() => message.write(chunk)))).toBe('volume-down');
  strike = () => undefined;
  expect(kinds(await message.commit())).toEqual(['volume-down']);
  await eventually(() => inTmp().length === 0);
  expect(await inNew(alice)).toEqual([]);
});

const QUOTAS: readonly [quota: number, size: number, kind: string][] = [
  [0, 1_000_000, 'done'],
  [100, 80, 'done'],
  [100, 81, 'over-quota'],
  [20, 0, 'over-quota'],
  [21, 0, 'done'],
];
for (const [quotaBytes, size, kind] of QUOTAS) {
  test(`quota of ${quotaBytes} with 20 in use, ${size} announced: ${kind}`, async () => {
    const alice = await user('alice', 'v1');
    await send([alice], 'x\n');
    expect(`${HEADER}x\n`).toHaveLength(20);
    expect(await kindOf(delivery.check({ ...alice.account, quotaBytes }, size))).toBe(kind);
  });
}

test('deliveries count for quota at once, without a new listing', async () => {
  const alice = await user('alice', 'v1', { quotaBytes: 100 });
  for (let i = 0; i < 4; i++) {
    await delivery.check(alice.account, 20);
    await send([alice], 'x\n');
  }
  await delivery.check(alice.account, 20);
  expect(await kindOf(delivery.check(alice.account, 21))).toBe('over-quota');
});

test('the size that came counts, not the one announced; one of many is not refused alone', async () => {
  const alice = await user('alice', 'v1', { quotaBytes: 50 });
  const bob = await user('bob', 'v1');
  await delivery.check(alice.account, 0);
  const text = 'x'.repeat(51);
  expect(kinds(await send([alice], text))).toEqual(['over-quota']);
  expect(kinds(await send([alice, bob], text, { failure: 'each' }))).toEqual([
    'over-quota',
    'done',
  ]);
  expect(inTmp()).toEqual([]);
  expect(await inNew(alice)).toEqual([]);
  expect(kinds(await send([alice, bob], text))).toEqual(['done', 'done']);
});

test('a volume known to be full refuses at the recipient', async () => {
  const alice = await user('alice', 'v1');
  strike = (call, path) => (call === 'fsync' ? systemError('ENOSPC', call, path) : undefined);
  await send([alice], 'x\n');
  expect(await kindOf(delivery.check(alice.account, 1))).toBe('volume-full');
});

test('[N-05] an unmounted volume refuses at the recipient; the other takes its mail', async () => {
  const [alice, bob] = [await user('a', 'v1'), await user('b', 'v2')];
  rmSync(join(disk.root, 'v1', '.mailfarm-volume'));
  await eventually(() => volumes.table.get('v1')?.up === false);
  expect(await kindOf(delivery.check(alice.account, 1))).toBe('volume-down');
  expect(await kindOf(delivery.check(bob.account, 1))).toBe('done');
  expect(kinds(await send([bob], 'x\n'))).toEqual(['done']);
});

test('a recipient costs no call on the volume in the common case', async () => {
  const alice = await user('alice', 'v1', { quotaBytes: 1000 });
  await delivery.check(alice.account, 1);
  // The sweep of tmp comes once, beside it.
  let lists = -1;
  for (let now = 0; now !== lists; now = calls.get('list') ?? 0) {
    lists = now;
    await systemClock.sleep(100);
  }
  for (let i = 0; i < 100; i++) await delivery.check(alice.account, 1);
  expect(calls.get('list')).toBe(lists);
});

test('a letter to many looks for some of their mailboxes at once: the queue is for all', async () => {
  const many = await Promise.all(Array.from({ length: 100 }, (_, n) => user(`u${n}`, 'v1')));
  volumes.close();
  const limits = { 'volume.queue.max': 40, 'volume.inflight.max': 1 };
  volumes = openTestVolumes<Account>(directory, { limits });
  const { mailboxes } = volumes;
  const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
  delivery = openDelivery({ mailboxes, store, log: silentLogger });
  const results = await send(many, 'x\n');
  expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
});

test('a piece takes what fits and grows to its limit', () => {
  const piece = new Piece(16, 20_000);
  expect(piece.add(Buffer.alloc(15_000, 1))).toBe(15_000);
  expect(piece.add(Buffer.alloc(15_000, 2))).toBe(5_000);
  expect(piece.isFull).toBe(true);
  expect(piece.add(Buffer.alloc(1))).toBe(0);
  const sole = piece.withHeader(Buffer.from('head'), 'sole');
  expect([sole.length, sole.toString('latin1', 0, 4)]).toEqual([20_004, 'head']);
  const one = piece.withHeader(Buffer.from('one!'), 'one-of-many');
  const two = piece.withHeader(Buffer.from('two!'), 'one-of-many');
  expect([one.toString('latin1', 0, 4), two.toString('latin1', 0, 4)]).toEqual(['one!', 'two!']);
});
