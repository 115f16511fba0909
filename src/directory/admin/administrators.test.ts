import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { openAdmin, type Admin } from './admin.ts';
import { fieldOf } from './record.ts';
import { AdminSession } from './session.ts';

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let admin: Admin;
  const at = (name: string): string => `${name}@example.test`;
  const levels = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      (await admin.administrators.list()).map(({ login, level }) => [login, level]),
    );

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    admin = await openAdmin(server.admin);
  });
  afterAll(async () => {
    await admin.close();
    await server.close();
  });

  test('a level is group and mark together, replaced and taken away', async () => {
    expect(await levels()).toEqual({ [at('admin')]: 'administrator' });
    const granted = await admin.administrators.grant(at('alice'), 'operator');
    expect([granted.level, fieldOf(granted, 'mwLevel')]).toEqual(['operator', ['30']]);
    await admin.administrators.grant(at('alice'), 'auditor');
    expect(await levels()).toEqual({ [at('admin')]: 'administrator', [at('alice')]: 'auditor' });
    expect(fieldOf(await admin.users.get(at('alice')), 'mwLevel')).toEqual(['10']);
    await admin.administrators.revoke(at('alice'));
    expect(fieldOf(await admin.users.get(at('alice')), 'mwLevel')).toEqual([]);
    await expect(admin.administrators.revoke(at('alice'))).rejects.toThrow('has no level');
    await expect(admin.administrators.grant(at('nobody'), 'auditor')).rejects.toThrow('no user');
  });

  test('there is always an administrator, also when two revoke each other', async () => {
    await expect(admin.administrators.revoke(at('admin'))).rejects.toThrow(
      'admin@example.test is the last administrator',
    );
    await expect(admin.administrators.grant(at('admin'), 'helpdesk')).rejects.toThrow('last');
    await admin.administrators.grant(at('alice'), 'administrator');
    const other = await openAdmin(server.admin);
    const outcomes = await Promise.allSettled([
      admin.administrators.revoke(at('alice')),
      other.administrators.revoke(at('admin')),
    ]);
    await other.close();
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(Object.values(await levels())).toEqual(['administrator']);
    await admin.administrators.grant(at('admin'), 'administrator');
    const [rest] = Object.keys(await levels()).filter((login) => login !== at('admin'));
    if (rest !== undefined) await admin.administrators.revoke(rest);
  });

  test('who takes the login of a former administrator gets no right of theirs', async () => {
    await admin.administrators.grant(at('bob'), 'operator');
    await admin.users.rename(at('bob'), at('robert'));
    expect(await levels()).toMatchObject({ [at('robert')]: 'operator' });
    expect(await levels()).not.toHaveProperty(at('bob'));
    // Something else left the former name in the group.
    const session = await AdminSession.open(server.admin);
    const group = `cn=operators,${session.names.rights}`;
    await session.addValue(group, 'member', `cn=${at('bob')},${session.names.users}`);
    await session.close();
    await expect(admin.users.add({ login: at('bob'), password: 'x' })).rejects.toThrow('operators');
    await expect(admin.users.rename(at('alice'), at('bob'))).rejects.toThrow('operators');
    await admin.administrators.revoke(at('bob'));
    await admin.users.add({ login: at('bob'), password: 'x' });
    await admin.administrators.revoke(at('robert'));
    expect(await levels()).toEqual({ [at('admin')]: 'administrator' });
  });
});
