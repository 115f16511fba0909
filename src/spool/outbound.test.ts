import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryDirectory } from '../directory/memory.ts';
import type { Volumes } from '../volumes/open.ts';
import type { MailboxOwner } from '../volumes/types.ts';
import {
  openTestVolumes,
  temporaryVolumes,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { nodeFs, type Fs } from '#maildir';
import type { OutboundClaim } from './outbound.ts';
import { openOutboundSpools, type OutboundTrees } from './outbound-spools.ts';
import { filesBelow, post, TEXT } from './testing/letters.ts';

let disk: TemporaryVolumes;
let volumes: Volumes<MailboxOwner>;
/** Ahead of the machine's clock: that of processes and of the server. */
let ahead = 0;
const fs: Fs = {
  ...nodeFs,
  modified: async (path) => (await nodeFs.modified(path)) + ahead,
};
const clock = { ...systemClock, now: () => systemClock.now() + ahead };

beforeEach(async () => {
  ahead = 0;
  disk = await temporaryVolumes('spool1');
  const limits = { 'volume.probe.deadline': 5000, 'volume.deadline': 20_000 };
  volumes = openTestVolumes(memoryDirectory({ volumes: disk.entries }), { fs, limits });
  await volumes.table.loaded();
  await volumes.table.get('spool1')?.ready();
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

const options = { 'spool.look': 10, 'spool.slot': 60_000 };
/** A process of a node. */
const processOf = (node: string): OutboundTrees =>
  openOutboundSpools({ table: volumes.table, clock, random: systemRandom, node, options });

const below = (): string => join(disk.root, 'spool1/spool/outbound');
const files = (): string[] => filesBelow(below()).filter((name) => !name.startsWith('clock/'));
const states = (): (string | undefined)[] =>
  files()
    .map((name) => name.split('/')[0])
    .filter((state) => state !== 'message' && state !== 'version');
const all = { limit: 100, perRoute: () => 100 };
const only = async (spools: OutboundTrees): Promise<OutboundClaim> => {
  await systemClock.sleep(15);
  const claims = await spools.take(all);
  expect(claims).toHaveLength(1);
  return claims[0] as OutboundClaim;
};

test('a letter is committed, claimed with all that was said of it, read, sent, gone', async () => {
  const spools = processOf('mx1');
  let told = 0;
  spools.onCommitted(() => (told += 1));
  await post(spools, ['example.net']);
  expect(told).toBe(1);
  for (const by of [spools, processOf('mx2')]) {
    const claim = await only(by);
    expect(claim.envelope).toMatchObject({
      route: { kind: 'mx', domain: 'example.net' },
      sender: 'alice@example.test',
      recipients: [{ address: 'bob@example.net' }, { notify: ['failure'] }],
      tries: 0,
      node: 'mx1',
      octets: TEXT.length,
    });
    expect(await claim.read(0, 1000)).toEqual(TEXT);
    expect(await claim.read(9, 4)).toEqual(TEXT.subarray(9, 13));
    expect(await claim.renew()).toBe(true);
    if (by === spools) await claim.release();
    else expect(await claim.settle({ kind: 'done' })).toBe(true);
  }
  expect(files()).toEqual([]);
});

test('[N-15] what one process committed another sends, and an envelope for each route', async () => {
  await post(processOf('mx1'), ['a.example', 'b.example', 'c.example']);
  const other = processOf('relay1');
  const claims = await other.take(all);
  expect(claims.map(({ envelope }) => envelope.route)).toHaveLength(3);
  await Promise.all(claims.slice(0, 2).map((claim) => claim.settle({ kind: 'done' })));
  expect(await claims[2]?.read(0, 100)).toEqual(TEXT); // Its message is its own.
  expect(states()).toEqual(['taken']);
});

const trouble = { address: 'eve@example.net', status: '4.2.1', text: 'Greylisted' };

test('what an attempt changed is the envelope from then on; what was due later is not seen', async () => {
  const spools = processOf('mx1');
  await post(spools, ['example.net']);
  const first = await only(spools);
  const later = {
    kind: 'later',
    recipients: first.envelope.recipients.slice(1),
    troubles: [trouble],
    delayTold: true,
    tried: true,
  } as const;
  const dueAt = (await first.now()) + 600_000;
  expect(await first.settle({ ...later, dueAt })).toBe(true);
  expect(states()).toEqual(['later']);
  for (const minutes of [0, 5, 9]) {
    ahead = minutes * 60_000;
    expect(await spools.take(all)).toEqual([]);
  }
  ahead = 11.1 * 60_000;
  const second = await only(processOf('mx2'));
  expect(second.envelope).toMatchObject({
    ...first.envelope,
    tries: 1,
    delayTold: true,
    recipients: [{ address: 'eve@example.net' }],
    troubles: [trouble],
  });
  const same = { ...later, recipients: second.envelope.recipients };
  expect(await second.settle({ ...same, dueAt: dueAt + 600_000, tried: false })).toBe(true);
  expect(files().filter((name) => name.startsWith('version/'))).toHaveLength(1);
  ahead = 22.1 * 60_000;
  const third = await only(spools);
  expect(third.envelope).toMatchObject({ tries: 1, troubles: [trouble] });
  expect(await third.settle({ ...same, dueAt: 0, troubles: [] })).toBe(true); // At once.
  expect(states()).toEqual(['waiting']);
  const last = await only(processOf('mx3'));
  expect(last.envelope).toMatchObject({ tries: 2, troubles: [] });
  expect(await last.settle({ kind: 'done' })).toBe(true);
  expect(files()).toEqual([]);
});

test('[N-15] a holder that died: taken over when its lease is over, as another try', async () => {
  await post(processOf('mx1'), ['example.net']);
  const dead = await only(processOf('mx1'));
  const other = processOf('mx2');
  ahead = 110_000;
  expect(await other.take(all)).toEqual([]);
  ahead = 160_000;
  const claim = await only(other);
  expect(claim.envelope.tries).toBe(1);
  // It only slept.
  expect(await dead.renew()).toBe(false);
  expect(await dead.settle({ kind: 'done' })).toBe(false);
  expect(await claim.read(0, 100)).toEqual(TEXT);
  expect(await claim.settle({ kind: 'done' })).toBe(true);
});

test('a lease that is renewed is nobody else\u2019s', async () => {
  await post(processOf('mx1'), ['example.net']);
  const claim = await only(processOf('mx1'));
  const other = processOf('mx2');
  for (const seconds of [100, 200, 300]) {
    ahead = seconds * 1000;
    expect(await claim.renew()).toBe(true);
    expect(await other.take(all)).toEqual([]);
  }
});

test('lanes have their turn; one that takes no more is not in the way', async () => {
  const spools = processOf('mx1');
  for (let n = 0; n < 6; n++) await post(spools, ['full.example', 'big.example']);
  await post(spools, ['small.example']);
  for (const by of [spools, processOf('mx2')]) {
    const claims = await by.take({
      limit: 4,
      perRoute: (lane) => (lane === 'full.example' ? 0 : lane === 'big.example' ? 3 : 10),
    });
    const routes = claims.map(({ envelope }) => JSON.stringify(envelope.route));
    expect(routes.filter((route) => route.includes('big'))).toHaveLength(3);
    expect(routes.filter((route) => route.includes('small'))).toHaveLength(1);
    await Promise.all(claims.map((claim) => claim.release()));
    await systemClock.sleep(15);
  }
});

test('[N-15] several processes: every letter is claimed by one of them', async () => {
  const three = ['mx1', 'mx2', 'mx3'].map(processOf);
  for (let n = 0; n < 60; n++) await post(three[n % 3] as OutboundTrees, [`d${n % 4}.example`]);
  const seen: string[] = [];
  while (seen.length < 60) {
    const claims = await Promise.all(three.map((one) => one.take({ limit: 7, perRoute: () => 3 })));
    seen.push(...claims.flat().map(({ envelope }) => envelope.id));
  }
  expect(new Set(seen).size).toBe(60);
  await systemClock.sleep(15);
  for (const one of three) expect(await one.take(all)).toEqual([]);
});

test('a lane is woken: what was due later is due now, on all volumes, other lanes are not', async () => {
  const spools = processOf('mx1');
  for (let n = 0; n < 5; n++) await post(spools, ['a.example', 'b.example']);
  let told = 0;
  spools.onCommitted(() => (told += 1));
  const claims = await spools.take(all);
  for (const [n, claim] of claims.entries()) {
    const { recipients, troubles, delayTold } = claim.envelope;
    const dueAt = (await claim.now()) + (1 + n) * 3_600_000;
    const later = { kind: 'later', recipients, troubles, delayTold, tried: false } as const;
    await claim.settle({ ...later, dueAt });
  }
  const other = processOf('mx2');
  expect(await other.take(all)).toEqual([]);
  expect(await spools.wake('a.example')).toBe(5);
  expect(told).toBe(1);
  expect(await spools.wake('a.example')).toBe(0);
  await systemClock.sleep(15);
  const woken = await other.take(all);
  expect(woken.map(({ envelope }) => envelope.route)).toEqual(
    Array.from({ length: 5 }, () => ({ kind: 'mx', domain: 'a.example' })),
  );
});

test('what is empty goes away', async () => {
  const spools = processOf('mx1');
  await post(spools, ['example.net']);
  await (await only(spools)).settle({ kind: 'done' });
  for (const seconds of [1, 35, 70, 105]) {
    ahead = seconds * 1000;
    expect(await spools.take(all)).toEqual([]);
  }
  expect(readdirSync(join(below(), 'waiting'))).toEqual([]);
  expect(readdirSync(join(below(), 'taken'))).toEqual([]);
  await post(spools, ['example.net']); // They are made anew.
  await (await only(processOf('mx2'))).settle({ kind: 'hold', reason: 'by hand' });
  expect(files().filter((name) => name.startsWith('hold/example.net'))).toHaveLength(1);
});
