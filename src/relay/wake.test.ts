import { expect, test } from 'vitest';
import { memoryAccount, memoryDirectory } from '../directory/memory.ts';
import { silentLogger } from '../log/types.ts';
import type { EtrnRequest, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { FarmWake } from './wake.ts';

function farm(given: { readonly reachesAll?: boolean } = {}) {
  const directory = memoryDirectory({
    accounts: [memoryAccount({ login: 'boss@farm.test' })],
    domains: [
      'farm.test',
      { name: 'customer.test', transport: { kind: 'mx' }, etrnFrom: ['192.0.2.0/24'] },
      {
        name: 'far.customer.test',
        transport: { kind: 'host', host: 'in.far.test', port: 2525, protocol: 'smtp' },
        etrnFrom: ['boss@farm.test'],
      },
    ],
  });
  const state = {
    woken: [] as string[],
    told: [] as string[],
    ended: [] as string[],
    failing: false,
    count: 3,
  };
  const wake = new FarmWake({
    directory,
    spools: {
      wake: async (lane) => {
        if (state.failing) throw new StoreError('volume-down', 'away');
        state.woken.push(lane);
        return state.count;
      },
    },
    woken: (lane) => void state.ended.push(lane),
    reachesAll: () => given.reachesAll ?? true,
    farm: {
      isNode: (address) => address === '198.51.100.1',
      listeners: () => [
        { node: 'here', host: '198.51.100.1', port: 25 },
        { node: 'relay1', host: '198.51.100.2', port: 25 },
        { node: 'relay1', host: '2001:db8::2', port: 25 },
        { node: 'relay2', host: '198.51.100.3', port: 25 },
      ],
    },
    node: 'here',
    etrnFrom: ['127.0.0.0/8'],
    tell: async ({ node }, domain) => {
      if (node === 'relay1') throw new Error('no answer');
      state.told.push(`${node} ${domain}`);
    },
    logger: silentLogger,
  });
  return { wake, state, directory };
}

const from = (remoteAddress: string, login?: string): SessionView =>
  ({
    id: 't',
    peer: { remoteAddress },
    account: login === undefined ? undefined : { id: 'id', login },
  }) as SessionView;

const node = (name: string): EtrnRequest => ({ kind: 'node', name });

test.each([
  ['by its address', from('192.0.2.9'), node('customer.test'), 'started', ['customer.test']],
  ['from elsewhere', from('203.0.113.9'), node('customer.test'), 'not-allowed', []],
  ['for another customer', from('192.0.2.9'), node('far.customer.test'), 'not-allowed', []],
  [
    'by login',
    from('203.0.113.9', 'boss@farm.test'),
    node('far.customer.test'),
    'started',
    ['host=in.far.test=2525=smtp'],
  ],
  [
    'by the login of another',
    from('203.0.113.9', 'x@farm.test'),
    node('far.customer.test'),
    'not-allowed',
    [],
  ],
  [
    'with @, of all only one’s own',
    from('192.0.2.9'),
    { kind: 'subdomains', name: 'customer.test' },
    'started',
    ['customer.test'],
  ],
  ['for a domain that is not held', from('192.0.2.9'), node('gmail.example'), 'not-allowed', []],
  ['for our own domain', from('192.0.2.9'), node('farm.test'), 'not-allowed', []],
  [
    'a stranger names a queue',
    from('192.0.2.9'),
    { kind: 'queue', name: 'customer.test' },
    'not-allowed',
    [],
  ],
  [
    'a node names any domain',
    from('198.51.100.1'),
    node('gmail.example'),
    'started',
    ['gmail.example'],
  ],
  [
    'this machine names a queue',
    from('127.0.0.1'),
    { kind: 'queue', name: 'customer.test' },
    'started',
    ['customer.test'],
  ],
  ['no domain at all', from('127.0.0.1'), node('..'), 'not-allowed', []],
] as const)('[S4-15] ETRN %s', async (_, session, request, kind, woken) => {
  const { wake, state } = farm();
  expect((await wake.etrn(session, request)).kind).toBe(kind);
  expect(state.woken).toEqual(woken);
});

test('[S4-15] who may not hears the same of a domain that is held and of one that is not', async () => {
  const { wake } = farm();
  const held = await wake.etrn(from('203.0.113.9'), node('customer.test'));
  expect(await wake.etrn(from('203.0.113.9'), node('gmail.example'))).toEqual(held);
});

test('[S4-12] [S4-13] relays are told where a spool is out of reach, not by one that was told', async () => {
  const all = farm();
  await all.wake.etrn(from('192.0.2.9'), node('customer.test'));
  expect(all.state.told).toEqual([]);
  const some = farm({ reachesAll: false });
  await some.wake.etrn(from('192.0.2.9'), node('customer.test'));
  // relay1 does not answer: that is logged, and holds up nobody.
  expect(some.state.told).toEqual(['relay2 customer.test']);
  await some.wake.etrn(from('198.51.100.1'), { kind: 'queue', name: 'customer.test' });
  expect(some.state.told).toEqual(['relay2 customer.test']);
});

test('nothing waits, a volume is away, the directory is away: each is said as it is', async () => {
  const { wake, state, directory } = farm();
  state.count = 0;
  expect(await wake.etrn(from('192.0.2.9'), node('customer.test'))).toEqual({ kind: 'none' });
  state.failing = true;
  expect(await wake.etrn(from('192.0.2.9'), node('customer.test'))).toEqual({ kind: 'unable' });
  state.failing = false;
  directory.down = true;
  expect(await wake.etrn(from('192.0.2.9'), node('customer.test'))).toEqual({ kind: 'unable' });
});

test('queue wake goes by the transport of a domain that is held, by MX for all others', async () => {
  const { wake, state } = farm({ reachesAll: false });
  expect(await wake.wake('far.customer.test')).toBe(3);
  await wake.wake('Example.NET');
  expect(state.woken).toEqual(['host=in.far.test=2525=smtp', 'example.net']);
  expect(state.ended).toEqual(state.woken); // Senders of this process rest no more.
  expect(state.told).toEqual(['relay2 far.customer.test', 'relay2 example.net']);
});
