import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { ldapDirectory } from '../../directory/client/directory.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

describe.each(TEST_SERVERS)('import and export, on %s', (server) => {
  let cli: TestCli;
  beforeAll(async () => {
    cli = await startTestCli({ server });
    const path = join(cli.dir, 'v1');
    mkdirSync(path);
    await cli.json(['volume', 'add', 'v1', '--path', path]);
  }, 60_000);
  afterAll(async () => await cli?.close());

  const load = (name: string, content: string | Buffer, ...more: string[]) =>
    cli.run(['user', 'import', cli.file(name, content), '--hash', 'ssha512', ...more]);
  const user = (login: string) => cli.json<UserRecord>(['user', 'show', login]);
  const accepts = async (login: string, password: string): Promise<string> => {
    const directory = ldapDirectory(cli.directory.frontend);
    try {
      const account = await directory.account(login);
      return account ? await directory.verifyPassword(account, password) : 'unknown';
    } finally {
      await directory.close();
    }
  };

  const CSV = [
    'login,password,alias,quota,customer,forward,keep,description',
    'c1@example.test,one,c1a@example.test c1b@example.test,5GB,K-9,,,"a, ""b"""',
    'c2@example.test,two,,,,c1@example.test far@far.test,yes,',
    '',
  ].join('\r\n');

  test('[S0-30] CSV: checked by a dry run, added, again nothing to do', async () => {
    const dry = await load('u.csv', CSV, '--dry-run');
    expect(dry).toMatchObject({
      code: 0,
      out: '2 users would be added, 0 there already, 0 problems\n',
    });
    expect((await cli.run(['user', 'show', 'c1@example.test'])).code).toBe(EXIT['no-user'].code);
    const added = await load('u.csv', CSV);
    expect(added).toMatchObject({ code: 0, out: '2 users added, 0 there already, 0 problems\n' });
    expect(await user('c1@example.test')).toMatchObject({
      aliases: ['c1a@example.test', 'c1b@example.test'],
      quotaBytes: 5e9,
      customerId: 'K-9',
    });
    expect(await user('c2@example.test')).toMatchObject({ keepsForwarded: true });
    expect(await accepts('c1@example.test', 'one')).toBe('accepted');
    expect(await accepts('c1@example.test', 'two')).toBe('refused');
    expect((await load('u.csv', CSV)).out).toBe('0 users added, 2 there already, 0 problems\n');
  });

  test('what differs is a problem, or changed by --update; what the file does not say stays', async () => {
    const file = 'login,quota\nc1@example.test,1GB\n';
    const differs = await load('d.csv', file);
    expect(differs).toMatchObject({ code: EXIT.data.code });
    expect(differs.err).toMatch(
      /^line 2: c1@example.test exists and differs in mwQuota; --update/m,
    );
    const changed = await load('d.csv', file, '--update');
    expect(changed.out).toBe('0 users added, 1 changed, 0 there already, 0 problems\n');
    expect(await user('c1@example.test')).toMatchObject({ quotaBytes: 1e9, customerId: 'K-9' });
    expect(await accepts('c1@example.test', 'one')).toBe('accepted');
  });

  const WRONG: readonly (readonly [row: string, text: RegExp])[] = [
    ['x@far.test,p,,', /far.test is not a domain of this farm/],
    ['no address,p,,', /"no address" is not an address/],
    ['*)(uid=*@example.test,p,,', /cannot stand before/],
    ['a+b@example.test,p,,', /no "\+"/],
    ['w1@example.test,,,', /needs a password/],
    ['w2@example.test,p,alice@example.test,', /alice@example.test already belongs to alice/],
    ['w3@example.test,p,w4@example.test,', /^$/],
    ['w4@example.test,p,,', /w4@example.test stands in line 8 already/],
    ['w5@example.test,p,,2001', /uid 2001 already belongs to alice/],
    ['w6@example.test,p,,many', /"many" is not a uid/],
    ['admin@example.test,p,,9', /admin@example.test exists with uid 2003/],
  ];

  test('every problem with its line; nothing is written, unless --continue', async () => {
    const file = `login,password,alias,uid\n${WRONG.map(([row]) => row).join('\n')}\n`;
    const before = (await cli.json<object[]>(['user', 'list'])).length;
    const said = await load('w.csv', file);
    expect(said.code).toBe(EXIT.data.code);
    for (const [i, [, text]] of WRONG.entries()) {
      const line = said.err.split('\n').find((one) => one.startsWith(`line ${i + 2}: `));
      if (text.source === '^$') expect(line).toBeUndefined();
      else expect(line).toMatch(text);
    }
    expect(said.err).toContain('nothing was written');
    expect(await cli.json<object[]>(['user', 'list'])).toHaveLength(before);
    const on = await load('w.csv', file, '--continue');
    expect(on).toMatchObject({ code: EXIT.data.code, out: expect.stringMatching(/^1 user added/) });
    expect(await user('w3@example.test')).toMatchObject({ aliases: ['w4@example.test'] });
  });

  test('a loop within the file, and one through the directory', async () => {
    const file =
      'login,password,forward\nl1@example.test,p,l2@example.test\nl2@example.test,p,l1@example.test\n';
    expect((await load('l.csv', file)).err).toMatch(/line [23]: A forward of l[12].*come back/);
    const around = 'login,forward\nc1@example.test,c2@example.test\n';
    expect((await load('m.csv', around, '--update')).err).toMatch(/line 2: .*come back/);
  });

  test('[S2-22] LDIF: exported and imported elsewhere, with fields of others and hashes', async () => {
    const entry = [
      'dn: cn=ext@example.test,ou=users,dc=elsewhere',
      'objectClass: top',
      'objectClass: mwUser',
      'objectClass: extensibleObject',
      'cn: ext@example.test',
      'entryUUID: 11111111-1111-1111-1111-111111111111',
      `userPassword:: ${Buffer.from('größe').toString('base64')}`,
      'telephoneNumber: +49 30 1',
      'mwVolume: v1',
      'mwSuspended: pop3',
      '',
      'dn: ou=users,dc=elsewhere',
      'objectClass: organizationalUnit',
      'ou: users',
      '',
    ].join('\n');
    const said = await load('e.ldif', entry);
    expect(said).toMatchObject({ code: 0, out: expect.stringContaining('1 entry of other kinds') });
    const added = await user('ext@example.test');
    expect(added).toMatchObject({ volume: 'v1', suspended: ['pop3'] });
    expect(added.fields).toContainEqual({ name: 'telephoneNumber', values: ['+49 30 1'] });
    expect(await accepts('ext@example.test', 'größe')).toBe('accepted');

    const out = await cli.run(['user', 'export', '--hashes', '--match', '^(ext|c[12])@']);
    expect(out.code).toBe(0);
    const other = await startTestCli({ server: 'embedded' });
    try {
      const path = other.file('x.ldif', out.out.replaceAll('mwVolume: v1\n', ''));
      expect(await other.run(['user', 'import', path])).toMatchObject({
        code: 0,
        out: expect.stringMatching(/^3 users added/),
      });
      const again = await other.json<UserRecord>(['user', 'show', 'ext@example.test']);
      expect(again.fields).toContainEqual({ name: 'telephoneNumber', values: ['+49 30 1'] });
      expect(again.id).not.toBe(added.id);
    } finally {
      await other.close();
    }
  });

  test('hashes leave only when asked for, only in LDIF, and not for operators', async () => {
    for (const format of ['ldif', 'csv']) {
      const said = await cli.run(['user', 'export', '--format', format]);
      expect(said.code).toBe(0);
      expect(said.out).not.toMatch(/password|SSHA|ARGON/i);
    }
    const csv = ['user', 'export', '--format', 'csv', '--hashes'];
    expect(await cli.run(csv)).toMatchObject({ code: EXIT.usage.code, out: '' });
    await cli.json(['administrator', 'grant', 'c1@example.test', 'operator']);
    const env = { MAILFARM_ADMIN: 'c1@example.test', MAILFARM_ADMIN_PASSWORD: 'one' };
    const asked = await cli.run(['user', 'export', '--hashes'], { env });
    expect(asked).toMatchObject({ code: EXIT.permission.code });
    expect(asked.out).not.toContain('userPassword');
    await cli.json(['administrator', 'revoke', 'c1@example.test']);
  });

  test('CSV that was exported is read again: all there already', async () => {
    const { out } = await cli.run(['user', 'export', '--format', 'csv']);
    const users = (await cli.json<object[]>(['user', 'list'])).length;
    const said = await load('again.csv', out);
    expect(said.out).toBe(`0 users added, ${users} there already, 0 problems\n`);
  });

  test('a helpdesk may not import; what is no file or no CSV is said', async () => {
    expect(await cli.run(['user', 'import', '/nonexistent.csv'])).toMatchObject({
      code: EXIT['no-input'].code,
    });
    const bytes = Buffer.from('login,password\nb\xff@example.test,p\n', 'latin1');
    expect((await load('b.csv', bytes)).err).toContain('line 2: the line is not UTF-8');
    const input = 'login,password\nstdin@example.test,p\n';
    const words = ['user', 'import', '-', '--format', 'csv', '--hash', 'ssha512'];
    expect(await cli.run(words, { input })).toMatchObject({ code: 0 });
    await cli.json(['administrator', 'grant', 'c1@example.test', 'helpdesk']);
    const env = { MAILFARM_ADMIN: 'c1@example.test', MAILFARM_ADMIN_PASSWORD: 'one' };
    const refused = await cli.run(words, { input, env });
    expect(refused).toMatchObject({ code: EXIT.permission.code });
    await cli.json(['administrator', 'revoke', 'c1@example.test']);
  });

  test('500 users: a line each tenth, a bar on a terminal; uids go on', async () => {
    const rows = Array.from({ length: 500 }, (_, i) => `n${i}@example.test,p`);
    const path = cli.file('n.csv', `login,password\n${rows.join('\n')}\n`);
    const dry = await cli.run(['user', 'import', path, '--dry-run'], { live: true });
    expect(dry.err).toMatch(/\r.*\[[#-]{20}\] \d+ %, \d+ of 500 users checked/);
    expect(dry.err.endsWith('\r\u001b[K')).toBe(true);
    const said = await cli.run(['user', 'import', path, '--hash', 'ssha512']);
    expect(said.out).toBe('500 users added, 0 there already, 0 problems\n');
    expect(said.err.match(/^\d+ %, \d+ of 500 users, [\d,]+\/s.*$/gm)).toHaveLength(10);
    const uids = new Set((await cli.json<UserRecord[]>(['user', 'list'])).map(({ uid }) => uid));
    expect(uids.size).toBeGreaterThan(500);
  });
});
