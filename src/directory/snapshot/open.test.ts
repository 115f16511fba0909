import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryAccount, memoryDirectory } from '../memory.ts';
import { DirectoryUnavailable, type Account } from '../types.ts';
import { withSnapshot } from './live.ts';
import { inspectSnapshot, openSnapshot } from './open.ts';
import { readingOf, userOf } from './testing.ts';
import { writeReading } from './write.ts';

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-snapshot-'));
afterAll(() => rmSync(dir, { recursive: true }));

const HOUR = 3_600_000;
const clockAt = (ms: number) => ({
  at: ms,
  now() {
    return this.at;
  },
  sleep: () => Promise.resolve(),
});

/** As `slappasswd` and crypt(3) print them, for the password `demo`. */
const SSHA = '{SSHA}y2dqOKVYqLcKWPsJOFTtPPm8MCMxMjM0';
const path = join(dir, 'open.snapshot');
const write = (users: number, output = path, hash = '') =>
  writeReading(
    readingOf({
      users: Array.from({ length: users }, (_, n) =>
        userOf(n, hash === '' ? {} : { userPassword: hash }),
      ),
      lists: [
        { dn: 'cn=l', cn: 'list@example.test', mwMember: ['user0@example.test'] },
        {
          dn: 'cn=m',
          cn: 'newer@example.test',
          mwMember: ['user0@example.test', 'new@example.test'],
        },
        {
          dn: 'cn=n',
          cn: 'closed@example.test',
          mwMember: 'user0@example.test',
          mwPosting: 'members',
        },
      ],
      domains: [
        { dn: 'cn=d', cn: 'example.test', objectClass: 'mwDomain' },
        {
          dn: 'cn=c',
          cn: 'catch.test',
          objectClass: 'mwDomain',
          mwCatchAll: 'user0@example.test',
        },
      ],
      rules: [
        { dn: 'cn=r', cn: 'r', mwOrder: '1', mwPattern: 'old.*', mwTarget: 'host:h.test:25' },
      ],
    }),
    { output, withPasswords: hash !== '' },
  );
beforeAll(async () => void (await write(2)));

test('[N-10] [S3-23] what is not in it does not exist for two hours, then nobody knows', async () => {
  const clock = clockAt(10);
  const directory = openSnapshot(path, { clock });
  const known = () => directory.resolve('user0@example.test');
  const unknown = () => directory.resolve('new@example.test');
  const login = () => directory.account('new@example.test');
  expect(await known()).toMatchObject({ kind: 'account' });
  for (const at of [10, 2 * HOUR - 1, -HOUR]) {
    clock.at = at;
    expect(await unknown()).toEqual({ kind: 'unknown-user' });
    expect(await directory.resolve('x@foreign.test')).toEqual({ kind: 'unknown-domain' });
    expect(await login()).toBeUndefined();
  }
  for (const at of [2 * HOUR, 24 * HOUR - 1, -2 * HOUR]) {
    clock.at = at;
    expect(await known()).toMatchObject({ kind: 'account' });
    await expect(unknown()).rejects.toThrow(/what is not in it may exist/);
    await expect(login()).rejects.toThrow(DirectoryUnavailable);
    await expect(directory.resolve('x@foreign.test')).rejects.toThrow(DirectoryUnavailable);
    await expect(directory.resolve('closed@example.test')).rejects.toThrow(DirectoryUnavailable);
    expect(directory.available).toBe(true);
  }
  for (const at of [24 * HOUR, -24 * HOUR]) {
    clock.at = at;
    await expect(known()).rejects.toThrow('MF-DIR-015');
    await expect(directory.volumes()).rejects.toThrow('MF-DIR-015');
    expect(directory.available).toBe(false);
  }
  await directory.close();
});

