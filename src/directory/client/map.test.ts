import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'ldapts';
import { afterEach, expect, test } from 'vitest';
import { runInPeers, startInPeers } from '../../../test/harness/in-peers.ts';
import { steadyPort } from '../../../test/harness/slapd.ts';
import type { SeedEntry } from '../frame.ts';
import { MAPS, type AttributeMap } from '../map.ts';
import { ldifRecord } from '../openldap/ldif.ts';
import { startTestDirectory, TEST_SERVERS } from '../testing.ts';
import { DirectoryUnavailable, type Account, type Directory } from '../types.ts';
import { openSnapshot } from '../snapshot/open.ts';
import { writeSnapshot } from '../snapshot/write.ts';
import { ldapDirectory, type LdapDirectoryOptions } from './directory.ts';

const toClose: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

const BASE = 'dc=site,dc=test';

/** Of qmail.schema and authldap.schema what the tests need, as those define it. */
const QMAIL = `
attributetype ( 1.3.6.1.4.1.7914.1.2.1.1 NAME 'qmailUID' EQUALITY numericStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.36 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.7914.1.2.1.3 NAME 'mailMessageStore' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.7914.1.2.1.4 NAME 'mailAlternateAddress'
  EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 1.3.6.1.4.1.7914.1.2.1.7 NAME 'mailForwardingAddress'
  EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 1.3.6.1.4.1.7914.1.2.1.10 NAME 'deliveryMode'
  EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{32} )
attributetype ( 1.3.6.1.4.1.7914.1.2.1.12 NAME 'accountStatus'
  EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.7914.1.2.1.15 NAME 'mailQuotaSize'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.7914.1.2.2.1 NAME 'qmailUser' SUP top AUXILIARY MUST ( mail )
  MAY ( uid $ mailMessageStore $ homeDirectory $ userPassword $ mailAlternateAddress $ qmailUID $
    mailForwardingAddress $ deliveryMode $ accountStatus $ mailQuotaSize ) )
`;
const COURIER = `
attributetype ( 1.3.6.1.4.1.10018.1.1.1 NAME 'mailbox' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.10018.1.1.2 NAME 'quota' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.10018.1.1.4 NAME 'maildrop' EQUALITY caseIgnoreIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 1.3.6.1.4.1.10018.1.1.9 NAME 'disableimap' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.10018.1.1.10 NAME 'disablepop3' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.10018.1.1.11 NAME 'disablewebmail' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.3.6.1.4.1.10018.1.2.1 NAME 'CourierMailAccount' SUP top AUXILIARY
  MUST ( mail $ homeDirectory ) MAY ( uidNumber $ gidNumber $ mailbox $ uid $ cn $ quota $
    userPassword $ disableimap $ disablepop3 $ disablewebmail ) )
objectclass ( 1.3.6.1.4.1.10018.1.2.2 NAME 'CourierMailAlias' SUP top AUXILIARY
  MUST ( mail $ maildrop ) MAY ( description ) )
`;

type Attributes = Record<string, string | readonly string[]>;

/** A site's own directory: its schema, nothing of ours, no replication, nobody may write. */
async function siteDirectory(schema: string, entries: readonly SeedEntry[]): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'mailfarm-site-'));
  chmodSync(home, 0o711);
  toClose.push(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, 'data'));
  const standard = ['core', 'cosine', 'nis', 'inetorgperson'];
  const file = join(home, 'slapd.conf');
  const lines = [
    ...standard.map((name) => `include /etc/ldap/schema/${name}.schema`),
    schema,
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    'database mdb',
    `suffix "${BASE}"`,
    `directory ${home}/data`,
    'access to attrs=userPassword by anonymous auth by * none',
    'access to * by users read by * none',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const root: SeedEntry = {
    dn: BASE,
    attributes: { objectClass: ['dcObject', 'organization'], dc: 'site', o: 'Site' },
  };
  const reader = user('cn=reader', { cn: 'reader' }, ['organizationalRole'], 'reading');
  const ldif = [root, reader, ...entries].map(({ dn, attributes }) => ldifRecord(dn, attributes));
  writeFileSync(join(home, 'seed.ldif'), ldif.join(''));
  const add = ['/usr/sbin/slapadd', '-q', '-f', file, '-l', join(home, 'seed.ldif')];
  const added = await runInPeers(add, { bind: [home] });
  if (added.code !== 0) throw new Error(added.stderr);
  const url = `ldap://127.0.0.1:${await steadyPort()}`;
  const slapd = startInPeers(['/usr/sbin/slapd', '-d', '0', '-h', url, '-f', file], {
    bind: [home],
  });
  toClose.push(() => slapd.stop());
  await expect.poll(() => answers(url), { timeout: 20_000, interval: 50 }).toBe(true);
  return url;
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ url, connectTimeout: 500, timeout: 2_000 });
  try {
    await client.bind('', '');
    return true;
  } catch {
    return false;
  } finally {
    await client.unbind().catch(() => {});
  }
}

