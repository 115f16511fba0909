/** A farm that is backup MX behind a router that translates, with names only to know it by. */
import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/log/types.ts';
import { OwnFarm } from '../../src/relay/own-farm.ts';
import { ownAddress } from '../harness/addresses.ts';
import { openYard } from '../interop/leaving/yard.ts';

const NODE = {
  name: 'node7.farm.test',
  nid: 7,
  server: 'localhost',
  status: 'SM',
  listen: ['mx 192.0.2.7:25'],
  addresses: [],
  beatAt: undefined,
  version: undefined,
};

const better = (name: string): [number, string][] => [
  [10, `first.${name}`],
  [20, 'MX.Farm.test'],
  [30, `third.${name}`],
];

test('[N-12] [S4-14] held as backup MX: to the better MX only, never to our own name or behind it', async (ctx) => {
  const farm = new OwnFarm({
    directory: { nodes: async () => [NODE] },
    clock: systemClock,
    logger: silentLogger,
    node: 'relay1',
    addresses: [],
    names: ['mx.farm.test', 'out1.farm.test'],
    interfaces: () => [],
  });
  ctx.onTestFinished(() => farm.close());
  await farm.known;
  const yard = await openYard(ctx, {
    parts: { isOwn: (host) => farm.isOwn(host) },
    table: {
      'up.test': { MX: better('up.test') },
      'down.test': { MX: better('down.test') },
      'first.down.test': { A: [ownAddress()] },
      'only.test': { MX: [[20, 'mx.farm.test']] },
      'node.test': { MX: [[20, 'node7.farm.test']] },
      'helo.test': { MX: [[20, 'out1.farm.test']] },
    },
  });
  const first = await yard.peer('first.up.test');
  // No list has these addresses, and what answers there says no cookie.
  const strangers = await Promise.all(
    ['mx.farm.test', 'node7.farm.test', 'out1.farm.test', 'third.down.test'].map((name) =>
      yard.peer(name),
    ),
  );
  for (const name of ['up', 'down', 'only', 'node', 'helo']) {
    await yard.put({ to: [`bob@${name}.test`] });
  }
  await yard.settled();
  expect(first.letters).toHaveLength(1);
  for (const { sessions } of strangers) expect(sessions).toEqual([]);
  const told = yard.notices.flatMap(({ recipients }) =>
    recipients.map(({ status, recipient }) => `${recipient.address} ${status}`),
  );
  expect(told.toSorted()).toEqual([
    'bob@helo.test 5.4.6',
    'bob@node.test 5.4.6',
    'bob@only.test 5.4.6',
  ]);
  const left = yard.spool.letters.filter(({ state }) => state === 'waiting');
  expect(left.map(({ envelope }) => envelope.troubles[0])).toMatchObject([
    { address: 'bob@down.test', status: '4.4.1' },
  ]);
});

test('[N-12] held as backup MX, known by the cookie only: waits for the better MX, is not returned', async (ctx) => {
  const cookie = '0123456789abcdef';
  const yard = await openYard(ctx, {
    parts: { cookie: () => cookie },
    table: {
      'held.test': {
        MX: [
          [10, 'first.test'],
          [20, 'nat.test'],
          [30, 'third.test'],
        ],
      },
      'first.test': { A: [ownAddress()] },
    },
  });
  const own = await yard.peer('nat.test', { announce: [`XMAILFARM ${cookie}`] });
  const third = await yard.peer('third.test');
  const letter = await yard.put({ to: ['bob@held.test'] });
  await yard.settled();
  expect(own.sessions[0]?.commands.some((line) => line.startsWith('MAIL'))).toBe(false);
  expect(third.sessions).toEqual([]);
  expect(yard.notices).toEqual([]);
  expect(letter.state).toBe('waiting');
  expect(letter.envelope.troubles).toMatchObject([{ address: 'bob@held.test', status: '4.4.1' }]);
});
