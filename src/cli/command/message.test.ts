import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import type { Message } from '../../mailbox/messages.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

const FIRST = '1700000000.M5P1Q1R1.other,S=20,W=23:2,FS';
const SECOND = '1700000060.M0P1Q2R2.other';
const LETTER = Buffer.from('Subject: \xe9\u001b[2J\nX: 1\n\nbody\n', 'latin1');
const SENT = Buffer.from('Subject: \xe9\u001b[2J\r\nX: 1\r\n\r\nbody\r\n', 'latin1');

describe.each(TEST_SERVERS)('messages, on %s', (server) => {
  let cli: TestCli;
  let volume: string;
  const add = (login: string, ...more: string[]) =>
    cli.json<UserRecord>(['user', 'add', login, '--password-stdin', ...more], {
      input: 'secret\n',
    });
  const as = (login: string) => ({
    env: { MAILFARM_ADMIN: login, MAILFARM_ADMIN_PASSWORD: 'secret' },
  });
  /** A user with two messages, one of them seen. */
  const withMail = async (login: string): Promise<string> => {
    const { id } = await add(login, '--volume', 'v1');
    const all = readdirSync(volume, { recursive: true }).map(String);
    const box = join(volume, all.find((name) => name.endsWith(id)) ?? '');
    writeFileSync(join(box, 'cur', FIRST), 'Subject: one\n\nhello\n');
    writeFileSync(join(box, 'new', SECOND), LETTER);
    return box;
  };
  const list = (login: string) => cli.json<Message[]>(['message', 'list', login]);
  const uidls = async (login: string) => (await list(login)).map(({ uidl }) => uidl);

  beforeAll(async () => {
    cli = await startTestCli({ server });
    volume = join(cli.dir, 'v1');
    mkdirSync(volume);
    expect(await cli.run(['volume', 'add', 'v1', '--path', volume])).toMatchObject({ code: 0 });
  }, 60_000);
  afterAll(async () => await cli?.close());

  test('[S0-50] a mailbox is listed with sizes, flags and when it came; nothing is moved', async () => {
    const box = await withMail('lena@example.test');
    const messages = await list('lena@example.test');
    expect(messages).toEqual([
      {
        uidl: '1700000000.M5P1Q1R1.other',
        name: '1700000000.M5P1Q1R1.other,S=20,W=23',
        octets: 23,
        flags: 'FS',
        directory: 'cur',
        deliveredAt: 1_700_000_000_000,
      },
      {
        uidl: SECOND,
        name: `${SECOND},S=${LETTER.length},W=${SENT.length}`,
        octets: SENT.length,
        flags: '',
        directory: 'new',
        deliveredAt: 1_700_000_060_000,
      },
    ]);
    expect(readdirSync(join(box, 'cur'))).toEqual([FIRST]);
    expect(readdirSync(join(box, 'new'))).toHaveLength(1);
    const table = (await cli.run(['message', 'list', 'lena@example.test'])).out.split('\n');
    expect(table[0]).toMatch(/^uidl +size +flags +delivered +in$/);
    expect(table[1]).toMatch(/^1700000000\.\S+ +23 B +FS +2023-11-14 22:13 UTC +cur$/);
  });

  test('[S0-50] one is shown byte for byte, or its headers; a terminal obeys none of it', async () => {
    await withMail('shprintze@example.test');
    const show = ['message', 'show', 'shprintze@example.test', SECOND];
    expect((await cli.run(show)).bytes).toEqual(SENT);
    const byName = `${SECOND},S=${LETTER.length},W=${SENT.length}`;
    expect((await cli.run([...show.slice(0, 3), byName])).bytes).toEqual(SENT);
    const headers = (await cli.run([...show, '--headers'])).bytes;
    expect(headers).toEqual(SENT.subarray(0, SENT.indexOf('\r\n\r\n') + 2));
    const seen = await cli.run(show, { columns: 80 });
    expect(seen.out).toBe('Subject: \u{FFFD}\u{FFFD}[2J\nX: 1\n\nbody\n');
  });

  test('[S0-50] some are deleted for good when somebody says yes: all that are named or none', async () => {
    const box = await withMail('beilke@example.test');
    const remove = ['message', 'remove', 'beilke@example.test', '1700000000.M5P1Q1R1.other'];
    expect(await cli.run(remove)).toMatchObject({
      code: EXIT.usage.code,
      err: expect.stringContaining('--yes'),
    });
    expect((await cli.run(remove, { yes: false })).code).toBe(EXIT.usage.code);
    const wrong = await cli.run([...remove, 'no-such-id', '--yes']);
    expect(wrong).toMatchObject({
      code: EXIT['no-input'].code,
      err: expect.stringContaining('has no message no-such-id'),
    });
    expect(await uidls('beilke@example.test')).toHaveLength(2);
    expect(await cli.run(remove, { yes: true })).toMatchObject({
      code: 0,
      out: '1 message of beilke@example.test deleted\n',
    });
    expect(readdirSync(join(box, 'cur'))).toEqual([]);
    expect(await cli.json([...remove.slice(0, 3), SECOND, '--yes'])).toEqual([SECOND]);
    expect(await list('beilke@example.test')).toEqual([]);
  });

  test('[S0-50] no such user, no mailbox yet, a message gone, a volume away: each is said', async () => {
    const box = await withMail('hodl@example.test');
    await add('new@example.test');
    const said = (...words: string[]) => cli.run(['message', ...words]);
    expect(await said('list', 'nobody@example.test')).toMatchObject({
      code: EXIT['no-user'].code,
    });
    expect(await said('list', 'new@example.test')).toMatchObject({
      code: EXIT.data.code,
      err: 'mailfarm: No mail ever came for new@example.test: there is no mailbox yet\n',
    });
    expect(await said('show', 'hodl@example.test', 'gone')).toMatchObject({
      code: EXIT['no-input'].code,
      out: '',
    });
    renameSync(box, `${box}-away`);
    const missing = await said('list', 'hodl@example.test');
    expect(missing).toMatchObject({ code: EXIT['volume-missing'].code, out: '' });
    renameSync(`${box}-away`, box);
    const sentinel = join(volume, '.mailfarm-volume');
    renameSync(sentinel, `${sentinel}-away`);
    const away = await said('list', 'hodl@example.test');
    expect(away.err).toMatch(/no sentinel/);
    expect(away).toMatchObject({ code: EXIT['volume-missing'].code, out: '' });
    renameSync(`${sentinel}-away`, sentinel);
    await cli.json(['volume', 'set', 'v1', '--state', 'offline']);
    expect(await said('remove', 'hodl@example.test', SECOND, '--yes')).toMatchObject({
      code: EXIT['volume-missing'].code,
      err: expect.stringContaining('offline'),
    });
    await cli.json(['volume', 'set', 'v1', '--state', 'active']);
    expect(await uidls('hodl@example.test')).toHaveLength(2);
  });

  test('[S0-50] operators may, helpdesk and auditors may not, nobody sees mail of a higher one', async () => {
    await withMail('user@example.test');
    await withMail('boss@example.test');
    for (const level of ['auditor', 'helpdesk', 'operator', 'administrator']) {
      await add(`${level}@example.test`);
      await cli.json(['administrator', 'grant', `${level}@example.test`, level]);
    }
    await cli.json(['administrator', 'grant', 'boss@example.test', 'administrator']);
    const tries = async (level: string, login: string) =>
      (await cli.run(['message', 'list', login], as(`${level}@example.test`))).code;
    const denied = EXIT.permission.code;
    expect(await tries('auditor', 'user@example.test')).toBe(denied);
    expect(await tries('helpdesk', 'user@example.test')).toBe(denied);
    expect(await tries('operator', 'user@example.test')).toBe(0);
    expect(await tries('operator', 'boss@example.test')).toBe(denied);
    expect(await tries('administrator', 'boss@example.test')).toBe(0);
    expect(await tries('user', 'user@example.test')).not.toBe(0); // No level: a user is not one.
    for (const words of [
      ['show', 'user@example.test', SECOND],
      ['remove', 'user@example.test', SECOND, '--yes'],
    ]) {
      const said = await cli.run(['message', ...words], as('helpdesk@example.test'));
      expect(said).toMatchObject({ code: denied, out: '' });
      expect(said.err).toMatch(/has the level helpdesk and may not see mail of .*; operator may/);
    }
    expect(await uidls('user@example.test')).toHaveLength(2);
  });
});
