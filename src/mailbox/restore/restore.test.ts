import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { appendFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { memoryAccount } from '../../directory/memory.ts';
import { silentLogger } from '../../log/types.ts';
import { makeMailbox } from '../../volumes/make.ts';
import {
  openTestVolumes,
  strikingFs,
  temporaryVolumes,
  volumeOptions,
  type FsCall,
  type Strike,
} from '../../volumes/testing/volumes.ts';
import type { Account } from '../../directory/types.ts';
import type { Mail } from '../mail.ts';
import { MaildirStore } from '../store.ts';
import { draft } from '../testing/mail-under-test.ts';
import { uidlOf } from '../uidl.ts';
import { memoryDirectory } from '../../directory/memory.ts';
import { restoreMailbox, type RestoreOptions, type RestoreReport } from './restore.ts';
import { emailIdOf, nameKey } from '#maildir';

/** A mailbox in use, and a place for backups of its volume. */
interface Under {
  readonly maildir: string;
  readonly account: Account;
  readonly mail: Mail;
  readonly store: MaildirStore;
  readonly backups: string;
  /** Copies the volume as it is now. */
  backUp(name: string): void;
  restore(more?: Partial<RestoreOptions>, strike?: Strike): Promise<RestoreReport>;
}

let under: Under;

beforeEach(async () => {
  const disk = await temporaryVolumes('v1');
  onTestFinished(() => disk.remove());
  const { entries } = disk;
  const account = memoryAccount({ login: 'alice@example.test', volume: 'v1' });
  const maildir = await makeMailbox({ account, volume: 'v1', entries, clock, random });
  const directory = memoryDirectory({ accounts: [account], volumes: entries });
  const volumes = openTestVolumes<Account>(directory);
  const store = new MaildirStore({ mailboxes: volumes.mailboxes, clock, log: silentLogger });
  const mail = await store.openMail(account);
  const backups = mkdtempSync(join(tmpdir(), 'mailfarm-backups-'));
  onTestFinished(() => {
    mail.close();
    volumes.close();
    rmSync(backups, { recursive: true, force: true });
  });
  under = {
    maildir,
    account,
    mail,
    store,
    backups,
    backUp: (name) => {
      const to = join(backups, 'v1', name);
      mkdirSync(join(backups, 'v1'), { recursive: true });
      cpSync(join(disk.root, 'v1'), to, { recursive: true, preserveTimestamps: true });
    },
    restore: (more, strike) =>
      restoreMailbox(
        {
          entries,
          clock,
          random,
          options: volumeOptions(),
          ...(strike && { fs: strikingFs(strike) }),
        },
        { account, from: backups, dryRun: false, subscriptionsMax: 100, ...more },
      ),
  };
});

const MONDAY = '2026-11-16T040000Z';
const TUESDAY = '2026-11-17T040000Z';

const letter = (n: number): string => `Message-ID: <${n}@x.test>\r\nSubject: ${n}\r\n\r\n${n}\r\n`;

/** INBOX: 1 with flags and a keyword, 2 in new/, 3 without; Archive/2026: 4, marked deleted. */
async function fill(): Promise<void> {
  const { mail, maildir } = under;
  await mail.create('Archive/2026');
  await mail.append('INBOX', [
    await draft(mail, 'INBOX', letter(1), { letters: 'FS', keywords: ['Work'] }),
    await draft(mail, 'INBOX', letter(3)),
  ]);
  await mail.append('Archive/2026', [
    await draft(mail, 'Archive/2026', letter(4), { letters: 'RST' }),
  ]);
  const at = '1600000000.M1P1Q1R0123456789abcdef.host,S=37,W=41';
  writeFileSync(join(maildir, 'new', at), letter(2).replaceAll('\r\n', '\n'));
}

const names = (...path: string[]): string[] => readdirSync(join(under.maildir, ...path)).toSorted();

interface Shown {
  readonly uid: number;
  readonly flags: string;
  readonly keywords: readonly string[];
  readonly subject: string;
  readonly id: string;
}

/** What an IMAP session sees of a folder. */
async function shown(name = 'INBOX'): Promise<readonly Shown[]> {
  const folder = await under.mail.open(name);
  try {
    const { messages } = await folder.refresh();
    const all: Shown[] = [];
    for (const message of messages) {
      let text = '';
      for await (const piece of folder.read(message)) text += piece.toString('latin1');
      const { uid, flags, keywords, key } = message;
      const subject = /Subject: (.*)\r\n/.exec(text)?.[1] ?? '';
      all.push({ uid, flags, keywords, subject, id: emailIdOf(key) });
    }
    return all;
  } finally {
    folder.close();
  }
}

async function expunge(name: string, subject: string): Promise<void> {
  const uids = (await shown(name)).filter((each) => each.subject === subject).map(({ uid }) => uid);
  const folder = await under.mail.open(name);
  await folder.refresh();
  await folder.expunge(uids);
  folder.close();
}

const subjects = async (name?: string): Promise<readonly string[]> =>
  (await shown(name)).map(({ subject }) => subject).toSorted();

test('[P-12] what was deleted comes back with flags, keywords, email id and UIDL, as new UIDs', async () => {
  await fill();
  const before = await shown();
  const uidls = [...names('cur'), ...names('new')].map(uidlOf).toSorted();
  under.backUp(MONDAY);
  await expunge('INBOX', '1');
  await expunge('INBOX', '2');
  expect(await subjects()).toEqual(['3']);
  const report = await under.restore();
  expect(report.folders).toMatchObject([
    { name: 'INBOX', messages: 3, restored: 2, there: 1, elsewhere: 0, damaged: 0 },
    { name: 'Archive/2026', messages: 1, restored: 0, there: 1 },
  ]);
  expect(report.snapshot.at).toBe(MONDAY);
  const after = await shown();
  const of = (list: readonly Shown[], subject: string): Shown | undefined =>
    list.find((each) => each.subject === subject);
  for (const subject of ['1', '2', '3']) {
    const { uid: _, ...same } = of(before, subject) as Shown;
    expect(of(after, subject)).toMatchObject(same);
  }
  expect(of(after, '1')).toMatchObject({ flags: 'FS', keywords: ['Work'] });
  const highest = Math.max(...before.map(({ uid }) => uid));
  expect(of(after, '1')?.uid).toBeGreaterThan(highest);
  expect(of(after, '3')?.uid).toBe(of(before, '3')?.uid);
  const all = [...names('cur'), ...names('new')];
  expect(all.map(uidlOf).toSorted()).toEqual(uidls);
  const drop = await under.store.openMaildrop(under.account);
  expect(drop.count).toBe(3);
});

test('[P-12] never twice: again, after a move, after a move by another program', async () => {
  await fill();
  under.backUp(MONDAY);
  await expunge('INBOX', '3');
  await under.restore();
  const again = await under.restore();
  expect(again.folders).toMatchObject([
    { restored: 0, there: 3 },
    { restored: 0, there: 1 },
  ]);
  const folder = await under.mail.open('INBOX');
  await folder.refresh();
  const uid = (await shown()).find(({ subject }) => subject === '3')?.uid as number;
  await folder.move([uid], 'Archive/2026');
  folder.close();
  const [two = ''] = names('new');
  renameSync(
    join(under.maildir, 'new', two),
    join(under.maildir, '.Archive.2026/cur', '1700000000.1_0.other,S=37:2,S'),
  );
  const moved = await under.restore();
  expect(moved.folders).toMatchObject([
    { name: 'INBOX', restored: 0, there: 3, elsewhere: 2 },
    { name: 'Archive/2026', restored: 0 },
  ]);
  expect(await subjects('Archive/2026')).toEqual(['2', '3', '4']);
});

test('[P-12] a copy that the user made stands for itself, not for the original', async () => {
  await fill();
  const folder = await under.mail.open('INBOX');
  await folder.refresh();
  const uid = (await shown()).find(({ subject }) => subject === '3')?.uid as number;
  await folder.copy([uid], 'Archive/2026');
  folder.close();
  under.backUp(MONDAY);
  await expunge('INBOX', '3');
  expect((await under.restore()).folders).toMatchObject([{ restored: 1 }, { restored: 0 }]);
  expect(await subjects()).toEqual(['1', '2', '3']);
  expect(await subjects('Archive/2026')).toEqual(['3', '4']);
});

test('[P-12] restored, deleted and restored again: another name, so a stuck removal misses it', async () => {
  await fill();
  under.backUp(MONDAY);
  const keys = new Set<string>();
  for (let round = 1; round <= 3; round++) {
    await expunge('INBOX', '3');
    await under.restore();
    const uids = (await shown()).filter(({ subject }) => subject === '3');
    expect(uids).toHaveLength(1);
    keys.add(
      names('cur')
        .map(nameKey)
        .find((key) => key.endsWith('.restored')) ?? '',
    );
  }
  expect(keys.size).toBe(3);
  expect(keys.has('')).toBe(false);
});

test('[P-12] a folder that is gone is made again and subscribed to; --folder, --into, --message', async () => {
  await fill();
  under.backUp(MONDAY);
  await under.mail.remove('Archive/2026');
  await under.mail.subscribe('Archive/2026', 'no');
  await expunge('INBOX', '1');
  const only = await under.restore({ folder: 'Archive/2026', dryRun: true });
  expect(only.folders).toMatchObject([{ name: 'Archive/2026', restored: 1 }]);
  expect(names()).not.toContain('.Archive.2026');
  const into = await under.restore({ message: '<1@x.test>', into: 'Back' });
  expect(into).toMatchObject({
    folders: [{ name: 'INBOX', messages: 1, restored: 1 }],
    made: ['Back'],
  });
  expect(await shown('Back')).toMatchObject([{ subject: '1', flags: 'FS', keywords: ['Work'] }]);
  const rest = await under.restore();
  expect(rest.made).toEqual(['Archive/2026']);
  expect(rest.folders).toMatchObject([{ restored: 0, elsewhere: 1 }, { restored: 1 }]);
  expect(await shown('Archive/2026')).toMatchObject([{ subject: '4', flags: 'RS' }]);
  expect(await under.mail.subscriptions()).toEqual(['Archive/2026', 'Back']);
  const [gone] = rest.messages.filter(({ now }) => now === 'Back');
  expect(gone).toMatchObject({ folder: 'INBOX', result: 'there' });
});

test('[P-12] --at takes the newest snapshot not after it; what cannot be is said', async () => {
  await fill();
  under.backUp(MONDAY);
  await expunge('INBOX', '1');
  under.backUp(TUESDAY);
  const at = Date.parse('2026-11-17T03:59:59Z');
  expect((await under.restore({ dryRun: true })).folders).toMatchObject([{ restored: 0 }, {}]);
  const older = await under.restore({ at, dryRun: true });
  expect(older).toMatchObject({ snapshot: { at: MONDAY }, folders: [{ restored: 1 }, {}] });
  const fails = (more: Partial<RestoreOptions>): Promise<unknown> =>
    under.restore(more).catch((error: unknown) => error);
  expect(await fails({ at: Date.parse('2020-01-01') })).toMatchObject({
    name: 'SnapshotError',
    message: expect.stringContaining(`its first is of ${MONDAY}`),
  });
  expect(String(await fails({ from: '/nowhere' }))).toContain('/nowhere is no directory');
  expect(String(await fails({ from: under.maildir }))).toContain('has no snapshots');
  expect(String(await fails({ id: 'somebody-else' }))).toMatch(/has a mailbox at .*somebody-else/);
  expect(String(await fails({ folder: 'Old' }))).toContain('it has INBOX, Archive/2026');
  expect(String(await fails({ message: '<9@x.test>' }))).toContain('no message <9@x.test>');
  const one = await under.restore({ from: join(under.backups, 'v1', MONDAY), dryRun: true });
  expect(one.folders).toMatchObject([{ restored: 1 }, {}]);
});

test('[P-12] a Maildir without mail in the copy of another volume hides no mail, however new it is', async () => {
  await fill();
  under.backUp(MONDAY);
  const relative = under.maildir.replace(/^.*\/v1\//, '');
  for (const name of [MONDAY, TUESDAY]) {
    mkdirSync(join(under.backups, 'a0', name, relative, 'cur'), { recursive: true });
  }
  await expunge('INBOX', '1');
  expect((await under.restore()).folders).toMatchObject([{ restored: 1 }, {}]);
  rmSync(join(under.backups, 'v1'), { recursive: true });
  await expect(under.restore()).rejects.toThrow('has no message: nothing is restored');
});

test('[P-12] a file of the backup that is not as long as its name says is never put', async () => {
  await fill();
  under.backUp(MONDAY);
  const copy = under.maildir.replace(/^.*\/v1\//, join(under.backups, 'v1', MONDAY) + '/');
  const [first = ''] = readdirSync(join(copy, 'new'));
  appendFileSync(join(copy, 'new', first), 'more');
  unlinkSync(join(under.maildir, 'new', first));
  const report = await under.restore();
  expect(report.folders[0]).toMatchObject({ restored: 0, there: 2, damaged: 1 });
  expect(names('new')).toEqual([]);
  expect(names('tmp')).toEqual([]);
});

test('[P-12] a journal of the backup whose files are none costs keywords, not the restore', async () => {
  await fill();
  under.backUp(MONDAY);
  const copy = under.maildir.replace(/^.*\/v1\//, join(under.backups, 'v1', MONDAY) + '/');
  const log = join(copy, 'mailfarm/log');
  mkdirSync(join(copy, 'dovecot-keywords'));
  for (const [at, name] of readdirSync(log).entries()) {
    rmSync(join(log, name));
    if (at % 2 === 0) mkdirSync(join(log, name));
    else symlinkSync(name, join(log, name));
  }
  await expunge('INBOX', '1');
  const report = await under.restore();
  expect(report.folders[0]).toMatchObject({ restored: 1, there: 2 });
  expect(await subjects()).toContain('1');
});

/** Calls that change something: a crash before any of them. */
const CHANGES: readonly FsCall[] = [
  'create',
  'write',
  'fsync',
  'rename',
  'link',
  'mkdir',
  'unlink',
];

test('[P-12] whoever dies at any call: the same command again ends as if it had run once', async () => {
  await fill();
  under.backUp(MONDAY);
  const wipe = async (): Promise<void> => {
    for (const subject of ['1', '2', '3']) await expunge('INBOX', subject);
    await under.mail.remove('Archive/2026').catch(() => {});
  };
  await wipe();
  let calls = 0;
  await under.restore({}, (call) => {
    if (CHANGES.includes(call)) calls += 1;
    return undefined;
  });
  expect(calls).toBeGreaterThan(15);
  for (let last = 0; last < calls; last += 1) {
    await wipe();
    let seen = 0;
    await under
      .restore({}, (call) => {
        if (!CHANGES.includes(call) || ++seen <= last) return undefined;
        return Object.assign(new Error('EIO: dead'), { code: 'EIO', errno: -5 });
      })
      .catch(() => {});
    await under.restore();
    const inbox = await shown();
    expect(inbox.map(({ subject }) => subject).toSorted()).toEqual(['1', '2', '3']);
    expect(inbox.find(({ subject }) => subject === '1')).toMatchObject({
      flags: 'FS',
      keywords: ['Work'],
    });
    expect(await shown('Archive/2026')).toMatchObject([{ subject: '4', flags: 'RS' }]);
    expect(names('cur').length + names('new').length).toBe(3);
  }
}, 300_000);

test('[P-12] two restores at once, and a session that flags between them: each message once', async () => {
  await fill();
  under.backUp(MONDAY);
  for (let round = 0; round < 5; round++) {
    for (const subject of ['1', '2', '3']) await expunge('INBOX', subject);
    let links = 0;
    // The other one puts all, and a session flags it, just before ours gives its first name.
    const strike: Strike = (call, path) => {
      if (call !== 'link' || !path.includes('/tmp/') || ++links > 1) return undefined;
      return (async () => {
        await under.restore();
        const folder = await under.mail.open('INBOX');
        const { messages } = await folder.refresh();
        const uids = messages.map(({ uid }) => uid);
        await folder.store({ uids, how: 'add', letters: 'D', keywords: [] });
        folder.close();
      })();
    };
    await under.restore({}, strike);
    expect(await subjects()).toEqual(['1', '2', '3']);
    expect(names('cur').length + names('new').length).toBe(3);
    for (const subject of ['1', '2', '3']) await expunge('INBOX', subject);
    expect([...names('cur'), ...names('new')]).toEqual([]);
    expect(await subjects()).toEqual([]);
    await under.restore();
  }
});

test('[P-12] while letters arrive and a session works, nothing is lost, and it sees what comes', async () => {
  await fill();
  under.backUp(MONDAY);
  for (const subject of ['1', '2', '3']) await expunge('INBOX', subject);
  const watched = await under.mail.open('INBOX');
  await watched.refresh();
  const told: number[] = [];
  const stop = watched.watch((state) => void told.push(state.messages.length));
  const deliver = async (): Promise<void> => {
    for (let n = 10; n < 30; n++) {
      await under.mail.append('INBOX', [await draft(under.mail, 'INBOX', letter(n))]);
      if (n % 4 === 0) await watched.claim();
    }
  };
  await Promise.all([deliver(), under.restore()]);
  await expect.poll(() => told.at(-1)).toBe(23);
  stop();
  watched.close();
  expect(new Set(await subjects()).size).toBe(23);
});

test('[P-12] a message that moves to a folder that was listed already is not put twice', async () => {
  await fill();
  under.backUp(MONDAY);
  let moved = false;
  const strike: Strike = (call, path) => {
    if (moved || call !== 'list' || !path.includes('/.Archive.2026/new')) return undefined;
    moved = true;
    return (async () => {
      const [message] = await shown('Archive/2026');
      const folder = await under.mail.open('Archive/2026');
      await folder.refresh();
      await folder.move([message?.uid as number], 'INBOX');
      folder.close();
    })();
  };
  const report = await under.restore({}, strike);
  expect(moved).toBe(true);
  expect(report.folders).toMatchObject([{ restored: 0 }, { restored: 0, elsewhere: 1 }]);
  expect(await subjects()).toEqual(['1', '2', '3', '4']);
});
