import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LdapConnection } from '../client/connection.ts';
import { serverAccess } from '../client/directory.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from '../testing.ts';
import { Attribute, Change } from 'ldapts';
import { AdminError, openAdmin, type Admin } from './admin.ts';
import type { AdminEvent } from './api.ts';

const MANY = 1_200; // More than a page, and more than slapd gives to whom it does not know.

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let admin: Admin;
  let other: Admin;

  beforeAll(async () => {
    const entries = Array.from({ length: MANY }, (_, n) =>
      userEntry(`m${n}@many.test`, 10_000 + n, { mailAlias: `alias${n}@example.test` }),
    );
    server = await startTestDirectory({ server: kind, entries });
    admin = await openAdmin(server.admin);
    other = await openAdmin(server.admin);
  });
  afterAll(async () => {
    await admin.close();
    await other.close();
    await server.close();
  });

  test('[S0-43] [S0-51] a list of nodes is walked from head to last and back', async () => {
    for (const nid of [12, 11]) {
      await admin.nodes.add(`walk${nid}`, { nid, server: 'n.example.test', status: 'SP' });
    }
    const query = { regex: '^walk' };
    const nodes = await admin.nodes.find(query);
    expect([nodes.count, nodes.query]).toEqual([2, query]);
    const first = nodes.head();
    const second = nodes.next();
    expect(new Set([first?.name, second?.name])).toEqual(new Set(['walk11', 'walk12']));
    expect(nodes.next()).toBeUndefined();
    expect(nodes.previous()?.name).toBe(second?.name);
    expect(nodes.previous()?.name).toBe(first?.name);
    expect(nodes.previous()).toBeUndefined();
    expect((await admin.nodes.find({ regex: '^none$' })).head()).toBeUndefined();
    const names = first?.fields.map(({ name }) => name) ?? [];
    expect(names).toEqual(names.toSorted());
    expect(first?.fields.find(({ name }) => name === 'status')?.values).toEqual(['SP']);
  });

  test('[S0-45] [S0-46] a put returns at once, is polled, and its result is what is there', async () => {
    const put = admin.nodes.put('put1', { nid: 21, server: 'a.example.test', status: 's' });
    expect(put.state).toBe('pending');
    await put.done();
    expect([put.state, put.error]).toEqual(['done', undefined]);
    const before = await admin.nodes.get('put1');
    // It exists: a put changes it; those of one entry are made in their order.
    const puts = ['S', 'SP', 'Sp', 'sP'].map((status) => admin.nodes.put(before, { status }));
    await Promise.all(puts.map((one) => one.done()));
    expect((await admin.nodes.get('put1')).status).toBe('sP');
  });

  test('[S0-46] [S0-52] a put that fails keeps its error, and handlers hear of it', async () => {
    const heard: AdminEvent[] = [];
    const stop = admin.on((event) => heard.push(event));
    const put = admin.nodes.put('put2', { nid: 21, server: 'taken.example.test' });
    await expect(put.done()).rejects.toThrow('The number 21 is that of cn=put1');
    expect([put.state, put.error?.message]).toEqual([
      'failed',
      heard[0]?.kind === 'put-failed' ? heard[0].error.message : '',
    ]);
    stop();
    await expect(admin.nodes.put('put3', { nid: 21, server: 'x' }).done()).rejects.toThrow('21');
    expect(heard).toHaveLength(1);
  });

  test('[S0-47] users by an expression on the name, without case', async () => {
    const found = await admin.users.find({ regex: '^(ALICE|bob)@' });
    expect([...found].map(({ login }) => login).toSorted()).toEqual([
      'alice@example.test',
      'bob@example.test',
    ]);
    expect((await admin.users.find({ regex: '^m1[0-4]?@' })).count).toBe(6);
    expect((await admin.users.find({ regex: 'many', limit: 7 })).count).toBe(7);
    await expect(admin.users.find({ regex: '(' })).rejects.toThrow('cannot be used');
    await expect(admin.users.find({ regex: '(a+)+$'.repeat(400) })).rejects.toThrow('longer');
  });

  test('[S0-48] users by an expression on any field, mailacceptingid among them', async () => {
    const field = 'mailacceptingid';
    const accepting = await admin.users.find({ field, regex: String.raw`^*.\@example.test$` });
    expect(accepting.count).toBe(MANY + 3);
    expect((await admin.users.find({ field: 'alias', regex: '^alias7@' })).count).toBe(1);
    expect((await admin.users.find({ field: 'entryUUID', regex: '^.{36}$' })).count).toBe(MANY + 3);
    expect((await admin.users.find({ filter: '(&(uid=2001)(cn=alice*))' })).count).toBe(1);
    for (const [filter, at] of [
      ['(cn=alice', 10],
      ['(&)', 3],
      ['cn=alice', 1],
      ['(cn=a(b)', 6],
      [String.raw`(cn=a\zz)`, 6],
      ['(cn=a)(cn=b)', 7],
    ] as const) {
      await expect(admin.users.find({ filter })).rejects.toThrow(`at character ${at}`);
    }
    await expect(admin.users.find({ field: 'userPassword', regex: '.' })).rejects.toThrow('Passw');
    await expect(admin.users.find({ field: 'a)(b', regex: '.' })).rejects.toThrow('field');
  });

  test('[S0-47] as many users as there are, all at once or one after the other', async () => {
    expect((await admin.users.find()).count).toBe(MANY + 3);
    const logins = new Set<string>();
    for await (const user of admin.users.each({ regex: '@many' })) logins.add(user.login);
    expect(logins.size).toBe(MANY);
  });

  test('[S0-49] users are put and got like nodes', async () => {
    const put = admin.users.put('putuser@example.test', { password: 'x', quotaBytes: 5 });
    expect((await put.done()).quotaBytes).toBe(5);
    const again = admin.users.put('PutUser@example.test', { quotaBytes: 6 });
    await again.done();
    expect((await admin.users.get('putuser@example.test')).quotaBytes).toBe(6);
    await expect(admin.users.put('new@example.test', {}).done()).rejects.toThrow('password');
  });

  test('two puts on one record: one is made, the other is a conflict that names the change', async () => {
    const mine = await admin.users.get('m1@many.test');
    const theirs = await other.users.get('m1@many.test');
    const outcomes = await Promise.allSettled([
      admin.users.put(mine, { quotaBytes: 1_000 }).done(),
      other.users.put(theirs, { quotaBytes: 2_000, customerId: 'c-7' }).done(),
    ]);
    const lost = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    expect(lost).toHaveLength(1);
    const [error] = lost;
    if (!(error instanceof AdminError)) throw new Error('no AdminError');
    expect(error.kind).toBe('conflict');
    expect(error.message).toMatch(/mwQuota from nothing to "[12]000"/);
    expect(error.message).toContain('You wanted to change');
    expect(error.changes.find(({ name }) => name === 'mwQuota')?.now).toHaveLength(1);
    const won = await admin.users.get('m1@many.test');
    expect(won.customerId).toBe(won.quotaBytes === 1_000 ? undefined : 'c-7');
  });

  test('a stale record changes, renames and removes nothing', async () => {
    const stale = await admin.users.get('m2@many.test');
    await other.users.addAlias('m2@many.test', 'extra@example.test');
    const kindOf = async (work: Promise<unknown>) =>
      await work.then(
        () => 'done',
        (error: unknown) => (error instanceof AdminError ? error.kind : error),
      );
    expect(await kindOf(admin.users.set(stale, { description: 'x' }))).toBe('conflict');
    expect(await kindOf(admin.users.rename(stale, 'm2b@example.test'))).toBe('conflict');
    expect(await kindOf(admin.users.remove(stale))).toBe('conflict');
    await expect(admin.users.set(stale, { description: 'x' })).rejects.toThrow(
      /mailAlias got "extra@example.test"/,
    );
    expect((await admin.users.get('m2@many.test')).aliases).toContain('extra@example.test');
    // By name a change is made to whatever is there, also while others change it.
    const as = await admin.users.set('m2@many.test', { quotaBytes: 5 });
    // What is so already is not written again.
    const same = await admin.users.set('m2@many.test', { quotaBytes: 5 });
    expect(same.revision).toBe(as.revision);
    const both = Array.from({ length: 10 }, (_, n) =>
      (n % 2 === 0 ? admin : other).users.set(
        'm2@many.test',
        n < 5 ? { quotaBytes: n } : { customerId: `c-${n}` },
      ),
    );
    await Promise.all(both);
    const node = await admin.nodes.add('stale', { nid: 31, server: 'x.test' });
    await other.nodes.remove('stale');
    expect(await kindOf(admin.nodes.set(node, { status: 'S' }))).toBe('conflict');
  });

  test('[S2-22] fields and classes that we do not know survive every tool', async () => {
    const user = await admin.users.add({ login: 'extra1@example.test', password: 'x' });
    const [access] = serverAccess(server.admin);
    if (!access) throw new Error('no server');
    const connection = await LdapConnection.open(access);
    const add = (type: string, values: string[]) =>
      new Change({ operation: 'add', modification: new Attribute({ type, values }) });
    await connection.modify(user.dn, [
      add('objectClass', ['extensibleObject']),
      add('labeledURI', ['https://crm.example.test/7', 'https://crm.example.test/8']),
      add('telephoneNumber', ['+1 555 0100']),
    ]);
    await connection.close();
    const extra = (record: { fields: readonly { name: string; values: readonly string[] }[] }) =>
      record.fields.filter(({ name }) => ['labeledURI', 'telephoneNumber'].includes(name));
    const before = extra(await admin.users.get('extra1@example.test'));
    expect(before).toHaveLength(2);
    expect((await admin.users.find({ field: 'labeledURI', regex: 'crm.*/7' })).count).toBe(1);
    await admin.users.set('extra1@example.test', { quotaBytes: 9, description: 'd' });
    await admin.users.addAlias('extra1@example.test', 'extra2@example.test');
    await admin.users.rename('extra1@example.test', 'extra3@example.test');
    await admin.users.remove('extra3@example.test');
    const after = await admin.users.restore('extra3@example.test');
    expect(extra(after)).toEqual(before);
    const classes = after.fields.find(({ name }) => name === 'objectClass')?.values;
    expect(classes).toContain('extensibleObject');
  });

  test('[S0-53] every kind is used in the same way', async () => {
    const { volumes, sites, domains, lists, rules } = admin;
    await volumes.add('gen1', { path: '/gen1', identity: 'g' });
    await sites.add('gen', { domains: ['gen.example.test'] });
    await domains.add('gen.test');
    await lists.add('gen@example.test', { members: ['bob@example.test'] });
    await rules.add('gen', { order: 1, pattern: '.*@gen[.]test', target: 'volume:gen1' });
    const named = [
      [volumes, 'gen1'],
      [sites, 'gen'],
      [domains, 'gen.test'],
      [lists, 'gen@example.test'],
      [rules, 'gen'],
    ] as const;
    for (const [collection, name] of named) {
      expect((await collection.find({ regex: '^gen' })).count).toBe(1);
      const record = await collection.get(name.toUpperCase());
      expect(record.revision).not.toBe('');
      const claim = await collection.claim(name);
      expect(claim.held).toBe(true);
      await claim.release();
    }
    await expect(volumes.remove('gen1')).rejects.toThrow('in use by the rule gen');
    for (const [collection, name] of named.toReversed()) await collection.remove(name);
    for (const [collection, name] of named)
      await expect(collection.get(name)).rejects.toThrow('There is no');
  });
});
