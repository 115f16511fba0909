import { afterAll, beforeAll, expect, test } from 'vitest';
import { startDns, type DnsServer } from '../../test/harness/dns-server.ts';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import type { NodeEntry } from '../directory/types.ts';
import { DNS_OPTIONS } from '../dns/options.ts';
import { createResolver } from '../dns/resolver.ts';
import type { Resolver } from '../dns/types.ts';
import { silentLogger as logger } from '../log/types.ts';
import { checkOwnAddresses, type FarmToCheck, type Found } from './own-addresses.ts';

let dns: DnsServer;
let resolver: Resolver;
beforeAll(async () => {
  dns = await startDns({
    'example.test': { MX: [[10, 'mx.example.test'], [20, 'filter.far.test']] }, // prettier-ignore
    'mx.example.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:DB8::1'] },
    'filter.far.test': { A: ['203.0.113.7'] },
    'n1.example.test': { A: ['192.0.2.1'] },
    'late.test': { MX: 'servfail' },
    'null.test': { MX: [[0, '.']] },
  });
  const options = { ...defaults(DNS_OPTIONS), 'dns.servers': [dns.address], 'dns.cache.max': 0 };
  resolver = createResolver({ options, clock, random, logger });
});
afterAll(async () => {
  resolver.close();
  await dns.stop();
});

const node = (name: string, more: Partial<NodeEntry> = {}): NodeEntry => ({
  name,
  nid: 1,
  server: name,
  status: 'SPM',
  listen: ['mx *:25'],
  addresses: [],
  beatAt: 1,
  version: '1',
  ...more,
});

const check = async (farm: Partial<FarmToCheck>): Promise<Found> =>
  await checkOwnAddresses({
    nodes: [],
    cookie: 'x',
    addresses: [],
    domains: ['example.test'],
    resolver,
    ...farm,
  });

const ALL = ['192.0.2.1', '192.0.2.2', '2001:db8::1'];

test('[S4-14] a farm whose addresses are all known has no problem; a filter in front is told', async () => {
  const { problems, notes } = await check({ nodes: [node('n1', { addresses: ALL })] });
  expect(problems).toEqual([]);
  expect(notes).toEqual([expect.stringContaining('203.0.113.7 of filter.far.test')]);
});

test.each(ALL)('[S4-14] %s left out is an alert that names it', async (left) => {
  const nodes = [node('n1', { addresses: ALL.filter((one) => one !== left) })];
  const { problems } = await check({ nodes });
  expect(problems).toEqual([expect.stringMatching(new RegExp(`^${left} of mx.example.test.*`))]);
  expect(problems[0]).toContain('add it to farm.addresses');
  expect((await check({ nodes, addresses: [left] })).problems).toEqual([]);
  expect((await check({ nodes, addresses: ['192.0.2.0/24', '2001:db8::/32'] })).problems).toEqual(
    [],
  );
});

test('[S4-12] [S4-14] of forty nodes the one that told nothing is named', async () => {
  const nodes = Array.from({ length: 40 }, (_, n) =>
    node(`n${n}`, { addresses: n === 17 ? [] : [`192.0.2.${n + 1}`, '2001:db8::1'] }),
  );
  const { problems } = await check({ nodes });
  expect(problems).toEqual([expect.stringContaining('addresses of node n17 are not known')]);
  // Before its first start that is no reason not to start it.
  const fresh = nodes.map((one) => (one.name === 'n17' ? { ...one, beatAt: undefined } : one));
  const before = await check({ nodes: fresh });
  expect(before.problems).toEqual([]);
  expect(before.notes).toContainEqual(expect.stringContaining('node n17'));
});

test('[S4-14] the name of a node leads to an address that it does not have: a router translates', async () => {
  const nodes = [node('n1', { server: 'n1.example.test', addresses: ['10.0.0.1'] })];
  const { problems } = await check({ nodes, domains: [] });
  expect(problems).toEqual([
    expect.stringContaining('192.0.2.1 is the address of n1.example.test'),
  ]);
});

test('[N-12] a farm without a cookie is told; what nobody answers is no problem', async () => {
  const nodes = [node('n1', { addresses: ['192.0.2.1'] })];
  const { problems, notes } = await check({
    nodes,
    cookie: '',
    domains: ['late.test', 'null.test'],
  });
  expect(problems).toEqual([]);
  expect(notes.join('\n')).toMatch(/mailfarm config cookie[^]*MX of late.test/);
});

test('a farm on loopback alone asks nobody', async () => {
  const before = dns.queries.length;
  const nodes = [node('demo', { listen: ['mx 127.0.0.1:10025', 'pop3 [::1]:10110'] })];
  expect(await check({ nodes })).toEqual({ problems: [], notes: [] });
  expect(dns.queries.length).toBe(before);
});
