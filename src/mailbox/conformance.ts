import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Maildrop, MailStore } from './types.ts';

/**
 * What every MailStore does, whatever is under it. A store passes these cases, or it is none.
 */
export interface StoreUnderTest {
  readonly store: MailStore;
  /** An account whose mailbox was made and is empty. */
  readonly account: Account;
  /** An account that never got mail. */
  readonly newcomer: Account;
  /** Puts a message there in stored form (LF line ends), under a foreign name if one is given. */
  deliver(stored: Uint8Array, name?: string): Promise<void>;
  close(): Promise<void>;
}

/** Stored form and what the wire gets. */
const FORMS: readonly [what: string, stored: string, wire: string][] = [
  ['usual lines', 'a: b\n\nbody\n', 'a: b\r\n\r\nbody\r\n'],
  ['nothing at all', '', ''],
  ['no line end at the end', 'a\nb', 'a\r\nb'],
  ['only line ends', '\n\n\n', '\r\n\r\n\r\n'],
  ['a bare CR, which is kept', 'a\rb\r\nc\n', 'a\rb\r\r\nc\r\n'],
  ['dots, which are not stuffed here', '.\n..\n.x\n', '.\r\n..\r\n.x\r\n'],
  ['NUL and 8-bit', 'a\0\xff\xfe\n\x80\n', 'a\0\xff\xfe\r\n\x80\r\n'],
  ['a line of 5,000', `${'x'.repeat(5000)}\ny\n`, `${'x'.repeat(5000)}\r\ny\r\n`],
];

export async function wireOf(drop: Maildrop, index: number): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of drop.read(index)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('latin1');
}

const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof StoreError ? error.kind : error),
  );

export function mailStoreConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  let under: StoreUnderTest;
  const deliver = (text: string, as?: string): Promise<void> =>
    under.deliver(Buffer.from(text, 'latin1'), as);
  const drop = (): Promise<Maildrop> => under.store.openMaildrop(under.account);

  describe(`MailStore ${name}`, () => {
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.close());

    for (const [what, stored, wire] of FORMS) {
      test(`[N-19] wire form and size: ${what}`, async () => {
        await deliver(stored);
        const found = await drop();
        expect(await wireOf(found, 0)).toBe(wire);
        expect(found.octets(0)).toBe(wire.length);
      });
    }

    test('a file of another tool: only an LF that no CR precedes is completed', async () => {
      await deliver('a\r\nb\nc\r\r\n', '1700000000.1234_1.courier');
      const found = await drop();
      expect(await wireOf(found, 0)).toBe('a\r\nb\r\nc\r\r\n');
      expect(found.octets(0)).toBe(10);
    });

    test('an account that never got mail has an empty maildrop', async () => {
      const found = await under.store.openMaildrop(under.newcomer);
      expect(found.count).toBe(0);
      expect(await found.remove([])).toEqual([]);
      expect(await under.store.usage(under.newcomer)).toBe(0);
    });

    test('messages stand in the order of their arrival', async () => {
      for (const text of ['one\n', 'two\n', 'three\n']) await deliver(text);
      const found = await drop();
      const texts = [await wireOf(found, 0), await wireOf(found, 1), await wireOf(found, 2)];
      expect(texts).toEqual(['one\r\n', 'two\r\n', 'three\r\n']);
    });

    sessions(() => under, drop, deliver);
    largeMessages(drop, deliver);
  });
}

function sessions(
  current: () => StoreUnderTest,
  drop: () => Promise<Maildrop>,
  deliver: (text: string, as?: string) => Promise<void>,
): void {
  test('UIDLs are valid, distinct and the same in every session (RFC 1939 §7)', async () => {
    for (let i = 0; i < 5; i++) await deliver(`${i}\n`);
    const uidls = async (): Promise<string[]> => {
      const found = await drop();
      return Array.from({ length: found.count }, (_, index) => found.uidl(index));
    };
    const first = await uidls();
    expect(new Set(first).size).toBe(5);
    for (const uidl of first) expect(uidl).toMatch(/^[!-~]{1,70}$/);
    expect(await uidls()).toEqual(first);
  });

  test('the snapshot stays as it was taken (RFC 1939 §3)', async () => {
    await deliver('one\n');
    const found = await drop();
    const uidl = found.uidl(0);
    await deliver('two\n');
    expect(found.count).toBe(1);
    const other = await drop();
    expect(other.count).toBe(2);
    expect(await other.remove([0])).toEqual([]);
    expect([found.count, found.octets(0), found.uidl(0)]).toEqual([1, 5, uidl]);
    expect(await kindOf(wireOf(found, 0))).toBe('message-gone');
    expect((await drop()).count).toBe(1);
  });

  test('two sessions that delete the same messages disturb nobody', async () => {
    for (let i = 0; i < 6; i++) await deliver(`${i}\n`);
    const [one, two] = [await drop(), await drop()];
    expect(await one.remove([0, 1, 2])).toEqual([]);
    expect(await two.remove([1, 2, 3])).toEqual([]);
    const left = await drop();
    expect([await wireOf(left, 0), await wireOf(left, 1)]).toEqual(['4\r\n', '5\r\n']);
    expect(left.count).toBe(2);
  });

  test('usage is the sum of stored octets', async () => {
    await deliver('12\n');
    await deliver('1234\n');
    expect(await current().store.usage(current().account)).toBe(8);
  });

  test('an index beyond the snapshot is a fault of the caller', async () => {
    await deliver('x\n');
    const found = await drop();
    expect(() => found.octets(1)).toThrow(RangeError);
    expect(() => found.uidl(-1)).toThrow(RangeError);
  });
}

function largeMessages(
  drop: () => Promise<Maildrop>,
  deliver: (text: string) => Promise<void>,
): void {
  test('a reader that stops early costs nothing and can read again', async () => {
    await deliver('x\n'.repeat(400_000));
    const found = await drop();
    for await (const piece of found.read(0)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect((await wireOf(found, 0)).length).toBe(1_200_000);
    expect(found.octets(0)).toBe(1_200_000);
  });

  test('large messages read at once, and one given up, come byte for byte', async () => {
    const texts = [0, 1, 2].map((seed) => longText(seed));
    for (const text of texts) await deliver(text);
    const found = await drop();
    const wires = texts.map((text) => text.replaceAll('\n', '\r\n'));
    for (let round = 0; round < 3; round++) {
      for await (const piece of found.read(round)) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
      const [a, b, c] = await Promise.all([0, 1, 2].map((index) => wireOf(found, index)));
      expect([a === wires[0], b === wires[1], c === wires[2]]).toEqual([true, true, true]);
    }
  });
}

/** A megabyte of lines of many lengths, other octets for each seed. */
function longText(seed: number): string {
  let state = seed + 1;
  let text = '';
  while (text.length < 1_000_000) {
    state = (state * 48_271) % 2_147_483_647;
    text += `${String.fromCharCode(97 + ((state + seed) % 26)).repeat(state % 200)}\n`;
  }
  return text;
}
