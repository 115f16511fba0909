import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../log/types.ts';
import {
  DATAGRAM_OCTETS_MAX,
  decodeHints,
  encodeHints,
  hintKey,
  openHintSocket,
  type Hint,
  type HintSocket,
} from './hints.ts';

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
  const open: HintSocket[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  test('come to the others, and from nobody else', async () => {
    const heard: Hint[] = [];
    const peers: { address: string; port: number }[] = [];
    const node = async (cookie: string): Promise<HintSocket> => {
      const socket = await openHintSocket({
        address: '127.0.0.1',
        port: 0,
        cookie,
        peers: () => peers,
        onHints: (hints) => void heard.push(...hints),
        log: silentLogger,
      });
      open.push(socket);
      return socket;
    };
    const [one, two, stranger] = [await node('ours'), await node('ours'), await node('theirs')];
    peers.push({ address: '127.0.0.1', port: two.port });
    await expect
      .poll(() => (stranger.send([{ ...HINT, folder: 'forged' }]), two.refused), {
        timeout: 30_000,
      })
      .toBeGreaterThan(0);
    await expect
      .poll(() => (one.send([HINT]), heard.length), { timeout: 30_000 })
      .toBeGreaterThan(0);
    expect(heard[0]).toEqual(HINT);
    expect(heard.every(({ folder }) => folder === HINT.folder)).toBe(true);
    peers.push({ address: '127.0.0.1', port: 1 }); // Nobody listens there.
    one.send([HINT]);
    const before = heard.length;
    await expect
      .poll(() => (one.send([HINT]), heard.length), { timeout: 30_000 })
      .toBeGreaterThan(before);
  });
});
