import { cpSync, mkdirSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import type { RestoreReport } from '../../mailbox/restore/restore.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';
import { momentOf } from './mailbox-restore.ts';

const LETTER = 'Message-ID: <1@x.test>\nSubject: one\n\nhello\n';
const NAME = `1700000000.M5P1Q1R1.other,S=${LETTER.length},W=${LETTER.length + 4}`;
const MONDAY = '2026-11-16T040000Z';

test('a moment is a date (its end), a time of UTC or of a zone, or a name of a snapshot', () => {
  const iso = (text: string): string => new Date(momentOf(text)).toISOString();
  expect(iso('2026-11-16')).toBe('2026-11-16T23:59:59.999Z');
  expect(iso('2026-11-16 09:30')).toBe('2026-11-16T09:30:00.000Z');
  expect(iso('2026-11-16T09:30:00+02:00')).toBe('2026-11-16T07:30:00.000Z');
  expect(iso(MONDAY)).toBe('2026-11-16T04:00:00.000Z');
  for (const text of ['yesterday', '2026-13-01', '16.11.2026', '']) {
    expect(() => momentOf(text), text).toThrow(/is no moment/);
  }
});

describe.each(TEST_SERVERS)('mailbox restore, on %s', (server) => {
  let cli: TestCli;
  let volume: string;
  let backups: string;
  let box: string;
  let user: UserRecord;

  const add = (login: string, ...more: readonly string[]) =>
    cli.json<UserRecord>(['user', 'add', login, '--password-stdin', ...more], {
      input: 'secret\n',
    });
  const restore = (login: string, ...more: readonly string[]) =>
    cli.run(['mailbox', 'restore', login, '--from', backups, ...more]);

  beforeAll(async () => {
    cli = await startTestCli({ server });
    volume = join(cli.dir, 'v1');
    backups = join(cli.dir, 'backups');
    mkdirSync(volume);
    expect(await cli.run(['volume', 'add', 'v1', '--path', volume])).toMatchObject({ code: 0 });
    user = await add('lena@example.test', '--volume', 'v1');
    const all = readdirSync(volume, { recursive: true }).map(String);
    box = join(volume, all.find((name) => name.endsWith(user.id)) ?? '');
    writeFileSync(join(box, 'cur', `${NAME}:2,FS`), LETTER);
    mkdirSync(join(backups, 'v1'), { recursive: true });
    cpSync(volume, join(backups, 'v1', MONDAY), { recursive: true, preserveTimestamps: true });
    unlinkSync(join(box, 'cur', `${NAME}:2,FS`));
  }, 60_000);
  afterAll(async () => await cli?.close());

  test('[P-12] a dry run says what is missing; then it is there; then nothing is missing', async () => {
    const dry = await restore('lena@example.test', '--dry-run');
    expect(dry).toMatchObject({ code: 0, out: expect.stringContaining('this was a dry run') });
    expect(dry.out).toMatch(/^INBOX +1 +1 +0 +0 +0$/m);
    expect(readdirSync(join(box, 'cur'))).toEqual([]);
    const done = await restore('lena@example.test', '--message', '1@x.test');
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining(': restored') });
    expect(readdirSync(join(box, 'cur'))).toEqual([
      expect.stringMatching(
        /^1700000000\..*\.restored,S=\d+,W=\d+,U=1700000000\.M5P1Q1R1\.other:2,FS$/,
      ),
    ]);
    const again = await cli.json<RestoreReport>([
      'mailbox',
      'restore',
      'lena@example.test',
      '--from',
      backups,
    ]);
    expect(again).toMatchObject({ folders: [{ restored: 0, there: 1 }] });
  });

  test('[P-12] what cannot be is told, by its exit code too', async () => {
    const said = async (login: string, ...more: readonly string[]) => {
      const { code, err } = await restore(login, ...more);
      return [code, err] as const;
    };
    expect(await said('nobody@example.test')).toEqual([
      EXIT['no-user'].code,
      expect.stringContaining('nobody@example.test'),
    ]);
    expect(await said('lena@example.test', '--at', '2020-01-01')).toEqual([
      EXIT['no-input'].code,
      expect.stringContaining(`no snapshot as old as that: its first is of ${MONDAY}`),
    ]);
    expect(await said('lena@example.test', '--at', 'soon')).toEqual([
      EXIT.usage.code,
      expect.stringContaining('--at: "soon" is no moment'),
    ]);
    expect(await said('lena@example.test', '--message', 'none')).toEqual([
      EXIT['no-input'].code,
      expect.stringContaining('has no message none'),
    ]);
    expect(await said('lena@example.test', '--into', 'a//b')).toEqual([
      EXIT.data.code,
      expect.stringContaining('empty part'),
    ]);
    renameSync(volume, `${volume}.away`);
    try {
      expect(await said('lena@example.test')).toEqual([
        EXIT['volume-missing'].code,
        expect.stringContaining('v1'),
      ]);
    } finally {
      renameSync(`${volume}.away`, volume);
    }
  });

  test('[P-12] the mailbox of a user who was purged goes to a new one; not for operators', async () => {
    await add('new@example.test');
    const words = ['new@example.test', '--account', user.id, '--volume', 'v1'];
    await add('guard@example.test');
    const granted = await cli.run(['administrator', 'grant', 'guard@example.test', 'operator']);
    expect(granted).toMatchObject({ code: 0 });
    const denied = await cli.run(['mailbox', 'restore', '--from', backups, ...words], {
      env: { MAILFARM_ADMIN: 'guard@example.test', MAILFARM_ADMIN_PASSWORD: 'secret' },
    });
    expect(denied.code).toBe(EXIT.permission.code);
    expect(denied.err).toContain('is no administrator and may not restore the mailbox');
    const done = await restore(words[0] ?? '', ...words.slice(1));
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toMatch(/^INBOX +1 +1 +0 +0 +0$/m);
  });
});