/** What slapd verifies without a module (RFC 2307 §5.3, salted). */
function ssha(password: string): string {
  const salt = randomBytes(8);
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}

function user(
  rdn: string,
  attributes: Attributes,
  classes: readonly string[],
  password?: string,
): SeedEntry {
  const simple = password === undefined ? [] : ['simpleSecurityObject'];
  const auxiliary = classes.includes('organizationalRole') ? simple : [];
  const hash = password === undefined ? undefined : ssha(password);
  return {
    dn: `${rdn},${BASE}`,
    attributes: {
      objectClass: [...classes, ...auxiliary],
      ...attributes,
      ...(hash !== undefined && { userPassword: hash }),
    },
  };
}

const person = (name: string, classes: readonly string[], more: Attributes): SeedEntry =>
  user(
    `uid=${name}`,
    { uid: name, cn: name, sn: name, ...more },
    ['inetOrgPerson', ...classes],
    `password of ${name}`,
  );

const posix = (name: string, number: number): Attributes => ({
  uidNumber: String(number),
  gidNumber: '100',
  homeDirectory: `/mail1/home/${name}`,
});

async function open(url: string, map: AttributeMap): Promise<Directory> {
  const farm = await startTestDirectory({
    entries: [
      {
        dn: 'cn=team@example.test,ou=lists,dc=mailfarm',
        attributes: {
          objectClass: ['top', 'mwList'],
          cn: 'team@example.test',
          mwMemberFilter: '(description=team)',
        },
      },
      {
        dn: 'cn=ruled,ou=rules,dc=mailfarm',
        attributes: {
          objectClass: ['top', 'mwRule'],
          cn: 'ruled',
          mwOrder: '1',
          mwPattern: 'r.*@example\\.test',
          mwTarget: 'volume:mail2',
        },
      },
    ],
  });
  toClose.push(() => farm.close());
  const bind = { bindDn: `cn=reader,${BASE}`, bindPassword: 'reading' };
  const users = { urls: [url], base: BASE, ...bind, map };
  const options = { ...farm.frontend, users };
  const directory = ldapDirectory(options);
  toClose.push(() => directory.close());
  optionsOf.set(directory, options);
  return directory;
}

const optionsOf = new WeakMap<Directory, LdapDirectoryOptions>();

/** A snapshot of the two directories answers as they do (S2-17). */
async function agrees(live: Directory, names: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mailfarm-site-'));
  toClose.push(() => rmSync(folder, { recursive: true }));
  const output = join(folder, 'site.snapshot');
  const directory = optionsOf.get(live);
  if (!directory) throw new Error('not opened here');
  await writeSnapshot({ directory, output });
  const snapshot = openSnapshot(output);
  const said = async (ask: Promise<unknown>): Promise<unknown> =>
    await ask.catch((error: Error) => error.name);
  for (const name of names) {
    expect(await said(snapshot.resolve(name)), name).toEqual(await said(live.resolve(name)));
    expect(await said(snapshot.account(name)), name).toEqual(await said(live.account(name)));
  }
  await snapshot.close();
}

async function accountOf(directory: Directory, address: string): Promise<Account> {
  const resolution = await directory.resolve(address);
  if (resolution.kind !== 'account') throw new Error(`${address} is ${resolution.kind}`);
  return resolution.account;
}

const TEST_MS = 60_000;
const onSlapd = test.runIf(TEST_SERVERS.includes('slapd'));

