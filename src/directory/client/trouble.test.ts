import { Client } from 'ldapts';
import { afterEach, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { serverFailures } from '../metrics.ts';
import type { SeedEntry } from '../frame.ts';
import { startTestDirectory, userEntry, type TestDirectory } from '../testing.ts';
import { DirectoryUnavailable, type Account, type Directory } from '../types.ts';
import { ldapDirectory, type LdapDirectoryOptions } from './directory.ts';
import { done, entryOf, lyingServer, reference, type Lie, type LyingServer } from './testing.ts';
import { BEHIND_WAIT_MS } from './witness.ts';

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

async function start(entries: readonly SeedEntry[] = []): Promise<TestDirectory> {
  const directory = await startTestDirectory({ server: 'embedded', entries });
  toClose.push(() => directory.close());
  return directory;
}

async function lying(server: TestDirectory, lie: Lie): Promise<LyingServer> {
  const between = await lyingServer(server.server.url, lie);
  toClose.push(() => between.close());
  return between;
}

function open(
  server: TestDirectory,
  urls: readonly string[],
  more: Partial<LdapDirectoryOptions> = {},
): Directory {
  const directory = ldapDirectory({
    ...server.frontend,
    urls,
    ...more,
    options: { 'directory.cache.fresh': 0, 'directory.retry': 30_000, ...more.options },
  });
  toClose.push(() => directory.close());
  return directory;
}

async function accountOf(directory: Directory, address: string): Promise<Account> {
  const resolution = await directory.resolve(address);
  if (resolution.kind !== 'account') throw new Error(`${address} is ${resolution.kind}`);
  return resolution.account;
}

const USERS = 'ou=users,dc=mailfarm';
const ALL: SeedEntry = {
  dn: 'cn=whole.test,ou=domains,dc=mailfarm',
  attributes: { objectClass: ['top', 'mwDomain'], cn: 'whole.test', mwAll: 'anyone' },
};

/** What the text of a filter names, roughly: values are in it as they are. */
const asks = (operation: Parameters<Lie>[0], text: string): boolean =>
  operation.kind === 'search' &&
  JSON.stringify(operation.filter).toLowerCase().includes(text.toLowerCase());

test('a part that the limit of a server lets through is no whole: all@, rules, volumes', async () => {
  const server = await start([ALL, userEntry('one@whole.test', 2101)]);
  const { url } = await lying(server, (operation, id) => {
    if (operation.kind !== 'search') return undefined;
    const users = asks(operation, '@whole.test') && !asks(operation, 'all@whole.test');
    if (users && asks(operation, 'final')) {
      const attributes = { objectClass: ['mwUser'], cn: ['one@whole.test'], uid: ['2101'] };
      const more = { ...attributes, entryUUID: ['11111111-1111-4111-8111-111111111111'] };
      return Buffer.concat([entryOf(id, `cn=one@whole.test,${USERS}`, more), done(id, 4)]);
    }
    const table = asks(operation, 'mwRule') || asks(operation, 'mwVolume');
    return table ? done(id, 4) : undefined;
  });
  const directory = open(server, [url]);
  await expect(directory.resolve('all@whole.test')).rejects.toThrow(DirectoryUnavailable);
  await expect(directory.resolve('nobody@example.test')).rejects.toThrow(DirectoryUnavailable);
  await expect(directory.volumes()).rejects.toThrow(DirectoryUnavailable);
});

test('"none here, ask elsewhere" is no "unknown user"; another server is asked', async () => {
  const server = await start([userEntry('away@example.test', 2102)]);
  const away: Lie = (operation, id) =>
    asks(operation, 'away@example.test')
      ? Buffer.concat([reference(id, 'ldap://other.test/ou=users'), done(id, 0)])
      : undefined;
  const { url } = await lying(server, away);
  const alone = open(server, [url]);
  await expect(alone.resolve('away@example.test')).rejects.toThrow(DirectoryUnavailable);
  await expect(alone.account('away@example.test')).rejects.toThrow(DirectoryUnavailable);
  // It is not the server that is away.
  expect((await alone.resolve('alice@example.test')).kind).toBe('account');
  const both = open(server, [url, server.server.url]);
  expect((await both.resolve('away@example.test')).kind).toBe('account');
});

test.each([1, 2, 3, 10, 11, 51, 53, 80])(
  'a question that a server answers with result %i takes nothing else with it',
  async (code) => {
    const server = await start([userEntry('dear@example.test', 2103)]);
    const { url } = await lying(server, (operation, id) =>
      asks(operation, 'dear@example.test') ? done(id, code) : undefined,
    );
    const alone = open(server, [url]);
    const before = serverFailures.value('operation');
    for (let n = 0; n < 3; n += 1) {
      await expect(alone.resolve('dear@example.test')).rejects.toThrow(DirectoryUnavailable);
      expect((await alone.resolve('alice@example.test')).kind).toBe('account');
      expect(await alone.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
    }
    expect(serverFailures.value('operation')).toBe(before + 3);
    expect(alone.available).toBe(true);
    const both = open(server, [url, server.server.url]);
    expect((await both.resolve('dear@example.test')).kind).toBe('account');
  },
);

test.each([1, 2, 13, 32, 53])(
  'a server that takes no connection (result %i) is passed over',
  async (code) => {
    const server = await start();
    const { url } = await lying(server, (operation, id) => {
      if (operation.kind !== 'bind') return undefined;
      const bytes = done(id, code);
      bytes[bytes.indexOf(0x65)] = 0x61; // A BindResponse looks the same but for its tag.
      return bytes;
    });
    const directory = open(server, [url, server.server.url]);
    const alice = await accountOf(directory, 'alice@example.test');
    expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
    expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
  },
);

test('what is learnt of a user replaces nothing that somebody else holds', async () => {
  const logins = ['first@example.test', 'second@example.test'] as const;
  const server = await start(logins.map((login, n) => userEntry(login, 2104 + n)));
  let id = '';
  // Uniqueness is the directory's, and a site's own need not have it.
  const { url } = await lying(server, (operation, messageId) => {
    const read = operation.kind === 'search' && operation.scope === 'base';
    if (!read || !operation.base.text.startsWith('cn=first@')) return undefined;
    const attributes = { entryUUID: [id], cn: [logins[0]], mailAlias: [logins[1]], uid: ['1'] };
    const more = { ...attributes, mwVolume: ['mail1'] };
    return Buffer.concat([entryOf(messageId, operation.base.text, more), done(messageId, 0)]);
  });
  const directory = open(server, [url], { options: { 'directory.cache.fresh': 60_000 } });
  const first = await accountOf(directory, logins[0]);
  const second = await accountOf(directory, logins[1]);
  id = first.id;
  await directory.assignVolume(first, 'mail1');
  expect((await accountOf(directory, logins[1])).id).toBe(second.id);
  expect((await accountOf(directory, logins[0])).volume).toBe('mail1');
});

test('[N-10] a URL that leads to the directory of another farm answers nothing', async () => {
  const ours = await start([userEntry('ours@example.test', 2106)]);
  const other = await start();
  const { url, close } = await lying(ours, () => undefined);
  const directory = open(ours, [url, other.server.url]);
  expect((await directory.resolve('ours@example.test')).kind).toBe('account');
  await expect(directory.resolve('nobody@example.test')).rejects.toThrow(DirectoryUnavailable);
  await close(); // Of alice nothing is known yet, and the other farm has one too.
  await expect(directory.resolve('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
});

test('[N-10] two that lack something of each other for a moment: the question waits', async () => {
  const server = await start();
  let now = 1_000_000;
  const clock: Clock = {
    now: () => now,
    // The waits for a server that lags take no time here; all others are real.
    sleep: async (ms, signal) => {
      if (ms > BEHIND_WAIT_MS) return await systemClock.sleep(ms, signal);
      now += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  const caughtUp = now + 10 * BEHIND_WAIT_MS;
  const csn = (second: number, id: string): string =>
    `2099112203030${second}.000000Z#000000#${id}#000000`;
  const lagging =
    (ahead: string, behind: string): Lie =>
    (operation, id) => {
      if (operation.kind !== 'search' || !operation.attributes.includes('contextCSN')) {
        return undefined;
      }
      const last = csn(now < caughtUp ? 1 : 2, behind);
      const contextCSN = [csn(2, '000'), csn(2, ahead), last];
      return Buffer.concat([entryOf(id, 'dc=mailfarm', { contextCSN }), done(id, 0)]);
    };
  const one = await lying(server, lagging('001', '002'));
  const two = await lying(server, lagging('002', '001'));
  const directory = open(server, [one.url, two.url], { clock });
  expect(await directory.resolve('nobody@example.test')).toEqual({ kind: 'unknown-user' });
  expect(now).toBeGreaterThanOrEqual(caughtUp);
});

test('[S0-36] who has the name of a renamed user gets no mailbox of that user', async () => {
  const server = await start([userEntry('bob@shared.test', 2110)]);
  const directory = open(server, [server.server.url], {
    options: { 'directory.cache.fresh': 60_000, 'directory.password.fresh': 0 },
  });
  const login = 'bob@shared.test';
  const before = await accountAt(directory, login);
  expect(await directory.verifyPassword(before, `secret of ${login}`)).toBe('accepted');
  const admin = new Client({ url: server.server.url });
  toClose.push(() => admin.unbind());
  await admin.bind(server.admin.bindDn, server.admin.bindPassword);
  await admin.modifyDN(before.dn, 'cn=robert@shared.test');
  const { dn, attributes } = userEntry(login, 2111, { userPassword: 'of the new one' });
  await admin.add(dn, attributes as Record<string, string | string[]>);
  // What is cached says that it is the old one still.
  expect((await accountAt(directory, login)).id).toBe(before.id);
  const wrong = directory.verifyPassword(before, 'of the new one');
  await expect(wrong).rejects.toThrow(DirectoryUnavailable);
  await expect(directory.verifyPassword(before, `secret of ${login}`)).rejects.toThrow(
    DirectoryUnavailable,
  );
  const after = await accountAt(directory, login);
  expect(after.id).not.toBe(before.id);
  expect(await directory.verifyPassword(after, 'of the new one')).toBe('accepted');
  await admin.del(dn);
  expect(await directory.verifyPassword(after, 'of the new one')).toBe('refused');
  expect(await directory.account(login)).toBeUndefined();
});

async function accountAt(directory: Directory, login: string): Promise<Account> {
  const account = await directory.account(login);
  if (!account) throw new Error(`${login} is unknown`);
  return account;
}
