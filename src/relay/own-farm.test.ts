import { expect, test } from 'vitest';
import { DirectoryUnavailable, type NodeEntry } from '../directory/types.ts';
import { cookieMark, OwnFarm } from './own-farm.ts';

const node = (name: string, more: Partial<NodeEntry> = {}): NodeEntry => ({
  name,
  nid: 1,
  server: name,
  status: 'SM',
  listen: [],
  addresses: [],
  beatAt: undefined,
  version: undefined,
  ...more,
});

function farmOf(nodes: NodeEntry[] | Error, more: { addresses?: string[]; names?: string[] } = {}) {
  const state = { nodes, asked: 0, now: 0 };
  const farm = new OwnFarm({
    directory: {
      nodes: () => {
        state.asked += 1;
        if (state.nodes instanceof Error) return Promise.reject(state.nodes);
        return Promise.resolve(state.nodes);
      },
    },
    clock: { now: () => state.now, sleep: () => Promise.resolve() },
    addresses: more.addresses ?? [],
    names: more.names ?? [],
    interfaces: () => ['127.0.0.1', 'fe80::1'],
  });
  return { farm, state };
}

const NODES = [
  node('front1.example.test', { listen: ['mx 192.0.2.1:25', 'pop3 *:110'] }),
  node('front2', { addresses: ['192.0.2.2', '2001:DB8:0::2'], server: '192.0.2.3' }),
];

test.each([
  ['an address at which a node listens', '192.0.2.1', true],
  ['one of its interfaces', '192.0.2.2', true],
  ['the same in IPv6, in any spelling', '2001:db8::2', true],
  ['an IPv4 address that a dual-stack socket writes', '::ffff:192.0.2.2', true],
  ['a server named by its address', '192.0.2.3', true],
  ['a balancer of the setting', '198.51.100.9', true],
  ['this machine', '127.0.0.1', true],
  ['this machine, without saying where', '0.0.0.0', true],
  ['somebody else', '203.0.113.1', false],
  ['a neighbour', '192.0.2.4', false],
  ['a star is no address', '*', false],
])('[S4-14] own address: %s', async (_, address, own) => {
  const { farm } = farmOf(NODES, { addresses: ['198.51.100.0/24'] });
  expect(await farm.hasAddress(address)).toBe(own);
});

test('[S4-14] MX records that name a node, its server or the farm are known before any address', async () => {
  const { farm } = farmOf(NODES, { names: ['mail.example.test'] });
  expect(await farm.hasName('Front1.Example.TEST.')).toBe(true);
  expect(await farm.hasName('mail.example.test')).toBe(true);
  expect(await farm.hasName('mail.example.net')).toBe(false);
  // One label is what any network calls some host.
  expect(await farm.hasName('front2')).toBe(false);
});

test('[S4-14] before the directory said who is in the farm, nobody counts as foreign', async () => {
  const { farm, state } = farmOf(new DirectoryUnavailable('away'));
  await expect(farm.hasAddress('203.0.113.1')).rejects.toThrow(DirectoryUnavailable);
  state.nodes = NODES;
  expect(await farm.hasAddress('203.0.113.1')).toBe(false);
});

test('[S4-14] a node that comes is known within a minute; while the directory is away all known ones are', async () => {
  const { farm, state } = farmOf(NODES);
  expect(await farm.hasAddress('192.0.2.77')).toBe(false);
  state.nodes = [...NODES, node('front3', { addresses: ['192.0.2.77'] })];
  state.now = 59_999;
  expect(await farm.hasAddress('192.0.2.77')).toBe(false);
  expect(state.asked).toBe(1);
  state.now = 60_000;
  expect(await farm.hasAddress('192.0.2.77')).toBe(true);
  state.nodes = new DirectoryUnavailable('away');
  state.now = 600_000;
  expect(await farm.hasAddress('192.0.2.77')).toBe(true);
  expect(await farm.hasAddress('192.0.2.1')).toBe(true);
});

test('[N-12] the cookie is shown as a hash; a farm without one shows nothing', () => {
  expect(cookieMark('secret of the farm')).toMatch(/^[0-9a-f]{16}$/);
  expect(cookieMark('secret of the farm')).not.toBe(cookieMark('another'));
  expect(cookieMark('')).toBeUndefined();
});
