import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change } from 'ldapts';
import { afterAll, describe, expect, test } from 'vitest';
import { LdapConnection } from '../client/connection.ts';
import { serverAccess } from '../client/directory.ts';
import { valuesOf } from '../client/entries.ts';
import { DEFAULT_SUFFIX, layout } from '../schema.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from '../testing.ts';
import { covers, moved } from './csn.ts';
import { readDirectory } from './farm.ts';
import { SnapshotFile } from './file.ts';
import { inspectSnapshot, openSnapshot } from './open.ts';
import { KEYS } from './records.ts';
import { readingOf, userOf } from './testing.ts';
import { writeReading, writeSnapshot } from './write.ts';

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-snapshot-'));
afterAll(() => rmSync(dir, { recursive: true }));
const names = layout(DEFAULT_SUFFIX);

const A1 = '20261122000001.000000Z#000000#001#000000';
const A2 = '20261122000002.000000Z#000000#001#000000';
const B1 = '20261122000001.500000Z#000000#002#000000';

test('states of replicas: which has all of another, and since when something changed', () => {
  expect(covers([A2], [A1])).toBe(true);
  expect(covers([A1], [A2])).toBe(false);
  expect(covers([A2], [A1, B1])).toBe(false);
  expect(covers([A2, B1], [A1, B1])).toBe(true);
  expect(covers([], [])).toBe(true);
  expect(moved([A1, B1], [B1, A1])).toBeUndefined();
  expect(moved([A1, B1], [A2, B1])).toBe(A1);
  expect(moved([A1], [A1, B1]), 'a server nobody knew').toBe('0');
  expect(moved([A1, B1], [A1]), 'one that is gone').toBe('0');
});

async function administrator(directory: TestDirectory): Promise<LdapConnection> {
  const [access] = serverAccess(directory.admin);
  if (!access) throw new Error('no server');
  return await LdapConnection.open(access);
}

const node = `cn=node1,${names.nodes}`;
const aliases = (operation: 'add' | 'delete', value: string): Change =>
  new Change({ operation, modification: new Attribute({ type: 'mailAlias', values: [value] }) });

/**
 * An address that always has one holder: it goes from one user to the other by an add right after
 * a delete. Read entry by entry without care, it would be missing or held twice.
 */
async function passAround(connection: LdapConnection, stop: () => boolean): Promise<number> {
  let holder = 0;
  let turns = 0;
  while (!stop()) {
    const dn = (n: number): string => `cn=holder${n}@example.test,${names.users}`;
    await connection.modify(dn(holder), [aliases('delete', 'ball@example.test')]);
    holder = 1 - holder;
    await connection.modify(dn(holder), [aliases('add', 'ball@example.test')]);
    turns += 1;
  }
  return turns;
}

describe.each(TEST_SERVERS)('%s', (server) => {
  test('[S2-17] [S3-23] read while it changes, it is the tree of one contextCSN', async () => {
    const users = Array.from({ length: 400 }, (_, n) => userEntry(`u${n}@example.test`, 5_000 + n));
    const directory = await startTestDirectory({
      server,
      entries: [
        userEntry('holder0@example.test', 4_000, { mailAlias: 'ball@example.test' }),
        ...users,
        userEntry('holder1@example.test', 4_001),
      ],
    });
    const connection = await administrator(directory);
    let stopped = false;
    const passing = passAround(connection, () => stopped);
    for (let round = 0; round < 5; round += 1) {
      const reading = await readDirectory(directory.frontend, { withPasswords: false });
      expect(reading.users.length).toBe(405);
      const csns = reading.users.map((user) => valuesOf(user, 'entryCSN')[0] ?? '');
      const newest = csns.toSorted().at(-1) ?? '';
      // Nothing that is newer than the state it tells, and that state itself.
      expect(reading.contextCsn.some((csn) => csn >= newest)).toBe(true);
      const holders = reading.users.filter((user) => valuesOf(user, 'mailAlias').length > 0);
      const held = holders.filter((user) => valuesOf(user, 'cn')[0]?.startsWith('holder'));
      expect(held.length, 'between the delete and the add there is none').toBeLessThanOrEqual(1);
      if (held.length === 0) expect(newest).toBe(reading.contextCsn.toSorted().at(-1));
    }
    stopped = true;
    expect(await passing).toBeGreaterThan(5);
    await connection.close();
    await directory.close();
  }, 60_000);

  test('a farm whose nodes beat all the time is read', async () => {
    const lists = Array.from({ length: 150 }, (_, n) => ({
      dn: `cn=l${n}@example.test,${names.lists}`,
      attributes: {
        objectClass: ['top', 'mwList'],
        cn: `l${n}@example.test`,
        mwMemberFilter: '(uid=*)',
      },
    }));
    const directory = await startTestDirectory({ server, entries: lists });
    const connection = await administrator(directory);
    let beats = 0;
    const reading = { done: false };
    const beat = async (): Promise<void> => {
      while (!reading.done) {
        const values = [`2026112${beats++ % 10}000000Z`];
        const modification = new Attribute({ type: 'mwBeat', values });
        await connection.modify(node, [new Change({ operation: 'replace', modification })]);
      }
    };
    const beating = Promise.all([beat(), beat(), beat(), beat()]);
    for (let round = 0; round < 2; round += 1) {
      const read = await readDirectory(directory.frontend, { withPasswords: false });
      expect(read.selected.size).toBe(150);
    }
    reading.done = true;
    await beating;
    expect(beats).toBeGreaterThan(10);
    await connection.close();
    await directory.close();
  }, 60_000);

  test('[N-10] [S2-17] a replica that is empty or behind does not replace a snapshot', async () => {
    const directory = await startTestDirectory({ server });
    const output = join(dir, `${server}.snapshot`);
    await writeSnapshot({ directory: directory.frontend, output });
    const before = await inspectSnapshot(output);
    // The snapshot that is there knows a newer state, from another replica.
    const csn = (before.about.contextCsn[0] ?? '').replace(/^\d{4}/, '2999');
    await writeReading(readingOf({ users: [userOf(1)], contextCsn: [csn] }), { output });
    const write = (force: boolean) =>
      writeSnapshot({ directory: directory.frontend, output, force });
    await expect(write(false)).rejects.toThrow(/lags behind/);
    const many = Array.from({ length: 50 }, (_, n) => userOf(n));
    await writeReading(readingOf({ users: many, contextCsn: [] }), { output });
    await expect(write(false)).rejects.toThrow(/shows 3 users, .* has 50/);
    const file = await SnapshotFile.open(output);
    expect(file.find(KEYS.holder('user49@example.test'))).toBeDefined();
    file.close();
    await write(true);
    expect((await inspectSnapshot(output)).about.counts.users).toBe(3);
    await directory.close();
    await expect(write(true)).rejects.toThrow(/No directory server is whole and current/);
    const snapshot = openSnapshot(output);
    expect(await snapshot.resolve('alice@example.test')).toMatchObject({ kind: 'account' });
    await snapshot.close();
  }, 60_000);

  test('a server that shows no farm is not read', async () => {
    const directory = await startTestDirectory({ server });
    const elsewhere = { ...directory.frontend, suffix: 'dc=other' };
    await expect(readDirectory(elsewhere, { withPasswords: false })).rejects.toThrow('MF-DIR-002');
    await directory.close();
  }, 60_000);
});
