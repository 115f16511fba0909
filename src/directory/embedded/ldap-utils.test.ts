import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest';
import { ldapDirectory } from '../client/directory.ts';
import { startTestDirectory, type TestDirectory } from '../testing.ts';

/** OpenLDAP's own tools, from Debian's ldap-utils: an independent client. */
let directory: TestDirectory;

beforeAll(async () => {
  directory = await startTestDirectory();
});
afterAll(async () => {
  await directory.close();
});

/** A missing tool is shown, and in CI it fails. */
function needsTools(ctx: TestContext): void {
  if (existsSync('/usr/bin/ldapsearch')) return;
  if (process.env['CI']) throw new Error('ldap-utils is not installed');
  ctx.skip('ldap-utils is not installed');
}

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function tool(name: string, args: readonly string[], input = ''): Promise<Run> {
  const self = args.includes('-D') ? [] : ['-D', 'cn=admin,dc=mailfarm', '-w', 'admin-secret'];
  const bind = ['-x', '-H', directory.server.url, ...self];
  return new Promise((resolve) => {
    const child = execFile(`/usr/bin/${name}`, [...bind, ...args], (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
    child.stdin?.end(input);
  });
}

const TEVIE = `dn: cn=tevie@example.test,ou=users,dc=mailfarm
objectClass: top
objectClass: mwUser
cn: tevie@example.test
uid: 20010
userPassword: secret
mailAlias: t@example.test
mwPath: /mail1/12/34/tevie
homeDirectory: /nonexistent
`;

test('[S2-18] [S2-29] an entry added with ldapadd works at once, and so do changes', async (ctx) => {
  needsTools(ctx);
  const client = ldapDirectory({ ...directory.frontend, options: { 'directory.cache.fresh': 0 } });
  try {
    expect(await client.resolve('t@example.test')).toEqual({ kind: 'unknown-user' });
    expect(await tool('ldapadd', [], TEVIE)).toMatchObject({ code: 0, err: '' });
    const found = await client.resolve('t@example.test');
    if (found.kind !== 'account') throw new Error(found.kind);
    expect(found.account).toMatchObject({ uid: 20_010, path: '/mail1/12/34/tevie' });
    expect(await client.verifyPassword(found.account, 'secret')).toBe('accepted');

    const again = await tool('ldapadd', [], TEVIE);
    expect(again.code).toBe(68);
    const modify = 'dn: cn=tevie@example.test,ou=users,dc=mailfarm\nchangetype: modify\n';
    const added = `${modify}add: mailAlias\nmailAlias: zoë@example.test\n-\nreplace: mwQuota\nmwQuota: 7\n`;
    expect(await tool('ldapmodify', [], added)).toMatchObject({ code: 0 });
    expect((await client.resolve('ZOË@example.test')).kind).toBe('account');
    const name = 'cn=tevie@example.test,ou=users,dc=mailfarm';
    expect((await tool('ldapcompare', [name, 'mwQuota:7'])).code).toBe(6);
    expect(await tool('ldapmodrdn', ['-r', name, 'cn=tev@example.test'])).toMatchObject({
      code: 0,
    });
    const renamed = await client.account('tev@example.test');
    expect(renamed?.id).toBe(found.account.id);
    expect(await tool('ldapdelete', ['cn=tev@example.test,ou=users,dc=mailfarm'])).toMatchObject({
      code: 0,
    });
    expect(await client.resolve('t@example.test')).toEqual({ kind: 'unknown-user' });
  } finally {
    await client.close();
  }
});

test('ldapsearch reads everything, and ldapwhoami says who (RFC 4532 §2)', async (ctx) => {
  needsTools(ctx);
  const all = await tool('ldapsearch', ['-LLL', '-b', 'dc=mailfarm', '*', '+']);
  expect(all.code).toBe(0);
  expect(all.out.match(/^dn: /gm)?.length).toBe(directory.server.size);
  expect(all.out).toMatch(/^entryUUID: [0-9a-f-]{36}$/m);
  const filter = '(&(objectClass=mwUser)(|(cn=ali*)(uid=2002))(!(mwVolume=*)))';
  const some = await tool('ldapsearch', ['-LLL', '-b', 'ou=users,dc=mailfarm', filter, 'uid']);
  expect(some.out.match(/^uid: /gm)?.length).toBe(2);
  const paged = await tool('ldapsearch', [
    '-LLL',
    '-E',
    'pr=2/noprompt',
    '-b',
    'dc=mailfarm',
    'cn',
  ]);
  expect(paged.code).toBe(0);
  const root = await tool('ldapsearch', ['-LLL', '-s', 'base', '-b', '', 'namingContexts']);
  expect(root.out).toContain('namingContexts: dc=mailfarm');
  expect((await tool('ldapwhoami', [])).out.trim()).toBe('dn:cn=admin,dc=mailfarm');
  const refused = await tool('ldapsearch', ['-b', 'dc=mailfarm', '(cn:dn:=x)']);
  expect(refused).toMatchObject({ code: 18 });
  expect(refused.out + refused.err).toContain('Extensible match is not supported');
});

test('[S2-30] ldapmodify sets a password, which is stored hashed', async (ctx) => {
  needsTools(ctx);
  const name = 'cn=bob@example.test,ou=users,dc=mailfarm';
  const change = `dn: ${name}\nchangetype: modify\nreplace: userPassword\nuserPassword: changed\n`;
  expect(await tool('ldapmodify', [], change)).toMatchObject({ code: 0 });
  const read = await tool('ldapsearch', ['-LLL', '-o', 'ldif-wrap=no', '-b', name, 'userPassword']);
  const stored = Buffer.from(/userPassword:: (\S+)/.exec(read.out)?.[1] ?? '', 'base64').toString();
  expect(stored).toMatch(/^\{SSHA512\}/);
});

test('[S2-30] ldappasswd gives a password, or has one made (RFC 3062 §2)', async (ctx) => {
  needsTools(ctx);
  const alice = 'cn=alice@example.test,ou=users,dc=mailfarm';
  const as = (password: string, args: readonly string[]): Promise<Run> =>
    tool('ldappasswd', ['-D', alice, '-w', password, ...args]);
  expect(await tool('ldappasswd', ['-s', 'given', alice])).toMatchObject({ code: 0, err: '' });
  const wrong = await as('given', ['-a', 'not this', '-s', 'other']);
  expect(wrong.code).toBe(1);
  expect(wrong.out + wrong.err).toContain('(53)');
  expect(await as('given', ['-a', 'given', '-s', 'own'])).toMatchObject({ code: 0 });
  const made = /^New password: (\S{16})$/m.exec((await as('own', [])).out)?.[1] ?? '';
  expect((await as(made, ['-s', 'again'])).code).toBe(0);
  const bob = 'cn=bob@example.test,ou=users,dc=mailfarm';
  expect((await as('again', ['-s', 'mine', bob])).out).toContain('(50)');
  expect((await as('again', ['-s', '{SSHA}x'])).out).toContain('(19)');
  const read = await tool('ldapsearch', [
    '-LLL',
    '-o',
    'ldif-wrap=no',
    '-b',
    alice,
    'userPassword',
  ]);
  expect(read.out.match(/^userPassword::/gm)).toHaveLength(1);
});

test('[S2-18] the tools send assertions, ask for pages, and move entries', async (ctx) => {
  needsTools(ctx);
  const bob = 'cn=bob@example.test,ou=users,dc=mailfarm';
  const change = `dn: ${bob}\nchangetype: modify\nreplace: mwQuota\nmwQuota: 11\n`;
  const csn = async (): Promise<string> => {
    const { out } = await tool('ldapsearch', ['-LLL', '-b', bob, '-s', 'base', 'entryCSN']);
    return /^entryCSN: (\S+)$/m.exec(out)?.[1] ?? '';
  };
  const assertion = ['-e', `!assert=(entryCSN=${await csn()})`];
  expect((await tool('ldapmodify', assertion, change)).code).toBe(0);
  expect((await tool('ldapmodify', assertion, change)).code).toBe(122);
  const all = ['-LLL', '-b', 'dc=mailfarm', '-E', '!pr=3/noprompt', '(objectClass=*)', '1.1'];
  const paged = await tool('ldapsearch', all);
  expect(paged.code).toBe(0);
  expect(paged.out.match(/^dn: /gm)).toHaveLength(directory.server.size);
  const moved = ['-r', '-s', 'ou=removed,dc=mailfarm', bob, 'cn=0f0f0f0f'];
  expect((await tool('ldapmodrdn', moved)).code).toBe(0);
  const gone = ['-LLL', '-b', 'ou=removed,dc=mailfarm', '(uid=2002)', 'cn'];
  expect((await tool('ldapsearch', gone)).out).toContain('cn: 0f0f0f0f\n');
});
