import { chmodSync, copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, Client } from 'ldapts';
import { afterEach, expect, test } from 'vitest';
import { startSlapd, startSlapdPair, type Slapd } from '../../../test/harness/slapd.ts';
import { silentLogger, type Logger } from '../../log/types.ts';
import { systemClock, type Clock } from '../../base/clock.ts';
import { renderAll } from '../../metrics/export.ts';
import type { SeedEntry } from '../frame.ts';
import { serverFailures } from '../metrics.ts';
import { layout } from '../schema.ts';
import { TEST_SERVERS, userEntry } from '../testing.ts';
import { DirectoryUnavailable, type Account, type Directory } from '../types.ts';
import { ldapDirectory, type LdapDirectoryOptions } from './directory.ts';

const toClose: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

const names = layout('dc=mailfarm');
const domain = (cn: string): SeedEntry => ({
  dn: `cn=${cn},${names.domains}`,
  attributes: { objectClass: ['top', 'mwDomain'], cn },
});
const ENTRIES: readonly SeedEntry[] = [
  domain('example.test'),
  userEntry('alice@example.test', 2001),
  userEntry('bob@example.test', 2002),
];

function directoryOfTest(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mailfarm-replicas-'));
  chmodSync(directory, 0o711);
  toClose.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function pair(): Promise<readonly [Slapd, Slapd]> {
  const servers = await startSlapdPair({ directory: directoryOfTest(), entries: ENTRIES });
  toClose.push(() => Promise.all(servers.map((server) => server.stop())));
  return servers;
}

/** Two servers with one history, of which the second hears nothing more from the first. */
async function cutOff(): Promise<readonly [Slapd, Slapd]> {
  const directory = directoryOfTest();
  const start = async (name: string, unseeded: boolean, global: string): Promise<Slapd> => {
    const server = await startSlapd({ directory, name, unseeded, global, entries: ENTRIES });
    toClose.push(() => server.stop());
    return server;
  };
  const one = await start('one', false, 'serverID 1\n');
  await one.stop();
  const two = await start('two', true, 'serverID 2\n');
  await two.stop();
  two.empty();
  for (const file of readdirSync(join(one.home, 'data'))) {
    copyFileSync(join(one.home, 'data', file), join(two.home, 'data', file));
  }
  await Promise.all([one.start(), two.start()]);
  return [one, two];
}

function open(urls: readonly string[], more: Partial<LdapDirectoryOptions> = {}): Directory {
  const directory = ldapDirectory({
    urls,
    suffix: 'dc=mailfarm',
    bindDn: names.frontend,
    bindPassword: 'frontend-secret',
    ...more,
    options: { 'directory.cache.fresh': 0, 'directory.retry': 50, ...more.options },
  });
  toClose.push(() => directory.close());
  return directory;
}

/** A server on a busy machine that answers late is not one that is away. */
const PATIENT = {
  options: { 'directory.connect.deadline': 60_000, 'directory.operation.deadline': 60_000 },
} as const;

async function admin(server: Slapd): Promise<Client> {
  const client = new Client({ url: server.url });
  await client.bind(server.admin.dn, server.admin.password);
  toClose.push(() => client.unbind());
  return client;
}

async function addUser(client: Client, login: string, uid: number): Promise<void> {
  const { dn, attributes } = userEntry(login, uid);
  const values = Object.entries(attributes).map(
    ([name, value]) => [name, typeof value === 'string' ? [value] : [...value]] as const,
  );
  await client.add(dn, Object.fromEntries(values));
}

const replace = (type: string, value: string): Change =>
  new Change({ operation: 'replace', modification: new Attribute({ type, values: [value] }) });

async function accountOf(directory: Directory, address: string): Promise<Account> {
  const resolution = await directory.resolve(address);
  if (resolution.kind !== 'account') throw new Error(`${address} is ${resolution.kind}`);
  return resolution.account;
}

/** A way to a server that can hang: what comes is taken and nothing is answered. */
async function way(
  to: string,
): Promise<{ url: string; hang(): void; go(): void; opened(): number }> {
  const sockets = new Set<Socket>();
  let hanging = false;
  let opened = 0;
  const server = createServer((near) => {
    opened += 1;
    const far = connect(Number(new URL(to).port), '127.0.0.1');
    for (const [from, into] of [[near, far] as const, [far, near] as const]) {
      sockets.add(from);
      from.on('data', (data) => into.write(data));
      if (hanging) from.pause();
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  toClose.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `ldap://127.0.0.1:${(server.address() as { port: number }).port}`,
    hang: () => {
      hanging = true;
      for (const socket of sockets) socket.pause();
    },
    go: () => {
      hanging = false;
      for (const socket of sockets) socket.resume();
    },
    opened: () => opened,
  };
}

const TEST_MS = 60_000;
const onSlapd = test.runIf(TEST_SERVERS.includes('slapd'));

onSlapd(
  '[N-10] a replica that is cut off cannot say "unknown user"; the current one is asked',
  { timeout: TEST_MS },
  async () => {
    const [one, two] = await cutOff();
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_, text) => void warnings.push(text ?? '') };
    const directory = open([two.url, one.url], { logger });
    expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
    const client = await admin(one);
    await addUser(client, 'new@example.test', 2003);
    const before = serverFailures.value('behind');
    await expect
      .poll(async () => (await directory.resolve('new@example.test')).kind, { timeout: 30_000 })
      .toBe('account');
    for (let n = 0; n < 50; n += 1) {
      expect((await directory.resolve('new@example.test')).kind).toBe('account');
      expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
    }
    expect(serverFailures.value('behind')).toBeGreaterThan(before);
    const told = warnings.filter((text) => text.startsWith('MF-DIR-007'));
    expect(told).toHaveLength(1); // When the state changes, not for each question.
    await one.kill();
    // What it has counts; what it has not proves nothing.
    expect((await directory.resolve('alice@example.test')).kind).toBe('account');
    await expect(directory.resolve('nobody@example.test')).rejects.toThrow('MF-DIR-007');
    await expect(directory.account('new2@example.test')).rejects.toThrow(DirectoryUnavailable);
    await expect(directory.resolve('x@elsewhere.test')).rejects.toThrow(DirectoryUnavailable);
    const page = await renderAll();
    expect(page).toMatch(/^mailfarm_directory_servers_down 1$/m);
    expect(page).toMatch(/^mailfarm_directory_servers_behind 1$/m);
    await directory.close();
    expect(await renderAll()).toMatch(/^mailfarm_directory_servers_down 0$/m);
  },
);

onSlapd(
  '[N-10] a change that died with its server is believed in for ten minutes, not for ever',
  { timeout: TEST_MS },
  async () => {
    const [one, two] = await cutOff();
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_, text) => void warnings.push(text ?? '') };
    let now = 1_000_000;
    const clock: Clock = { now: () => now, sleep: systemClock.sleep };
    const directory = open([one.url, two.url], { logger, clock });
    expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
    await addUser(await admin(one), 'new@example.test', 2003);
    now += 2_000;
    expect((await directory.resolve('new@example.test')).kind).toBe('account');
    expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
    await one.kill();
    const kindOf = (address: string): Promise<string> =>
      directory.resolve(address).then(({ kind }) => kind, String);
    for (let minute = 0; minute < 10; minute += 1) {
      // Two looks, as under load: what is asked makes them.
      for (let n = 0; n < 2; n += 1) {
        expect(await kindOf('nobody@example.test')).toContain('MF-DIR-007');
        expect(await kindOf('alice@example.test')).toBe('account');
        await systemClock.sleep(30);
        now += 700;
      }
      now += 58_000;
    }
    now += 60_000;
    await expect
      .poll(
        async () => {
          now += 600;
          return await kindOf('nobody@example.test');
        },
        { timeout: 30_000 },
      )
      .toBe('unknown-user');
    expect(warnings.filter((text) => text.includes('taken for lost'))).toHaveLength(1);
    // It is back with the change: known again, and the other is behind.
    await one.start();
    await expect.poll(() => kindOf('new@example.test'), { timeout: 30_000 }).toBe('account');
    expect(await kindOf('nobody@example.test')).toBe('unknown-user');
  },
);

