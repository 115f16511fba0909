import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, ResultCodeError } from 'ldapts';
import { beforeEach, describe, expect, test } from 'vitest';
import { startTestDirectory, type TestDirectory } from '../testing.ts';

const LANES = 8;

describe('changes at once', () => {
  let directory: TestDirectory;
  let clients: readonly Client[];

  beforeEach(async () => {
    directory = await startTestDirectory();
    clients = Array.from({ length: LANES }, () => new Client({ url: directory.server.url }));
    const { bindDn, bindPassword } = directory.admin;
    for (const client of clients) await client.bind(bindDn, bindPassword);
    return async () => {
      for (const client of clients) await client.unbind();
      await directory.close();
    };
  });

  const batches = (): number => {
    const name = readdirSync(directory.data).find((one) => one.startsWith('changes-')) ?? '';
    return readFileSync(join(directory.data, name), 'utf8').split('# batch length=').length - 1;
  };

  /** @returns the result code of each, 0 where it was added */
  const addAll = async (users: readonly { login: string; uid: number; alias?: string }[]) =>
    await Promise.all(
      users.map(async ({ login, uid, alias }, i) => {
        const values = { objectClass: ['mwUser'], cn: [login], uid: [String(uid)] };
        const more = { userPassword: ['secret'], ...(alias && { mailAlias: [alias] }) };
        try {
          await clients[i % LANES]?.add(`cn=${login},ou=users,dc=mailfarm`, { ...values, ...more });
          return 0;
        } catch (error) {
          if (error instanceof ResultCodeError) return error.code;
          throw error;
        }
      }),
    );

  test('adds that are under way together are synced together, and each is there', async () => {
    const before = batches();
    const users = Array.from({ length: 200 }, (_, i) => ({
      login: `u${i}@example.test`,
      uid: 5_000 + i,
    }));
    expect(new Set(await addAll(users))).toEqual(new Set([0]));
    expect(batches() - before).toBeLessThan(100);
    const found = await clients[0]?.search('ou=users,dc=mailfarm', {
      filter: '(objectClass=mwUser)',
    });
    const names = found?.searchEntries.map(({ cn }) => String(cn));
    for (const { login } of users) expect(names).toContain(login);
  });

  test.each([
    ['a number', (i: number) => ({ login: `n${i}@example.test`, uid: 7_000 })],
    [
      'a login',
      (i: number) => ({ login: i % 2 ? 'One@example.test' : 'one@Example.test', uid: 7_000 + i }),
    ],
    [
      'an alias',
      (i: number) => ({ login: `a${i}@example.test`, uid: 7_000 + i, alias: 'ALL@example.test' }),
    ],
    [
      'an alias that is a login',
      (i: number) =>
        i % 2
          ? { login: `b${i}@example.test`, uid: 7_000 + i, alias: 'me@example.test' }
          : { login: 'me@example.test', uid: 7_000 + i },
    ],
  ])('%s that many want at once has one holder', async (_, user) => {
    // While the first is on its way to the disk, the others gather behind it.
    const first = { login: 'first@example.test', uid: 6_999 };
    const many = Array.from({ length: LANES * 4 }, (__, i) => user(i));
    const codes = await addAll([first, ...many]);
    expect(codes.filter((code) => code === 0)).toHaveLength(2);
  });
});
