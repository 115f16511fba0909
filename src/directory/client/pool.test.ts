/** Many questions at once take few connections, and the same question is asked once. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { startTestDirectory, TEST_SERVERS, userEntry } from '../testing.ts';
import { ldapDirectory } from './directory.ts';

const toClose: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

/** Passes everything on to the server, and counts. */
async function countingProxy(port: number): Promise<{
  readonly port: number;
  /** Most that were open at once. */
  readonly most: () => number;
  readonly octets: () => number;
  readonly cut: () => void;
}> {
  const pairs = new Set<Socket>();
  let octets = 0;
  let most = 0;
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port });
    pairs.add(client);
    most = Math.max(most, pairs.size);
    client.on('data', (chunk) => (octets += chunk.length));
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(client);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of pairs) socket.destroy();
  };
  toClose.push(() => {
    cut();
    server.close();
  });
  const own = (server.address() as AddressInfo).port;
  return { port: own, most: () => most, octets: () => octets, cut };
}

const USERS = 200;
const CONNECTIONS = 1;
const loginOf = (index: number): string => `p${index % USERS}@example.test`;

for (const kind of TEST_SERVERS) {
  test(`[S2-19] few connections for many questions, and none for what is known (${kind})`, async () => {
    const entries = Array.from({ length: USERS }, (_, i) => userEntry(loginOf(i), 5_000 + i));
    const server = await startTestDirectory({ server: kind, entries });
    toClose.push(() => server.close());
    const proxy = await countingProxy(server.server.port);
    const directory = ldapDirectory({
      ...server.frontend,
      urls: [`ldap://127.0.0.1:${proxy.port}`],
      options: {
        'directory.search.connections': CONNECTIONS,
        'directory.bind.connections': CONNECTIONS,
        'directory.cache.fresh': 60_000,
      },
    });
    toClose.push(() => directory.close());

    const ask = async (): Promise<number> => {
      const all = Array.from({ length: 10 * USERS }, (_, i) => directory.resolve(loginOf(i)));
      return (await Promise.all(all)).filter(({ kind: what }) => what === 'account').length;
    };
    for (let round = 0; round < 8; round += 1) {
      directory.invalidate();
      expect(await ask()).toBe(10 * USERS);
    }
    const before = proxy.octets();
    expect(before).toBeGreaterThan(10_000);
    expect(await ask()).toBe(10 * USERS);
    expect(proxy.octets() - before).toBeLessThan(5_000); // Nothing but looks at whether it lives.

    const alice = await directory.account('alice@example.test');
    if (!alice) throw new Error('no alice');
    const logins = Array.from({ length: 60 }, (_, i) => directory.verifyPassword(alice, `no ${i}`));
    expect(new Set(await Promise.all(logins))).toEqual(new Set(['refused']));
    expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
    expect(proxy.most()).toBeGreaterThan(CONNECTIONS);
    // And one that is being opened.
    expect(proxy.most()).toBeLessThanOrEqual(2 * CONNECTIONS + 1);

    proxy.cut();
    directory.invalidate();
    expect(await ask()).toBe(10 * USERS);
  }, 60_000);
}
