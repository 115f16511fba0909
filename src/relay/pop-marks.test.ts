import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Account, AddressOwner } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import type { Mark } from '../spool/marks.ts';
import { StoreError } from '../volumes/error.ts';
import { PopMarks } from './pop-marks.ts';

const account = (login: string, more: Partial<Account> = {}): Account => ({
  id: `id-of-${login}`,
  login,
  dn: '',
  uid: 1,
  addresses: [],
  suspended: [],
  quotaBytes: 0,
  volume: undefined,
  path: undefined,
  forwards: [],
  keepsForwarded: false,
  site: undefined,
  vacation: undefined,
  ...more,
});
const ANN = account('ann@example.test');
const BOB = account('bob@example.test');
const SUE = account('sue@example.test', { suspended: ['submission'] });
const OWNERS = new Map<string, AddressOwner>([
  ['ann@example.test', { kind: 'user', account: ANN }],
  ['an+x@example.test', { kind: 'user', account: ANN }],
  ['sue@example.test', { kind: 'user', account: SUE }],
  ['bob@example.test', { kind: 'user', account: BOB }],
]);

/** What all nodes of a farm see: marks with their times; and calls that were made. */
class Shared {
  now = 1_000_000;
  down = false;
  added: { readonly key: string; readonly at: number }[] = [];
  sums = 0;
  readonly clock = { now: () => this.now, sleep: () => Promise.resolve() };

  node(minutes = 20) {
    const marks = {
      add: async ({ kind, key }: Mark) => {
        if (this.down) throw new StoreError('volume-down', 'away');
        expect(kind).toBe('pop');
        this.added.push({ key, at: this.now });
      },
      sum: async ({ key }: Mark, withinMs: number) => {
        this.sums += 1;
        if (this.down) throw new StoreError('volume-down', 'away');
        return this.added.filter((one) => one.key === key && this.now - one.at <= withinMs).length;
      },
    };
    const directory = { ownerOf: async (from: string) => OWNERS.get(from) };
    const { clock } = this;
    const pop = new PopMarks({ directory, marks, minutes, clock, logger: silentLogger });
    const allows = async (address: string, from = ANN.login): Promise<boolean> =>
      (await pop.userAt(address, from)) !== undefined;
    return Object.assign(pop, { allows });
  }
}

const MINUTE = 60_000;

test('[S0-24] a login at one node opens relaying for its address at every node, for minutes', async () => {
  const shared = new Shared();
  const [one, other] = [shared.node(), shared.node()];
  expect(await other.allows('192.0.2.7')).toBe(false);
  one.seen('192.0.2.7', ANN);
  await turn();
  shared.now += 6_000;
  expect(await other.allows('192.0.2.7')).toBe(true);
  expect(await one.allows('192.0.2.7')).toBe(true);
  expect(await other.allows('192.0.2.8')).toBe(false);
  shared.now += 19 * MINUTE;
  expect(await other.allows('192.0.2.7')).toBe(true);
  shared.now += 6 * MINUTE;
  expect(await other.allows('192.0.2.7')).toBe(false);
});

test('[S0-24] it is open to the user who logged in, by any address of his, and to nobody else there', async () => {
  const shared = new Shared();
  const [one, other] = [shared.node(), shared.node()];
  one.seen('192.0.2.7', ANN);
  await turn();
  expect(await other.userAt('192.0.2.7', 'an+x@example.test')).toEqual({
    id: ANN.id,
    login: ANN.login,
    byAddress: true,
  });
  expect(await other.allows('192.0.2.7', BOB.login)).toBe(false);
  expect(await other.allows('192.0.2.7', 'x@stranger.test')).toBe(false);
  one.seen('192.0.2.7', SUE);
  await turn();
  expect(await other.allows('192.0.2.7', SUE.login)).toBe(false);
  // Each user of one address by himself.
  one.seen('192.0.2.7', BOB);
  await turn();
  shared.now += 6_000;
  expect(await other.allows('192.0.2.7', BOB.login)).toBe(true);
});

test('[S0-24] an IPv6 client is its /64, an IPv4 client itself in any spelling', async () => {
  const shared = new Shared();
  const marks = shared.node();
  marks.seen('2001:db8:1:2:aaaa::1', ANN);
  marks.seen('::ffff:192.0.2.7', ANN);
  await turn();
  expect(await marks.allows('2001:db8:1:2:bbbb::9')).toBe(true);
  expect(await marks.allows('2001:db8:1:3::1')).toBe(false);
  expect(await marks.allows('192.0.2.7')).toBe(true);
});

test('[S0-24] switched off, nothing is marked, nobody is asked and nobody let in', async () => {
  const shared = new Shared();
  const off = shared.node(0);
  shared.node().seen('192.0.2.7', ANN);
  await turn();
  shared.added.push({ key: 'x', at: 0 });
  const before = shared.added.length;
  off.seen('192.0.2.9', ANN);
  await turn();
  expect(shared.added).toHaveLength(before);
  expect(await off.allows('192.0.2.7')).toBe(false);
  expect(shared.sums).toBe(0);
});

test('a program that polls all the time costs a mark in a quarter of the time, an asker one look in 5 s', async () => {
  const shared = new Shared();
  const marks = shared.node();
  for (let i = 0; i < 20; i++) {
    marks.seen('192.0.2.7', ANN);
    await turn();
    await marks.allows('192.0.2.7');
    await marks.allows('203.0.113.9');
    shared.now += 30_000;
  }
  expect(shared.added).toHaveLength(2);
  for (let i = 0; i < 100; i++) await marks.allows('203.0.113.10');
  expect(shared.sums).toBe(41);
});

test('where no spool volume answers nobody is let in, and a login is marked by the next one', async () => {
  const shared = new Shared();
  const marks = shared.node();
  shared.down = true;
  marks.seen('192.0.2.7', ANN);
  await turn();
  expect(await marks.allows('192.0.2.7')).toBe(false);
  shared.down = false;
  marks.seen('192.0.2.7', ANN);
  await turn();
  expect(await marks.allows('192.0.2.7')).toBe(true);
});