test('one from the future is said to be, and is trusted no more than one that is as old', async () => {
  const place = join(dir, 'future.snapshot');
  await write(1, place);
  const clock = clockAt(-3 * HOUR);
  const directory = openSnapshot(place, { clock });
  await expect(directory.resolve('nobody@example.test')).rejects.toThrow(
    "is dated 3.0 h ahead of this machine's clock",
  );
  clock.at = -25 * HOUR;
  await expect(directory.resolve('user0@example.test')).rejects.toThrow(/25.0 h ahead.*MF-DIR-015/);
  await directory.close();
});

test('a user without a volume cannot be placed, and may have been placed since', async () => {
  const directory = openSnapshot(path, { clock: clockAt(0) });
  const account = (await directory.account('user0@example.test')) as Account;
  await expect(directory.assignVolume(account, 'mail1')).rejects.toThrow(DirectoryUnavailable);
  await expect(directory.storedVolume(account)).rejects.toThrow('knows no volume');
  await directory.close();
});

test('[S2-17] a new file is taken up within a second, a bad one is not', async () => {
  const clock = clockAt(0);
  const warnings: string[] = [];
  const log = () => {};
  const logger = {
    debug: log,
    info: log,
    error: log,
    warn: (_: object, message: string) => void warnings.push(message),
    child: () => logger,
  };
  const place = join(dir, 'renewed.snapshot');
  const directory = openSnapshot(place, { clock, logger });
  const users = async (): Promise<number> => {
    let count = 0;
    for (let n = 0; n < 5; n += 1) {
      const answer = await directory.resolve(`user${n}@example.test`);
      if (answer.kind === 'account') count += 1;
    }
    return count;
  };
  /** A question after a second starts the look; the answer after it is from the new file. */
  const later = async (): Promise<number> => {
    clock.at += 1_001;
    await directory.resolve('user0@example.test').catch(() => {});
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    return await users();
  };
  await expect(users()).rejects.toThrow('MF-DIR-014');
  await write(2, place);
  expect(await later()).toBe(2);
  await write(3, place);
  expect(await users(), 'within the second').toBe(2);
  expect(await later()).toBe(3);
  writeFileSync(`${place}.bad`, 'not a snapshot');
  renameSync(`${place}.bad`, place);
  warnings.length = 0;
  expect(await later()).toBe(3);
  expect(await later()).toBe(3);
  expect(warnings).toEqual([expect.stringMatching(/MF-DIR-014.*the one before stays in use/)]);
  rmSync(place);
  expect(await later(), 'taken away').toBe(3);
  await write(4, place);
  expect(await later()).toBe(4);
  await directory.close();
});

test('two holders of an address, and damaged entries, are temporary failures', async () => {
  const place = join(dir, 'faults.snapshot');
  const about = await writeReading(
    readingOf({
      users: [
        userOf(1, { mailAlias: ['both@example.test', 'user3@example.test'] }),
        userOf(2, { mailAlias: 'both@example.test' }),
        userOf(3),
        { ...userOf(4), uid: 'x' },
      ],
      rules: [{ dn: 'cn=r', cn: 'r', mwOrder: '1', mwPattern: 'x', mwTarget: 'nowhere' }],
      lists: [{ dn: 'cn=l', cn: 'l@example.test', mwMemberFilter: '(uid=*)' }],
      selected: new Map([['l@example.test', new Error('it is no filter')]]),
    }),
    { output: place },
  );
  expect(about.faults).toHaveLength(4);
  const directory = openSnapshot(place, { clock: clockAt(0) });
  await expect(directory.resolve('both@example.test')).rejects.toThrow('MF-DIR-006');
  await expect(directory.resolve('user4@example.test')).rejects.toThrow('MF-DIR-004');
  await expect(directory.resolve('l@example.test')).rejects.toThrow('it is no filter');
  await expect(directory.resolve('nobody@example.test')).rejects.toThrow('MF-DIR-004');
  // A login outranks somebody's alias.
  const three = await directory.resolve('user3@example.test');
  expect(three).toMatchObject({ account: { uid: 3 } });
  await directory.close();
});

