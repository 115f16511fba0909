import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Clock } from '../../base/clock.ts';
import { systemClock } from '../../base/clock.ts';
import { embeddedRequests } from '../metrics.ts';
import { openAdmin } from '../admin/admin.ts';
import { startTestDirectory, TEST_SERVERS, userEntry } from '../testing.ts';
import type { TestDirectory } from '../testing.ts';
import { DirectoryUnavailable, type Account, type Directory } from '../types.ts';
import { ldapDirectory, type LdapDirectoryOptions } from './directory.ts';
import { lyingServer } from './testing.ts';

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

const TEST_MS = 60_000;

function open(options: LdapDirectoryOptions): Directory {
  const directory = ldapDirectory(options);
  toClose.push(() => directory.close());
  return directory;
}

/** Time that only a test moves; sleeping takes real milliseconds. */
function handClock(): Clock & { forward(ms: number): void } {
  let now = 1_000_000;
  return {
    now: () => now,
    sleep: systemClock.sleep,
    forward: (ms) => {
      now += ms;
    },
  };
}

async function accountOf(directory: Directory, address: string): Promise<Account> {
  const resolution = await directory.resolve(address);
  if (resolution.kind !== 'account') throw new Error(`${address} is ${resolution.kind}`);
  return resolution.account;
}

async function listen(handle: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  toClose.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `ldap://127.0.0.1:${(server.address() as { port: number }).port}`;
}