onSlapd(
  '[N-10] a process that starts hears of the newest state before it believes the nearest',
  { timeout: TEST_MS },
  async () => {
    const [one, two] = await cutOff();
    await addUser(await admin(one), 'new@example.test', 2003);
    const directory = open([two.url, one.url], PATIENT);
    expect((await directory.resolve('new@example.test')).kind).toBe('account');
  },
);

onSlapd(
  '[N-10] what one process saw counts for another of its node that was asked nothing',
  { timeout: TEST_MS },
  async () => {
    const [one, two] = await cutOff();
    const busy = open([one.url, two.url]);
    const idle = open([one.url, two.url]);
    const started = open([one.url, two.url]);
    busy.news?.onNews((news) => idle.news?.note(news));
    await addUser(await admin(one), 'new@example.test', 2003);
    expect((await busy.resolve('new@example.test')).kind).toBe('account');
    for (const news of busy.news?.all() ?? []) started.news?.note(news);
    await one.kill();
    for (const directory of [idle, started]) {
      const asked = directory.resolve('new@example.test');
      await expect(asked).rejects.toBeInstanceOf(DirectoryUnavailable);
      expect((await directory.resolve('alice@example.test')).kind).toBe('account');
    }
  },
);

onSlapd(
  '[N-10] a process that starts waits for a server that is slow to say what it has',
  { timeout: TEST_MS },
  async () => {
    const [one, two] = await cutOff();
    await addUser(await admin(one), 'new@example.test', 2003);
    const slow = await way(one.url);
    slow.hang();
    const directory = open([two.url, slow.url], PATIENT);
    const resolution = directory.resolve('new@example.test');
    await systemClock.sleep(800);
    slow.go();
    expect((await resolution).kind).toBe('account');
  },
);

