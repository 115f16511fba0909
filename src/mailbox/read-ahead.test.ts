import { expect, test } from 'vitest';
import type { Numbered } from '#maildir';
import { AHEAD_OCTETS_MAX, readAhead } from './read-ahead.ts';
import type { Begins, Piece } from './summaries.ts';

const message = (uid: number, octets: number | undefined): Numbered => {
  const key = `1700000000.M${uid}P1Q1R1.h`;
  const name = octets === undefined ? `${key}:2,` : `${key},S=${octets}:2,`;
  return {
    uid,
    key,
    entry: { directory: 'cur', name },
    flags: '',
    keywords: [],
    modseq: 1,
  } as never;
};
const many = (count: number, octets: number): Numbered[] =>
  Array.from({ length: count }, (_, i) => message(i + 1, octets));

/** Says of each message its UID, and counts what is asked for. */
function begins(set: { readonly gone?: number; readonly fails?: number } = {}): Begins & {
  readonly asked: number[][];
} {
  const asked: number[][] = [];
  return {
    asked,
    ready: () => true,
    read: async (messages, { into }): Promise<(Piece | undefined)[]> => {
      asked.push(messages.map(({ uid }) => uid));
      await Promise.resolve();
      if (messages.some(({ uid }) => uid === set.fails)) throw new Error('the volume is down');
      let at = 0;
      return messages.map(({ uid }) => {
        if (uid === set.gone) return undefined;
        const bytes = into.subarray(at, at + 4);
        Buffer.from(bytes.buffer, bytes.byteOffset, 4).writeUInt32LE(uid);
        at += 4;
        return { bytes, end: true };
      });
    },
  };
}

const uidOf = (piece: Piece | undefined): number | undefined =>
  piece && Buffer.from(piece.bytes).readUInt32LE();

test('messages come in order, two groups ahead of nobody', async () => {
  const source = begins();
  const messages = many(200, 100);
  const ahead = readAhead(source, { messages, octets: 'all' });
  expect(source.asked).toHaveLength(1);
  for (const each of messages) expect(uidOf(await ahead?.take(each))).toBe(each.uid);
  expect(source.asked.flat()).toEqual(messages.map(({ uid }) => uid));
  expect(Math.max(...source.asked.map(({ length }) => length))).toBe(64);
  ahead?.stop();
});

test('a group has no more octets than there is memory for', async () => {
  const source = begins();
  const messages = many(40, 60_000);
  const ahead = readAhead(source, { messages, octets: 'all' });
  for (const each of messages) await ahead?.take(each);
  expect(source.asked.every(({ length }) => length * 60_001 <= 262_144)).toBe(true);
});

test('what is large, without a size or gone is left to be read by itself; so are some skipped', async () => {
  const odd = [message(3, AHEAD_OCTETS_MAX), message(4, undefined)];
  const messages = [...many(2, 10), ...odd, ...many(80, 10).slice(4)];
  const source = begins({ gone: 6 });
  const ahead = readAhead(source, { messages, octets: 'all' });
  const found: (number | undefined)[] = [];
  for (const each of messages.slice(0, 6)) found.push(uidOf(await ahead?.take(each)));
  expect(found).toEqual([1, 2, undefined, undefined, 5, undefined]);
  expect(await ahead?.take(message(1000, 10))).toBeUndefined();
  expect(uidOf(await ahead?.take(messages.at(-1) as Numbered))).toBe(80);
});

test('trouble is told to whoever takes a message of the group, and to nobody who stops before', async () => {
  const messages = many(100, 10);
  const stopped = readAhead(begins({ fails: 70 }), { messages, octets: 'all' });
  await stopped?.take(messages[0] as Numbered);
  stopped?.stop();
  const ahead = readAhead(begins({ fails: 70 }), { messages, octets: 'all' });
  expect(uidOf(await ahead?.take(messages[0] as Numbered))).toBe(1);
  await expect(ahead?.take(messages[80] as Numbered)).rejects.toThrow('the volume is down');
});

test('few messages, or a volume without calls in one go, are not read ahead', () => {
  expect(readAhead(begins(), { messages: many(7, 10), octets: 'all' })).toBeUndefined();
  const without = { ...begins(), ready: () => false };
  expect(readAhead(without, { messages: many(70, 10), octets: 'all' })).toBeUndefined();
});
