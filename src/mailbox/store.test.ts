import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { memoryAccount, memoryDirectory } from '../directory/memory.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Located } from '../volumes/table.ts';
import {
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  type FsCall,
} from '../volumes/testing/volumes.ts';
import { mailStoreConformance, wireOf, type StoreUnderTest } from './conformance.ts';
import { mailboxEvents } from './metrics.ts';
import { MemoryStore } from './memory.ts';
import { defaults } from '../config/options.ts';
import { MAILBOX_OPTIONS } from './options.ts';
import { MaildirStore } from './store.ts';

const lines = (bytes: Uint8Array): number => bytes.filter((octet) => octet === 10).length;

interface MaildirUnderTest extends StoreUnderTest {
  readonly store: MaildirStore;
  readonly mailbox: Located;
  readonly calls: ReadonlyMap<FsCall, number>;
  readonly clock: { at: number };
}

async function openMaildir(): Promise<MaildirUnderTest> {
  const disk = await temporaryVolumes('v1');
  const account = memoryAccount({ login: 'alice@example.test' });
  const newcomer = memoryAccount({ login: 'bob@example.test' });
  const directory = memoryDirectory({ accounts: [account, newcomer], volumes: disk.entries });
  const fs = strikingFs(() => undefined);
  const limits = { 'volume.deadline': 20_000, 'volume.probe.deadline': 20_000 }; // Nothing hangs.
  const volumes = openTestVolumes<Account>(directory, { fs, limits });
  const mailbox = await volumes.mailboxes.ensure(account);
  const time = { at: 0 };
  const clock = { now: () => time.at, sleep: systemClock.sleep };
  const options = { ...defaults(MAILBOX_OPTIONS), 'mailbox.usage.sizing.max': 3 };
  const store = new MaildirStore({
    mailboxes: volumes.mailboxes,
    clock,
    log: silentLogger,
    options,
  });
  const { volume, maildir } = mailbox;
  return {
    store,
    account: { ...account, volume: volume.name },
    newcomer,
    mailbox,
    calls: fs.calls,
    clock: time,
    deliver: async (stored, name) => {
      if (name !== undefined) return writeFileSync(join(maildir, 'new', name), stored);
      const base = volume.uniqueName();
      const octets = stored.length;
      const wireOctets = octets + lines(stored);
      await volume.stage({ maildir, base, offset: 0, bytes: stored, last: true });
      await volume.publish({ maildir, base, octets, wireOctets, targets: [maildir] });
    },
    close: async () => {
      volumes.close();
      disk.remove();
    },
  };
}

async function openMemory(): Promise<StoreUnderTest> {
  const store = new MemoryStore();
  const account = memoryAccount({ login: 'alice@example.test' });
  return {
    store,
    account,
    newcomer: memoryAccount({ login: 'bob@example.test' }),
    deliver: async (stored, name) => store.deliver(account, stored, name),
    close: async () => {},
  };
}

mailStoreConformance('memory', openMemory);
mailStoreConformance('maildir', openMaildir);