test('hashes that Node cannot verify are refused by name, and the old file stays', async () => {
  const place = join(dir, 'schemes.snapshot');
  await write(1, place, SSHA);
  const users = [
    userOf(1, { userPassword: SSHA }),
    userOf(2, { userPassword: '{CRYPT}$2b$12$abcdefghijklmnopqrstuuJ' }),
    userOf(3, { userPassword: ['{CRYPT}$2b$12$abcdefghijklmnopqrstuuJ', '{MD5}abc='] }),
    userOf(4, { userPassword: 'in the clear' }),
    userOf(5, { userPassword: '$2b$12$abcdefghijklmnopqrstuuJ' }),
  ];
  const bad = writeReading(readingOf({ users }), { output: place, withPasswords: true });
  await expect(bad).rejects.toThrow(
    '{CRYPT}$2b$: 2 users; {MD5}: 1 users; no scheme: 1 users; bcrypt without a scheme: 1 users',
  );
  await expect(bad).rejects.not.toThrow('in the clear');
  expect((await inspectSnapshot(place)).about.counts.users).toBe(1);
});

const DEMO = memoryAccount({ login: 'user0@example.test', id: userOf(0)['entryUUID'] as string });

test('[N-10] beside a live directory only what the snapshot itself says counts', async () => {
  const live = memoryDirectory({ accounts: [DEMO] });
  const snapshot = openSnapshot(path, { clock: clockAt(0) });
  const directory = withSnapshot(live, snapshot);
  expect(await directory.resolve('user1@example.test')).toEqual({ kind: 'unknown-user' });
  live.down = true;
  for (const address of ['user0@example.test', 'USER1+x@example.test', 'list@example.test']) {
    expect(await directory.resolve(address)).toMatchObject({
      kind: expect.stringMatching(/account|expanded/) as string,
    });
  }
  const doubtful = [
    'new@example.test', // May have been added.
    'x@foreign.test',
    'whoever@catch.test', // Might be a user of its own by now.
    'old-one@example.test',
    'newer@example.test', // A member the snapshot does not know.
    'closed@example.test', // The sender may be a member by now.
  ];
  for (const address of doubtful) {
    await expect(directory.resolve(address), address).rejects.toThrow('memory directory is down');
  }
  expect(await directory.account('user1@example.test')).toMatchObject({ uid: 1 });
  await expect(directory.account('new@example.test')).rejects.toThrow('is down');
  expect(await directory.volumes()).toEqual([]);
  await expect(directory.settings()).rejects.toThrow('is down');
  await expect(directory.node('x')).rejects.toThrow('is down');
  await expect(directory.verifyPassword(DEMO, 'demo')).rejects.toThrow('is down');
  live.down = false;
  expect(await directory.account('user1@example.test')).toBeUndefined();
  await directory.close();
});

test('[S2-19] beside a live directory the hashes of a snapshot let nobody in', async () => {
  const place = join(dir, 'passwords.snapshot');
  await write(2, place, await hashOf('demo'));
  const clock = clockAt(1_000);
  const live = memoryDirectory({ accounts: [DEMO], passwords: { [DEMO.login]: 'changed' } });
  const snapshot = openSnapshot(place, { clock });
  expect(await snapshot.verifyPassword(DEMO, 'demo')).toBe('accepted');
  const directory = withSnapshot(live, snapshot);
  const verify = (password: string) =>
    directory.verifyPassword(DEMO, password).catch((error: Error) => error.name);
  expect([await verify('demo'), await verify('changed')]).toEqual(['refused', 'accepted']);
  live.down = true;
  // The real client accepts what it bound within minutes; the memory directory does not.
  for (const password of ['demo', 'changed', 'wrong']) {
    expect(await verify(password), password).toBe('DirectoryUnavailable');
  }
  await directory.close();
});

const hashOf = async (password: string): Promise<string> => {
  const { hashPassword } = await import('../embedded/password.ts');
  return await hashPassword(password, 'SSHA512');
};
