import { expect, test } from 'vitest';
import { silentLogger } from '../log/types.ts';
import type { Volume } from '../volumes/volume.ts';
import { MaildirMaildrop } from './maildrop.ts';
import { READ_CHUNK_BYTES } from './reader.ts';

const OCTETS = 3 * READ_CHUNK_BYTES;
const NAME = `1700000000.M1P1Q1R0123456789abcdef.mx1,S=${OCTETS},W=${OCTETS}`;

type Read = Parameters<Volume['read']>[0];

/** A drop of one message without line ends whose second piece comes as `second` says. */
function dropOf(second: () => Promise<void>) {
  const asked: Uint8Array[] = [];
  const volume = {
    read: async ({ into, offset, entry, length }: Read) => {
      if (into) asked.push(into);
      if (offset === length) await second();
      const bytes = (into ?? Buffer.alloc(length)).fill(0x78).subarray(0, OCTETS - offset);
      return { bytes, entry, end: offset + length >= OCTETS };
    },
  } as unknown as Volume;
  const drop = new MaildirMaildrop({
    mailbox: { volume, maildir: '/m' },
    entries: [{ directory: 'new', name: NAME }],
    sizes: Float64Array.of(OCTETS),
    log: silentLogger,
    onRemoved: () => {},
  });
  return { drop, asked };
}

async function readAll({ drop }: ReturnType<typeof dropOf>): Promise<Set<ArrayBufferLike>> {
  const sent = new Set<ArrayBufferLike>();
  for await (const piece of drop.read(0)) sent.add(piece.buffer);
  return sent;
}

const shared = (a: ReturnType<typeof dropOf>, b: ReturnType<typeof dropOf>): number =>
  [...memoryOf(a.asked)].filter((memory) => memoryOf(b.asked).has(memory)).length;

const memoryOf = (buffers: readonly Uint8Array[]): Set<ArrayBufferLike> =>
  new Set(buffers.map(({ buffer }) => buffer));

test('memory of a message that was read and sent whole is used for the next', async () => {
  const first = dropOf(async () => {});
  const sent = await readAll(first);
  const second = dropOf(async () => {});
  expect(await readAll(second)).toEqual(sent);
  expect(shared(first, second)).toBe(2);
});

test('memory that a failed read may still write to is never used again', async () => {
  const failing = dropOf(() => Promise.reject(new Error('deadline')));
  await expect(readAll(failing)).rejects.toThrow('deadline');
  const next = dropOf(async () => {});
  await readAll(next);
  expect(shared(next, failing)).toBe(0);
});

test('memory of a message that was given up is never used again', async () => {
  let go = (): void => {};
  const slow = dropOf(() => new Promise((resolve) => (go = resolve)));
  for await (const piece of slow.drop.read(0)) {
    expect(piece.length).toBe(READ_CHUNK_BYTES);
    break; // The next piece is being read into the other buffer, the first may be on its way out.
  }
  const next = dropOf(async () => {});
  await readAll(next);
  go();
  expect(shared(next, slow)).toBe(0);
});
