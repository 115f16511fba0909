import { expect, test } from 'vitest';
import type { NodeEntry } from '../directory/types.ts';
import { listenersOf } from './own-farm.ts';
import { tellRelays } from './tell.ts';

const node = (name: string, server: string, listen: readonly string[]): NodeEntry => ({
  name,
  nid: 1,
  server,
  status: 'SM',
  listen,
  addresses: ['192.0.2.9'],
  beatAt: undefined,
  version: undefined,
});

test('[S4-13] queue wake tells every relay once, at its first address; who was not told is named', async () => {
  const nodes = [
    node('relay1', 'host1', ['relay 192.0.2.1:25', 'relay 192.0.2.2:25', 'mx 192.0.2.1:2525']),
    node('relay2', 'host2', ['relay *:25']),
    node('far', 'host3', ['relay 127.0.0.1:25']),
    node('near', 'host4', ['relay 127.0.0.1:26']),
  ];
  const relays = nodes.flatMap((one) => listenersOf(one, 'relay', { server: 'host4' }));
  const told: string[] = [];
  const missed = await tellRelays(relays, ['a.test', 'b.test'], async (relay, domain) => {
    if (relay.node === 'relay2') throw new Error('away');
    told.push(`${relay.node} ${relay.host}:${relay.port} ${domain}`);
  });
  expect(told.toSorted()).toEqual([
    'near 127.0.0.1:26 a.test',
    'near 127.0.0.1:26 b.test',
    'relay1 192.0.2.1:25 a.test',
    'relay1 192.0.2.1:25 b.test',
  ]);
  expect(missed).toMatchObject([{ node: 'relay2', error: { message: 'away' } }]);
});
