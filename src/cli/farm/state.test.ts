import { expect, test } from 'vitest';
import type { NodeEntry, VolumeEntry } from '../../directory/types.ts';
import { complaintsOf, farmState, nodeState, type Asked, type NodeState } from './state.ts';

const entry = (name: string): NodeEntry => ({
  name,
  nid: 1,
  server: name,
  status: 'SPM',
  listen: [],
  addresses: [],
  beatAt: 1,
  version: '1.0.0',
});
const volume = (name: string): VolumeEntry => ({
  name,
  path: `/${name}`,
  identity: 'x',
  weight: 1,
  state: 'active',
  use: 'mail',
});

const page = (up: number, more = ''): string =>
  `mailfarm_node_workers 2\nmailfarm_net_connections 7\nmailfarm_volume_up{volume="mail1"} ${up}\n${more}`;
const READY = { status: 200, body: '{"ready":true,"reasons":[]}' };
const asked = (body: string, ready = READY): Asked => ({
  metrics: { status: 200, body },
  ready,
  days: '{"2026-11-22":{"received":4,"accepted":3,"delivered":2,"sent":1}}',
});
const told = (states: readonly NodeState[], ...bodies: readonly string[]) =>
  bodies.map((body, i) => ({ name: states[i]?.name ?? '', body }));

test('a node that answers says how it is; one that does not is a line', () => {
  expect(nodeState(entry('a'), asked(page(1)), false)).toMatchObject({
    health: 'ok',
    workers: 2,
    sessions: 7,
    days: { '2026-11-22': { received: 4, sent: 1 } },
  });
  const late = { metrics: { status: undefined, body: 'no answer in 3000 ms' }, ready: undefined };
  const dead = nodeState(entry('b'), { ...late, days: '' }, true);
  expect(dead).toMatchObject({ health: 'dead', why: ['no answer in 3000 ms'] });
  const nobody = nodeState(entry('c'), { metrics: undefined, ready: undefined, days: '' }, false);
  expect(nobody.health).toBe('unknown');
  const away = { status: 503, body: '{"ready":false,"reasons":["no worker is ready"]}' };
  const starting = nodeState(entry('d'), asked(page(1), away), false);
  expect(starting).toMatchObject({ health: 'not-ready', why: ['no worker is ready'] });
  const { errors, warnings } = complaintsOf(farmState([dead, nobody, starting], [], []));
  expect(errors).toEqual([
    'node b does not answer: no answer in 3000 ms',
    'node d is not ready: no worker is ready',
  ]);
  expect(warnings).toEqual([]);
});

test('of a volume it is told who sees it and who does not', () => {
  const bodies = [
    page(
      1,
      'mailfarm_volume_free_bytes{volume="mail1"} 900\n' +
        'mailfarm_volume_operation_seconds_sum{volume="mail1"} 1\n' +
        'mailfarm_volume_operation_seconds_count{volume="mail1"} 500\n',
    ),
    page(0, 'mailfarm_volume_free_bytes{volume="mail1"} 800\n'),
  ];
  const states = ['a', 'b'].map((name, i) => nodeState(entry(name), asked(bodies[i] ?? ''), false));
  const farm = farmState(states, [volume('mail1'), volume('mail2')], told(states, ...bodies));
  expect(farm.volumes).toMatchObject([
    { name: 'mail1', seenBy: ['a'], downAt: ['b'], freeBytes: 800, meanMs: 2 },
    { name: 'mail2', seenBy: [], downAt: [], freeBytes: undefined },
  ]);
  expect(complaintsOf(farm).errors).toEqual(['volume mail1 is down at b']);
});

test('what waits is counted once, however many nodes count it', () => {
  const waits = (count: number): string =>
    page(
      1,
      `mailfarm_delivery_parked_letters{volume="mail1"} ${count}\n` +
        'mailfarm_delivery_parked_letters{volume="mail2"} 1\n' +
        'mailfarm_delivery_parked_oldest_seconds{volume="mail1"} 60\n' +
        'mailfarm_sender_letters_held 2\nmailfarm_directory_servers_behind 1\n',
    );
  const states = ['a', 'b'].map((name) => nodeState(entry(name), asked(waits(3)), false));
  const farm = farmState(states, [], told(states, waits(3), waits(4)));
  expect(farm.spool).toEqual({ parked: 5, oldestSeconds: 60, inHand: 4 });
  expect(complaintsOf(farm).warnings).toEqual([
    '1 directory servers lack changes',
    '5 letters wait for a volume',
  ]);
});

test('what the release of a node does not know is a warning that names it', () => {
  const body = page(
    1,
    'mailfarm_node_unknown{name="smtp.future"} 1\nmailfarm_node_unknown{name="x *:4"} 1\n',
  );
  const states = [nodeState(entry('a'), asked(body), false)];
  const farm = farmState(states, [], told(states, body));
  expect(complaintsOf(farm)).toEqual({
    errors: [],
    warnings: ['node a does not know smtp.future, x *:4 (MF-NODE-009)'],
  });
});
