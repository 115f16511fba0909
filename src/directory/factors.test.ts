/**
 * App passwords and the second factor, on both servers over LDAP: who reads, writes and takes them
 * away, and what a front end makes of them.
 */
import { Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ldapDirectory } from './client/directory.ts';
import { APP_PASSWORDS_MAX, parseAppPassword, printAppPassword } from './factors.ts';
import type { SeedEntry } from './frame.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from './testing.ts';
import { adds, deletes, finds, outcome, reads, replaces } from './testing/deeds.ts';
import { LEVELLED, SUFFIX, type Deed, type Outcome } from './testing/deeds.ts';
import type { Account } from './types.ts';

const user = (name: string): string => `cn=${name}@example.test,ou=users,${SUFFIX}`;
const HASH = 'A'.repeat(43);
const OTHER_HASH = 'B'.repeat(43);
const PHONE = `phone1 ${HASH} imap,submission 20261122090000Z My telephone`;
const TOTP = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const GUARDED = { mwAppPassword: PHONE, mwTotp: TOTP, mwRecoveryCode: [HASH, OTHER_HASH] };
const ENTRIES: readonly SeedEntry[] = [
  userEntry('tevie@example.test', 3001, GUARDED),
  userEntry('golde@example.test', 3002),
  userEntry('hodel@example.test', 3003, GUARDED),
  userEntry('audrey@example.test', 3010, { mwLevel: '10' }),
  userEntry('helga@example.test', 3020, { mwLevel: '20' }),
  userEntry('otto@example.test', 3030, { mwLevel: '30' }),
  userEntry('boss@example.test', 3040, { mwLevel: '40', ...GUARDED }),
];

test('an app password is one line that reads back as it was written', () => {
  const made = {
    id: 'x1',
    hash: HASH,
    services: ['pop3', 'imap'] as const,
    createdAt: Date.UTC(2026, 10, 22, 9),
    label: 'Zoë’s  laptop, the old one',
  };
  expect(parseAppPassword(printAppPassword(made))).toEqual(made);
  for (const text of [
    '',
    'x1',
    `x1 ${HASH}`,
    `x1 ${HASH} imap 20261122090000Z `,
    `x1 ${HASH.slice(1)} imap 20261122090000Z phone`,
    `x/1 ${HASH} imap 20261122090000Z phone`,
    `x1 ${HASH} imap never phone`,
    `x1 ${HASH} imap 20261122090000Z pho\u0007ne`,
    `x1 ${HASH} imap 20261122090000Z ${'é'.repeat(200)}`,
  ]) {
    expect(parseAppPassword(text), text).toBeUndefined();
  }
  expect(parseAppPassword(`x1 ${HASH} everything 20261122090000Z phone`)?.services).toEqual([]);
});

