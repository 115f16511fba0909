/** What another service keeps in the entries of our users: RADIUS, Unix accounts (S2-16). */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test, type TestContext } from 'vitest';
import { TEST_SERVERS } from '../../directory/testing.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

const SUFFIX = 'dc=mailfarm';
const RADIUS = `cn=radius,${SUFFIX}`;
const tevie = `cn=tevie@example.test,ou=users,${SUFFIX}`;

/** As openldap/README.md says it. */
const READER = `dn: ${RADIUS}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: radius
userPassword: radius-secret

dn: cn=auditors,ou=rights,${SUFFIX}
changetype: modify
add: member
member: ${RADIUS}
`;
const FOREIGN = {
  gidNumber: ['100'],
  homeDirectory: ['/home/tevie'],
  loginShell: ['/bin/false'],
  uidNumber: ['5001'],
};
const WITH_UNIX = `dn: ${tevie}
changetype: modify
add: objectClass
objectClass: posixAccount
-
add: uidNumber
uidNumber: 5001
-
add: gidNumber
gidNumber: 100
-
add: homeDirectory
homeDirectory: /home/tevie
-
add: loginShell
loginShell: /bin/false
`;

/** A missing tool is shown, and in CI it fails. */
function needsTools(ctx: TestContext): void {
  if (existsSync('/usr/bin/ldapsearch')) return;
  if (process.env['CI'] !== undefined) throw new Error('ldap-utils is not installed');
  ctx.skip('ldap-utils is not installed');
}

const run = (
  name: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number; out: string }> =>
  new Promise((resolve) => {
    const child = execFile(`/usr/bin/${name}`, args, (error, out) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out });
    });
    child.stdin?.end(input);
  });

