import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import { utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { memoryAccount } from '../../directory/memory.ts';
import { makeMailbox } from '../../volumes/make.ts';
import {
  strikingFs,
  temporaryVolumes,
  volumeOptions,
  type FsCall,
  type Strike,
} from '../../volumes/testing/volumes.ts';
import { uidlOf } from '../uidl.ts';
import { importMailbox, type ImportOptions, type ImportReport } from './import.ts';
import { checkMailbox, showMailbox } from './inspect.ts';

const AT = 1_600_000_000;
const VALIDITY = 1_500_000_000;

/** Dovecot's: three messages in INBOX, the second gone, one not numbered yet; one in Sent. */
function dovecotMaildir(): string {
  const root = mkdtempSync(join(tmpdir(), 'mailfarm-dovecot-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ['', '.Sent']) {
    for (const name of ['cur', 'new', 'tmp'])
      mkdirSync(join(root, folder, name), { recursive: true });
  }
  const put = (name: string): void => {
    writeFileSync(join(root, name), 'Subject: x\n\nx\n');
    utimesSync(join(root, name), AT, AT);
  };
  put(`cur/${AT}.1.h,S=14,W=17:2,FSab`);
  put(`cur/${AT}.3.h:2,`);
  put(`new/${AT}.4.h`);
  put(`.Sent/cur/${AT}.9.h:2,S`);
  const list = `3 V${VALIDITY} N9 Gabc\n1 :${AT}.1.h,S=14,W=17\n5 :${AT}.2.h\n7 :${AT}.3.h\n`;
  writeFileSync(join(root, 'dovecot-uidlist'), list);
  writeFileSync(join(root, 'dovecot-keywords'), '0 Work\n1 $Later\n');
  writeFileSync(join(root, '.Sent', 'dovecot-uidlist'), `3 V${VALIDITY + 1} N4\n3 :${AT}.9.h\n`);
  writeFileSync(join(root, 'subscriptions'), 'Sent\n');
  return root;
}

interface Target {
  readonly maildir: string;
  take(more?: Partial<ImportOptions>, strike?: Strike): Promise<ImportReport>;
  readonly account: ReturnType<typeof memoryAccount>;
  readonly volumes: Parameters<typeof showMailbox>[0];
}

async function target(from: string | undefined): Promise<Target> {
  const disk = await temporaryVolumes('v1');
  onTestFinished(() => disk.remove());
  const account = memoryAccount({ login: 'alice@example.test', volume: 'v1' });
  const { entries } = disk;
  const maildir = await makeMailbox({ account, volume: 'v1', entries, clock, random });
  const volumes = { entries, clock, random, options: volumeOptions() };
  return {
    maildir,
    account,
    volumes,
    take: (more, strike = () => undefined) =>
      importMailbox(
        { ...volumes, fs: strikingFs(strike) },
        {
          account,
          from,
          format: 'auto',
          uidlFormat: undefined,
          dryRun: false,
          merge: false,
          subscriptionsMax: 100,
          ...more,
        },
      ),
  };
}

const names = (maildir: string, directory: string): string[] =>
  readdirSync(join(maildir, directory)).toSorted();

const hex = (uid: number): string => uid.toString(16).padStart(8, '0');
const uidl = (uid: number): string => `${hex(uid)}${hex(VALIDITY)}`;

/** What an import leaves, whatever came between. */
async function expectWhole({ maildir, volumes, account }: Target): Promise<void> {
  expect(names(maildir, 'cur')).toEqual([
    `${AT}.1.h,U=${uidl(1)},S=14,W=17:2,FS`,
    `${AT}.3.h,U=${uidl(7)},S=14,W=17:2,`,
  ]);
  expect(names(maildir, 'new')).toEqual([`${AT}.4.h,S=14,W=17`]);
  expect(names(maildir, '.Sent/cur')).toEqual([`${AT}.9.h,S=14,W=17:2,S`]);
  const { folders } = await showMailbox(volumes, account);
  expect(folders).toMatchObject([
    { name: 'INBOX', messages: 3, fresh: 1, uidValidity: VALIDITY, uidNext: 10 },
    { name: 'Sent', messages: 1, uidValidity: VALIDITY + 1, uidNext: 4 },
  ]);
  const checks = await checkMailbox(volumes, account);
  expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
}

test('[N-08] files, flags, UIDs and UIDLs come; a second run revives nothing', async () => {
  const to = await target(dovecotMaildir());
  expect(await to.take({ dryRun: true })).toMatchObject({
    format: 'dovecot',
    dryRun: true,
    folders: [{ name: 'INBOX', messages: 3, copied: 3, numbers: 'not yet' }, { copied: 1 }],
  });
  expect(names(to.maildir, 'cur')).toEqual([]);
  const report = await to.take();
  expect(report.folders).toMatchObject([
    { name: 'INBOX', copied: 3, numbered: 2, uidls: 2, numbers: 'kept', uidValidity: VALIDITY },
    { name: 'Sent', copied: 1, numbered: 1, numbers: 'kept', uidValidity: VALIDITY + 1 },
  ]);
  expect(report.problems).toMatchObject([{ problem: 'no-uid', count: 1 }]);
  expect(report.subscriptions).toBe(1);
  await expectWhole(to);
  const [first = ''] = names(to.maildir, 'cur');
  expect(uidlOf(first)).toBe(uidl(1));
  unlinkSync(join(to.maildir, 'cur', first));
  expect((await to.take()).folders.map(({ numbers }) => numbers)).toEqual([
    'done before',
    'done before',
  ]);
  expect(names(to.maildir, 'cur')).toHaveLength(1);
});

/** Calls that change something: a crash before or after any of them. */
const CHANGES: readonly FsCall[] = [
  'create',
  'write',
  'fsync',
  'rename',
  'link',
  'mkdir',
  'unlink',
];

test('[N-08] whoever dies at any call: the same command again ends well', async () => {
  const from = dovecotMaildir();
  let calls = 0;
  const count: Strike = (call) => {
    if (CHANGES.includes(call)) calls += 1;
    return undefined;
  };
  await (await target(from)).take({}, count);
  expect(calls).toBeGreaterThan(40);
  const step = process.env['MAILFARM_TEST_RUNS'] === undefined ? 7 : 1;
  for (let last = 0; last < calls; last += step) {
    const to = await target(from);
    let seen = 0;
    const dies: Strike = (call) => {
      if (!CHANGES.includes(call) || ++seen <= last) return undefined;
      return Object.assign(new Error('EIO: dead'), { code: 'EIO', errno: -5 });
    };
    await to.take({}, dies).catch(() => {});
    await to.take();
    await expectWhole(to);
  }
}, 120_000);

test('[N-08] a mailbox in use is left alone; --merge goes into it', async () => {
  const to = await target(dovecotMaildir());
  writeFileSync(join(to.maildir, 'new', '1700000000.1.mine'), 'Subject: y\n\ny\n');
  await expect(to.take()).rejects.toThrow(/has messages already \(1\); --merge/);
  expect(names(to.maildir, 'cur')).toEqual([]);
  const { folders } = await to.take({ merge: true });
  expect(folders).toMatchObject([{ numbers: 'kept', numbered: 2 }, { numbers: 'kept' }]);
  const other = await to.take({ from: dovecotMaildir(), merge: true });
  expect(other.folders).toMatchObject([{ copied: 0, there: 3, numbers: 'kept' }, {}]);
  expect(names(to.maildir, 'new')).toHaveLength(2);
});

test('[N-08] a Maildir in its place: nothing is copied, names get UIDLs', async () => {
  const to = await target(undefined);
  cpSync(dovecotMaildir(), to.maildir, { recursive: true });
  const report = await to.take();
  expect(report.folders).toMatchObject([
    { copied: 0, there: 3, numbered: 2, numbers: 'kept', uidls: 2 },
    { copied: 0, there: 1, numbers: 'kept' },
  ]);
  expect(names(to.maildir, 'cur')).toEqual([
    `${AT}.1.h,U=${uidl(1)},S=14,W=17:2,FSab`,
    `${AT}.3.h,U=${uidl(7)}:2,`,
  ]);
  expect((await to.take()).folders).toMatchObject([{ numbers: 'done before' }, {}]);
});
