/** All that routes a letter or a login stands in one tree, and one change there is enough. */
import { afterEach, describe, expect, test } from 'vitest';
import { openAdmin } from '../admin/admin.ts';
import { startTestDirectory, TEST_SERVERS } from '../testing.ts';
import { ldapDirectory } from './directory.ts';

const toClose: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

describe.each(TEST_SERVERS)('one resource, on %s', (server) => {
  test('[S1-26] where mail lies, aliases, users, rules: told by one tree, changed there', async () => {
    const farm = await startTestDirectory({ server });
    toClose.push(() => farm.close());
    const admin = await openAdmin(farm.admin);
    toClose.push(() => admin.close());
    // Nothing but its address: no file, no map beside it.
    const directory = ldapDirectory({ ...farm.frontend, options: { 'directory.cache.fresh': 0 } });
    toClose.push(() => directory.close());
    const where = async (address: string): Promise<unknown> => {
      const found = await directory.resolve(address);
      if (found.kind === 'account') {
        const { login, volume, path } = found.account;
        return { login, at: path ?? volume ?? (await directory.volumeByRule(found.account)) };
      }
      return found.kind === 'expanded' ? found.destinations.map(routeOf) : found.kind;
    };

    expect(await where('tevie@example.test')).toBe('unknown-user');
    await admin.users.add({ login: 'tevie@example.test', password: 'secret' });
    expect(await where('tevie@example.test')).toEqual({
      login: 'tevie@example.test',
      at: undefined,
    });

    // Rules: which volume, and which host for whoever has no entry.
    const rule = { order: 1, pattern: 't.*@example[.]test', target: 'volume:mail2' };
    await admin.rules.add('by-name', rule);
    expect(await where('tevie@example.test')).toMatchObject({ at: 'mail2' });
    const host = {
      order: 2,
      pattern: 'old.*@example[.]test',
      target: 'host:old.example.test:2525',
    };
    await admin.rules.add('old-host', host);
    expect(await where('old.user@example.test')).toEqual(['old.example.test:2525']);

    // Aliases and forwards.
    await admin.users.addAlias('tevie@example.test', 'milkman@example.test');
    expect(await where('MILKMAN@example.test')).toMatchObject({ login: 'tevie@example.test' });
    await admin.users.addForward('alice@example.test', 'alice@far.test');
    expect(await where('alice@example.test')).toEqual(['alice@far.test']);

    // Where the mailbox is: the entry outranks the rule, for delivery and login alike.
    await admin.users.place('tevie@example.test', 'mail1');
    expect(await where('milkman@example.test')).toMatchObject({ at: 'mail1' });
    const login = await directory.account('tevie@example.test');
    expect(login).toMatchObject({ volume: 'mail1', login: 'tevie@example.test' });
    if (!login) throw new Error('no account');
    expect(await directory.verifyPassword(login, 'secret')).toBe('accepted');

    // Taken away where it was given, it is gone everywhere.
    await admin.rules.remove('old-host');
    expect(await where('old.user@example.test')).toBe('unknown-user');
    await admin.users.remove('tevie@example.test');
    expect(await where('milkman@example.test')).toBe('unknown-user');
    expect(await directory.account('tevie@example.test')).toBeUndefined();
  }, 60_000);
});

function routeOf(one: {
  readonly kind: string;
  readonly host?: string;
  readonly port?: number;
  readonly address?: string;
}): string {
  return one.kind === 'host' ? `${one.host}:${one.port}` : (one.address ?? one.kind);
}