onSlapd(
  '[N-10] a password that was changed elsewhere is not refused by a replica that is behind',
  { timeout: TEST_MS },
  async () => {
    const [one, two] = await cutOff();
    const directory = open([two.url, one.url], { options: { 'directory.password.fresh': 0 } });
    const alice = await accountOf(directory, 'alice@example.test');
    expect(await directory.verifyPassword(alice, 'wrong')).toBe('refused');
    const client = await admin(one);
    await client.modify(alice.dn, [replace('userPassword', 'changed')]);
    // At once: the refusal itself makes it ask what the others have.
    expect(await directory.verifyPassword(alice, 'changed')).toBe('accepted');
    expect(await directory.verifyPassword(alice, 'secret of alice@example.test')).toBe('refused');
    await one.kill();
    // Verified a moment ago by one that was current; of what was not, nobody knows.
    expect(await directory.verifyPassword(alice, 'changed')).toBe('accepted');
    await expect(directory.verifyPassword(alice, 'wrong')).rejects.toThrow(DirectoryUnavailable);
  },
);

onSlapd(
  '[N-10] changes all the time make no temporary failure for unknown users',
  { timeout: TEST_MS },
  async () => {
    const servers = await pair();
    const directory = open(servers.map(({ url }) => url));
    const writers = await Promise.all(servers.map(admin));
    const stop = new AbortController();
    const writing = writers.map(async (client, index) => {
      const dn = `cn=${index === 0 ? 'alice' : 'bob'}@example.test,${names.users}`;
      for (let n = 0; !stop.signal.aborted; n += 1) {
        await client.modify(dn, [replace('description', `change ${n}`)]);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return true;
    });
    toClose.push(() => {
      stop.abort();
      return Promise.allSettled(writing);
    });
    const until = performance.now() + 60_000;
    const least = performance.now() + 2_000;
    let asked = 0;
    for (; asked < 1_000 || performance.now() < least; asked += 20) {
      expect(performance.now(), `${asked} questions answered`).toBeLessThan(until);
      const some = Array.from({ length: 20 }, (_, n) => directory.resolve(`no${n}@example.test`));
      for (const one of await Promise.all(some)) expect(one).toEqual({ kind: 'unknown-user' });
    }
    stop.abort();
    expect(await Promise.all(writing)).toEqual([true, true]);
  },
);

onSlapd(
  '[S0-26] [S2-19] a server that hangs costs one deadline, and is preferred when it is back',
  { timeout: TEST_MS },
  async () => {
    const servers = await pair();
    const [near, far] = [await way(servers[0].url), await way(servers[1].url)];
    const deadlines = {
      'directory.operation.deadline': 1_000,
      'directory.connect.deadline': 1_000,
    };
    const directory = open([near.url, far.url], { options: deadlines });
    expect((await directory.resolve('alice@example.test')).kind).toBe('account');
    near.hang();
    const begun = performance.now();
    const slow: number[] = [];
    for (let n = 0; n < 200; n += 1) {
      const at = performance.now();
      expect((await directory.resolve('bob@example.test')).kind).toBe('account');
      expect(await directory.resolve(`no${n}@example.test`)).toEqual({ kind: 'unknown-user' });
      if (performance.now() - at > 900) slow.push(performance.now() - at);
    }
    expect(slow.length).toBeGreaterThan(0);
    expect(slow.length).toBeLessThan(20); // One of 200; a busy machine may add to it.
    expect(performance.now() - begun).toBeGreaterThan(1_000);
    near.go();
    far.hang();
    // The nearest is back by itself, and the far one is not needed.
    await expect
      .poll(
        async () => (await directory.resolve('alice@example.test').catch(() => undefined))?.kind,
        {
          timeout: 30_000,
        },
      )
      .toBe('account');
    for (let n = 0; n < 20; n += 1) {
      expect(await directory.resolve(`no${n}@example.test`)).toEqual({ kind: 'unknown-user' });
    }
  },
);

onSlapd(
  'two replicas that take different placements at one moment: mail waits for the one',
  { timeout: TEST_MS },
  async () => {
    const servers = await pair();
    const [one, two] = servers.map(({ url }, index) =>
      open([url, (index === 0 ? servers[1] : servers[0]).url]),
    );
    if (!one || !two) throw new Error('no directory');
    for (const login of ['alice@example.test', 'bob@example.test']) {
      const account = await accountOf(one, login);
      await accountOf(two, login);
      // Where they do not agree within a second the letter is deferred and comes again.
      const place = async (directory: Directory, volume: string): Promise<string> => {
        for (let n = 0; n < 10; n += 1) {
          try {
            return await directory.assignVolume(account, volume);
          } catch (error) {
            if (!(error instanceof DirectoryUnavailable)) throw error;
          }
        }
        throw new Error('never placed');
      };
      const stored = await Promise.all([place(one, 'mail1'), place(two, 'mail2')]);
      expect(new Set(stored).size).toBe(1);
    }
  },
);
