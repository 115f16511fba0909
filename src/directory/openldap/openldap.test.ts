import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attribute, Change, Client } from 'ldapts';
import { describe, expect, test } from 'vitest';
import { testDirectory } from '../../../test/harness/directory.ts';
import { runInPeers, startInPeers } from '../../../test/harness/in-peers.ts';
import { needs } from '../../../test/harness/needs.ts';
import { peersRoot } from '../../../test/harness/peers-root.ts';
import { run, saidBy, waitForPort } from '../../../test/harness/process.ts';
import { startSlapd, steadyPort } from '../../../test/harness/slapd.ts';
import { userEntry } from '../testing.ts';
import { OID_ARC } from '../schema.ts';
import { accessRules } from './access.ts';
import { configurable, SuffixError } from './config.ts';
import { frameLdif } from './frame.ts';
import { ldifRecord } from './ldif.ts';
import { configuration, wholeConfiguration } from './print.ts';
import { attributeTypes, objectClasses } from './schema.ts';

const SUFFIX = 'dc=example,dc=test';

describe('text', () => {
  test('every definition has a number of its own below our arc', () => {
    const numbers = [...attributeTypes(), ...objectClasses()].map((text) => text.split(' ')[1]);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const oid of numbers) expect(oid?.startsWith(`${OID_ARC}.`), oid).toBe(true);
  });

  test('[S0-38] the number of a node is indexed, in both forms', () => {
    const conf = configuration('indexes', { form: 'slapd.conf', suffix: SUFFIX });
    const ldif = configuration('indexes', { form: 'cn=config', suffix: SUFFIX });
    expect(conf).toContain('\nindex nid eq\n');
    expect(ldif).toContain('\nolcDbIndex: nid eq\n');
  });

  test('a password is read by no rule but that of administrators', () => {
    const rules = accessRules(configurable(SUFFIX)).filter(({ to }) => /userPassword\b/.test(to));
    expect(rules.length).toBeGreaterThan(3);
    for (const { to, by } of rules) {
      for (const clause of by) {
        const [, privilege] = /^(.*) (\S+)$/.exec(clause) ?? [];
        if (/administrators|cn=admin/.test(privilege ?? '')) continue;
        expect(clause, to).toMatch(/ (none|auth|=xw|=a)$/);
      }
    }
  });

  test('a suffix that would end the quotes of the configuration is refused', () => {
    for (const suffix of ['dc="x', 'dc=x\\,y', 'dc=x\nrootpw secret', 'x', '', 'dc=', '=x']) {
      expect(() => configurable(suffix), suffix).toThrow(SuffixError);
    }
    expect(configurable('o=Müller & Söhne,c=DE').users).toBe('ou=users,o=Müller & Söhne,c=DE');
  });

  test('long lines of LDIF are folded, what is no plain text is base64 (RFC 2849)', () => {
    const text = ldifRecord('cn=a', {
      description: ['x'.repeat(200), 'zoë', ' a', ':', 'a\nb', ''],
    });
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(76);
    const unfolded = text.replaceAll('\n ', '').split('\n').slice(1, -2);
    expect(unfolded).toEqual([
      `description: ${'x'.repeat(200)}`,
      `description:: ${Buffer.from('zoë').toString('base64')}`,
      `description:: ${Buffer.from(' a').toString('base64')}`,
      `description:: ${Buffer.from(':').toString('base64')}`,
      `description:: ${Buffer.from('a\nb').toString('base64')}`,
      'description: ',
    ]);
  });
});

test('slaptest takes the slapd.conf form, beside the schemas of others', async (ctx) => {
  needs(ctx, 'slapd');
  const directory = testDirectory(ctx);
  for (const suffix of [SUFFIX, 'o=Müller & Söhne,c=DE']) {
    mkdirSync(join(directory, 'data'), { recursive: true });
    const part = (name: Parameters<typeof configuration>[0]): string =>
      configuration(name, { form: 'slapd.conf', suffix });
    const schemas = ['core', 'cosine', 'nis', 'inetorgperson', 'misc', 'openldap', 'dyngroup'];
    const file = join(directory, 'slapd.conf');
    const text = [
      ...schemas.map((name) => `include /etc/ldap/schema/${name}.schema`),
      part('schema'),
      'modulepath /usr/lib/ldap\nmoduleload back_mdb',
      part('modules'),
      `database mdb\nsuffix "${suffix}"\ndirectory ${directory}/data`,
      part('indexes'),
      part('access'),
      part('database'),
    ];
    writeFileSync(file, text.join('\n'));
    const result = await runInPeers(['/usr/sbin/slaptest', '-u', '-f', file], {
      bind: [directory],
    });
    expect(saidBy(result)).toMatch(/config file testing succeeded/);
    expect(result.code).toBe(0);
  }
});