describe('Maildir store', () => {
  let under: MaildirUnderTest;
  beforeEach(async () => {
    under = await openMaildir();
  });
  afterEach(() => under.close());

  const drop = () => under.store.openMaildrop(under.account);
  const put = (text: string, name?: string) => under.deliver(Buffer.from(text, 'latin1'), name);
  const path = (directory: 'new' | 'cur', name = ''): string =>
    join(under.mailbox.maildir, directory, name);
  const kindOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof StoreError ? error.kind : error),
    );

  test('a session moves nothing, locks nothing and asks no file for its size', async () => {
    for (let i = 0; i < 20; i++) await put(`${i}\n`);
    const before = readdirSync(path('new'));
    const opens = under.calls.get('openRead') ?? 0;
    const found = await drop();
    for (let i = 0; i < 20; i++) expect(found.octets(i)).toBe(i < 10 ? 3 : 4);
    expect(readdirSync(path('new'))).toEqual(before);
    expect(under.calls.get('size')).toBeUndefined();
    // Only probes of the sentinel open files meanwhile.
    expect((under.calls.get('openRead') ?? 0) - opens).toBeLessThanOrEqual(1);
  });

  test('a stored mailbox that is missing is never an empty one', async () => {
    rmSync(under.mailbox.maildir, { recursive: true });
    expect(await kindOf(drop())).toBe('mailbox-missing');
    expect(await kindOf(under.store.usage(under.account))).toBe('mailbox-missing');
  });

  test('what is no message in cur hides no message, holds no thread and fails no login', async () => {
    await put('one\n');
    mkdirSync(path('cur', 'directory'));
    execFileSync('mkfifo', [path('cur', 'fifo:2,')]);
    symlinkSync('/nonexistent', path('cur', 'dangling'));
    symlinkSync('loop', path('cur', 'loop'));
    // No name that this program can give back: it is left to other tools.
    writeFileSync(Buffer.from(path('cur', 'latin1-\xe4\xf6:2,'), 'latin1'), 'two\n');
    const found = await drop();
    expect(found.count).toBe(1);
    expect(found.octets(0)).toBe(5);
    expect(await under.store.usage(under.account)).toBeGreaterThanOrEqual(4);
    expect(await found.remove([0])).toEqual([]);
  });

  test('[P-14] a message keeps number and UIDL when another client moves and flags it', async () => {
    await put('one\n');
    await put('two\n');
    const before = await drop();
    const uidls = [before.uidl(0), before.uidl(1)];
    const [first = ''] = readdirSync(path('new')).toSorted((a, b) => (a < b ? -1 : 1));
    renameSync(path('new', first), path('cur', `${first}:2,S`));
    const after = await drop();
    expect([after.uidl(0), after.uidl(1)]).toEqual(uidls);
    // The old session finds it under its new name, and can delete it.
    expect(await wireOf(before, 0)).toBe('one\r\n');
    expect(await before.remove([0, 1])).toEqual([]);
    expect((await drop()).count).toBe(0);
  });

  test('[P-14] a name without sizes gets them at the first login and keeps its UIDL', async () => {
    const name = '1700000001.P1Q2.mutt';
    writeFileSync(path('cur', `${name}:2,FS`), 'a\nb\r\n');
    const sized = mailboxEvents.value('sized');
    const first = await drop();
    expect([first.octets(0), first.uidl(0)]).toEqual([6, name]);
    expect(readdirSync(path('cur'))).toEqual([`${name},S=5,W=6:2,FS`]);
    const second = await drop();
    expect([second.octets(0), second.uidl(0)]).toEqual([6, name]);
    expect(await wireOf(second, 0)).toBe('a\r\nb\r\n');
    expect(mailboxEvents.value('sized') - sized).toBe(1);
  });

  test('a size of another tool that is too small: the message comes whole, and is put right', async () => {
    writeFileSync(path('cur', '1.x,S=2,W=3:2,'), 'abc\ndef\n');
    expect(await wireOf(await drop(), 0)).toBe('abc\r\ndef\r\n');
    expect(readdirSync(path('cur'))).toEqual(['1.x,S=8,W=10:2,']);
    expect((await drop()).octets(0)).toBe(10);
  });

  test('a size of another tool that is too large: never a short message with a clean end', async () => {
    writeFileSync(path('cur', '1.x,S=90,W=99:2,'), 'abc\n');
    expect(await kindOf(wireOf(await drop(), 0))).toBe('volume-down');
    expect(await wireOf(await drop(), 0)).toBe('abc\r\n'); // Put right for the next session.
  });

  test('a file of ours that lost its end is an error, again and again', async () => {
    await put('one\ntwo\n');
    const [name = ''] = readdirSync(path('new'));
    truncateSync(path('new', name), 4);
    for (let i = 0; i < 2; i++) expect(await kindOf(wireOf(await drop(), 0))).toBe('volume-down');
    expect(readdirSync(path('new'))).toEqual([name]);
  });

  test('usage counts deliveries and removals of this process before it lists again', async () => {
    await put('12\n');
    expect(await under.store.usage(under.account)).toBe(3);
    under.store.delivered(under.account, 10);
    expect(await under.store.usage(under.account)).toBe(13);
    await (await drop()).remove([0]);
    expect(await under.store.usage(under.account)).toBe(10);
    under.clock.at += 60_000;
    expect(await under.store.usage(under.account)).toBe(0);
  });

  test('usage of an imported mailbox is learnt a few files at a time', async () => {
    for (let i = 0; i < 5; i++) await put('12345\n', `170000000${i}.foreign`);
    expect(await under.store.usage(under.account)).toBe(18); // Three are read for one question.
    under.clock.at += 60_000;
    expect(await under.store.usage(under.account)).toBe(30);
    expect(readdirSync(path('new')).every((name) => name.includes(',S=6,W=7'))).toBe(true);
  });

  test('many questions at once list once', async () => {
    await put('12\n');
    const lists = under.calls.get('list') ?? 0;
    const all = Array.from({ length: 10 }, () => under.store.usage(under.account));
    expect(new Set(await Promise.all(all))).toEqual(new Set([3]));
    expect((under.calls.get('list') ?? 0) - lists).toBe(4); // new and cur, and twice the Maildir.
  });

  test('[N-19] what lies on disk has LF only', async () => {
    await put('a\nb\n');
    const [name = ''] = readdirSync(path('new'));
    expect(readFileSync(path('new', name), 'latin1')).toBe('a\nb\n');
    expect(name).toMatch(/,S=4,W=6$/);
  });
});
