/** OpenLDAP's own tools, from Debian's ldap-utils, do the same on either server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { has, needs } from '../../test/harness/needs.ts';
import { run } from '../../test/harness/process.ts';
import { systemClock } from '../base/clock.ts';
import { ldapDirectory } from './client/directory.ts';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from './testing.ts';
import type { Directory } from './types.ts';

const TEVIE = 'cn=tevie@example.test,ou=users,dc=mailfarm';
const ENTRY = `dn: ${TEVIE}
objectClass: top
objectClass: mwUser
cn: tevie@example.test
uid: 20010
userPassword: secret
mailAlias: t@example.test
mwPath: /mail1/12/34/tevie
`;

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
  });
  afterAll(async () => {
    await server.close();
  });

  interface Said {
    readonly code: number | null;
    readonly out: string;
  }
  async function tool(name: string, args: readonly string[], input = ''): Promise<Said> {
    const { bindDn, bindPassword } = server.admin;
    const bind = ['-x', '-H', server.server.url, '-D', bindDn, '-w', bindPassword];
    const result = await run([`/usr/bin/${name}`, ...bind, ...args], { input: Buffer.from(input) });
    return { code: result.code, out: result.stdout.toString('utf8') + result.stderr };
  }
  const modify = (text: string, ...args: string[]): Promise<Said> =>
    tool('ldapmodify', args, `dn: ${TEVIE}\nchangetype: modify\n${text}`);
  const kindOf = async (directory: Directory, address: string): Promise<string> =>
    (await directory.resolve(address)).kind;

  test('[S2-18] [S2-29] what they change counts within the seconds of the cache', async (ctx) => {
    needs(ctx, '/usr/bin/ldapadd');
    let now = 1_000_000;
    const clock = { ...systemClock, now: () => now };
    const directory = ldapDirectory({ ...server.frontend, clock });
    ctx.onTestFinished(() => directory.close());
    const cacheRunsOut = (): void => {
      now += 5_001;
    };
    expect(await kindOf(directory, 't@example.test')).toBe('unknown-user');
    expect(await tool('ldapadd', [], ENTRY)).toMatchObject({ code: 0 });
    const found = await directory.resolve('t@example.test');
    if (found.kind !== 'account') throw new Error(found.kind);
    expect(found.account).toMatchObject({ uid: 20_010, path: '/mail1/12/34/tevie' });
    expect(await directory.verifyPassword(found.account, 'secret')).toBe('accepted');
    expect((await tool('ldapadd', [], ENTRY)).code).toBe(68);

    const change = 'add: mailAlias\nmailAlias: zoë@example.test\n-\nreplace: mwQuota\nmwQuota: 7\n';
    expect(await modify(change)).toMatchObject({ code: 0 });
    cacheRunsOut();
    expect(await kindOf(directory, 'ZOË@example.test')).toBe('account');
    expect((await directory.account('tevie@example.test'))?.quotaBytes).toBe(7);
    expect((await tool('ldapcompare', [TEVIE, 'mwQuota:7'])).code).toBe(6);

    expect(await modify('replace: userPassword\nuserPassword: new one\n')).toMatchObject({
      code: 0,
    });
    cacheRunsOut();
    expect(await directory.verifyPassword(found.account, 'secret')).toBe('refused');
    expect(await directory.verifyPassword(found.account, 'new one')).toBe('accepted');

    expect(await tool('ldapmodrdn', ['-r', TEVIE, 'cn=tev@example.test'])).toMatchObject({
      code: 0,
    });
    cacheRunsOut();
    expect((await directory.account('tev@example.test'))?.id).toBe(found.account.id);
    expect(await kindOf(directory, 'tevie@example.test')).toBe('unknown-user');
    const renamed = TEVIE.replace('tevie', 'tev');
    expect(await tool('ldapdelete', [renamed])).toMatchObject({ code: 0 });
    cacheRunsOut();
    expect(await kindOf(directory, 't@example.test')).toBe('unknown-user');
  });

  test('ldapsearch finds by filter, in pages, and reads operational attributes', async (ctx) => {
    needs(ctx, '/usr/bin/ldapsearch');
    const all = await tool('ldapsearch', ['-LLL', '-b', 'dc=mailfarm', '*', '+']);
    expect(all.out.match(/^dn: /gm)?.length).toBe(server.server.size);
    expect(all.out).toMatch(/^entryUUID: [0-9a-f-]{36}$/m);
    expect(all.out).toMatch(/^entryCSN: \d{14}\.\d{6}Z#/m);
    expect(all.out).toMatch(/^contextCSN: \d{14}\.\d{6}Z#/m);
    const filter = '(&(objectClass=mwUser)(|(cn=ali*)(uid=2002))(!(mwVolume=*)))';
    const some = await tool('ldapsearch', ['-LLL', '-b', 'ou=users,dc=mailfarm', filter, 'uid']);
    expect(some.out.match(/^uid: /gm)?.length).toBe(2);
    const pages = ['-LLL', '-E', 'pr=2/noprompt', '-b', 'dc=mailfarm', 'cn'];
    const paged = await tool('ldapsearch', pages);
    expect(paged.out.match(/^dn: /gm)?.length).toBe(server.server.size);
    const root = await tool('ldapsearch', ['-LLL', '-s', 'base', '-b', '', '+']);
    expect(root.out).toContain('namingContexts: dc=mailfarm');
    expect(root.out, 'RFC 4528').toContain('supportedControl: 1.3.6.1.1.12');
    expect((await tool('ldapwhoami', [])).out.trim()).toBe('dn:cn=admin,dc=mailfarm');
  });

  test('a change under an assertion is refused when the entry changed meanwhile (RFC 4528)', async (ctx) => {
    needs(ctx, '/usr/bin/ldapmodify');
    expect(await tool('ldapadd', [], ENTRY)).toMatchObject({ code: 0 });
    const read = await tool('ldapsearch', ['-LLL', '-b', TEVIE, '-s', 'base', 'entryCSN']);
    const csn = /^entryCSN: (\S+)$/m.exec(read.out)?.[1] ?? '';
    const assertion = ['-e', `!assert=(entryCSN=${csn})`];
    const quota = (octets: number): string => `replace: mwQuota\nmwQuota: ${octets}\n`;
    expect(await modify(quota(1), ...assertion)).toMatchObject({ code: 0 });
    expect(await modify(quota(2), ...assertion)).toMatchObject({ code: 122 });
    expect((await tool('ldapcompare', [TEVIE, 'mwQuota:1'])).code).toBe(6);
    expect(await tool('ldapdelete', [TEVIE])).toMatchObject({ code: 0 });
  });
});

test('both servers are tested where slapd is', () => {
  expect(TEST_SERVERS).toEqual(has('slapd') ? ['embedded', 'slapd'] : ['embedded']);
});