test("Debian's cn=config takes the LDIF form with ldapadd, then the tree", async (ctx) => {
  needs(ctx, 'slapd', '/usr/bin/ldapadd');
  const directory = testDirectory(ctx);
  for (const name of ['slapd.d', 'data']) mkdirSync(join(directory, name));
  const init = readFileSync(join(peersRoot, 'usr/share/slapd/slapd.init.ldif'), 'utf8')
    .replaceAll('@SUFFIX@', SUFFIX)
    .replaceAll('@PASSWORD@', 'secret')
    .replace('/var/lib/ldap', `${directory}/data`)
    .replaceAll('/var/run/slapd', directory);
  const bind = [directory];
  writeFileSync(join(directory, 'init.ldif'), init);
  const slapadd = ['/usr/sbin/slapadd', '-n0', '-F', `${directory}/slapd.d`];
  const made = await runInPeers([...slapadd, '-l', `${directory}/init.ldif`], { bind });
  expect(made.code, saidBy(made)).toBe(0);

  const port = await steadyPort();
  const url = `ldap://127.0.0.1:${port}`;
  const local = `ldapi://${encodeURIComponent(`${directory}/ldapi`)}`;
  const listen = `${url} ${local}`;
  const slapd = startInPeers(
    ['/usr/sbin/slapd', '-d', 'none', '-h', listen, '-F', `${directory}/slapd.d`],
    { bind },
  );
  ctx.onTestFinished(() => slapd.stop());
  await waitForPort(port, slapd);
  chmodSync(join(directory, 'ldapi'), 0o700);

  const asRoot = ['/usr/bin/ldapadd', '-Q', '-Y', 'EXTERNAL', '-H', local];
  const text = wholeConfiguration({ form: 'cn=config', suffix: SUFFIX });
  const configured = await run(asRoot, { input: Buffer.from(text) });
  expect(configured.code, saidBy(configured)).toBe(0);

  const frame = await frameLdif(SUFFIX, { admin: 'of the tree', frontend: 'of front ends' });
  expect(frame).not.toContain('of front ends');
  const asAdmin = ['/usr/bin/ldapadd', '-x', '-D', `cn=admin,${SUFFIX}`, '-w', 'secret', '-H', url];
  const filled = await run(asAdmin, { input: Buffer.from(frame) });
  expect(filled.code, saidBy(filled)).toBe(0);

  const frontend = new Client({ url });
  await frontend.bind(`cn=frontend,${SUFFIX}`, 'of front ends');
  const seen = await frontend.search(SUFFIX, { attributes: ['*', 'contextCSN', 'userPassword'] });
  await frontend.unbind();
  expect(seen.searchEntries.map(({ dn }) => dn)).toContain(`cn=farm,${SUFFIX}`);
  expect(seen.searchEntries.flatMap((entry) => entry['userPassword'])).toEqual([]);
  expect(seen.searchEntries[0]?.['contextCSN']).toMatch(/^\d{14}\.\d{6}Z#/);
});

describe('a running slapd', () => {
  const users = Array.from({ length: 700 }, (_, index) =>
    userEntry(`u${index}@example.test`, 5_000 + index, {
      mailAlias: `a${index}@example.test`,
      userPassword: '{SSHA512}AAAA',
    }),
  );

  test('[S0-38] finds a node by its number, and all that front ends ask, in an index', async (ctx) => {
    needs(ctx, 'slapd');
    const directory = testDirectory(ctx);
    const slapd = await startSlapd({ directory, entries: users, debug: 'filter' });
    ctx.onTestFinished(() => slapd.stop());
    const client = new Client({ url: slapd.url });
    await client.bind(slapd.frontend.dn, slapd.frontend.password);
    const find = async (filter: string): Promise<number> =>
      (await client.search(slapd.suffix, { filter, attributes: ['1.1'] })).searchEntries.length;
    const indexed = [
      '(nid=1)',
      '(cn=u1@example.test)',
      '(mailAlias=a1@example.test)',
      '(uid=5001)',
      '(mwVolume=mail1)',
      '(entryUUID=11111111-1111-4111-8111-111111111111)',
      '(objectClass=mwUser)',
      '(cn=u1*)',
      '(&(objectClass=mwUser)(mwSite=north))',
      '(mwSiteDomain=north.example.test)',
      '(mwAliasOf=example.test)',
    ];
    for (const filter of indexed) await find(filter);
    expect(await find('(cn=u69*)')).toBe(11);
    // It says so where there is none.
    await find('(server=nobody)');
    await expect.poll(() => slapd.output()).toContain('(server) not indexed');
    expect(slapd.output().match(/not indexed/g)).toHaveLength(1);
    await client.unbind();
  });

  test('front ends and administrators read all of it, however many entries', async (ctx) => {
    needs(ctx, 'slapd');
    const boss = userEntry('boss@example.test', 4_000, { mwLevel: '40' });
    const slapd = await startSlapd({
      directory: testDirectory(ctx),
      entries: [...users, boss],
      administrators: [boss.dn],
    });
    ctx.onTestFinished(() => slapd.stop());
    const person = { dn: boss.dn, password: 'secret of boss@example.test' };
    for (const { dn, password } of [slapd.frontend, slapd.admin, person]) {
      const client = new Client({ url: slapd.url });
      await client.bind(dn, password);
      const filter = '(objectClass=mwUser)';
      const found = await client.search(slapd.suffix, { filter, attributes: ['cn'] });
      expect(found.searchEntries.length, dn).toBe(701);
      await client.unbind();
    }
  });

  test('hashes what comes in the clear, and refuses what two would have', async (ctx) => {
    needs(ctx, 'slapd');
    const entries = [...users.slice(0, 2), userEntry('tevie@example.test', 4_000)];
    const slapd = await startSlapd({ directory: testDirectory(ctx), entries });
    ctx.onTestFinished(() => slapd.stop());
    const admin = new Client({ url: slapd.url });
    await admin.bind(slapd.admin.dn, slapd.admin.password);
    const tevie = `cn=tevie@example.test,ou=users,${slapd.suffix}`;
    const change = async (type: string, ...values: string[]): Promise<void> => {
      const modification = new Attribute({ type, values });
      await admin.modify(tevie, new Change({ operation: 'replace', modification }));
    };
    await change('userPassword', 'in the clear');
    const stored = await admin.search(tevie, { scope: 'base', attributes: ['userPassword'] });
    expect(String(stored.searchEntries[0]?.['userPassword'])).toMatch(/^\{ARGON2\}\$argon2/);
    await new Client({ url: slapd.url }).bind(tevie, 'in the clear');

    const taken = { code: 19 };
    await expect(change('uid', '5001')).rejects.toMatchObject(taken);
    await expect(change('mailAlias', 'A1@example.test')).rejects.toMatchObject(taken);
    await expect(change('uid', 'not a number')).rejects.toMatchObject(taken);
    await expect(change('uid', '1', '2')).rejects.toMatchObject(taken);
    await expect(change('mwVolume', 'mail1', 'mail2')).rejects.toMatchObject(taken);
    await admin.unbind();
  });

  test('who is renamed keeps the level; who is removed leaves none', async (ctx) => {
    needs(ctx, 'slapd');
    const tevie = 'cn=tevie@example.test,ou=users,dc=mailfarm';
    const slapd = await startSlapd({
      directory: testDirectory(ctx),
      entries: [userEntry('tevie@example.test', 4_000, { mwLevel: '40' })],
      administrators: [tevie],
    });
    ctx.onTestFinished(() => slapd.stop());
    const admin = new Client({ url: slapd.url });
    await admin.bind(slapd.admin.dn, slapd.admin.password);
    const members = async (): Promise<unknown> => {
      const group = `cn=administrators,ou=rights,${slapd.suffix}`;
      const { searchEntries } = await admin.search(group, { scope: 'base' });
      return [searchEntries[0]?.['member']].flat();
    };
    const renamed = tevie.replace('tevie', 'reb-tevie');
    await admin.modifyDN(tevie, renamed);
    await expect.poll(members).toEqual([slapd.admin.dn, renamed]);
    await admin.del(renamed);
    await expect.poll(members).toEqual([slapd.admin.dn]);
    await admin.unbind();
  });

  test('a site keeps its own classes: mail attributes on inetOrgPerson and posixAccount', async (ctx) => {
    needs(ctx, 'slapd');
    const slapd = await startSlapd({ directory: testDirectory(ctx) });
    ctx.onTestFinished(() => slapd.stop());
    const admin = new Client({ url: slapd.url });
    await admin.bind(slapd.admin.dn, slapd.admin.password);
    const dn = `uid=tevie,ou=users,${slapd.suffix}`;
    await admin.add(dn, {
      objectClass: ['inetOrgPerson', 'posixAccount', 'mwMailUser'],
      uid: 'tevie',
      cn: ['Tevie', 'Tevie the milkman'],
      sn: 'Milkman',
      mail: 'tevie@example.test',
      uidNumber: '1001',
      gidNumber: '100',
      homeDirectory: '/home/tevie',
      mailAlias: 't@example.test',
      mwVolume: 'mail1',
    });
    const unknown = admin.add(`cn=x,ou=users,${slapd.suffix}`, { objectClass: 'mwUser', cn: 'x' });
    await expect(unknown, 'without uid and userPassword').rejects.toMatchObject({ code: 65 });
    await admin.unbind();
  });
});