for (const kind of TEST_SERVERS) {
  async function start(
    given: Parameters<typeof startTestDirectory>[0] = {},
  ): Promise<TestDirectory> {
    const directory = await startTestDirectory({ server: kind, ...given });
    toClose.push(() => directory.close());
    return directory;
  }

  test(
    `[S0-09] [S0-36] an address resolves by cn, by alias, in any case, quoted, with detail (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start({
        entries: [
          userEntry('tevie@example.test', 2010, {
            mailAlias: ['T.X@example.test', 'a+b@example.test'],
          }),
        ],
      });
      const directory = open(server.frontend);
      const same = [
        'tevie@example.test',
        'TEVIE@Example.TEST.',
        '"tevie"@example.test',
        't.x@example.test',
      ];
      const more = [
        'tevie+news@example.test',
        'T.x+a+b@example.test',
        'a+b@example.test',
        '"te\\vie"@example.test',
      ];
      for (const address of [...same, ...more]) {
        expect((await accountOf(directory, address)).login, address).toBe('tevie@example.test');
      }
      expect(await directory.resolve('a@example.test')).toEqual({ kind: 'unknown-user' });
      expect(await directory.resolve('+x@example.test')).toEqual({ kind: 'unknown-user' });
      expect(await directory.resolve('tevie@other.test')).toEqual({ kind: 'unknown-domain' });
      expect(await directory.resolve('tevie')).toEqual({ kind: 'unknown-domain' });
    },
  );

  test(
    `[S0-36] [S0-35] an account carries what its entry says (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const more = {
        mailAlias: 'Second@example.test',
        mwSuspended: ['pop3', 'mail'],
        mwQuota: '1048576',
        mwVolume: 'mail2',
        mwPath: '/mail1/12/34/tevie',
      };
      const server = await start({ entries: [userEntry('Tevie@example.test', 2001_0, more)] });
      const account = await accountOf(open(server.frontend), 'second@example.test');
      expect(account).toMatchObject({
        login: 'tevie@example.test',
        uid: 20010,
        addresses: ['tevie@example.test', 'second@example.test'],
        suspended: ['mail', 'pop3'],
        quotaBytes: 1_048_576,
        volume: 'mail2',
        path: '/mail1/12/34/tevie',
      });
      expect(account.id).toMatch(/^[0-9a-f-]{36}$/);
      const directory = open(server.frontend);
      expect(await directory.accountById(account.id)).toEqual(account);
      expect(await directory.accountById(`${account.id.slice(0, -1)}x`)).toBe(undefined);
      expect(await directory.accountById('*)(cn=*')).toBe(undefined);
    },
  );

  test(
    `postmaster resolves without and with a local domain (RFC 5321 §4.5.1) (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start();
      const admin = await openAdmin(server.admin);
      toClose.push(() => admin.close());
      const directory = open({ ...server.frontend, options: { 'directory.cache.fresh': 0 } });
      await admin.domains.add('second.test');
      for (const address of [
        'postmaster',
        'Postmaster',
        'POSTMASTER@second.test',
        'postmaster+x@second.test',
      ]) {
        expect((await accountOf(directory, address)).login).toBe('admin@example.test');
      }
      await admin.settings.set('postmaster', 'bob@example.test');
      expect((await accountOf(directory, 'postmaster@second.test')).login).toBe('bob@example.test');
      await admin.users.addAlias('alice@example.test', 'postmaster@second.test');
      expect((await accountOf(directory, 'postmaster@second.test')).login).toBe(
        'alice@example.test',
      );
      expect(await directory.resolve('postmaster@far.test')).toEqual({ kind: 'unknown-domain' });
    },
  );

  test(
    `a domain and an address in UTF-8 are found in every spelling (RFC 6531 §3.2) (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start({
        entries: [
          {
            dn: 'cn=bücher.test,ou=domains,dc=mailfarm',
            attributes: { objectClass: 'mwDomain', cn: 'bücher.test' },
          },
          userEntry('zoë@bücher.test', 2011),
          userEntry('дядя@example.test', 2012),
        ],
      });
      const directory = open(server.frontend);
      for (const address of [
        'ZOË@BÜCHER.test',
        'zoe\u0308@xn--bcher-kva.test',
        'zoë@bu\u0308cher.test',
      ]) {
        expect((await accountOf(directory, address)).login).toBe('zoë@bücher.test');
      }
      expect((await accountOf(directory, 'ДЯДЯ@example.test')).uid).toBe(2012);
    },
  );

  test(
    `no character of an address reaches a filter or a name unescaped (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const names = [
        '*',
        'alice*',
        'a)(cn=*',
        '*)(|(cn=*',
        'alice\\',
        '\\2a',
        'x\0y',
        '😀',
        'cn=alice',
        'a,b',
        '#a',
        ' ',
        'a/../b',
        "'",
        '`id`',
        'x'.repeat(10_000),
        '\ud800',
        'a\r\nb',
        '%s',
      ];
      const server = await start({
        entries: [
          userEntry('\\2a@example.test'.replace('\\', '\\\\'), 2013, { cn: '\\2a@example.test' }),
        ],
      });
      const directory = open(server.frontend);
      for (const name of names) {
        const found = await directory.resolve(`${name}@example.test`);
        if (name === '\\2a') expect(found.kind).toBe('account'); // Literally this name, not an asterisk.
        else expect(found, JSON.stringify(name).slice(0, 40)).toEqual({ kind: 'unknown-user' });
        expect(await directory.account(name)).toBeUndefined();
        expect((await directory.resolve(`alice@${name}`)).kind).toBe('unknown-domain');
        expect(await directory.node(name)).toBeUndefined();
      }
    },
  );

  test(
    `[S2-18] an entry that is added, changed or removed counts at once (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start();
      const admin = await openAdmin(server.admin);
      toClose.push(() => admin.close());
      const directory = open(server.frontend);
      expect(await directory.resolve('new@example.test')).toEqual({ kind: 'unknown-user' });
      await admin.users.add({ login: 'new@example.test', password: 'x' });
      expect((await directory.resolve('new@example.test')).kind).toBe('account');
      await admin.users.set('new@example.test', { suspended: ['pop3'] });
      directory.invalidate();
      expect((await accountOf(directory, 'new@example.test')).suspended).toEqual(['pop3']);
    },
  );

  test.each([kind].filter((one) => one === 'embedded'))(
    `identical questions at the same time are asked once, and negative ones are not kept (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start();
      const directory = open(server.frontend);
      await directory.settings(); // Connected.
      const searches = async (address: string): Promise<number> => {
        const before = embeddedRequests.value('search');
        const asked = Array.from({ length: 200 }, () => directory.account(address));
        expect(new Set(await Promise.all(asked)).size).toBe(1);
        return embeddedRequests.value('search') - before;
      };
      expect(await searches('alice@example.test')).toBe(1);
      expect(await searches('alice@example.test')).toBe(0);
      // Who joined a question on its way asks once more: the entry may have been added meanwhile.
      expect(await searches('nobody@example.test')).toBeLessThanOrEqual(4);
      expect(await searches('nobody@example.test')).toBeGreaterThan(0);
    },
  );

  test(
    `[S0-22] a password is verified by bind; an empty one never binds (RFC 4513 §5.1.2) (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start();
      const directory = open(server.frontend);
      const alice = await accountOf(directory, 'alice@example.test');
      expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
      expect(await directory.verifyPassword(alice, 'Demo')).toBe('refused');
      expect(await directory.verifyPassword(alice, '')).toBe('refused');
      expect(await directory.verifyPassword(alice, 'x'.repeat(100_000))).toBe('refused');
      expect(await directory.verifyPassword(alice, 'demo\0')).toBe('refused');
      const nobody = { ...alice, id: 'n', login: '', dn: 'cn=nobody,ou=users,dc=mailfarm' };
      expect(await directory.verifyPassword(nobody, 'demo')).toBe('refused');
      expect(await directory.verifyPassword({ ...nobody, dn: 'not a dn' }, 'demo')).toBe('refused');
    },
  );

  test(
    `[S2-15] a changed password counts when the cached acceptance has run out (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const clock = handClock();
      const server = await start();
      const admin = await openAdmin(server.admin);
      toClose.push(() => admin.close());
      const directory = open({ ...server.frontend, clock });
      const alice = await accountOf(directory, 'alice@example.test');
      expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
      await admin.users.set('alice@example.test', { password: 'changed' });
      expect(await directory.verifyPassword(alice, 'changed')).toBe('accepted');
      expect(await directory.verifyPassword(alice, 'demo')).toBe('refused');
      clock.forward(6_000);
      expect(await directory.verifyPassword(alice, 'demo')).toBe('refused');
    },
  );

  test(`a cached login costs microseconds (${kind})`, { timeout: TEST_MS }, async () => {
    const server = await start();
    const directory = open({
      ...server.frontend,
      options: { 'directory.password.fresh': 600_000 },
    });
    const alice = await accountOf(directory, 'alice@example.test');
    await directory.verifyPassword(alice, 'demo');
    const before = process.cpuUsage();
    for (let n = 0; n < 5_000; n += 1) await directory.verifyPassword(alice, 'demo');
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 5_000).toBeLessThan(100); // Some 5 µs on an idle machine.
  });

  test(
    `with two servers the death of one is not noticed (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const one = await start();
      const near = await lyingServer(one.server.url, () => undefined); // One tree, two ways.
      toClose.push(() => near.close());
      const directory = open({
        ...one.frontend,
        urls: [near.url, one.server.url],
        options: { 'directory.cache.fresh': 0, 'directory.retry': 20 },
      });
      const alice = await accountOf(directory, 'alice@example.test');
      expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
      await near.close();
      for (let n = 0; n < 5; n += 1) {
        expect((await directory.resolve('alice@example.test')).kind).toBe('account');
        expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
        expect(await directory.verifyPassword(alice, `wrong ${n}`)).toBe('refused');
      }
      expect(directory.available).toBe(true);
    },
  );

  test(
    `a server that accepts and says nothing delays a question once, not each (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const silent = await listen((socket) => socket.on('data', () => {}));
      const two = await start();
      const options = {
        'directory.operation.deadline': 700,
        'directory.connect.deadline': 700,
        'directory.cache.fresh': 0,
      };
      const directory = open({ ...two.frontend, urls: [silent, two.server.url], options });
      const started = performance.now();
      for (let n = 0; n < 20; n += 1)
        expect((await directory.resolve('bob@example.test')).kind).toBe('account');
      expect(performance.now() - started).toBeLessThan(10_000); // Each: 14 seconds.
    },
  );

  test(
    `while the directory is away the last known good answer serves, then a temporary failure (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const clock = handClock();
      const server = await start();
      const directory = open({ ...server.frontend, clock, options: { 'directory.retry': 10_000 } });
      const alice = await accountOf(directory, 'alice@example.test');
      await accountOf(directory, 'postmaster');
      expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
      expect((await directory.volumes()).map(({ name }) => name)).toEqual(['mail1', 'mail2']);
      await server.server.close();
      clock.forward(9 * 60_000);
      expect((await accountOf(directory, 'alice@example.test')).id).toBe(alice.id);
      expect((await accountOf(directory, 'postmaster')).login).toBe('admin@example.test');
      expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
      await expect(directory.verifyPassword(alice, 'wrong')).rejects.toThrow(DirectoryUnavailable);
      await expect(directory.resolve('bob@example.test')).rejects.toThrow(DirectoryUnavailable);
      await expect(directory.resolve('x@unknown.test')).rejects.toThrow(DirectoryUnavailable);
      expect(await directory.volumes()).toHaveLength(2);
      expect(directory.available).toBe(false);
      clock.forward(2 * 60_000);
      await expect(directory.verifyPassword(alice, 'demo')).rejects.toThrow(DirectoryUnavailable);
      expect((await directory.resolve('alice@example.test')).kind).toBe('account');
      clock.forward(20 * 60_000);
      await expect(directory.resolve('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
    },
  );

  test(
    `a directory that comes back is asked again by itself (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const first = await start();
      const directory = open({
        ...first.frontend,
        options: { 'directory.cache.fresh': 0, 'directory.retry': 20 },
      });
      await accountOf(directory, 'alice@example.test');
      const { port } = first.server;
      await first.server.close();
      await expect(directory.resolve('bob@example.test')).rejects.toThrow(DirectoryUnavailable);
      await start({ options: { port } });
      await expect.poll(() => directory.available, { timeout: 30_000 }).toBe(true);
      expect((await directory.resolve('bob@example.test')).kind).toBe('account');
    },
  );

  test(
    `"no such user" of a server without cn=farm is not believed (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const whole = await start();
      const empty = await start({ host: '127.0.0.2', options: { suffix: 'dc=other' } });
      // Another tree under our name: it takes the bind of a front end and shows nothing.
      const access = { ...whole.frontend, suffix: 'dc=other', bindDn: 'cn=frontend,dc=other' };
      const alone = open({ ...access, suffix: 'dc=mailfarm', urls: [empty.server.url] });
      await expect(alone.resolve('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
      await expect(alone.account('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
      await expect(alone.volumes()).rejects.toThrow(DirectoryUnavailable);
      await expect(alone.settings()).rejects.toThrow(DirectoryUnavailable);
    },
  );

  test(
    `wrong credentials of the node are our trouble, not the user's (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start();
      const directory = open({ ...server.frontend, bindPassword: 'wrong' });
      await expect(directory.resolve('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
    },
  );

  test(
    `the placement is stored once: the loser of the race is told the winner's (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start();
      const [one, two] = [open(server.frontend), open(server.frontend)];
      const alice = await accountOf(one, 'alice@example.test');
      await accountOf(two, 'alice@example.test');
      const stored = await Promise.all([
        one.assignVolume(alice, 'mail1'),
        two.assignVolume(alice, 'mail2'),
      ]);
      expect(new Set(stored).size).toBe(1);
      expect(await two.assignVolume(alice, 'mail3')).toBe(stored[0]);
      expect(await two.storedVolume({ ...alice, volume: undefined })).toBe(stored[0]);
      expect((await accountOf(one, 'alice@example.test')).volume).toBe(stored[0]);
      const stranger = { ...alice, id: 'another-id' };
      await expect(one.assignVolume(stranger, 'mail1')).rejects.toThrow(DirectoryUnavailable);
    },
  );

  test(
    `[S0-33] volumes, settings and nodes are read; one damaged volume does not hide the others (${kind})`,
    { timeout: TEST_MS },
    async () => {
      const server = await start({
        entries: [
          {
            dn: 'cn=bad,ou=volumes,dc=mailfarm',
            attributes: {
              objectClass: 'mwVolume',
              cn: 'bad name',
              mwMountPath: '/m',
              mwIdentity: 'x',
            },
          },
        ].slice(1),
        options: {
          firstStart: {
            settings: { 'farm.host-name': 'mail.example.test', empty: '' },
            adminPassword: 'admin-secret',
            frontendPassword: 'frontend-secret',
          },
        },
      });
      const directory = open(server.frontend);
      expect(await directory.volumes()).toEqual([
        { name: 'mail1', path: '/mail1', identity: 'v', weight: 1, state: 'active', use: 'mail' },
        { name: 'mail2', path: '/mail2', identity: 'v', weight: 1, state: 'active', use: 'mail' },
      ]);
      expect(new Map([...(await directory.settings()), ['farm.cookie', 'x']])).toEqual(
        new Map([
          ['farm.cookie', 'x'],
          ['farm.host-name', 'mail.example.test'],
          ['empty', ''],
        ]),
      );
      expect(await directory.node('node1')).toMatchObject({
        nid: 1,
        server: 'localhost',
        status: 'SP',
      });
      expect(await directory.node('node2')).toBeUndefined();
    },
  );
}
