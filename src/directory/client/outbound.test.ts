/** What mail that leaves asks of the directory: nodes, customers' domains, ETRN, secrets. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemRandom as random } from '../../base/random.ts';
import { openAdmin, type Admin } from '../admin/admin.ts';
import type { SeedEntry } from '../frame.ts';
import { nodeIdentity, openRegistration } from '../registration.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from '../testing.ts';
import { dkimSecretName, type Directory } from '../types.ts';
import { ldapDirectory, type LdapDirectoryOptions } from './directory.ts';

const SUFFIX = 'dc=mailfarm';
const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

const domainEntry = (name: string, more: Record<string, string | string[]> = {}): SeedEntry => ({
  dn: `cn=${name},ou=domains,${SUFFIX}`,
  attributes: { objectClass: ['top', 'mwDomain'], cn: name, ...more },
});
const secretEntry = (cn: string, mwSecretValue: string): SeedEntry => ({
  dn: `cn=${cn},ou=secrets,${SUFFIX}`,
  attributes: { objectClass: ['top', 'mwSecret'], cn, mwSecretValue },
});

const nodeEntry = (n: number): SeedEntry => ({
  dn: `cn=n${String(n).padStart(2, '0')},ou=nodes,${SUFFIX}`,
  attributes: {
    objectClass: ['top', 'mwNode'],
    cn: `n${String(n).padStart(2, '0')}`,
    nid: String(100 + n),
    server: `n${n}.example.test`,
    status: 'sP',
    mwListen: [`mx 192.0.2.${n}:25`, `pop3 [2001:db8::${n}]:110`],
    mwAddress: [`192.0.2.${n}`, `198.51.100.${n}`],
  },
});

const CUSTOMERS: readonly SeedEntry[] = [
  domainEntry('customer.test', { mwTransport: 'mx', mwEtrnFrom: ['192.0.2.0/24', '2001:db8::1'] }),
  domainEntry('shop.customer.test', { mwTransport: 'shop.example.net:2525' }),
  domainEntry('deep.shop.customer.test', { mwTransport: 'lmtp:[2001:db8::7]:24' }),
  domainEntry('xcustomer.test', { mwTransport: 'mx' }),
  domainEntry('own.customer.test'),
  domainEntry('bücher.test', { mwTransport: 'MX' }),
  domainEntry('broken.customer.test', { mwDkim: ['s2', 's1', 'S3'] }),
];

describe.each(TEST_SERVERS)('%s', (server) => {
  async function start(entries: readonly SeedEntry[]): Promise<TestDirectory> {
    const directory = await startTestDirectory({ server, entries });
    toClose.push(() => directory.close());
    return directory;
  }
  function open(options: LdapDirectoryOptions): Directory {
    const directory = ldapDirectory(options);
    toClose.push(() => directory.close());
    return directory;
  }
  async function administrate(of: TestDirectory): Promise<Admin> {
    const admin = await openAdmin(of.admin);
    toClose.push(() => admin.close());
    return admin;
  }

  test('[S4-12] forty nodes are told, each with its addresses, and one more at once', async () => {
    const farm = await start(Array.from({ length: 40 }, (_, n) => nodeEntry(n + 1)));
    const directory = open({ ...farm.frontend, options: { 'directory.cache.fresh': 0 } });
    const nodes = (await directory.nodes()).filter(({ name }) => name !== 'node1');
    expect(nodes.map(({ name }) => name)).toEqual(
      Array.from({ length: 40 }, (_, n) => `n${String(n + 1).padStart(2, '0')}`),
    );
    expect(nodes[39]?.addresses.toSorted()).toEqual(['192.0.2.40', '198.51.100.40']);
    expect(nodes[39]?.listen.toSorted()).toEqual(['mx 192.0.2.40:25', 'pop3 [2001:db8::40]:110']);
    await (await administrate(farm)).nodes.add('n41', { nid: 141, server: 'n41.example.test' });
    expect((await directory.nodes()).map(({ name }) => name)).toContain('n41');
  });

  test('a node that joins tells its addresses, so that nobody sends to it by MX', async () => {
    const farm = await start([]);
    const data = await mkdtemp(join(tmpdir(), 'mailfarm-outbound-'));
    toClose.push(() => rm(data, { recursive: true, force: true }));
    const registration = openRegistration({
      directory: farm.frontend,
      name: 'fresh',
      server: 'fresh.example.test',
      version: '1',
      data,
      random,
      addresses: () => ['192.0.2.9', '2001:db8::9'],
    });
    await registration.join('P');
    expect(await registration.tell('P')).toMatchObject({ kind: 'told' });
    const nodes = await open(farm.frontend).nodes();
    expect(nodes.find(({ name }) => name === 'fresh')?.addresses.toSorted()).toEqual([
      '192.0.2.9',
      '2001:db8::9',
    ]);
  });

  test('a domain says what is passed on, who may ask for it, with what it is signed', async () => {
    const farm = await start(CUSTOMERS);
    const directory = open(farm.frontend);
    expect(await directory.domain('Customer.TEST.')).toMatchObject({
      name: 'customer.test',
      transport: { kind: 'mx' },
      dkim: [],
    });
    expect((await directory.domain('customer.test'))?.etrnFrom.toSorted()).toEqual([
      '192.0.2.0/24',
      '2001:db8::1',
    ]);
    expect((await directory.domain('shop.customer.test'))?.transport).toEqual({
      kind: 'host',
      host: 'shop.example.net',
      port: 2525,
      protocol: 'smtp',
    });
    expect((await directory.domain('deep.shop.customer.test'))?.transport).toEqual({
      kind: 'host',
      host: '2001:db8::7',
      port: 24,
      protocol: 'lmtp',
    });
    expect((await directory.domain('BÜCHER.test'))?.transport).toEqual({ kind: 'mx' });
    expect((await directory.domain('broken.customer.test'))?.dkim).toEqual(['s1', 's2', 's3']);
    expect((await directory.domain('example.test'))?.transport).toBeUndefined();
    for (const none of ['elsewhere.test', '', '*', 'a b', 'x)(cn=*', 'customer.test\0']) {
      expect(await directory.domain(none)).toBeUndefined();
    }
  });

  test('[S4-15] ETRN names a customer’s domain, with @ also those below, and none of ours', async () => {
    const directory = open((await start(CUSTOMERS)).frontend);
    const named = async (argument: string): Promise<readonly string[]> =>
      (await directory.etrnDomains(argument)).map(({ name }) => name);
    expect(await named('customer.test')).toEqual(['customer.test']);
    expect(await named('@Customer.test')).toEqual([
      'customer.test',
      'deep.shop.customer.test',
      'shop.customer.test',
    ]);
    expect(await named('@shop.customer.test')).toEqual([
      'deep.shop.customer.test',
      'shop.customer.test',
    ]);
    expect(await named('@bücher.test')).toEqual(['xn--bcher-kva.test']);
    for (const none of [
      'example.test',
      '@',
      '@*',
      '*',
      '',
      '#queue',
      'own.customer.test',
      '@test)',
    ]) {
      expect(await named(none)).toEqual([]);
    }
  });

  test('mail of a customer is passed on, whatever else stands in the directory', async () => {
    const farm = await start([
      ...CUSTOMERS,
      domainEntry('other-name.test', { mwAliasOf: 'shop.customer.test' }),
      userEntry('ghost@customer.test', 4001),
    ]);
    const directory = open(farm.frontend);
    expect(await directory.resolve('Anna.Maria+x@CUSTOMER.test')).toEqual({
      kind: 'expanded',
      destinations: [
        { kind: 'remote', address: 'Anna.Maria+x@customer.test', fallback: undefined },
      ],
      list: undefined,
      moderated: false,
    });
    for (const local of ['ghost', 'postmaster', 'all', 'Ghost']) {
      expect(await directory.resolve(`${local}@customer.test`)).toMatchObject({
        kind: 'expanded',
        destinations: [{ kind: 'remote', address: `${local}@customer.test` }],
      });
    }
    expect(await directory.resolve('Info@Other-Name.test')).toEqual({
      kind: 'expanded',
      destinations: [
        {
          kind: 'host',
          host: 'shop.example.net',
          port: 2525,
          protocol: 'smtp',
          address: 'Info@shop.customer.test',
          fallback: undefined,
        },
      ],
      list: undefined,
      moderated: false,
    });
  });

  test('a secret is read by a node that sends, as itself; it is asked for again when that ends', async () => {
    const name = dkimSecretName('example.test', 's1');
    const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n';
    const farm = await start([secretEntry(`dkim/${name}`, pem), secretEntry('smarthost/r', 'pw')]);
    const data = await mkdtemp(join(tmpdir(), 'mailfarm-outbound-'));
    toClose.push(() => rm(data, { recursive: true, force: true }));
    const identity = (): ReturnType<typeof nodeIdentity> =>
      nodeIdentity({ name: 'sender1', suffix: SUFFIX, data });
    const options = { 'directory.cache.fresh': 0, 'directory.cache.stale': 0 };
    const directory = open({ ...farm.frontend, identity, options });
    expect(await directory.secret('dkim', name)).toBeUndefined(); // It has no key yet.

    const registration = openRegistration({
      directory: farm.frontend,
      name: 'sender1',
      server: 'sender1.example.test',
      version: '1',
      data,
      random,
    });
    await registration.join('P');
    expect(await directory.secret('dkim', name)).toBeUndefined(); // It joined by itself.
    const admin = await administrate(farm);
    await admin.nodes.set('sender1', { sends: true });
    expect(await directory.secret('dkim', name)).toBe(pem);
    expect(await directory.secret('smarthost', 'R')).toBe('pw');
    expect(await directory.secret('smarthost', 'elsewhere')).toBeUndefined();
    for (const none of ['*', 'r)(cn=*', '', '../r', 'r\0']) {
      expect(await directory.secret('smarthost', none)).toBeUndefined();
    }
    await admin.nodes.set('sender1', { sends: false });
    expect(await directory.secret('dkim', name)).toBeUndefined();
    await admin.nodes.set('sender1', { sends: true });
    expect(await directory.secret('dkim', name)).toBe(pem);
    await admin.nodes.set('sender1', { newKey: true });
    expect(await directory.secret('dkim', name)).toBeUndefined(); // It left the group first.
    await expect(admin.nodes.set('sender1', { sends: true })).rejects.toThrow(/no key yet/);
    await registration.tell('P');
    expect(await directory.secret('dkim', name)).toBeUndefined(); // Whoever has the new key.
  });
});
