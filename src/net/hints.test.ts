import { createSocket } from 'node:dgram';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../log/types.ts';
import {
  DATAGRAM_OCTETS_MAX,
  decodeHints,
  encodeHints,
  hintKey,
  openHintSocket,
  DATAGRAMS_PER_SECOND,
  type Hint,
  type HintPeer,
} from './hints.ts';
import { hintDatagrams } from './metrics.ts';

const KEY = hintKey('cookie of the farm');
const HINT: Hint = { account: '0f9c1e52-0000-4000-8000-000000000001', folder: 'Entwürfe/a' };

describe('hints in datagrams', () => {
  test('say what was told, in as few as hold it, none too long', () => {
    const hints = Array.from({ length: 250 }, (_, at) => ({ ...HINT, folder: `f${at}` }));
    const datagrams = encodeHints(KEY, hints);
    expect(datagrams.every(({ length }) => length <= DATAGRAM_OCTETS_MAX)).toBe(true);
    expect(datagrams.length).toBeLessThan(12);
    expect(datagrams.flatMap((one) => decodeHints(KEY, one))).toEqual(hints);
    const refused = [
      { account: '../x', folder: 'a' },
      { account: 'a', folder: '' },
      { account: 'a', folder: 'b\nc\td' },
      { account: 'a', folder: 'x'.repeat(DATAGRAM_OCTETS_MAX) },
    ];
    expect(encodeHints(KEY, refused)).toEqual([]);
  });

  test('of another farm, changed in one bit, cut or lengthened are no hints', () => {
    const [datagram = Buffer.alloc(0)] = encodeHints(KEY, [HINT]);
    expect(decodeHints(hintKey('another'), datagram)).toBeUndefined();
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      const changed = Buffer.from(datagram);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeHints(KEY, changed)).toBeUndefined();
    }
    for (let length = 0; length < datagram.length; length++) {
      expect(decodeHints(KEY, datagram.subarray(0, length))).toBeUndefined();
    }
    expect(decodeHints(KEY, Buffer.concat([datagram, Buffer.of(10)]))).toBeUndefined();
  });

  test('any octets are no hints', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        expect(decodeHints(KEY, Buffer.from(octets))).toBeUndefined();
      }),
    );
  });
});

describe('hints between nodes', () => {
  const open: { close(): unknown }[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  /** A node whose time stands still, and what it hears. */
  const node = async (cookie: string, peers: readonly HintPeer[] = []) => {
    const heard: Hint[] = [];
    const socket = await openHintSocket({
      address: '127.0.0.1',
      port: 0,
      cookie,
      peers: () => peers,
      onHints: (hints) => void heard.push(...hints),
      clock: { now: () => 0, sleep: () => new Promise(() => {}) },
      log: silentLogger,
    });
    open.push(socket);
    return { socket, heard, at: { address: '127.0.0.1', port: socket.port } };
  };
  const polled = { timeout: 30_000 };

  test('come to the others, past one that is not there', async () => {
    const two = await node('ours');
    const nobody = { address: '127.0.0.1', port: 1 };
    const one = await node('ours', [nobody, { address: '::1', port: 9 }, two.at]);
    await expect.poll(() => (one.socket.send([HINT]), two.heard.length), polled).toBeGreaterThan(0);
    expect(two.heard[0]).toEqual(HINT);
  });

  test('every address of the machine takes those of IPv4', async () => {
    const two = await node('ours');
    const heard: Hint[] = [];
    const every = await openHintSocket({
      address: '*',
      port: 0,
      cookie: 'ours',
      peers: () => [two.at],
      onHints: (hints) => void heard.push(...hints),
      clock: systemClock,
      log: silentLogger,
    });
    open.push(every);
    const one = await node('ours', [{ address: '127.0.0.1', port: every.port }]);
    await expect.poll(() => (one.socket.send([HINT]), heard.length), polled).toBeGreaterThan(0);
    await expect.poll(() => (every.send([HINT]), two.heard.length), polled).toBeGreaterThan(0);
  });

  test('a flood of forged ones leaves those of the farm their rate', async () => {
    const two = await node('ours');
    const stranger = await node('theirs', [two.at]);
    const one = await node('ours', [two.at]);
    const before = hintDatagrams.value('refused');
    const forged = createSocket('udp4');
    open.push(forged);
    const [datagram = Buffer.alloc(0)] = encodeHints(hintKey('theirs'), [HINT]);
    const flood = (): number => {
      for (let n = 0; n < 100; n++) forged.send(datagram, two.at.port, two.at.address);
      return hintDatagrams.value('refused') - before;
    };
    await expect.poll(flood, polled).toBeGreaterThan(2 * DATAGRAMS_PER_SECOND);
    stranger.socket.send([HINT]);
    expect(two.heard).toEqual([]);
    await expect.poll(() => (one.socket.send([HINT]), two.heard.length), polled).toBeGreaterThan(0);
  });

  test('those of the farm that a stranger repeats go on at a rate', async () => {
    const two = await node('ours');
    const [datagram = Buffer.alloc(0)] = encodeHints(hintKey('ours'), [HINT]);
    const stranger = createSocket('udp4');
    open.push(stranger);
    const before = hintDatagrams.value('dropped');
    const flood = (): number => {
      for (let n = 0; n < 100; n++) stranger.send(datagram, two.at.port, two.at.address);
      return hintDatagrams.value('dropped') - before;
    };
    await expect.poll(flood, polled).toBeGreaterThan(10);
    expect(two.heard).toHaveLength(DATAGRAMS_PER_SECOND);
  });

  test('are sent at a rate', async () => {
    const one = await node('ours', [{ address: '127.0.0.1', port: 9 }]);
    const before = hintDatagrams.value('sent');
    for (let n = 0; n < DATAGRAMS_PER_SECOND + 10; n++) one.socket.send([HINT]);
    expect(hintDatagrams.value('sent') - before).toBe(DATAGRAMS_PER_SECOND);
  });
});
