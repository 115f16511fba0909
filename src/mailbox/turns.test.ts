import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortedUids } from './sort.ts';
import { threadsByReferences, threadsBySubject } from './thread.ts';
import { inTurns, sortInTurns } from './turns.ts';

test('what is sorted in turns is as it would be in one, equals in order', async () => {
  const items = fc.array(fc.nat(50), { minLength: 0, maxLength: 9000, size: 'max' });
  await fc.assert(
    fc.asyncProperty(items, async (keys) => {
      const rows = keys.map((key, at) => ({ key, at }));
      const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;
      expect(await inTurns(sortInTurns(rows, compare))).toEqual(rows.toSorted(compare));
    }),
    { numRuns: 30 },
  );
});

test.each([1023, 1024, 1025, 2048, 3000, 4097])('%i items are all there', async (count) => {
  const items = Array.from({ length: count }, (_, at) => (at * 7919) % count);
  const sorted = await inTurns(sortInTurns(items, (a, b) => a - b));
  expect(sorted).toEqual(items.toSorted((a, b) => a - b));
});

const head = (at: number) => ({
  envelope: {
    date: undefined,
    subject: `s${at % 500}`,
    from: [],
    sender: [],
    replyTo: [],
    to: [],
    cc: [],
    bcc: [],
    inReplyTo: undefined,
    messageId: `<${at}@x>`,
  },
  references: [`${at - 7}@x`],
  header: { offset: 0, end: 0, wireOctets: 0 },
  partial: false,
});

test('others have their turns while 20,000 messages are sorted or threaded', async () => {
  const rows = Array.from({ length: 20_000 }, (_, at) => ({
    uid: at + 1,
    date: (at * 7919) % 20_000,
    octets: 0,
    head: head(at),
  }));
  for (const work of [
    () => sortedUids(rows, [{ key: 'subject', order: 'forward' }]),
    () => threadsByReferences(rows),
    () => threadsBySubject(rows),
  ]) {
    let turns = 0;
    let working = true;
    const turn = (): void => {
      turns += 1;
      if (working) setImmediate(turn);
    };
    setImmediate(turn);
    await work();
    working = false;
    expect(turns).toBeGreaterThan(30);
  }
});