describe.each(TEST_SERVERS)('app passwords and second factors on %s', (kind) => {
  let directory: TestDirectory;
  beforeAll(async () => {
    directory = await startTestDirectory({ server: kind, entries: ENTRIES });
    const admin = await as(directory.admin.bindDn, directory.admin.bindPassword);
    for (const [name, level] of Object.entries(LEVELLED)) {
      await adds(`cn=${level},ou=rights,${SUFFIX}`, 'member', user(name)).run(admin);
    }
    await admin.unbind();
  });
  afterAll(async () => {
    await directory.close();
  });

  async function as(dn: string, password: string): Promise<Client> {
    const client = new Client({ url: directory.server.url, timeout: 30_000 });
    await client.bind(dn, password);
    return client;
  }

  async function expectOf(name: string, table: readonly (readonly [Outcome, Deed])[]) {
    const { frontend } = directory;
    const client =
      name === 'frontend'
        ? await as(frontend.bindDn, frontend.bindPassword)
        : await as(user(name), `secret of ${name}@example.test`);
    const found: string[] = [];
    for (const [, deed] of table) found.push(`${await outcome(client, deed)}: ${deed.what}`);
    await client.unbind();
    expect(found, name).toEqual(table.map(([wanted, deed]) => `${wanted}: ${deed.what}`));
  }

  test('a front end reads them, so that any node verifies, and writes none', async () => {
    await expectOf('frontend', [
      ['may', reads(user('tevie'), 'mwAppPassword')],
      ['may', reads(user('tevie'), 'mwTotp')],
      ['may', reads(user('tevie'), 'mwRecoveryCode')],
      ['may', reads(user('boss'), 'mwTotp')],
      ['may not', adds(user('golde'), 'mwAppPassword', PHONE)],
      ['may not', replaces(user('tevie'), 'mwTotp', 'A'.repeat(32))],
      ['may not', deletes(user('tevie'), 'mwTotp')],
      ['may not', deletes(user('tevie'), 'mwRecoveryCode', HASH)],
    ]);
  });

  test('users manage their own, and read no secret of a second factor, not even theirs', async () => {
    await expectOf('golde', [
      ['may', adds(user('golde'), 'mwAppPassword', PHONE)],
      ['may', reads(user('golde'), 'mwAppPassword')],
      ['may', deletes(user('golde'), 'mwAppPassword', PHONE)],
      ['may', replaces(user('golde'), 'mwTotp', TOTP)],
      ['may not', reads(user('golde'), 'mwTotp')],
      ['may', replaces(user('golde'), 'mwRecoveryCode', HASH, OTHER_HASH)],
      ['may', deletes(user('golde'), 'mwRecoveryCode', HASH)],
      ['may', deletes(user('golde'), 'mwTotp')],
      ['may', deletes(user('golde'), 'mwRecoveryCode')],
      ['may not', reads(user('tevie'), 'mwAppPassword')],
      ['may not', deletes(user('tevie'), 'mwTotp')],
      ['may not', finds('(mwTotp=*)')],
    ]);
  });

  test('a recovery code is taken once, whoever else tries', async () => {
    const clients = await Promise.all(
      Array.from({ length: 6 }, () => as(user('hodel'), 'secret of hodel@example.test')),
    );
    const outcomes = await Promise.all(
      clients.map((client) => outcome(client, deletes(user('hodel'), 'mwRecoveryCode', HASH))),
    );
    expect(outcomes.toSorted()).toEqual([...Array<string>(5).fill('code 16'), 'may']);
    await Promise.all(clients.map((client) => client.unbind()));
  });

  test('helpdesk and operators take away what a user lost, and give nobody one', async () => {
    for (const name of ['helga', 'otto']) {
      const again = user('hodel');
      const admin = await as(directory.admin.bindDn, directory.admin.bindPassword);
      for (const [type, value] of Object.entries(GUARDED)) {
        await replaces(again, type, ...[value].flat()).run(admin);
      }
      await admin.unbind();
      await expectOf(name, [
        ['may', reads(user('hodel'), 'mwAppPassword')],
        ['may not', reads(user('hodel'), 'mwTotp')],
        ['may not', reads(user('hodel'), 'mwRecoveryCode')],
        ['may not', adds(user('hodel'), 'mwAppPassword', PHONE.replace('phone1', 'thief'))],
        ['may not', replaces(user('hodel'), 'mwAppPassword', PHONE.replace('phone1', 'thief'))],
        ['may not', replaces(user('hodel'), 'mwTotp', 'A'.repeat(32))],
        ['may not', adds(user('hodel'), 'mwRecoveryCode', 'C'.repeat(43))],
        ['may', deletes(user('hodel'), 'mwAppPassword', PHONE)],
        ['may', deletes(user('hodel'), 'mwTotp')],
        ['may', replaces(user('hodel'), 'mwRecoveryCode')],
        ['may not', deletes(user('boss'), 'mwTotp')],
        ['may not', deletes(user('boss'), 'mwAppPassword')],
        ['may not', reads(user('boss'), 'mwAppPassword')],
      ]);
    }
    await expectOf('audrey', [
      ['may not', reads(user('tevie'), 'mwAppPassword')],
      ['may not', reads(user('tevie'), 'mwTotp')],
    ]);
  });

  test('a front end knows who has one, and its secret only when it asks', async () => {
    const front = ldapDirectory(directory.frontend);
    const account = await front.account('tevie@example.test');
    expect(account?.hasSecondFactor).toBe(true);
    expect(account?.appPasswords).toMatchObject([
      { id: 'phone1', hash: HASH, services: ['imap', 'submission'], label: 'My telephone' },
    ]);
    expect(JSON.stringify(account)).not.toContain(TOTP);
    const factor = await front.secondFactor(account as Account);
    expect(factor?.totp).toBe(TOTP);
    expect(factor?.recoveryCodes.toSorted()).toEqual([HASH, OTHER_HASH]);
    const none = await front.account('audrey@example.test');
    expect(none && Object.keys(none)).not.toContain('appPasswords');
    expect(await front.secondFactor(none as Account)).toBeUndefined();
    await expect(front.secondFactor({ ...(none as Account), id: 'somebody-else' })).rejects.toThrow(
      'renamed or removed',
    );
    await front.close();
  });

  test('what a user writes has bounds', async () => {
    const many = (count: number): string[] =>
      Array.from({ length: count }, (_, at) => PHONE.replace('phone1', `p${at}`));
    await expectOf('golde', [
      ['may', replaces(user('golde'), 'mwAppPassword', ...many(APP_PASSWORDS_MAX))],
      ['is late', replaces(user('golde'), 'mwAppPassword', ...many(APP_PASSWORDS_MAX + 1))],
      ['is late', replaces(user('golde'), 'mwAppPassword', `${PHONE}${'x'.repeat(400)}`)],
      ['is late', replaces(user('golde'), 'mwTotp', 'no base32')],
      ['is late', replaces(user('golde'), 'mwRecoveryCode', 'short')],
      ['may', replaces(user('golde'), 'mwAppPassword')],
    ]);
  });
});
