/** Users in branches below ou=users, as a tree by departments or subdomains has them (S3-24). */
import { Attribute, Change, Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAdmin, type Admin } from './admin/admin.ts';
import { ldapDirectory } from './client/directory.ts';
import type { SeedEntry } from './frame.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from './testing.ts';
import type { Directory } from './types.ts';

const USERS = 'ou=users,dc=mailfarm';
const NORTH = `ou=north,${USERS}`;
const FAR = `ou=far,${NORTH}`;

const branch = (dn: string, ou: string): SeedEntry => ({
  dn,
  attributes: { objectClass: ['top', 'organizationalUnit'], ou },
});
const userIn = (
  parent: string,
  login: string,
  uid: number,
  more: Record<string, string> = {},
): SeedEntry => ({ ...userEntry(login, uid, more), dn: `cn=${login},${parent}` });

const ENTRIES = [
  branch(NORTH, 'north'),
  branch(FAR, 'far'),
  userIn(NORTH, 'nora@example.test', 4001, { mailAlias: 'info@example.test' }),
  userIn(FAR, 'finn@example.test', 4002),
  userIn(NORTH, 'otto@example.test', 4003, { mwLevel: '30' }),
  userIn(NORTH, 'boss@example.test', 4004, { mwLevel: '40' }),
  userIn(NORTH, 'helga@example.test', 4005, { mwLevel: '20' }),
];
const MEMBERS = { operators: 'otto', administrators: 'boss', helpdesk: 'helga' };

