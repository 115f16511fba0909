import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ldapDirectory } from '../client/directory.ts';
import type { SeedEntry } from '../frame.ts';
import { DEFAULT_SUFFIX, layout } from '../schema.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from '../testing.ts';
import type { Account, Directory } from '../types.ts';
import { compileText } from './compile.ts';
import { readDirectory } from './farm.ts';
import { readingToLdif } from './ldif.ts';
import { inspectSnapshot, openSnapshot, snapshotFault } from './open.ts';
import { writeReading, writeSnapshot } from './write.ts';

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-snapshot-'));
afterAll(() => rmSync(dir, { recursive: true }));

const names = layout(DEFAULT_SUFFIX);
const entry = (
  objectClass: string,
  cn: string,
  base: string,
  more: Record<string, string | readonly string[]> = {},
): SeedEntry => ({
  dn: `cn=${cn},${base}`,
  attributes: { objectClass: ['top', objectClass], cn, ...more },
});

/** Lists, sites, rules, alias domains, forwards: everything that an address can mean. */
const ENTRIES: readonly SeedEntry[] = [
  entry('mwDomain', 'alias.test', names.domains, { mwAliasOf: 'example.test' }),
  entry('mwDomain', 'catch.test', names.domains, { mwCatchAll: 'alice@example.test' }),
  entry('mwDomain', 'all.test', names.domains, { mwAll: 'anyone' }),
  entry('mwDomain', 'xn--bcher-kva.example', names.domains),
  entry('mwSite', 'north', names.sites, { mwSiteDomain: 'north.example.test', mwSiteLevel: '2' }),
  userEntry('carol@example.test', 3001, {
    mailAlias: ['c.arol@example.test', 'C.A@Example.test'],
    mwVolume: 'mail1',
    mwSite: 'north',
    mwQuota: '1000000',
    mwSuspended: 'pop3',
  }),
  userEntry('dave@example.test', 3002, {
    mailForward: ['dave@elsewhere.test', 'alice@example.test'],
    mwForwardKeep: 'TRUE',
    mwPath: '/mail2/12/dave',
  }),
  userEntry('erin@all.test', 3003),
  userEntry('frank@all.test', 3004, { mailForward: 'frank@elsewhere.test' }),
  userEntry('jürgen@xn--bcher-kva.example', 3005),
  userEntry('info@example.test', 3006),
  entry('mwList', 'team@example.test', names.lists, {
    mwMember: ['alice@example.test', 'carol@example.test', 'out@elsewhere.test'],
  }),
  entry('mwList', 'numbers@example.test', names.lists, {
    mwMemberFilter: '(|(uid=3002)(mailAlias=c.*))',
    mwMember: 'team@example.test',
  }),
  entry('mwList', 'closed@example.test', names.lists, {
    mwMember: 'alice@example.test',
    mwPosting: 'members',
  }),
  entry('mwList', 'moderated@example.test', names.lists, {
    mwMember: ['carol@example.test'],
    mwPosting: 'moderated',
    mwModerator: 'bob@example.test',
  }),
  entry('mwRule', 'old', names.rules, {
    mwOrder: '10',
    mwPattern: String.raw`old-.*@example\.test`,
    mwTarget: 'host:old.example.test:2525',
  }),
  entry('mwRule', 'vol', names.rules, {
    mwOrder: '20',
    mwPattern: 'a.*',
    mwTarget: 'volume:mail2',
  }),
];

const ADDRESSES = [
  'alice@example.test',
  'ALICE@Example.TEST',
  '"alice"@example.test',
  'alice+x@example.test',
  'alice@alias.test',
  'nobody@alias.test',
  'whoever@catch.test',
  'carol@example.test',
  'c.arol@example.test',
  'carol@north.example.test',
  'alice@north.example.test',
  'info@example.test',
  'dave@example.test',
  'frank@all.test',
  'all@all.test',
  'all@example.test',
  'jürgen@bücher.example',
  'jürgen@xn--bcher-kva.example',
  'team@example.test',
  'numbers@example.test',
  'closed@example.test',
  'moderated@example.test',
  'old-timer@example.test',
  'nobody@example.test',
  'x@foreign.test',
  'postmaster',
  'postmaster@alias.test',
  'postmaster@all.test',
  'no address',
  '@example.test',
  '',
  '*@example.test',
  'a)(cn=*@example.test',
  `${'x'.repeat(10_000)}@example.test`,
];
const SENDERS = [undefined, '', 'alice@example.test', 'bob@example.test', 'x@elsewhere.test'];

const said = async (ask: () => Promise<unknown>): Promise<unknown> => {
  try {
    return sorted(await ask());
  } catch (error) {
    return (error as Error).name;
  }
};

