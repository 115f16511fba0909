import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PEER_LINE_BYTES_MAX, PEER_REPLY_BYTES_MAX } from './options.ts';
import { ReplyReader, ReplySyntaxError, type PeerReply } from './replies.ts';

const read = (...pieces: readonly (string | Buffer)[]): PeerReply[] => {
  const reader = new ReplyReader();
  const replies = pieces.flatMap((piece) => reader.push(Buffer.from(piece as string)));
  if (reader.broken) throw reader.broken;
  return replies;
};
const simple = (...pieces: readonly string[]): unknown[] =>
  read(...pieces).map(({ code, enhanced, text }) => [code, enhanced, text]);

test('replies of one line and of many, with and without enhanced codes (RFC 5321 §4.2)', () => {
  expect(simple('250 2.1.0 fine\r\n')).toEqual([[250, '2.1.0', 'fine']]);
  expect(simple('250-one\r\n250-two\r\n250 three\r\n')).toEqual([
    [250, undefined, 'one two three'],
  ]);
  expect(simple('550-5.1.1 no\r\n550 5.1.1 such user\r\n')).toEqual([
    [550, '5.1.1', 'no such user'],
  ]);
  expect(simple('250\r\n354 \r\n220 a\n')).toEqual([
    [250, undefined, ''],
    [354, undefined, ''],
    [220, undefined, 'a'],
  ]);
});

test('an enhanced code of another class says nothing (RFC 2034 §4)', () => {
  expect(simple('550 4.1.1 x\r\n')).toEqual([[550, undefined, '4.1.1 x']]);
  expect(simple('250 2.1.1.1 x\r\n')).toEqual([[250, undefined, '2.1.1.1 x']]);
});

test('text of a peer brings no control character, no second line, no endless line', () => {
  const [reply] = read(`451 a\x1b[2J\tb\x7f\u0085c\r\x08${'x'.repeat(3000)}\r\n`);
  // eslint-disable-next-line no-control-regex
  expect(reply?.text).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
  expect(reply?.text.length).toBeLessThan(1100);
});

test.each([
  ['hello\r\n'],
  ['600 x\r\n'],
  ['25 x\r\n'],
  ['250+x\r\n'],
  ['\r\n'],
  ['250 a\0b\r\n'],
  ['250-a\r\n251 b\r\n'],
  [`250 ${'x'.repeat(PEER_LINE_BYTES_MAX)}\r\n`],
  ['x'.repeat(PEER_LINE_BYTES_MAX + 1)], // No line end at all.
  ['250-again\r\n'.repeat(PEER_REPLY_BYTES_MAX / 10)],
])('%j is no reply', (text) => {
  expect(() => read(text)).toThrow(ReplySyntaxError);
});

test('what was whole before a line that is no reply is read, and nothing behind it', () => {
  const reader = new ReplyReader();
  const codes = (text: string): number[] => reader.push(Buffer.from(text)).map(({ code }) => code);
  expect(codes('250 queued\r\n354 go\r\n\r\n250 more\r\n')).toEqual([250, 354]);
  expect(reader.broken).toBeInstanceOf(ReplySyntaxError);
  expect(codes('250 more\r\n')).toEqual([]);
});

test('every split of the bytes gives the same replies, and memory is bounded (fast-check)', () => {
  const line = fc.oneof(
    fc
      .tuple(
        fc.integer({ min: 200, max: 599 }),
        fc.constantFrom(' ', '-', ''),
        fc.string({ maxLength: 60, unit: 'binary' }),
        fc.constantFrom('\r\n', '\n'),
      )
      .map((parts) => parts.join('')),
    fc.string({ maxLength: 30, unit: 'binary' }),
  );
  const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 6 });
  const outcome = (pieces: readonly Buffer[]): unknown => {
    const reader = new ReplyReader();
    const replies = pieces.flatMap((piece) => reader.push(piece));
    return { replies, broken: reader.broken?.message, rest: !reader.broken && reader.partial };
  };
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), cuts, (lines, at) => {
      const bytes = Buffer.from(lines.join(''));
      const edges = [
        0,
        ...at.filter((x) => x < bytes.length).toSorted((a, b) => a - b),
        bytes.length,
      ];
      const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
      expect(outcome(pieces)).toEqual(outcome([bytes]));
      for (const reply of read.call(undefined, ...safe(bytes))) {
        expect(reply.code).toBeGreaterThanOrEqual(200);
        expect(reply.code).toBeLessThan(600);
        // eslint-disable-next-line no-control-regex
        expect(reply.text).not.toMatch(/[\0-\x1f\x7f]/);
      }
    }),
    { seed: Number(process.env['FUZZ_SEED'] ?? 1), numRuns: 100 },
  );
});

/** The bytes, if they are replies. */
function safe(bytes: Buffer): readonly Buffer[] {
  try {
    read(bytes);
    return [bytes];
  } catch {
    return [];
  }
}