describe.each(TEST_SERVERS)('a tree with branches, on %s', (server) => {
  let farm: TestDirectory;
  let admin: Admin;
  let directory: Directory;

  beforeAll(async () => {
    farm = await startTestDirectory({ server, entries: ENTRIES });
    directory = ldapDirectory(farm.frontend);
    admin = await openAdmin(farm.admin);
    const client = await bound(farm.admin.bindDn, farm.admin.bindPassword);
    for (const [group, name] of Object.entries(MEMBERS)) {
      const dn = `cn=${group},ou=rights,dc=mailfarm`;
      await modify(client, dn, 'add', 'member', `cn=${name}@example.test,${NORTH}`);
    }
    await client.unbind();
  }, 60_000);
  afterAll(async () => {
    await directory?.close();
    await admin?.close();
    await farm?.close();
  });

  async function bound(dn: string, password: string): Promise<Client> {
    const client = new Client({ url: farm.server.url, timeout: 30_000 });
    await client.bind(dn, password);
    return client;
  }
  const modify = async (
    client: Client,
    dn: string,
    operation: 'add' | 'replace',
    type: string,
    value: string,
  ): Promise<void> =>
    await client.modify(
      dn,
      new Change({ operation, modification: new Attribute({ type, values: [value] }) }),
    );

  test('[S3-24] mail finds them, they log in, and a mailbox is placed', async () => {
    expect(await directory.resolve('INFO@example.test')).toMatchObject({
      kind: 'account',
      account: { login: 'nora@example.test', dn: `cn=nora@example.test,${NORTH}` },
    });
    const finn = await directory.account('finn@example.test');
    if (!finn) throw new Error('finn is not found');
    expect(await directory.verifyPassword(finn, 'secret of finn@example.test')).toBe('accepted');
    expect(await directory.verifyPassword(finn, 'wrong')).toBe('refused');
    expect(await directory.assignVolume(finn, 'mail1')).toBe('mail1');
    expect(await directory.assignVolume(finn, 'mail2')).toBe('mail1');
  });

  test('[S3-24] they are listed and changed; a rename stays in the branch', async () => {
    const listed = (await admin.users.find({ regex: '^(nora|finn)@' })).items;
    expect(listed.map(({ login }) => login).toSorted()).toEqual([
      'finn@example.test',
      'nora@example.test',
    ]);
    await admin.users.set('nora@example.test', { quotaBytes: 7 });
    await admin.users.addAlias('finn@example.test', 'far@example.test');
    const taken = admin.users.add({ login: 'nora@example.test', password: 'x' });
    await expect(taken).rejects.toThrow(/already|exists/);
    const before = await admin.users.get('nora@example.test');
    const after = await admin.users.rename('nora@example.test', 'nina@example.test');
    expect(after).toMatchObject({ id: before.id, dn: `cn=nina@example.test,${NORTH}` });
    expect(after.quotaBytes).toBe(7);
    await admin.users.rename('nina@example.test', 'nora@example.test');
  });

  test('[S3-24] whoever was removed comes back into the branch, or to all users without it', async () => {
    const removed = await admin.users.remove('finn@example.test');
    expect(removed.dn).toMatch(/,ou=removed,dc=mailfarm$/);
    const back = await admin.users.restore('finn@example.test');
    expect(back).toMatchObject({ id: removed.id, dn: `cn=finn@example.test,${FAR}` });
    expect(back.fields.map(({ name }) => name)).not.toContain('mwFormerBranch');
    await admin.users.remove('finn@example.test');
    const client = await bound(farm.admin.bindDn, farm.admin.bindPassword);
    await client.del(FAR);
    const there = await admin.users.restore('finn@example.test');
    expect(there).toMatchObject({ id: removed.id, dn: `cn=finn@example.test,${USERS}` });
    expect(there.fields.map(({ name }) => name)).not.toContain('mwFormerBranch');
    await client.unbind();
  });

  test('[S3-24] no entry leads a restore out of the users', async () => {
    const { id } = await admin.users.remove('finn@example.test');
    const client = await bound(farm.admin.bindDn, farm.admin.bindPassword);
    const dn = `cn=${id},ou=removed,dc=mailfarm`;
    for (const branchDn of ['ou=nodes,dc=mailfarm', 'no dn', `x${USERS}`]) {
      await modify(client, dn, 'replace', 'mwFormerBranch', branchDn);
      const back = await admin.users.restore(id);
      expect(back.dn).toBe(`cn=finn@example.test,${USERS}`);
      await admin.users.remove('finn@example.test');
    }
    await admin.users.restore(id);
    await client.unbind();
  });

  const dn = `cn=nora@example.test,${NORTH}`;
  const boss = `cn=boss@example.test,${NORTH}`;
  const tries = async (
    who: readonly [string, string],
    deeds: readonly (readonly [string, (client: Client) => Promise<unknown>])[],
  ): Promise<Record<string, boolean>> => {
    const client = await bound(...who);
    const done: Record<string, boolean> = {};
    for (const [name, deed] of deeds) {
      done[name] = await deed(client).then(
        () => true,
        () => false,
      );
    }
    await client.unbind();
    return done;
  };
  const writes =
    (type: string, value: string, of = dn, operation: 'add' | 'replace' = 'replace') =>
    (client: Client) =>
      modify(client, of, operation, type, value);

  test('[S3-24] [S0-40] rights hold there: front ends, users', async () => {
    const { bindDn, bindPassword } = farm.frontend;
    expect(
      await tries(
        [bindDn, bindPassword],
        [
          ['volume', writes('mwVolume', 'mail1', dn, 'add')],
          ['another volume', writes('mwVolume', 'mail2')],
          ['quota', writes('mwQuota', '0')],
          ['password', writes('userPassword', 'x')],
        ],
      ),
    ).toEqual({ volume: true, 'another volume': false, quota: false, password: false });
    expect(
      await tries(
        [dn, 'secret of nora@example.test'],
        [
          ['forward', writes('mailForward', 'nora@far.test')],
          ['quota', writes('mwQuota', '0')],
          ['level', writes('mwLevel', '40')],
          ['of another', writes('mailForward', 'nora@far.test', boss)],
          ['own password', writes('userPassword', 'new secret')],
        ],
      ),
    ).toEqual({
      forward: true,
      quota: false,
      level: false,
      'of another': false,
      'own password': true,
    });
    await (await bound(dn, 'new secret')).unbind();
  });

  test('[S3-24] [S0-40] rights hold there: helpdesk, operators', async () => {
    expect(
      await tries(
        [`cn=helga@example.test,${NORTH}`, 'secret of helga@example.test'],
        [
          ['password', writes('userPassword', 'by helpdesk')],
          ['services', writes('mwSuspended', 'pop3')],
          ['quota', writes('mwQuota', '0')],
          ['password of an administrator', writes('userPassword', 'x', boss)],
          ['rename', (client) => client.modifyDN(dn, `cn=helga2@example.test,${NORTH}`)],
        ],
      ),
    ).toEqual({
      password: true,
      services: true,
      quota: false,
      'password of an administrator': false,
      rename: false,
    });
    expect(
      await tries(
        [`cn=otto@example.test,${NORTH}`, 'secret of otto@example.test'],
        [
          ['quota', writes('mwQuota', '0')],
          ['level', writes('mwLevel', '40')],
          ['password of an administrator', writes('userPassword', 'x', boss)],
          ['rename of one', (client) => client.modifyDN(boss, `cn=no@example.test,${NORTH}`)],
          ['rename', (client) => client.modifyDN(dn, `cn=nils@example.test,${NORTH}`)],
          [
            'branch',
            (client) =>
              client.add(`ou=east,${NORTH}`, {
                objectClass: ['top', 'organizationalUnit'],
                ou: 'east',
              }),
          ],
        ],
      ),
    ).toEqual({
      quota: true,
      level: false,
      'password of an administrator': false,
      'rename of one': false,
      rename: true,
      branch: true,
    });
  });

  test('[S3-24] an administrator who stands in a branch works by the DN', async () => {
    const bindDn = `cn=otto@example.test,${NORTH}`;
    const bindPassword = 'secret of otto@example.test';
    const otto = await openAdmin({ ...farm.admin, bindDn, bindPassword });
    expect(otto.who).toMatchObject({ name: 'otto@example.test', level: 'operator' });
    const finn = await otto.users.get('finn@example.test');
    await otto.users.remove(finn);
    expect((await otto.users.restore('finn@example.test')).id).toBe(finn.id);
    await otto.close();
  });
});