/** The order of members and values is nobody's promise. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (value instanceof Map) return sorted([...(value as Map<unknown, unknown>)]);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).map(([key, one]) => [key, sorted(one)] as const);
  return Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

describe.each(TEST_SERVERS)('%s', (server) => {
  let test1: TestDirectory;
  let live: Directory;
  const path = join(dir, `${server}.snapshot`);
  beforeAll(async () => {
    test1 = await startTestDirectory({ server, entries: ENTRIES });
    live = ldapDirectory(test1.frontend);
    await writeSnapshot({ directory: test1.frontend, output: path });
  }, 60_000);
  afterAll(async () => {
    await live.close();
    await test1.close();
  });

  test('[S2-17] [S3-10] a snapshot answers as the live directory does', async () => {
    const snapshot = openSnapshot(path);
    for (const address of ADDRESSES) {
      for (const sender of SENDERS) {
        const ask = (directory: Directory) => said(() => directory.resolve(address, { sender }));
        expect(await ask(snapshot), `${address} from ${sender}`).toEqual(await ask(live));
      }
      const login = (directory: Directory) => said(() => directory.account(address));
      expect(await login(snapshot), address).toEqual(await login(live));
    }
    const questions: readonly ((directory: Directory) => Promise<unknown>)[] = [
      (directory) => directory.volumes(),
      (directory) => directory.settings(),
      (directory) => directory.node('node1'),
      (directory) => directory.node('nobody'),
      async (directory) => directory.volumeByRule(await accountOf(directory, 'alice@example.test')),
      async (directory) => directory.volumeByRule(await accountOf(directory, 'bob@example.test')),
      async (directory) => directory.storedVolume(await accountOf(directory, 'carol@example.test')),
    ];
    for (const question of questions) {
      expect(await said(() => question(snapshot))).toEqual(await said(() => question(live)));
    }
    expect(await snapshot.resolve('numbers@example.test')).toMatchObject({ kind: 'expanded' });
    expect(await snapshot.resolve('all@all.test')).toMatchObject({ kind: 'expanded' });
    expect(snapshot.available).toBe(true);
    await snapshot.close();
    await expect(snapshot.volumes()).rejects.toThrow('closed');
  });

  test('[S1-08] from the LDIF that export prints comes the same snapshot', async () => {
    const reading = await readDirectory(test1.frontend, { withPasswords: false });
    const text = [...readingToLdif(reading)].join('');
    const compiled = compileText(text, { source: 'text', createdAt: reading.createdAt });
    const other = join(dir, `${server}-text.snapshot`);
    await writeReading(compiled, { output: other });
    const [a, b] = [openSnapshot(path), openSnapshot(other)];
    for (const address of ADDRESSES) {
      const [one, two] = [() => a.resolve(address), () => b.resolve(address)];
      expect(await said(two), address).toEqual(await said(one));
    }
    expect((await inspectSnapshot(other)).about.counts).toEqual(
      (await inspectSnapshot(path)).about.counts,
    );
    await Promise.all([a.close(), b.close()]);
  });

  test('hashes are in it only when they are asked for, by who may read them', async () => {
    expect(await inspectSnapshot(path)).toMatchObject({ withPasswords: false });
    const alice = await accountOf(live, 'alice@example.test');
    const without = openSnapshot(path);
    await expect(without.verifyPassword(alice, 'demo')).rejects.toThrow('has no passwords');
    await without.close();
    const output = join(dir, `${server}-hashes.snapshot`);
    const asked = { output, withPasswords: true };
    await expect(writeSnapshot({ directory: test1.frontend, ...asked })).rejects.toThrow(
      'No password can be read',
    );
    await writeSnapshot({ directory: test1.admin, ...asked });
    const snapshot = openSnapshot(output);
    expect(await snapshot.verifyPassword(alice, 'demo')).toBe('accepted');
    expect(await snapshot.verifyPassword(alice, 'wrong')).toBe('refused');
    expect(await snapshot.verifyPassword(alice, '')).toBe('refused');
    const fault = (file: string, logins: boolean, servers: boolean) =>
      snapshotFault(file, { logins, servers });
    expect(await fault(output, true, false)).toBeUndefined();
    expect(await fault(output, false, false)).toMatch(/serves no logins.*MF-DIR-016/);
    expect(await fault(output, true, true)).toMatch(/with the servers of directory.urls/);
    expect(await fault(path, false, true)).toBeUndefined();
    await snapshot.close();
  });
});

const accountOf = async (directory: Directory, login: string): Promise<Account> => {
  const account = await directory.account(login);
  if (!account) throw new Error(`no ${login}`);
  return account;
};