describe.each(TEST_SERVERS)('entries that other services use, on %s', (server) => {
  let cli: TestCli;
  const tool = (
    name: string,
    who: readonly [dn: string, password: string],
    args: readonly string[],
    input = '',
  ): Promise<{ code: number; out: string }> =>
    run(name, ['-x', '-H', cli.directory.server.url, '-D', who[0], '-w', who[1], ...args], input);
  const admin = ['cn=admin,dc=mailfarm', 'admin-secret'] as const;
  const radius = [RADIUS, 'radius-secret'] as const;
  const foreignOf = (user: UserRecord): Record<string, readonly string[]> =>
    Object.fromEntries(
      user.fields.filter(({ name }) => Object.hasOwn(FOREIGN, name)).map((f) => [f.name, f.values]),
    );
  const show = (login: string) => cli.json<UserRecord>(['user', 'show', login]);
  const classesOf = (user: UserRecord): readonly string[] =>
    user.fields.find(({ name }) => name === 'objectClass')?.values ?? [];

  beforeAll(async () => {
    cli = await startTestCli({ server });
  }, 60_000);
  afterAll(async () => await cli?.close());

  beforeEach(async (ctx) => {
    needsTools(ctx);
    if ((await cli.run(['user', 'show', 'tevie@example.test'])).code === 0) return;
    await cli.json(
      ['user', 'add', 'tevie@example.test', '--password-stdin', '--alias', 't@example.test'],
      {
        input: 'secret\n',
      },
    );
    expect((await tool('ldapmodify', admin, [], WITH_UNIX)).code).toBe(0);
    // The first record is a new entry, the second a change.
    expect((await tool('ldapmodify', admin, ['-a'], READER)).code).toBe(0);
  });

  test('[S2-16] a service reads and compares with an identity of its own, and changes nothing', async () => {
    const search = ['-LLL', '-b', `ou=users,${SUFFIX}`, '(uidNumber=5001)'];
    const found = await tool('ldapsearch', radius, search);
    expect(found.code).toBe(0);
    for (const text of [
      `dn: ${tevie}`,
      'homeDirectory: /home/tevie',
      'mailAlias: t@example.test',
    ]) {
      expect(found.out).toContain(text);
    }
    expect(found.out).not.toMatch(/userPassword/i);
    expect((await tool('ldapcompare', radius, [tevie, 'gidNumber:100'])).code).toBe(6);
    expect((await tool('ldapcompare', radius, [tevie, 'gidNumber:101'])).code).toBe(5);
    const change = `dn: ${tevie}\nchangetype: modify\nreplace: loginShell\nloginShell: /bin/sh\n`;
    expect((await tool('ldapmodify', radius, [], change)).code).toBe(50);
    expect((await tool('ldapdelete', radius, [tevie])).code).toBe(50);
    const hashes = await tool('ldapsearch', radius, [...search, 'userPassword']);
    expect(hashes.out).not.toMatch(/userPassword/i);
    expect((await tool('ldapsearch', [RADIUS, 'wrong'], search)).code).toBe(49);
  });

  test('[S2-16] it verifies a password by a bind as the user', async () => {
    const right = await tool('ldapwhoami', [tevie, 'secret'], []);
    expect(right).toEqual({ code: 0, out: `dn:${tevie}\n` });
    expect((await tool('ldapwhoami', [tevie, 'wrong'], [])).code).toBe(49);
  });

  test('[S2-16] [S2-22] every tool of ours keeps its fields, and shows them', async () => {
    const login = 'tevie@example.test';
    await cli.json(['user', 'set', login, '--quota', '5GB', '--description', 'K-1']);
    await cli.json(['alias', 'add', 'tev@example.test', login]);
    await cli.json(['forward', 'add', login, 'tevie@far.test']);
    await cli.json(['user', 'suspend', login]);
    await cli.json(['user', 'resume', login]);
    await cli.json(['administrator', 'grant', login, 'auditor']);
    await cli.json(['administrator', 'revoke', login]);
    expect(foreignOf(await show(login))).toEqual(FOREIGN);
    const renamed = await cli.json<UserRecord>(['user', 'rename', login, 'teyve@example.test']);
    expect(foreignOf(renamed)).toEqual(FOREIGN);
    const removed = await cli.json<UserRecord>(['user', 'remove', 'teyve@example.test']);
    expect(foreignOf(removed)).toEqual(FOREIGN);
    // The service finds nobody among those who were removed, if it looks where users are.
    const gone = await tool('ldapsearch', radius, [
      '-LLL',
      '-b',
      `ou=users,${SUFFIX}`,
      'uidNumber=5001',
    ]);
    expect(gone).toEqual({ code: 0, out: '' });
    await cli.json(['user', 'restore', 'teyve@example.test']);
    await cli.json(['user', 'rename', 'teyve@example.test', login]);
    const back = await show(login);
    expect(foreignOf(back)).toEqual(FOREIGN);
    expect(classesOf(back)).toContain('posixAccount');
    expect((await cli.run(['user', 'show', login])).out).toMatch(/homeDirectory +\/home\/tevie/);
  });

  test.each(['ldif', 'csv'])(
    '[S2-16] [S2-22] export and import keep its fields: %s',
    async (format) => {
      const login = 'tevie@example.test';
      const exported = await cli.run([
        'user',
        'export',
        '--format',
        format,
        '--filter',
        '(uidNumber=5001)',
      ]);
      expect(exported.out).toContain('/home/tevie');
      const ours = cli.file('ours.csv', `login,quota\n${login},${format === 'csv' ? 7 : 8}\n`);
      expect(await cli.run(['user', 'import', ours, '--update'])).toMatchObject({ code: 0 });
      expect(foreignOf(await show(login))).toEqual(FOREIGN);
      // Nor does a file that has them change anything but what differs.
      const whole = cli.file(`users.${format}`, exported.out);
      expect(await cli.run(['user', 'import', whole, '--update'])).toMatchObject({ code: 0 });
      const after = await show(login);
      expect(foreignOf(after)).toEqual(FOREIGN);
      expect(classesOf(after)).toContain('posixAccount');
    },
  );

  test('[S2-16] an export brings them to another directory', async () => {
    const exported = await cli.run(['user', 'export', '--hashes', '--filter', '(uidNumber=5001)']);
    const other = await startTestCli({ server });
    try {
      const file = other.file('users.ldif', exported.out);
      expect(await other.run(['user', 'import', file])).toMatchObject({ code: 0 });
      const bind = ['-x', '-H', other.directory.server.url, '-D', tevie, '-w', 'secret'];
      expect(await run('ldapwhoami', bind)).toEqual({ code: 0, out: `dn:${tevie}\n` });
      const user = await other.json<UserRecord>(['user', 'show', 'tevie@example.test']);
      expect(foreignOf(user)).toEqual(FOREIGN);
      expect(classesOf(user)).toContain('posixAccount');
    } finally {
      await other.close();
    }
  });
});
