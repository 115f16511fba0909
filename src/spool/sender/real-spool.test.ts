/** The sender over a real spool directory, towards real peers; time is what the test says. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { ownAddress } from '../../../test/harness/addresses.ts';
import { startDns, type DnsServer } from '../../../test/harness/dns-server.ts';
import { freePort } from '../../../test/harness/process.ts';
import {
  startStrangePeer,
  type PeerBehaviour,
  type StrangePeer,
} from '../../../test/harness/strange-peer.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import { memoryDirectory } from '../../directory/memory.ts';
import { DNS_OPTIONS } from '../../dns/options.ts';
import { createResolver } from '../../dns/resolver.ts';
import { silentLogger } from '../../log/types.ts';
import { SMTP_CLIENT_OPTIONS } from '../../smtp/client/options.ts';
import type { Volumes } from '../../volumes/open.ts';
import type { MailboxOwner } from '../../volumes/types.ts';
import {
  openTestVolumes,
  temporaryVolumes,
  type TemporaryVolumes,
} from '../../volumes/testing/volumes.ts';
import { nodeFs, type Fs } from '#maildir';
import type { OutboundSpools } from '../outbound.ts';
import { openOutboundSpools, type OutboundTrees } from '../outbound-spools.ts';
import { filesBelow, post } from '../testing/letters.ts';
import { SENDER_OPTIONS } from './options.ts';
import { createSender } from './sender.ts';
import type { Notice, Sender } from './types.ts';

const WAIT = { timeout: 30_000 };
const MINUTE = 60_000;

let disk: TemporaryVolumes;
let volumes: Volumes<MailboxOwner>;
let dns: DnsServer;
let port: number;
/** Ahead of the machine's clock: that of processes and of the spool server. */
let ahead = 0;
const fs: Fs = { ...nodeFs, modified: async (path) => (await nodeFs.modified(path)) + ahead };
const clock = {
  now: () => systemClock.now() + ahead,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 20, signal),
};

beforeEach(async () => {
  ahead = 0;
  disk = await temporaryVolumes('spool1');
  const limits = { 'volume.probe.deadline': 20_000, 'volume.deadline': 60_000 };
  volumes = openTestVolumes(memoryDirectory({ volumes: disk.entries }), { fs, limits });
  await volumes.table.loaded();
  await volumes.table.get('spool1')?.ready();
  dns = await startDns({});
  port = await freePort();
});
afterEach(async () => {
  volumes.close();
  await dns.stop();
  disk.remove();
});

const processOf = (node: string): OutboundTrees => {
  const options = { 'spool.look': 10, 'spool.slot': MINUTE };
  return openOutboundSpools({ table: volumes.table, clock, random: systemRandom, node, options });
};

function senderOf(spools: OutboundSpools, name = 'one', notices: Notice[] = []): Sender {
  const options = { ...defaults(DNS_OPTIONS), 'dns.servers': [dns.address] };
  const parts = { clock, random: systemRandom, logger: silentLogger };
  const resolver = createResolver({ ...parts, clock: systemClock, options });
  const sender = createSender({
    ...parts,
    spools,
    resolver,
    options: {
      ...defaults(SENDER_OPTIONS),
      ...defaults(SMTP_CLIENT_OPTIONS),
      'relay.destinations.private': 'allow',
      'relay.mta-sts': 'off',
    },
    source: { helo: `${name}.farm.test` },
    isOwn: () => false,
    cookie: () => undefined,
    farmHops: async () => [],
    report: async (notice) => void notices.push(notice),
    network: { smtpPort: port },
  });
  onTestFinished(async () => {
    await sender.drain(1000);
    resolver.close();
  });
  sender.start();
  return sender;
}

async function peerOf(name: string, behaviour: PeerBehaviour = {}): Promise<StrangePeer> {
  const peer = await startStrangePeer({ host: ownAddress(), port, name, ...behaviour });
  onTestFinished(() => peer.stop());
  dns.set({ [name]: { A: [peer.host] } });
  return peer;
}

const below = (): string => join(disk.root, 'spool1/spool/outbound');
const files = (): string[] => filesBelow(below()).filter((name) => !name.startsWith('clock/'));
const states = (): (string | undefined)[] =>
  files()
    .map((name) => name.split('/')[0])
    .filter((state) => state !== 'message' && state !== 'version');
const toldOf = (peer: StrangePeer): string[] =>
  peer.letters.flatMap(({ recipients }) => recipients.map(({ address }) => address));

test('a letter that is committed is sent at once, and nothing of it is left', async () => {
  const peer = await peerOf('example.net');
  const spools = processOf('mx1');
  senderOf(spools);
  await post(spools, ['example.net']);
  await expect.poll(files, WAIT).toEqual([]);
  expect(toldOf(peer)).toEqual(['bob@example.net', 'eve@example.net']);
  expect(peer.letters).toHaveLength(1);
});

test('who was told 4xx gets it when it is due, not before, and who has it not again', async () => {
  const peer = await peerOf('example.net', {
    answers: { rcpt: (who) => (who.startsWith('eve') ? '451 4.7.1 later' : undefined) },
  });
  senderOf(processOf('mx1'));
  await post(processOf('mx2'), ['example.net']);
  await expect.poll(states, WAIT).toEqual(['later']);
  peer.behave({});
  ahead = 2 * MINUTE;
  await systemClock.sleep(300);
  expect(states()).toEqual(['later']);
  ahead = 12 * MINUTE;
  await expect.poll(files, WAIT).toEqual([]);
  expect(toldOf(peer)).toEqual(['bob@example.net', 'eve@example.net']);
});

