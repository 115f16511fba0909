import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ldapDirectory } from '../client/directory.ts';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import type { Directory } from '../types.ts';
import { AdminError, openAdmin, type Admin, type AdminErrorKind } from './admin.ts';

async function kindOf(work: Promise<unknown>): Promise<AdminErrorKind | 'done'> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    expect(error.message).not.toMatch(/Code: 0x|\.$/);
    return error.kind;
  }
}

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let admin: Admin;
  let directory: Directory;

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    admin = await openAdmin(server.admin);
    directory = ldapDirectory({ ...server.frontend, options: { 'directory.cache.fresh': 0 } });
  });
  afterAll(async () => {
    await directory.close();
    await admin.close();
    await server.close();
  });

  test('[S2-29] [S2-30] the example user is made, placed and given a password by a tool', async () => {
    await admin.domains.add('cluster.t1.ws.afnog.org');
    const login = 'tevie@cluster.t1.ws.afnog.org';
    const tevie = await admin.users.add({
      login,
      uid: 20_001,
      password: 'first',
      path: '/mail1/12/34/tevie',
      customerId: 'c-1',
    });
    expect(tevie).toMatchObject({
      login,
      uid: 20_001,
      path: '/mail1/12/34/tevie',
      customerId: 'c-1',
    });
    await admin.users.set(login, { password: 'second' });
    const account = await directory.account(login);
    if (!account) throw new Error('no account');
    expect(await directory.verifyPassword(account, 'first')).toBe('refused');
    expect(await directory.verifyPassword(account, 'second')).toBe('accepted');
  });

  test('a number that nobody has is given, also to many who ask at once', async () => {
    const first = await admin.users.add({ login: 'n0@example.test', password: 'x' });
    expect(first.uid).toBe(2004); // 2001 to 2003 are the demo's.
    const logins = Array.from({ length: 8 }, (_, n) => `many${n}@example.test`);
    const added = await Promise.all(
      logins.map((login) => admin.users.add({ login, password: 'x' })),
    );
    expect(new Set(added.map(({ uid }) => uid)).size).toBe(8);
  });

  test('names are checked at the edge, each wrong one with its reason', async () => {
    const wrong = [
      'plain',
      'a b@example.test',
      'a..b@example.test',
      '.a@example.test',
      'a/b@example.test',
      'a+b@example.test',
      '"q"x@example.test',
      'a@b@example.test',
      '@example.test',
      'a\0@example.test',
      'a\nb@example.test',
      `${'x'.repeat(65)}@example.test`,
      `${'x'.repeat(10_000)}@example.test`,
      '\ud800@example.test',
      '../../etc/passwd',
    ];
    for (const login of wrong) {
      const add = admin.users.add({ login, password: 'x' });
      expect(await kindOf(add), JSON.stringify(login).slice(0, 40)).toBe('invalid');
    }
    const password = 'x';
    expect(await kindOf(admin.users.add({ login: 'a@far.test', password }))).toBe('not-found');
    expect(await kindOf(admin.users.add({ login: 'ALICE@example.test', password }))).toBe('exists');
    const login = 'ok@example.test';
    expect(await kindOf(admin.users.add({ login, password: '' }))).toBe('invalid');
    expect(await kindOf(admin.users.add({ login, password, uid: 2001 }))).toBe('invalid');
    expect(await kindOf(admin.users.add({ login, password, uid: 1.5 }))).toBe('invalid');
    expect(await kindOf(admin.users.add({ login, password, path: 'relative' }))).toBe('invalid');
    expect(await kindOf(admin.users.add({ login, password, quotaBytes: -1 }))).toBe('invalid');
    expect(await kindOf(admin.users.add({ login, password, suspended: ['ftp'] }))).toBe('invalid');
    expect(await kindOf(admin.users.show('nobody@example.test'))).toBe('not-found');
    expect(await kindOf(admin.users.show('*'))).toBe('not-found');
    for (const domain of [
      '',
      'local',
      'a b.test',
      '-',
      '..',
      'x'.repeat(300),
      'a/b.test',
      '*.test',
    ]) {
      expect(await kindOf(admin.domains.add(domain)), domain).toBe('invalid');
    }
  });

  test('[S0-36] an alias belongs to one user', async () => {
    await admin.users.addAlias('alice@example.test', 'sales@example.test');
    expect((await directory.resolve('Sales+x@example.test')).kind).toBe('account');
    const taken = admin.users.addAlias('bob@example.test', 'sales@example.test');
    expect(await kindOf(taken)).toBe('exists');
    await expect(taken).rejects.toThrow('sales@example.test already belongs to alice@example.test');
    expect(await kindOf(admin.users.addAlias('bob@example.test', 'x@far.test'))).toBe('not-found');
    await admin.users.removeAlias('alice@example.test', 'SALES@example.test');
    expect(await kindOf(admin.users.removeAlias('alice@example.test', 'sales@example.test'))).toBe(
      'not-found',
    );
    expect(await directory.resolve('sales@example.test')).toEqual({ kind: 'unknown-user' });
  });

  test('[S2-15] removing takes out of service and keeps the name; restoring gives all back', async () => {
    await admin.users.add({ login: 'gone@example.test', password: 'x' });
    const removed = await admin.users.remove('gone@example.test');
    expect(removed.suspended).toEqual(['mail', 'pop3', 'imap', 'webmail', 'submission']);
    expect(removed.removed).toMatch(/^\d{14}Z$/);
    await expect(admin.users.show('gone@example.test')).rejects.toThrow(/was removed at \d{14}Z/);
    const restored = await admin.users.restore('gone@example.test');
    expect(restored).toMatchObject({ suspended: [], removed: undefined, id: removed.id });
  });

  test('[S2-23] a renamed user keeps number, customer, volume and identity', async () => {
    const before = await admin.users.add({
      login: 'before@example.test',
      password: 'x',
      volume: 'mail1',
      customerId: 'c-2',
    });
    const after = await admin.users.rename('before@example.test', 'after@example.test');
    const { id, uid, volume, path, customerId } = before;
    expect(after).toMatchObject({ id, uid, volume, path, customerId, login: 'after@example.test' });
    expect(await directory.resolve('before@example.test')).toEqual({ kind: 'unknown-user' });
    expect(await kindOf(admin.users.rename('after@example.test', 'alice@example.test'))).toBe(
      'exists',
    );
  });

  test('lists, by domain and with a limit', async () => {
    await admin.domains.add('lists.test');
    await admin.users.add({ login: 'one@lists.test', password: 'x' });
    expect((await admin.users.list({ domain: 'LISTS.test' })).map(({ login }) => login)).toEqual([
      'one@lists.test',
    ]);
    expect(await admin.users.list({ limit: 2 })).toHaveLength(2);
    expect(await admin.domains.list()).toContain('lists.test');
    expect(await kindOf(admin.domains.remove('lists.test'))).toBe('invalid');
    expect(await kindOf(admin.domains.remove('none.test'))).toBe('not-found');
    await admin.domains.add('empty.test');
    await admin.domains.remove('empty.test');
  });

  test('volumes: added, changed, closed, and not removed while in use', async () => {
    await admin.volumes.add('mail9', { path: '/mail9', identity: 'nine', weight: 5 });
    expect(await kindOf(admin.volumes.add('mail9', { path: '/m', identity: 'x' }))).toBe('exists');
    expect(await kindOf(admin.volumes.add('a/b', { path: '/m', identity: 'x' }))).toBe('invalid');
    expect(await kindOf(admin.volumes.add('b', { path: '/m/../n', identity: 'x' }))).toBe(
      'invalid',
    );
    expect(await admin.volumes.set('mail9', { state: 'closed' })).toMatchObject({
      name: 'mail9',
      path: '/mail9',
      identity: 'nine',
      weight: 5,
      state: 'closed',
    });
    expect(await kindOf(admin.volumes.set('mail9', { state: 'gone' }))).toBe('invalid');
    await admin.users.set('bob@example.test', { volume: 'mail9' });
    expect(await kindOf(admin.volumes.remove('mail9'))).toBe('invalid');
    await admin.users.set('bob@example.test', { volume: null });
    await admin.volumes.remove('mail9');
    expect((await directory.volumes()).map(({ name }) => name)).toEqual(['mail1', 'mail2']);
  });

  test('a spool volume holds nobody: no user, no rule, and none with users becomes one', async () => {
    const spool = { path: '/spool9', identity: 'nine', use: 'spool' };
    expect(await admin.volumes.add('spool9', spool)).toMatchObject({ use: 'spool' });
    const bob = 'bob@example.test';
    expect(await kindOf(admin.users.set(bob, { volume: 'spool9' }))).toBe('invalid');
    const rule = { order: 1, pattern: '.*', target: 'volume:spool9' };
    expect(await kindOf(admin.rules.add('r9', rule))).toBe('invalid');
    expect(await admin.volumes.set('spool9', { use: 'mail' })).toMatchObject({ use: 'mail' });
    await admin.users.set(bob, { volume: 'spool9' });
    expect(await kindOf(admin.volumes.set('spool9', { use: 'spool' }))).toBe('invalid');
    expect(await kindOf(admin.volumes.set('spool9', { use: 'tape' }))).toBe('invalid');
    await admin.users.set(bob, { volume: null });
    await admin.volumes.remove('spool9');
  });

  test('a volume in use is not removed under another spelling, nor below an explicit path', async () => {
    await admin.volumes.add('mail8', { path: '/mail8', identity: 'eight' });
    await admin.users.set('bob@example.test', { volume: 'mail8' });
    expect(await kindOf(admin.volumes.remove('MAIL8'))).toBe('invalid');
    await admin.users.set('bob@example.test', { volume: null, path: '/mail8/12/34/bob' });
    expect(await kindOf(admin.volumes.remove('mail8'))).toBe('invalid');
    await admin.users.set('bob@example.test', { path: null });
    await admin.volumes.remove('MAIL8');
    expect(await kindOf(admin.volumes.show('mail8'))).toBe('not-found');
  });

  test('a mount path is kept in its shortest form, and is that of one volume', async () => {
    const added = await admin.volumes.add('mail7', { path: '/mail7//', identity: 'seven' });
    expect(added.path).toBe('/mail7');
    expect((await admin.volumes.set('mail7', { path: '/mnt/mail7/' })).path).toBe('/mnt/mail7');
    expect((await admin.volumes.set('MAIL7', { path: '/mnt/mail7' })).path).toBe('/mnt/mail7');
    const other = { path: '/mnt/mail7/', identity: 'other' };
    expect(await kindOf(admin.volumes.add('mail6', other))).toBe('exists');
    expect(await kindOf(admin.volumes.set('mail1', { path: '/mnt/mail7' }))).toBe('exists');
    expect(await kindOf(admin.volumes.set('mail7', { path: '/' }))).toBe('invalid');
    await admin.volumes.remove('mail7');
  });

  test('an administrator places whom no delivery placed before, and nobody else', async () => {
    const login = 'placed@example.test';
    await admin.users.add({ login, password: 'x' });
    expect((await admin.users.place(login, 'mail1')).volume).toBe('mail1');
    expect((await admin.users.place(login, 'mail1')).volume).toBe('mail1');
    expect(await kindOf(admin.users.place(login, 'mail2'))).toBe('exists');
    expect((await admin.users.show(login)).volume).toBe('mail1');
  });

  test('[S0-33] nodes have a name, a number, a server and a status', async () => {
    const node = await admin.nodes.add('node2', {
      nid: 2,
      server: 'n2.example.test',
      status: 'Sp',
    });
    expect(node).toMatchObject({
      name: 'node2',
      nid: 2,
      server: 'n2.example.test',
      status: 'Sp',
      listen: [],
    });
    expect(await kindOf(admin.nodes.add('node3', { nid: 2, server: 'x' }))).toBe('invalid');
    expect(await kindOf(admin.nodes.add('node2', { nid: 2, server: 'x' }))).toBe('exists');
    expect(await kindOf(admin.nodes.set('node2', { status: 'SX' }))).toBe('invalid');
    expect(await kindOf(admin.nodes.set('node2', { listen: ['mx nowhere'] }))).toBe('invalid');
    const listen = ['mx 127.0.0.1:10025', 'pop3s [::1]:10995'];
    expect((await admin.nodes.set('node2', { listen, status: 'SP' })).listen).toEqual(listen);
    await admin.nodes.remove('node2');
    expect(await directory.node('node2')).toBeUndefined();
  });

  test('settings are set, replaced and taken away', async () => {
    await admin.settings.set('smtp.message.max', '1000000');
    await admin.settings.set('smtp.message.max', '2000000');
    await admin.settings.set('farm.cookie', undefined); // The embedded server's own.
    expect(await directory.settings()).toEqual(new Map([['smtp.message.max', '2000000']]));
    await admin.settings.set('smtp.message.max', undefined);
    expect((await directory.settings()).size).toBe(0);
    expect(await kindOf(admin.settings.set('A B', 'x'))).toBe('invalid');
    expect(await kindOf(admin.settings.set('a', 'x\ny'))).toBe('invalid');
  });

  test('wrong credentials are denied, an absent server is unavailable', async () => {
    expect(await kindOf(openAdmin({ ...server.admin, bindPassword: 'no' }))).toBe('denied');
    expect(await kindOf(openAdmin({ ...server.admin, urls: ['ldap://127.0.0.1:1'] }))).toBe(
      'unavailable',
    );
    const frontend = await openAdmin(server.frontend);
    expect(await kindOf(frontend.domains.add('new.test'))).toBe('denied');
    await frontend.close();
  });
});
