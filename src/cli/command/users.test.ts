import { mkdirSync, readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import { openAdmin } from '../../directory/admin/admin.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

describe.each(TEST_SERVERS)('users, on %s', (server) => {
  let cli: TestCli;
  const PASSWORD = { input: 'secret\n' };
  const add = (login: string, ...more: string[]) =>
    cli.json<UserRecord>(['user', 'add', login, '--password-stdin', ...more], PASSWORD);

  beforeAll(async () => {
    cli = await startTestCli({ server });
    const path = join(cli.dir, 'v1');
    mkdirSync(path);
    const made = await cli.run(['volume', 'add', 'v1', '--path', path]);
    expect(made).toMatchObject({ code: 0, err: '' });
  }, 60_000);
  afterAll(async () => await cli?.close());

  test('[S0-30] [S2-30] added, shown, changed, listed, renamed; the id stays', async () => {
    const carol = await add('Carol@Example.test', '--alias', 'info@example.test', '--quota', '5GB');
    expect(carol).toMatchObject({ login: 'carol@example.test', quotaBytes: 5e9 });
    const shown = await cli.run(['user', 'show', 'carol@example.test'], { columns: 80 });
    expect(shown.out).toMatch(/aliases +info@example.test/);
    expect(shown.out).toMatch(/quota +5 GB/);
    await cli.json(['user', 'set', 'carol@example.test', '--customer', 'K-1', '--quota', '0']);
    const listed = await cli.run(['user', 'list', '--customer', 'K-1']);
    expect(listed.out.split('\n')).toHaveLength(3);
    expect(listed.out).toMatch(/^login +uid +volume +quota +aliases/);
    const rename = ['user', 'rename', 'carol@example.test', 'carol.jones@example.test'];
    const renamed = await cli.json<UserRecord>(rename);
    expect(renamed).toMatchObject({ id: carol.id, uid: carol.uid, customerId: 'K-1' });
    expect(await cli.run(['user', 'show', 'carol@example.test'])).toMatchObject({
      code: EXIT['no-user'].code,
      err: expect.stringContaining('no user carol@example.test'),
    });
  });

  test.each([
    [['user', 'add', 'a@example.test'], /needs --password-stdin/],
    [['user', 'purge', '--older-than', '30'], /"30" is not a duration/],
    [['user', 'add', 'a@example.test', '--password-stdin', '--uid', 'x'], /not a whole number/],
    [['user', 'set', 'alice@example.test', '--quota', 'much'], /"much" is not a size/],
    [['user', 'suspend', 'alice@example.test', '--service', 'tea'], /not one of mail, pop3/],
  ])('%j is used wrongly', async (words, text) => {
    expect(await cli.run(words)).toMatchObject({ code: 64, err: expect.stringMatching(text) });
  });

  test('[S0-48] by any field: an expression, a filter, a limit', async () => {
    await add('old1@example.test', '--alias', 'x@example.test', '--description', 'keep');
    const logins = async (...words: string[]) =>
      (await cli.json<UserRecord[]>(['user', 'list', ...words])).map(({ login }) => login);
    expect(await logins('--field', 'mailAlias', '--match', '^x@')).toEqual(['old1@example.test']);
    expect(await logins('--filter', '(description=keep)')).toEqual(['old1@example.test']);
    expect(await logins('--match', '^(alice|bob)@', '--limit', '1')).toHaveLength(1);
    expect(await logins('--domain', 'nowhere.test')).toEqual([]);
    expect(await logins('--customer', '*)(uid=*')).toEqual([]);
  });

  test('[S2-20] suspended and resumed, one user or all of a customer', async () => {
    await add('p1@example.test', '--customer', 'K-2');
    await add('p2@example.test', '--customer', 'K-2');
    const said = await cli.run(['user', 'suspend', '--customer', 'K-2', '--service', 'pop3']);
    expect(said.out).toBe('pop3 suspended for 2 users\n');
    const shown = (await cli.json<UserRecord[]>(['user', 'list', '--suspended'])).map(
      (u) => u.login,
    );
    expect(shown).toEqual(['p1@example.test', 'p2@example.test']);
    await cli.json(['user', 'resume', 'p1@example.test']);
    expect(await cli.json(['user', 'show', 'p1@example.test'])).toMatchObject({ suspended: [] });
    expect(await cli.run(['user', 'suspend'])).toMatchObject({ code: EXIT.usage.code });
  });

  test('[S0-35] aliases and forwards; a loop is refused when it is written', async () => {
    await add('f1@example.test');
    await add('f2@example.test');
    await cli.json(['alias', 'add', 'also-f1@example.test', 'f1@example.test']);
    const aliases = await cli.run(['alias', 'list']);
    expect(aliases.out).toMatch(/also-f1@example.test +f1@example.test/);
    await cli.json(['forward', 'add', 'f1@example.test', 'f2@example.test', '--keep']);
    const forwards = await cli.json(['forward', 'list']);
    expect(forwards).toEqual([{ login: 'f1@example.test', to: 'f2@example.test', keeps: true }]);
    const back = await cli.run(['forward', 'add', 'f2@example.test', 'also-f1@example.test']);
    expect(back).toMatchObject({ code: EXIT.data.code, err: expect.stringContaining('come back') });
    await cli.json(['forward', 'remove', 'f1@example.test', 'f2@example.test']);
    await cli.json(['alias', 'remove', 'also-f1@example.test', 'f1@example.test']);
    expect(await cli.json(['forward', 'list'])).toEqual([]);
  });

  test('removed and added again: the first keeps the mailbox until it is purged', async () => {
    const first = await add('dora@example.test', '--volume', 'v1', '--alias', 'd@example.test');
    expect(first.volume).toBe('v1');
    await cli.json(['user', 'remove', 'dora@example.test']);
    const second = await add('dora@example.test', '--volume', 'v1');
    expect(second.id).not.toBe(first.id);
    const boxes = () => readdirSync(join(cli.dir, 'v1'), { recursive: true }).map(String);
    const has = (id: string) => boxes().some((name) => name.endsWith(`${id}/cur`));
    expect([has(first.id), has(second.id)]).toEqual([true, true]);
    const removed = await cli.run(['user', 'list', '--removed']);
    expect(removed.out).toContain(first.id);
    const restored = await cli.run(['user', 'restore', first.id]);
    expect(restored.err).toContain('already belongs to dora@example.test');

    const early = await cli.run(['user', 'purge', first.id]);
    expect(early).toMatchObject({ code: EXIT.usage.code });
    expect(await cli.run(['user', 'purge'])).toMatchObject({ code: 0 });
    const purge = ['user', 'purge', first.id, '--older-than', '0'];
    const dry = await cli.run([...purge, '--dry-run']);
    expect(dry.out).toContain('would be purged');
    expect([has(first.id), has(second.id)]).toEqual([true, true]);
    const done = await cli.run(purge);
    expect(done).toMatchObject({ code: 0, out: expect.stringContaining('with its mailbox') });
    expect([has(first.id), has(second.id)]).toEqual([false, true]);
    expect(await cli.json(['user', 'list', '--removed'])).toEqual([]);
    expect(await cli.json(['user', 'show', 'dora@example.test'])).toMatchObject({ id: second.id });
  });

  test('a purge without the volume leaves entry and mail; with it, it is done again', async () => {
    const user = await add('eve@example.test', '--volume', 'v1');
    await cli.json(['user', 'remove', 'eve@example.test']);
    await cli.json(['volume', 'set', 'v1', '--state', 'offline']);
    const purge = ['user', 'purge', user.id, '--older-than', '0'];
    const left = await cli.run(purge);
    expect(left).toMatchObject({
      code: EXIT.tempfail.code,
      err: expect.stringContaining('offline'),
    });
    await cli.json(['volume', 'set', 'v1', '--state', 'active']);
    expect(await cli.run(purge)).toMatchObject({ code: 0 });
  });

  test('a path that somebody else has too is not purged', async () => {
    const path = join(cli.dir, 'v1', 'own', 'tevie');
    await add('tevie@example.test', '--path', path);
    await cli.json(['user', 'remove', 'tevie@example.test']);
    await add('tevie@example.test', '--path', path);
    const said = await cli.run(['user', 'purge', '--older-than', '0']);
    expect(said.err).toMatch(/is also a place of tevie@example.test/);
    expect(said.code).toBe(EXIT.tempfail.code);
    expect(existsSync(path)).toBe(false);
  });

  test('nor is the place of a user by the id, where the path of somebody else leads to it', async () => {
    const was = await add('motl@example.test', '--volume', 'v1');
    const boxes = readdirSync(join(cli.dir, 'v1'), { recursive: true }).map(String);
    const place = join(cli.dir, 'v1', boxes.find((name) => name.endsWith(was.id)) ?? '');
    await cli.json(['user', 'remove', 'motl@example.test']);
    await add('motl@example.test', '--path', place);
    const said = await cli.run(['user', 'purge', was.id, '--older-than', '0']);
    expect(said.err).toMatch(/is also a place of motl@example.test/);
    expect(existsSync(join(place, 'cur'))).toBe(true);
  });

  test('a path on no volume is refused before anything is written; a slash at its end is not', async () => {
    const wrong = await cli.run(
      ['user', 'add', 'new@example.test', '--password-stdin', '--path', '/elsewhere/new'],
      PASSWORD,
    );
    expect(wrong).toMatchObject({ code: 64, err: expect.stringMatching(/lies on no volume/) });
    expect((await cli.run(['user', 'show', 'new@example.test'])).err).toMatch(/no user/);
    const added = await add('new@example.test', '--path', '/mail1/12/34/new/');
    expect(added).toMatchObject({ path: '/mail1/12/34/new' });
    const moved = await cli.run(['user', 'set', 'new@example.test', '--path', '/mail1']);
    expect(moved.err).toMatch(/lies on no volume/);
  });

  test('[S0-40] who works as a person has that person’s level and no more', async () => {
    await add('helper@example.test');
    await cli.json(['administrator', 'grant', 'helper@example.test', 'helpdesk']);
    const as = {
      env: { MAILFARM_ADMIN: 'helper@example.test', MAILFARM_ADMIN_PASSWORD: 'secret' },
    };
    expect((await cli.run(['user', 'list'], as)).code).toBe(0);
    const refused = await cli.run(['domain', 'add', 'new.test'], as);
    expect(refused).toMatchObject({ code: EXIT.permission.code });
    const wrong = { ...as, env: { ...as.env, MAILFARM_ADMIN_PASSWORD: 'wrong' } };
    expect((await cli.run(['user', 'list'], wrong)).code).toBe(EXIT.permission.code);
    const asked = await cli.run(['user', 'list', '--as', 'helper@example.test'], {
      secret: 'secret',
    });
    expect(asked.code).toBe(0);
    const none = await cli.run(['user', 'list', '--as', 'helper@example.test']);
    expect(none).toMatchObject({ code: EXIT.usage.code });
    const empty = await cli.run(['user', 'list', '--as', 'helper@example.test'], { secret: '' });
    expect(empty).toMatchObject({ code: EXIT.permission.code });
    const file = cli.file('helper.secret', 'secret\n');
    const words = ['--as', 'helper@example.test', '--password-file', file, 'administrator', 'list'];
    expect((await cli.run(words)).out).toMatch(/helper@example.test +helpdesk/);
    await cli.json(['administrator', 'revoke', 'helper@example.test']);
  });

  test('what somebody else did meanwhile is said at the terminal, and nothing is written', async () => {
    const { revision } = await add('twice@example.test');
    const set = (...more: string[]) => cli.run(['user', 'set', 'twice@example.test', ...more]);
    expect(await set('--description', 'first')).toMatchObject({ code: 0 });
    const late = await set('--description', 'second', '--if-unchanged', revision);
    expect(late).toMatchObject({ code: EXIT.tempfail.code, out: '' });
    expect(late.err).toMatch(
      /twice@example.test was changed by somebody else meanwhile, last at 2/,
    );
    const now = await cli.json<UserRecord>(['user', 'show', 'twice@example.test']);
    expect(now.fields).toContainEqual({ name: 'description', values: ['first'] });
    const again = await set('--description', 'second', '--if-unchanged', now.revision);
    expect(again).toMatchObject({ code: 0, err: '' });
  });

  test('[S0-44] who is at work on a user is said to whoever may not change it then', async () => {
    await add('desk@example.test');
    await add('claimed@example.test');
    await cli.json(['administrator', 'grant', 'desk@example.test', 'helpdesk']);
    const boss = await openAdmin(cli.directory.admin);
    const claim = await boss.users.claim('claimed@example.test');
    const env = { MAILFARM_ADMIN: 'desk@example.test', MAILFARM_ADMIN_PASSWORD: 'secret' };
    const words = ['user', 'suspend', 'claimed@example.test', '--service', 'pop3'];
    const said = await cli.run(words, { env });
    expect(said).toMatchObject({ code: EXIT.tempfail.code, out: '' });
    expect(said.err).toMatch(
      / \(administrator\) is at work on cn=claimed@example.test,.*, until 2/,
    );
    await claim.release();
    expect(await cli.run(words, { env })).toMatchObject({ code: 0, err: '' });
    await boss.close();
    await cli.json(['administrator', 'revoke', 'desk@example.test']);
  });

  const HOSTILE = [
    '*)(uid=*@example.test',
    'a,ou=rights@example.test',
    'a\\2a@example.test',
    'a\0b@example.test',
    'a\u001b[31m@example.test',
    `${'x'.repeat(10_000)}@example.test`,
    '../../etc@example.test',
    '\ud800@example.test',
    '',
    ' ',
    '@',
  ];
  test.each(HOSTILE)(
    'a hostile name is refused, harmless and without a trace: %j',
    async (name) => {
      const before = (await cli.json<UserRecord[]>(['user', 'list'])).length;
      for (const words of [
        ['user', 'show', '--', name],
        ['user', 'remove', '--', name],
        ['user', 'add', '--password-stdin', '--', name],
        ['user', 'list', `--customer=${name}`],
        ['user', 'list', `--filter=${name}`],
        ['alias', 'add', '--', name, 'alice@example.test'],
        ['resolve', '--', name],
        ['rule', 'test', '--', name],
      ]) {
        const said = await cli.run(words, PASSWORD);
        expect(said.code === 0 || said.code >= 64, words.join(' ')).toBe(true);
        expect(said.code).not.toBe(EXIT.software.code);
        // oxlint-disable-next-line no-control-regex -- what must not be there
        expect(said.err + said.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]| {4}at /);
        expect(said.err.length).toBeLessThan(2_000);
      }
      expect((await cli.json<UserRecord[]>(['user', 'list'])).length).toBe(before);
    },
  );
});