onSlapd(
  '[S1-26] posix: inetOrgPerson and posixAccount as they stand',
  { timeout: TEST_MS },
  async () => {
    const url = await siteDirectory('', [
      person('tevie', ['posixAccount'], {
        ...posix('tevie', 2001),
        mail: ['Tevie@example.test', 't@example.test'],
        description: 'team',
      }),
      person('golde', ['posixAccount'], {
        ...posix('golde', 2002),
        mail: 'golde@example.test',
        description: 'team',
      }),
      person('nomail', ['posixAccount'], posix('nomail', 2003)),
      person('twice', ['posixAccount'], { ...posix('a', 2004), mail: 't@example.test' }),
    ]);
    const directory = await open(url, MAPS.posix);
    const tevie = await accountOf(directory, 'TEVIE@example.test');
    expect(tevie).toMatchObject({
      dn: `uid=tevie,${BASE}`,
      login: 'tevie@example.test',
      addresses: ['tevie@example.test', 't@example.test'],
      uid: 2001,
      path: '/mail1/home/tevie/Maildir',
      volume: undefined,
      suspended: [],
      quotaBytes: 0,
      forwards: [],
    });
    expect(tevie.id).toMatch(/^[0-9a-f-]{36}$/);
    for (const login of ['tevie', 'TEVIE', 'tevie@example.test']) {
      expect((await directory.account(login))?.id, login).toBe(tevie.id);
    }
    expect(await directory.account('nobody')).toBeUndefined();
    expect(await directory.verifyPassword(tevie, 'password of tevie')).toBe('accepted');
    expect(await directory.verifyPassword(tevie, 'password of golde')).toBe('refused');
    expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
    // The farm's own list selects users of the site's directory.
    const team = await directory.resolve('team@example.test');
    expect(team.kind === 'expanded' && team.destinations).toHaveLength(2);
    await expect(directory.account('nomail')).rejects.toThrow('MF-DIR-004');
    await agrees(directory, ['tevie', 'TEVIE', 'golde', 'nomail', 'twice', 'nobody', '']);
    const locals = ['tevie', 't', 'golde', 'nobody', 'team', 'nomail'];
    await agrees(
      directory,
      locals.map((local) => `${local}@example.test`),
    );
    const byNumber = await open(url, { ...MAPS.posix, id: 'uidNumber' });
    expect((await accountOf(byNumber, 'golde@example.test')).id).toBe('2002');
    const byName = await open(url, { ...MAPS.posix, id: 'mail' });
    await expect(byName.resolve('golde@example.test')).rejects.toThrow('MF-DIR-004');
  },
);

onSlapd(
  '[S1-26] qmail-ldap: aliases, forwards, store, quota, status',
  { timeout: TEST_MS },
  async () => {
    const qmail = (name: string, more: Attributes): SeedEntry =>
      person(name, ['qmailUser'], {
        mail: `${name}@example.test`,
        mailMessageStore: `/mail1/q/${name}/`,
        ...more,
      });
    const url = await siteDirectory(QMAIL, [
      qmail('tevie', {
        mailAlternateAddress: ['T.X@example.test', 'milk@example.test'],
        mailQuotaSize: '10485760',
        qmailUID: '11184',
        accountStatus: 'active',
      }),
      qmail('noaccess', { accountStatus: 'noAccess' }),
      qmail('disabled', { accountStatus: 'disabled' }),
      qmail('deleted', { accountStatus: 'deleted' }),
      qmail('odd', { accountStatus: 'constructor' }),
      qmail('both', { mailForwardingAddress: 'x@far.test' }),
      qmail('away', { mailForwardingAddress: 'x@far.test', deliveryMode: 'nolocal' }),
      qmail('stay', {
        mailForwardingAddress: 'x@far.test',
        deliveryMode: ['noforward', 'noprogram'],
      }),
      qmail('relative', { mailMessageStore: 'relative' }),
    ]);
    const directory = await open(url, MAPS['qmail-ldap']);
    expect(await accountOf(directory, 'milk@example.test')).toMatchObject({
      login: 'tevie@example.test',
      addresses: ['tevie@example.test', 't.x@example.test', 'milk@example.test'],
      uid: 11184,
      path: '/mail1/q/tevie',
      quotaBytes: 10_485_760,
      suspended: [],
    });
    const of = async (name: string): Promise<Account | undefined> => await directory.account(name);
    const access = ['pop3', 'imap', 'webmail', 'submission'];
    expect((await of('noaccess'))?.suspended).toEqual(access);
    expect((await of('disabled'))?.suspended).toEqual(['mail', ...access]);
    expect((await of('deleted'))?.suspended).toEqual(['mail', ...access]);
    expect((await of('odd'))?.suspended).toEqual(access);
    expect(await of('both')).toMatchObject({ forwards: ['x@far.test'], keepsForwarded: true });
    expect(await of('away')).toMatchObject({ forwards: ['x@far.test'], keepsForwarded: false });
    expect(await of('stay')).toMatchObject({ forwards: [] });
    await expect(of('relative')).rejects.toThrow(DirectoryUnavailable);
    const names = ['tevie', 'noaccess', 'disabled', 'odd', 'both', 'away', 'stay', 'relative'];
    await agrees(directory, [...names, ...names.map((name) => `${name}@example.test`)]);
    await agrees(directory, ['milk@example.test', 't.x@example.test', 'milk']);
    const store = { attribute: 'mailMessageStore', below: '/mail2/store' };
    const absolute = await open(url, { ...MAPS['qmail-ldap'], paths: [store] });
    expect((await absolute.account('relative'))?.path).toBe('/mail2/store/relative');
  },
);

