import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { AdminError, openAdmin, type Admin, type AdminErrorKind } from './admin.ts';

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
  let other: Admin;
  const at = (name: string): string => `${name}@example.test`;
  const user = (name: string, forwards: readonly string[] = []) =>
    admin.users.add({ login: at(name), password: 'x', forwards });

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    admin = await openAdmin(server.admin);
    other = await openAdmin(server.admin);
  });
  afterAll(async () => {
    await admin.close();
    await other.close();
    await server.close();
  });

  test('[S0-36] an address means one thing: user, alias or list', async () => {
    await user('one');
    await admin.users.addAlias(at('one'), at('one-alias'));
    await admin.lists.add(at('one-list'));
    for (const taken of ['one', 'one-alias', 'one-list'].map(at)) {
      expect(await kindOf(admin.users.add({ login: taken, password: 'x' }))).toBe('exists');
      expect(await kindOf(admin.users.addAlias(at('alice'), taken))).toBe('exists');
      expect(await kindOf(admin.users.set(at('alice'), { aliases: [taken] }))).toBe('exists');
      expect(await kindOf(admin.users.rename(at('bob'), taken))).toBe('exists');
      expect(await kindOf(admin.lists.add(taken))).toBe('exists');
    }
    await expect(admin.lists.add(at('one-alias'))).rejects.toThrow(
      'one-alias@example.test already belongs to one@example.test',
    );
    expect((await admin.users.get(at('alice'))).aliases).toEqual([]);
  });

  test('two who give one address away at the same time: never both', async () => {
    for (let round = 0; round < 10; round += 1) {
      const address = at(`race${round}`);
      const outcomes = await Promise.allSettled([
        admin.users.addAlias(at('alice'), address),
        other.lists.add(address),
        other.users.add({ login: address, password: 'x' }),
        admin.users.addAlias(at('bob'), address),
      ]);
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeLessThan(2);
      const holders =
        (await admin.users.find({ field: 'address', regex: `^${address}$` })).count +
        (await admin.lists.find({ regex: `^${address}$` })).count;
      expect(holders).toBeLessThan(2);
    }
  });

  test('[S0-37] a forward that comes back is refused, directly or through others', async () => {
    await user('l1');
    await user('l2', [at('l1')]);
    await user('l3', [at('l2+detail')]);
    await admin.users.addAlias(at('l3'), at('l3-alias'));
    const refused = async (work: Promise<unknown>, way: string) =>
      await expect(work).rejects.toThrow(way);
    await refused(admin.users.addForward(at('l1'), at('l1')), 'come back');
    await refused(admin.users.addForward(at('l1'), at('L1+x')), 'come back');
    await refused(
      admin.users.addForward(at('l1'), at('l3-alias')),
      'l3-alias@example.test → l2+detail@example.test → l1@example.test',
    );
    await refused(admin.users.set(at('l1'), { forwards: [at('l3')] }), 'come back');
    await refused(user('l4', [at('l4')]), 'come back');
    // An alias that would close the circle.
    await admin.users.addForward(at('l1'), at('not-yet'));
    await refused(admin.users.addAlias(at('l3'), at('not-yet')), 'come back');
    await refused(admin.users.rename(at('l3'), at('not-yet')), 'come back');
    await admin.users.addForward(at('l1'), 'l1@elsewhere.test');
    expect((await admin.users.get(at('l1'))).forwards).toHaveLength(2);
  });

  test('[S0-37] through lists, their filters, alias domains, catch-alls and all@', async () => {
    await user('f1');
    await admin.users.set(at('f1'), { customerId: 'f-c' });
    await admin.lists.add(at('fl'), { members: [at('f1')] });
    await admin.lists.add(at('fl2'), { members: [at('fl')] });
    await admin.lists.add(at('by-filter'), { filter: '(customerID=f-c)' });
    await admin.domains.add('other.test', { aliasOf: 'example.test' });
    await admin.domains.add('catch.test', { catchAll: at('f1') });
    await admin.domains.add('all.test', { all: 'anyone' });
    await admin.users.add({ login: 'f1@all.test', password: 'x' });
    for (const to of [
      at('fl'),
      at('fl2'),
      at('by-filter'),
      'f1@other.test',
      'whoever@catch.test',
    ]) {
      await expect(admin.users.addForward(at('f1'), to), to).rejects.toThrow('come back');
    }
    await expect(admin.users.addForward('f1@all.test', 'all@all.test')).rejects.toThrow('back');
    await expect(admin.lists.addMember(at('fl'), at('fl2'))).rejects.toThrow('come back');
    await expect(admin.lists.addMember(at('fl'), at('fl'))).rejects.toThrow('come back');
    await expect(admin.lists.set(at('fl'), { members: [at('fl2')] })).rejects.toThrow('back');
    await user('f2', ['free@catch.test']);
    await expect(admin.domains.set('catch.test', { catchAll: at('f2') })).rejects.toThrow('back');
  });

  test('[S0-38] lists: members one at a time, what is given is checked', async () => {
    await admin.lists.add(at('team'), { posting: 'members', owner: at('alice') });
    await Promise.all(
      ['a', 'b', 'c', 'd'].map((name, n) =>
        (n % 2 ? admin : other).lists.addMember(at('team'), `${name}@elsewhere.test`),
      ),
    );
    await admin.lists.removeMember(at('team'), 'B@Elsewhere.test');
    const team = await admin.lists.get(at('TEAM'));
    expect(team.members.toSorted()).toEqual(
      ['a', 'c', 'd'].map((name) => `${name}@elsewhere.test`),
    );
    expect(team).toMatchObject({ posting: 'members', owner: at('alice'), filter: undefined });
    expect(await kindOf(admin.lists.addMember(at('team'), 'a@elsewhere.test'))).toBe('exists');
    expect(await kindOf(admin.lists.removeMember(at('team'), 'z@x.test'))).toBe('not-found');
    expect(await kindOf(admin.lists.addMember(at('team'), 'no address'))).toBe('invalid');
    expect(await kindOf(admin.lists.set(at('team'), { members: ['x'] }))).toBe('invalid');
    await expect(admin.lists.set(at('team'), { filter: '(&(a=b)' })).rejects.toThrow(
      'at character 8',
    );
    expect(await kindOf(admin.lists.set(at('team'), { posting: 'moderated' }))).toBe('invalid');
    const moderated = { posting: 'moderated', moderators: [at('bob')] } as const;
    expect((await admin.lists.set(at('team'), moderated)).posting).toBe('moderated');
    expect(await kindOf(admin.lists.set(at('team'), { moderators: null }))).toBe('invalid');
  });

  test('[S3-14] lists and aliases stand in the main domain', async () => {
    await admin.domains.add('main.test');
    await admin.sites.add('north', { domains: ['north.main.test'], siteLevel: 1 });
    await admin.domains.add('alias.test', { aliasOf: 'main.test' });
    for (const domain of ['north.main.test', 'alias.test']) {
      expect(await kindOf(admin.lists.add(`l@${domain}`))).toBe('invalid');
      expect(await kindOf(admin.users.addAlias(at('alice'), `a@${domain}`))).toBe('invalid');
      expect(await kindOf(admin.users.add({ login: `u@${domain}`, password: 'x' }))).toBe(
        'invalid',
      );
    }
    expect(await kindOf(admin.lists.add('l@unknown.test'))).toBe('not-found');
    expect((await admin.lists.add('l@main.test')).address).toBe('l@main.test');
  });

  test('domains: aliases go one step and never around; a catch-all is somebody', async () => {
    for (const name of ['d1.test', 'd2.test', 'd3.test']) await admin.domains.add(name);
    expect((await admin.domains.set('d1.test', { aliasOf: 'D2.test' })).aliasOf).toBe('d2.test');
    await expect(admin.domains.set('d2.test', { aliasOf: 'd1.test' })).rejects.toThrow(
      'd2.test → d1.test → d2.test',
    );
    await expect(admin.domains.set('d3.test', { aliasOf: 'd3.test' })).rejects.toThrow('around');
    await expect(admin.domains.set('d3.test', { aliasOf: 'd1.test' })).rejects.toThrow('d2.test');
    expect(await kindOf(admin.domains.set('d3.test', { aliasOf: 'far.test' }))).toBe('not-found');
    expect(await kindOf(admin.domains.set('d3.test', { catchAll: at('nobody') }))).toBe(
      'not-found',
    );
    expect((await admin.domains.set('d3.test', { catchAll: at('alice') })).catchAll).toBe(
      at('alice'),
    );
    expect(await kindOf(admin.domains.remove('d2.test'))).toBe('invalid');
    await admin.domains.set('d1.test', { aliasOf: null });
    await admin.domains.remove('d2.test');
    await admin.users.add({ login: 'own@d1.test', password: 'x' });
    await expect(admin.domains.set('d1.test', { aliasOf: 'd3.test' })).rejects.toThrow(
      'own@d1.test',
    );
    await admin.users.remove('own@d1.test');
    // A removed user can come back, so the domain stays.
    await expect(admin.domains.remove('d1.test')).rejects.toThrow('in use');
  });

  test('[S3-03] sites: their domains are free, users move from one to another', async () => {
    await admin.sites.add('south', { domains: ['south.example.test'], siteLevel: 2 });
    await admin.sites.add('west');
    expect(await kindOf(admin.sites.add('east', { domains: ['south.example.test'] }))).toBe(
      'exists',
    );
    expect(await kindOf(admin.sites.add('east', { domains: ['example.test'] }))).toBe('exists');
    expect(await kindOf(admin.domains.add('south.example.test'))).toBe('exists');
    expect(await kindOf(admin.sites.set('west', { siteLevel: 3 }))).toBe('invalid');
    expect(await kindOf(admin.users.set(at('alice'), { site: 'nowhere' }))).toBe('not-found');
    await admin.users.set(at('alice'), { site: 'South' });
    expect((await admin.users.get(at('alice'))).site).toBe('south');
    expect(await kindOf(admin.sites.remove('south'))).toBe('invalid');
    await admin.users.set(at('alice'), { site: 'west' });
    await admin.sites.remove('south');
  });

  test('[S1-03] rules: patterns are compiled, targets exist, they come in their order', async () => {
    const rule = { order: 20, pattern: '[a-m].*@example[.]test', target: 'volume:mail1' };
    expect((await admin.rules.add('a-m', rule)).target).toEqual({
      kind: 'volume',
      volume: 'mail1',
    });
    const host = { order: 10, pattern: '.*@old[.]test', target: 'host:mx.old.test' };
    expect((await admin.rules.add('old', host)).target).toEqual({
      kind: 'host',
      host: 'mx.old.test',
      port: 25,
    });
    expect((await admin.rules.inOrder()).map(({ name }) => name)).toEqual(['old', 'a-m']);
    expect(await kindOf(admin.rules.add('x', { ...rule, pattern: '(' }))).toBe('invalid');
    expect(await kindOf(admin.rules.add('x', { ...rule, target: 'disk:1' }))).toBe('invalid');
    expect(await kindOf(admin.rules.add('x', { ...rule, target: 'volume:no' }))).toBe('not-found');
    expect(await kindOf(admin.rules.add('x', { order: 1 }))).toBe('invalid');
    expect(await kindOf(admin.rules.set('old', { order: -1 }))).toBe('invalid');
    expect(await kindOf(admin.users.set(at('bob'), { volume: 'nowhere' }))).toBe('not-found');
  });
});
