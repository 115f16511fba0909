import { createServer, connect as connectTo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { AdminError, openAdmin, type Admin, type AdminErrorKind } from './admin.ts';

async function kindOf(work: Promise<unknown>): Promise<AdminErrorKind | 'done'> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    expect(error.message.length).toBeGreaterThan(10);
    return error.kind;
  }
}

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let admin: Admin;

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    admin = await openAdmin(server.admin);
  });
  afterAll(async () => {
    await admin.close();
    await server.close();
  });

  const as = (login: string, password: string) =>
    openAdmin({ ...server.admin, bindDn: login, bindPassword: password });

  test('[S0-39] a session is opened with a DN or a login, and says who one is', async () => {
    expect(admin.who).toMatchObject({ name: 'admin', level: 'administrator' });
    const person = await as('Admin@EXAMPLE.test', 'demo');
    expect(person.who).toEqual({
      dn: 'cn=admin@example.test,ou=users,dc=mailfarm',
      name: 'admin@example.test',
      level: 'administrator',
    });
    await person.close();
    const user = await as('alice@example.test', 'demo');
    expect(user.who.level).toBeUndefined();
    await user.close();
    expect(await kindOf(as('alice@example.test', 'wrong'))).toBe('denied');
    expect(await kindOf(as('nobody@example.test', 'demo'))).toBe('denied');
    expect(await kindOf(as('*)(cn=*', 'demo'))).toBe('invalid');
  });

  test('[S0-39] the next server is asked where one does not answer', async () => {
    const urls = ['ldap://127.0.0.1:1', server.server.url];
    const session = await openAdmin({ ...server.admin, urls });
    expect((await session.users.find()).count).toBe(3);
    await session.close();
  });

  test('[S0-41] [S0-52] a closed session fails with a clear error, whatever is called', async () => {
    const session = await openAdmin(server.admin);
    const [alice] = await session.users.find();
    if (!alice) throw new Error('no alice');
    await session.close();
    await session.close();
    const calls = [
      () => session.users.find(),
      () => session.users.get('alice@example.test'),
      () => session.users.set(alice, { quotaBytes: 1 }),
      () => session.nodes.list(),
      () => session.users.claim('alice@example.test'),
      () => session.domains.add('closed.test'),
      () => session.settings.all(),
      () => session.users.put(alice, { quotaBytes: 1 }).done(),
      () => session.users.each().next(),
    ];
    for (const call of calls) {
      expect(await kindOf(call())).toBe('closed');
      await expect(call()).rejects.toThrow('session with the directory is closed');
    }
  });

  test('[S0-40] a level does what it may, and is told early and late what it may not', async () => {
    for (const [login, level] of [
      ['aud@example.test', 'auditor'],
      ['help@example.test', 'helpdesk'],
      ['op@example.test', 'operator'],
    ] as const) {
      await admin.users.add({ login, password: 'pw' });
      await admin.administrators.grant(login, level);
      const session = await as(login, 'pw');
      expect(session.who.level).toBe(level);
      await session.close();
    }
    const auditor = await as('aud@example.test', 'pw');
    expect((await auditor.users.find()).count).toBeGreaterThan(3);
    const early = auditor.users.set('bob@example.test', { quotaBytes: 5 });
    await expect(early).rejects.toThrow(
      'aud@example.test has the level auditor and may not change mwQuota of users; operator may',
    );
    await auditor.close();

    const helpdesk = await as('help@example.test', 'pw');
    await helpdesk.users.set('bob@example.test', { password: 'new' });
    await helpdesk.users.addForward('bob@example.test', 'bob@elsewhere.test');
    await helpdesk.users.removeForward('bob@example.test', 'bob@elsewhere.test');
    await helpdesk.users.suspend({ login: 'bob@example.test' }, ['pop3']);
    await helpdesk.users.resume({ login: 'bob@example.test' }, ['pop3']);
    for (const refused of [
      () => helpdesk.users.set('bob@example.test', { volume: 'mail1' }),
      () => helpdesk.users.set('admin@example.test', { password: 'mine' }),
      () => helpdesk.users.add({ login: 'x@example.test', password: 'x' }),
      () => helpdesk.users.remove('bob@example.test'),
      () => helpdesk.administrators.grant('help@example.test', 'administrator'),
      () => helpdesk.settings.set('smtp.message.max', '1'),
      () => helpdesk.volumes.set('mail1', { state: 'closed' }),
    ]) {
      expect(await kindOf(refused())).toBe('denied');
    }
    await helpdesk.close();

    const operator = await as('op@example.test', 'pw');
    await operator.users.add({ login: 'made@example.test', password: 'x' });
    await operator.users.rename('made@example.test', 'remade@example.test');
    await operator.users.remove('remade@example.test');
    await operator.users.restore('remade@example.test');
    await operator.users.remove('remade@example.test');
    await operator.lists.add('staff@example.test', { members: ['bob@example.test'] });
    expect(await kindOf(operator.domains.add('op.test'))).toBe('denied');
    expect(await kindOf(operator.users.rename('admin@example.test', 'a2@example.test'))).toBe(
      'denied',
    );
    await operator.close();

    const user = await as('alice@example.test', 'demo');
    expect(await kindOf(user.users.remove('bob@example.test'))).not.toBe('done');
    expect(await kindOf(user.domains.add('alice.test'))).toBe('denied');
    await user.close();
  });

  test('a connection closed while idle is opened again, once and quietly', async () => {
    const port = Number(new URL(server.server.url).port);
    const between = await relay(port);
    const session = await openAdmin({ ...server.admin, urls: [between.url] });
    between.cut();
    expect((await session.users.get('alice@example.test')).login).toBe('alice@example.test');
    between.cut();
    await session.users.set('alice@example.test', { quotaBytes: 77 });
    expect((await session.users.get('alice@example.test')).quotaBytes).toBe(77);
    expect(between.connections).toBeGreaterThanOrEqual(3);
    await session.close();
    await between.close();
  });

  test('a connection lost during a change: what is not known is said, what is done is found', async () => {
    const port = Number(new URL(server.server.url).port);
    const between = await relay(port);
    const session = await openAdmin({ ...server.admin, urls: [between.url] });
    const alice = await session.users.get('alice@example.test');
    between.swallowNextAnswer();
    // The server made the change; its answer never came. It is found in the entry.
    const after = await session.users.set(alice, { description: 'changed' });
    expect(after.fields.find(({ name }) => name === 'description')?.values).toEqual(['changed']);
    between.swallowNextAnswer();
    const password = session.users.set(after, { password: 'unseen' });
    expect(await kindOf(password)).toBe('uncertain');
    await expect(password).rejects.toThrow('not known');
    await session.close();
    await between.close();
  });
});

/** A way to the server that can be cut, or can lose an answer. */
async function relay(port: number) {
  const open = new Set<Socket>();
  let connections = 0;
  let swallow = false;
  const server: Server = createServer((near) => {
    connections += 1;
    const far = connectTo(port, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    let armed = false;
    near.on('data', (data) => {
      armed ||= swallow && isModify(data);
      far.write(data);
    });
    far.on('data', (data) => {
      if (armed) {
        swallow = false;
        near.destroy();
      } else near.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `ldap://127.0.0.1:${address.port}`,
    get connections() {
      return connections;
    },
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    swallowNextAnswer: () => {
      swallow = true;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Whether a message is a ModifyRequest (RFC 4511 §4.6: 0x66, behind the message id). */
function isModify(message: Buffer): boolean {
  const length = message[1] ?? 0;
  const id = 2 + (length >= 0x80 ? length - 0x80 : 0);
  return message[id + 2 + (message[id + 1] ?? 0)] === 0x66;
}