onSlapd(
  '[S1-26] courier: mailbox, quota, services, alias entries',
  { timeout: TEST_MS },
  async () => {
    const courier = (name: string, more: Attributes): SeedEntry =>
      person(name, ['CourierMailAccount'], {
        mail: `${name}@example.test`,
        homeDirectory: `/mail1/c/${name}`,
        ...more,
      });
    const alias = (mail: string, maildrop: readonly string[]): SeedEntry =>
      user(`cn=${mail}`, { cn: mail, mail, maildrop }, ['organizationalRole', 'CourierMailAlias']);
    const url = await siteDirectory(COURIER, [
      courier('tevie', { quota: '5242880S,100C', uidNumber: '2001' }),
      courier('golde', { mailbox: '/mail2/golde/Maildir', disablepop3: '1', quota: '1000' }),
      courier('motel', { disableimap: '0', disablewebmail: '1', quota: 'much' }),
      alias('sales@example.test', ['tevie', 'golde@example.test', 'x@far.test']),
    ]);
    const directory = await open(url, MAPS.courier);
    expect(await accountOf(directory, 'tevie@example.test')).toMatchObject({
      path: '/mail1/c/tevie/Maildir',
      quotaBytes: 5_242_880,
      uid: 2001,
      suspended: [],
    });
    expect(await directory.account('golde')).toMatchObject({
      path: '/mail2/golde/Maildir',
      quotaBytes: 1_000,
      suspended: ['pop3'],
      uid: 0,
    });
    await expect(directory.account('motel')).rejects.toThrow('MF-DIR-004');
    const sales = await directory.resolve('SALES@example.test');
    const where = sales.kind === 'expanded' ? sales.destinations : [];
    expect(where.map((one) => (one.kind === 'mailbox' ? one.account.login : one.address))).toEqual([
      'tevie@example.test',
      'golde@example.test',
      'x@far.test',
    ]);
    const locals = ['tevie', 'golde', 'motel', 'sales', 'no'];
    await agrees(directory, [...locals, ...locals.map((local) => `${local}@example.test`)]);
    await agrees(directory, ['SALES+x@example.test']);
    expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
  },
);

onSlapd(
  '[S1-06] nothing is written: the place is the path, or what a rule says, or nowhere',
  { timeout: TEST_MS },
  async () => {
    const bare = (name: string, uidNumber: string): SeedEntry =>
      person(name, ['qmailUser'], { mail: `${name}@example.test`, qmailUID: uidNumber });
    const url = await siteDirectory(QMAIL, [
      person('placed', ['qmailUser'], {
        mail: 'placed@example.test',
        mailMessageStore: '/mail1/q/placed',
      }),
      bare('ruled', '1'),
      bare('nowhere', '2'),
    ]);
    const directory = await open(url, MAPS['qmail-ldap']);
    const placed = await accountOf(directory, 'placed@example.test');
    expect(await directory.assignVolume(placed, 'mail1')).toBe('mail1');
    expect(await directory.storedVolume(placed)).toBeUndefined();
    const ruled = await accountOf(directory, 'ruled@example.test');
    expect(await directory.volumeByRule(ruled)).toBe('mail2');
    expect(await directory.assignVolume(ruled, 'mail2')).toBe('mail2');
    expect(await directory.storedVolume(ruled)).toBe('mail2');
    await expect(directory.assignVolume(ruled, 'mail1')).rejects.toThrow('MF-DIR-009');
    const nowhere = await accountOf(directory, 'nowhere@example.test');
    await expect(directory.assignVolume(nowhere, 'mail1')).rejects.toThrow('MF-DIR-009');
    expect((await directory.account('nowhere'))?.volume).toBeUndefined();
  },
);
