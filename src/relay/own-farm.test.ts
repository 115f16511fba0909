import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DirectoryUnavailable, type NodeEntry } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { OwnFarm } from './own-farm.ts';

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

/** A directory that answers as told, and a clock whose sleep ends when `pass` is called. */
function farmOf(nodes: readonly NodeEntry[] | Error, addresses: readonly string[] = []) {
  const state = { nodes, slept: [] as number[], pass: () => {} };
  const farm = new OwnFarm({
    directory: {
      nodes: () =>
        state.nodes instanceof Error ? Promise.reject(state.nodes) : Promise.resolve(state.nodes),
    },
    clock: {
      now: () => 0,
      sleep: (ms) => {
        state.slept.push(ms);
        return new Promise((resolve) => (state.pass = resolve));
      },
    },
    logger: silentLogger,
    node: 'front1.example.test',
    addresses,
    names: ['mail.example.test', 'localhost'],
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
  ['the name in greetings, in any case, with the dot of the root', 'Mail.Example.TEST.', true],
  ['a node’s name', 'front1.example.test', true],
  ['a node’s name without a dot is nobody’s in the world', 'front2', false],
  ['a name that every machine has', 'localhost', false],
  ['a name below', 'x.front1.example.test', false],
])('[S4-14] own host: %s', async (_, address, own) => {
  const { farm } = farmOf(NODES, ['198.51.100.0/24']);
  await farm.known;
  expect(farm.isOwn(address)).toBe(own);
});

test('[S4-14] nothing is known before the directory said who is in the farm; it is asked again soon', async () => {
  const { farm, state } = farmOf(new DirectoryUnavailable('away'));
  let known = false;
  void farm.known.then(() => (known = true));
  await turn();
  expect(known).toBe(false);
  expect(state.slept).toEqual([5_000]);
  state.nodes = NODES;
  state.pass();
  await farm.known;
  expect(farm.isOwn('192.0.2.1')).toBe(true);
});

test('[S4-14] a node that comes is known within a minute; while the directory is away all known ones are', async () => {
  const { farm, state } = farmOf(NODES);
  await farm.known;
  await turn();
  expect(farm.isOwn('192.0.2.77')).toBe(false);
  state.nodes = [...NODES, node('front3', { addresses: ['192.0.2.77'] })];
  expect(state.slept).toEqual([60_000]);
  state.pass();
  await turn();
  expect(farm.isOwn('192.0.2.77')).toBe(true);
  state.nodes = new DirectoryUnavailable('away');
  state.pass();
  await turn();
  expect(farm.isOwn('192.0.2.77')).toBe(true);
  expect(farm.isOwn('192.0.2.1')).toBe(true);
});

test('where the MX are: nodes that are up first, a star is every address, no loopback of others', async () => {
  const { farm } = farmOf([
    node('down', { listen: ['mx 192.0.2.9:25'], status: 'sm' }),
    node('front1.example.test', {
      listen: ['mx *:25', 'lmtp 127.0.0.1:24'],
      addresses: ['192.0.2.1'],
    }),
    node('front2', { listen: ['mx 127.0.0.1:25', 'mx [2001:db8::2]:2525', 'pop3 *:110'] }),
  ]);
  await farm.known;
  expect(farm.listeners('mx')).toEqual([
    { node: 'front1.example.test', host: '192.0.2.1', port: 25 },
    { node: 'front1.example.test', host: '127.0.0.1', port: 25 },
    { node: 'front2', host: '2001:db8::2', port: 2525 },
    { node: 'down', host: '192.0.2.9', port: 25 },
  ]);
  expect(farm.listeners('lmtp')).toEqual([
    { node: 'front1.example.test', host: '127.0.0.1', port: 24 },
  ]);
});