test('two senders share the work: each letter is sent once, and both send', async () => {
  const names = ['a.test', 'b.test', 'c.test', 'd.test'];
  // One claims 15 of a domain at most (3 connections, 5 letters for each) while none has ended:
  // however slow the other is to start, 5 of each are left for it.
  const { promise: endAfter, resolve: open } = Promise.withResolvers<void>();
  const peers = await Promise.all(names.map((name) => peerOf(name, { endAfter })));
  const greeted = (): Set<string | undefined> =>
    new Set(peers.flatMap(({ sessions }) => sessions.map(({ commands }) => commands[0])));
  const from = processOf('mx1');
  for (let n = 0; n < 20; n++) await post(from, names);
  senderOf(processOf('mx2'), 'two');
  senderOf(processOf('mx3'), 'three');
  const both = new Set(['EHLO two.farm.test', 'EHLO three.farm.test']);
  await expect.poll(greeted, { timeout: 60_000 }).toEqual(both);
  open();
  await expect.poll(files, { timeout: 60_000 }).toEqual([]);
  expect(peers.map(({ letters }) => letters.length)).toEqual([20, 20, 20, 20]);
}, 90_000);

/** A process that can be stopped at once: from then on nothing that it does has any effect. */
function mortal(spools: OutboundTrees): { spools: OutboundSpools; stop: () => void } {
  let dead = false;
  const never = new Promise<never>(() => {});
  const living = <T>(work: () => Promise<T>): Promise<T> => (dead ? never : work());
  return {
    stop: () => (dead = true),
    spools: {
      open: (octets) => spools.open(octets),
      requireRoom: (octets) => living(() => spools.requireRoom(octets)),
      onCommitted: (listener) => spools.onCommitted(listener),
      wake: (lane) => living(() => spools.wake(lane)),
      take: async (options) => {
        const claims = await living(() => spools.take(options));
        return claims.map((claim) => ({
          envelope: claim.envelope,
          spool: claim.spool,
          now: () => living(() => claim.now()),
          renew: () => living(() => claim.renew()),
          read: (offset, length) => living(() => claim.read(offset, length)),
          settle: (settlement) => living(() => claim.settle(settlement)),
          release: () => living(() => claim.release()),
        }));
      },
    },
  };
}

test('what a sender held that ended at once another sends when the lease is over', async () => {
  const peer = await peerOf('example.net', { answers: { data: 'silence' } });
  const { spools, stop } = mortal(processOf('mx1'));
  const first = senderOf(spools);
  const other = processOf('mx2');
  await post(other, ['example.net']);
  await expect.poll(() => peer.sessions[0]?.commands.includes('DATA'), WAIT).toBe(true);
  stop();
  peer.behave({});
  senderOf(other, 'two');
  ahead = 1.5 * MINUTE;
  await systemClock.sleep(300);
  expect(states()).toEqual(['taken']);
  ahead = 3 * MINUTE;
  await expect.poll(files, WAIT).toEqual([]);
  expect(peer.letters).toHaveLength(1);
  // The time to drain is kept though its spool answers nothing any more.
  const begun = performance.now();
  await first.drain(500);
  expect(performance.now() - begun).toBeLessThan(30_000);
}, 60_000);

test('a letter whose message is gone is held for an administrator, not lost and not told', async () => {
  const peer = await peerOf('example.net');
  const notices: Notice[] = [];
  await post(processOf('mx1'), ['example.net']);
  for (const name of files().filter((one) => one.startsWith('message/'))) {
    rmSync(join(below(), name));
  }
  senderOf(processOf('mx2'), 'two', notices);
  await expect.poll(states, WAIT).toEqual(['hold']);
  expect([notices, peer.letters]).toEqual([[], []]);
});

test('a destination that rests is tried as soon as its lane is woken', async () => {
  const peer = await peerOf('example.net', { answers: { connect: 'drop' } });
  const spools = processOf('mx1');
  const sender = senderOf(spools);
  await post(spools, ['example.net']);
  await expect.poll(states, WAIT).toEqual(['later']);
  peer.behave({});
  expect(await spools.wake('example.net')).toBe(1);
  sender.wake('example.net');
  await expect.poll(files, WAIT).toEqual([]);
  expect(peer.letters).toHaveLength(1);
});

test('a drain gives back what it has not sent, for others at once', async () => {
  const peer = await peerOf('example.net', { answers: { data: 'silence' } });
  const spools = processOf('mx1');
  const sender = senderOf(spools);
  for (let n = 0; n < 8; n++) await post(spools, ['example.net']);
  await expect.poll(() => sender.held, WAIT).toBeGreaterThan(3);
  await sender.drain(200);
  expect(sender.held).toBe(0);
  expect(states()).toEqual(Array.from({ length: 8 }, () => 'waiting'));
  peer.behave({});
  senderOf(processOf('mx2'), 'two');
  await expect.poll(files, WAIT).toEqual([]);
  expect(peer.letters).toHaveLength(8);
});

test('a lane that is woken by one process rests no more in the others', async () => {
  const peer = await peerOf('example.net', { answers: { connect: 'drop' } });
  const from = processOf('mx1');
  senderOf(processOf('mx2'), 'two');
  await post(from, ['example.net']);
  await expect.poll(states, WAIT).toEqual(['later']);
  peer.behave({});
  // Time goes on by twelve seconds; its rest is a minute at least.
  expect(await from.wake('example.net')).toBe(1);
  const filesLater = (): string[] => {
    ahead = Math.min(ahead + 1000, 12_000);
    return files();
  };
  await expect.poll(filesLater, { ...WAIT, interval: 300 }).toEqual([]);
  expect(peer.letters).toHaveLength(1);
});
