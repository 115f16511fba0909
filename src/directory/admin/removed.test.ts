import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nameDn } from '../dn.ts';
import { ldapDirectory } from '../client/directory.ts';
import { FORWARDS_MAX } from '../resolve-expand.ts';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { AdminError, openAdmin, type Admin, type AdminErrorKind } from './admin.ts';
import { AdminSession } from './session.ts';
import { HeldClock } from './testing.ts';
import type { UserRecord } from './users.ts';

const DAY_MS = 86_400_000;

async function kindOf(work: Promise<unknown>): Promise<AdminErrorKind | 'done'> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof AdminError) return error.kind;
    throw error;
  }
}

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let admin: Admin;
  const clock = new HeldClock(Date.UTC(2026, 10, 22));
  const at = (name: string): string => `${name}@example.test`;

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    admin = await openAdmin({ ...server.admin, clock });
  });
  afterAll(async () => {
    await admin.close();
    await server.close();
  });

  test('[S2-23] a rename changes neither customer, number, volume, path nor identity, and is followed', async () => {
    const before = await admin.users.add({
      login: at('before'),
      password: 'x',
      customerId: 'c-1',
      volume: 'mail1',
      path: '/mail1/12/34/before',
    });
    await admin.users.addForward(at('alice'), at('before'));
    await admin.lists.add(at('crew'), {
      members: [at('before'), at('bob')],
      moderators: [at('before')],
      owner: at('before'),
    });
    await admin.domains.add('caught.test', { catchAll: at('before') });
    await admin.domains.add('held.test', { transport: 'mx', etrnFrom: [at('before')] });
    await admin.settings.set('postmaster', at('before'));
    const half = await admin.users.rename(before, at('between'));
    const { id, uid, customerId, volume, path } = before;
    expect(half).toMatchObject({ id, uid, customerId, volume, path, login: at('between') });
    expect(half.references.map(({ attribute }) => attribute).toSorted()).toEqual([
      'mailForward',
      'mwCatchAll',
      'mwEtrnFrom',
      'mwMember',
      'mwModerator',
      'mwOwner',
      'mwSetting',
    ]);
    await admin.users.rename(at('between'), at('before'));
    const after = await admin.users.rename(at('before'), at('after'), { follow: true });
    expect(after.references).toEqual([]);
    expect((await admin.domains.get('held.test')).etrnFrom).toEqual([at('after')]);
    expect((await admin.users.get(at('alice'))).forwards).toEqual([at('after')]);
    const crew = await admin.lists.get(at('crew'));
    expect(crew.members.toSorted()).toEqual([at('after'), at('bob')]);
    expect([crew.moderators, crew.owner]).toEqual([[at('after')], at('after')]);
    expect((await admin.domains.get('caught.test')).catchAll).toBe(at('after'));
    expect((await admin.settings.all()).get('postmaster')).toBe(at('after'));
  });

  test('removed and made again under the same address: two users, and the first can come back', async () => {
    const first = await admin.users.add({ login: at('twin'), password: 'a', volume: 'mail1' });
    await admin.users.addAlias(at('twin'), at('twin-alias'));
    const gone = await admin.users.remove(at('twin'));
    expect(gone).toMatchObject({ id: first.id, login: at('twin'), volume: 'mail1' });
    expect(gone.dn).toBe(`cn=${first.id},ou=removed,dc=mailfarm`);
    const second = await admin.users.add({ login: at('twin'), password: 'b' });
    expect(second.id).not.toBe(first.id);
    expect([second.volume, second.uid === first.uid]).toEqual([undefined, false]);
    await admin.users.addAlias(at('alice'), at('twin-alias'));
    await expect(admin.users.restore(first.id)).rejects.toThrow(
      'twin@example.test already belongs to twin@example.test',
    );
    await expect(admin.users.restore(first.id, { as: at('twin1') })).rejects.toThrow(
      'twin-alias@example.test already belongs to alice@example.test',
    );
    expect((await admin.users.removed.get(first.id)).dn).toBe(gone.dn);
    const back = await admin.users.restore(first.id, {
      as: at('twin1'),
      withoutTakenAliases: true,
      suspended: ['pop3'],
    });
    expect(back).toMatchObject({ id: first.id, uid: first.uid, volume: 'mail1', aliases: [] });
    expect([back.suspended, back.removed]).toEqual([['pop3'], undefined]);
    await admin.users.remove(at('twin'));
    await admin.users.remove(at('twin1'));
    await admin.users.restore(at('twin1'), { as: at('twin') });
    await admin.users.remove(at('twin'));
    // Both were twin@ now: which one is meant has to be said.
    await expect(admin.users.restore(at('twin'))).rejects.toThrow(first.id);
    expect((await admin.users.removed.find({ regex: '^twin@' })).count).toBe(2);
    await admin.users.removeAlias(at('alice'), at('twin-alias'));
  });

  test('a removal that stopped half way is completed or taken back, and serves nobody', async () => {
    await admin.users.add({ login: at('halfway'), password: 'x', aliases: [at('half-alias')] });
    const session = await AdminSession.open(server.admin);
    const halfway = async (): Promise<void> => {
      const dn = nameDn('cn', at('halfway'), session.names.users);
      await session.replace(dn, {
        mwRemoved: '20261101000000Z',
        mwFormerLogin: at('halfway'),
        mwFormerAlias: [at('half-alias')],
        mwSuspended: ['mail', 'pop3', 'imap', 'webmail', 'submission'],
        mailAlias: [],
      });
    };
    await halfway();
    const restored = await admin.users.restore(at('halfway'));
    expect(restored).toMatchObject({ removed: undefined, suspended: [] });
    expect(restored.aliases).toEqual([at('half-alias')]);
    await halfway();
    const gone = await admin.users.remove(at('halfway'));
    expect([gone.removed, gone.dn.includes('ou=removed')]).toEqual(['20261101000000Z', true]);
    expect((await admin.users.restore(at('halfway'))).aliases).toEqual([at('half-alias')]);
    await session.close();
  });

  test('a purge waits for the days of users.removed.keep, unless it is forced', async () => {
    await admin.users.add({ login: at('purge'), password: 'x', volume: 'mail2' });
    await expect(admin.users.purge(at('purge'))).rejects.toThrow('no removed user');
    const gone = await admin.users.remove(at('purge'));
    await expect(admin.users.purge(gone)).rejects.toThrow('kept 30 days (users.removed.keep)');
    await expect(admin.volumes.remove('mail2')).rejects.toThrow(gone.id);
    clock.pass(29 * DAY_MS);
    expect(await kindOf(admin.users.purge(at('purge')))).toBe('invalid');
    expect((await admin.users.removed.due()).map(({ id }) => id)).not.toContain(gone.id);
    clock.pass(2 * DAY_MS);
    expect((await admin.users.removed.due()).map(({ id }) => id)).toContain(gone.id);
    expect((await admin.users.purge(at('purge'))).volume).toBe('mail2');
    expect(await kindOf(admin.users.purge(gone))).toBe('conflict');
    await admin.users.add({ login: at('purge'), password: 'x' });
    await admin.settings.set('users.removed.keep', '1d');
    await admin.users.remove(at('purge'));
    expect(await kindOf(admin.users.purge(at('purge')))).toBe('invalid');
    await admin.users.purge(at('purge'), { force: true });
  });

  test('[S2-20] [S2-21] services are taken from and given back to a user or a customer', async () => {
    for (const name of ['pay1', 'pay2']) {
      await admin.users.add({ login: at(name), password: 'x', customerId: 'c-77' });
    }
    await admin.users.suspend({ login: at('pay1') }, ['webmail']);
    const taken = await admin.users.suspend({ customerId: 'c-77' }, ['POP3', 'imap']);
    expect(taken.map(({ suspended }) => suspended.includes('imap'))).toEqual([true, true]);
    expect(taken.flatMap(({ suspended }) => suspended)).toHaveLength(5);
    const directory = ldapDirectory(server.frontend);
    expect((await directory.account(at('pay2')))?.suspended).toEqual(['pop3', 'imap']);
    await directory.close();
    const back = await admin.users.resume({ customerId: 'c-77' }, ['pop3', 'imap']);
    expect(back.flatMap(({ suspended }) => suspended)).toEqual(['webmail']);
    await admin.users.rename(at('pay1'), at('paid1'));
    expect(await admin.users.suspend({ customerId: 'c-77' }, ['mail'])).toHaveLength(2);
    expect(await kindOf(admin.users.suspend({ customerId: 'none' }, ['mail']))).toBe('not-found');
    expect(await kindOf(admin.users.suspend({ login: at('pay2') }, ['ftp']))).toBe('invalid');
  });

  test('a restore gives back the services that there were, and no others', async () => {
    await admin.users.add({ login: at('unpaid'), password: 'x', suspended: ['pop3', 'imap'] });
    const gone = await admin.users.remove(at('unpaid'));
    expect(gone.suspended.length).toBeGreaterThan(2);
    const back = await admin.users.restore(gone.id);
    expect(back.suspended.toSorted()).toEqual(['imap', 'pop3']);
    expect(back.fields.map(({ name }) => name)).not.toContain('mwFormerSuspended');
    await admin.users.remove(at('unpaid'));
    expect((await admin.users.restore(at('unpaid'), { suspended: [] })).suspended).toEqual([]);
  });

  test('a removed administrator has no level any more, also after a restore', async () => {
    await admin.users.add({ login: at('boss'), password: 'x' });
    await admin.administrators.grant(at('boss'), 'operator');
    const gone = await admin.users.remove(at('boss'));
    expect((await admin.administrators.list()).map(({ dn }) => dn)).not.toContain(gone.dn);
    expect((await admin.administrators.list()).map(({ login }) => login)).not.toContain(at('boss'));
    const back = await admin.users.restore(gone.id);
    expect(back.fields.map(({ name }) => name)).not.toContain('mwLevel');
    await admin.administrators.grant(at('boss'), 'helpdesk');
    const stale = await admin.users.get(at('boss'));
    await admin.users.set(at('boss'), { description: 'changed' });
    expect(await kindOf(admin.users.remove(stale))).not.toBe('done');
    expect((await admin.administrators.list()).map(({ login }) => login)).toContain(at('boss'));
    await admin.users.remove(at('boss'));
  });

  test('a purge that began is not undone by a restore, nor the other way round', async () => {
    const gone = async (name: string): Promise<UserRecord> => {
      await admin.users.add({ login: at(name), password: 'x', volume: 'mail2' });
      return await admin.users.remove(at(name));
    };
    const first = await gone('begun');
    const begun = await admin.users.beginPurge(first, { force: true });
    expect([begun.id, begun.login, begun.volume]).toEqual([first.id, first.login, 'mail2']);
    await expect(admin.users.restore(first.id)).rejects.toThrow(/purge of begun.* has begun/);
    expect((await admin.users.removed.due()).map(({ id }) => id)).toContain(first.id);
    await admin.users.purge(begun);
    expect(await kindOf(admin.users.removed.get(first.id))).toBe('not-found');

    const second = await gone('back');
    await expect(admin.users.beginPurge(second)).rejects.toThrow(/are kept \d+ days/);
    await admin.users.restore(second.id);
    expect(await kindOf(admin.users.beginPurge(second, { force: true }))).toBe('conflict');
    expect(await admin.users.get(at('back'))).toMatchObject({ id: second.id, removed: undefined });
  });

  test('a user has at most so many forwards, however they are written', async () => {
    const most = Array.from({ length: FORWARDS_MAX }, (_, n) => `o${n}@else.test`);
    const user = await admin.users.add({ login: at('fan'), password: 'x', forwards: most });
    const more = { forwards: [...most, 'one@more.test'] };
    await expect(admin.users.set(user.login, more)).rejects.toThrow(/MF-DIR-023/);
    await expect(admin.users.addForward(user.login, 'one@more.test')).rejects.toThrow(/MF-DIR-023/);
    expect((await admin.users.get(user.login)).forwards).toHaveLength(FORWARDS_MAX);
  });

  test('forwards are added, kept and taken away', async () => {
    await admin.users.addForward(at('bob'), 'Bob@Elsewhere.test');
    expect(await kindOf(admin.users.addForward(at('bob'), 'bob@elsewhere.test'))).toBe('exists');
    expect((await admin.users.keepForwarded(at('bob'), true)).keepsForwarded).toBe(true);
    expect((await admin.users.keepForwarded(at('bob'), false)).keepsForwarded).toBe(false);
    expect((await admin.users.removeForward(at('bob'), 'BOB@elsewhere.test')).forwards).toEqual([]);
    expect(await kindOf(admin.users.removeForward(at('bob'), 'x@y.test'))).toBe('not-found');
    expect(await kindOf(admin.users.addForward(at('bob'), 'nonsense'))).toBe('invalid');
  });
});
