import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ContentDecoder } from './content.ts';

interface Outcome {
  stored: string;
  bareLf: boolean;
  ended: boolean;
  octets: number;
  hops: number;
  rest: string;
}

/** Feeds copies in pieces of the given sizes (the last one again and again); text is Latin-1. */
function decode(wire: string, sizes: readonly number[]): Outcome {
  const decoder = new ContentDecoder();
  const bytes = Buffer.from(wire, 'latin1');
  let stored = '';
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)] ?? bytes.length;
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    const { next, bytes: out, heldCr, ended } = decoder.push(chunk, 0);
    stored += (heldCr ? '\r' : '') + out.toString('latin1');
    at += next;
    if (ended) return outcome(decoder, stored, true, wire.slice(at));
  }
  return outcome(decoder, stored, false, '');
}

const outcome = (d: ContentDecoder, stored: string, ended: boolean, rest: string): Outcome => ({
  stored,
  bareLf: d.bareLf,
  ended,
  octets: d.octets,
  hops: d.hops,
  rest,
});

/** The same, said plainly: the model. */
function model(wire: string): Pick<Outcome, 'stored' | 'bareLf' | 'ended' | 'rest'> {
  const all = `\r\n${wire}`;
  const end = all.indexOf('\r\n.\r\n');
  const ended = end >= 0;
  const content = ended ? all.slice(0, end + 2) : all;
  const bareLf = /(?<!\r)\n/.test(content);
  const stored = content
    .replace(/\r\n\./g, '\r\n')
    .slice(2)
    .replace(/\r\n/g, '\n');
  return { stored, bareLf, ended, rest: ended ? all.slice(end + 5) : '' };
}

const ROWS: readonly [name: string, wire: string, stored: string][] = [
  ['empty', '.\r\n', ''],
  ['an empty line', '\r\n.\r\n', '\n'],
  ['a dot', '..\r\n.\r\n', '.\n'],
  ['dots', '...\r\n....\r\n.\r\n', '..\n...\n'],
  ['a dot that was not doubled (RFC 5321 §4.5.2)', '.x\r\n.\r\n', 'x\n'],
  ['a dot within', 'a.\r\n.b.\r\n.\r\n', 'a.\nb.\n'],
  ['bare CR', 'a\rb\r\n.\r\n', 'a\rb\n'],
  ['CR CR LF', 'a\r\r\n.\r\n', 'a\r\n'],
  ['CR CR CR LF', '\r\r\r\n.\r\n', '\r\r\n'],
  ['NUL and 8 bit', '\0\xff\x80\r\n.\r\n', '\0\xff\x80\n'],
  ['a dot and CR', '.\r\r\n.\r\n', '\r\n'],
  ['a dot, CR, text', '.\rx\r\n.\r\n', '\rx\n'],
  ['CR before the dot', '\r.\r\n.\r\n', '\r.\n'],
  ['a line of 100,000', `${'x'.repeat(100_000)}\r\n.\r\n`, `${'x'.repeat(100_000)}\n`],
];
for (const [name, wire, stored] of ROWS) {
  test(`[N-19] ${name}: the same in any pieces`, () => {
    for (const sizes of [[1], [2], [3], [17], [1, 4], [wire.length]]) {
      const got = decode(`${wire}NOOP\r\n`, sizes);
      expect(got).toMatchObject({ stored, ended: true, bareLf: false });
      expect('NOOP\r\n'.startsWith(got.rest) || got.rest === 'NOOP\r\n').toBe(true);
    }
  });
}

const octet = fc.constantFrom('\r', '\n', '.', '\0', 'a', '\r\n', '\r\n.', '\r\n.\r\n', '\xff');
const text = fc.array(octet, { maxLength: 40 }).map((parts) => parts.join(''));
const pieces = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });

test('[N-19] any octets in any pieces: as the model says', () => {
  fc.assert(
    fc.property(text, pieces, (wire, sizes) => {
      const want = model(wire);
      const { stored, bareLf, ended } = decode(wire, sizes);
      expect({ bareLf, ended }).toEqual({ bareLf: want.bareLf, ended: want.ended });
      // Without the end, the last octets may still be held back; with a bare LF nothing is kept.
      if (ended && !bareLf) expect(stored).toBe(want.stored);
    }),
    { numRuns: 20_000, seed: Number(process.env['FUZZ_SEED'] ?? 1) },
  );
});

test('[N-19] what a proper client sends comes out as it was (RFC 5321 §4.5.2)', () => {
  const line = fc.array(fc.constantFrom('.', '\r', 'x', '\0', '\xe4'), { maxLength: 8 });
  const message = fc.array(
    line.map((parts) => parts.join('').replace(/\r$/, '')),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(message, pieces, (lines, sizes) => {
      const wire = lines.map((one) => `${one.startsWith('.') ? '.' : ''}${one}\r\n`).join('');
      const got = decode(`${wire}.\r\n`, sizes);
      expect(got.stored).toBe(lines.map((one) => `${one}\n`).join(''));
      expect(got.octets).toBe(lines.reduce((sum, one) => sum + one.length + 2, 0));
      expect(got.bareLf).toBe(false);
    }),
    { numRuns: 5000 },
  );
});

test('hops: Received lines of the header only, in any case and any pieces (RFC 5321 §6.3)', () => {
  const wire =
    'Received: a\r\n\tReceived: folded\r\nRECEIVED: b\r\nX-Received: c\r\nReceive: d\r\n' +
    'received:e\r\n.Received: stuffed by mistake\r\n\r\nReceived: body\r\n.\r\n';
  for (const sizes of [[1], [3], [7], [wire.length]]) expect(decode(wire, sizes).hops).toBe(4);
  expect(decode('Received:\r\n\r\r\nReceived:\r\n\r\nReceived:\r\n.\r\n', [1]).hops).toBe(2);
});

test('a refused message is read to its end all the same', () => {
  const decoder = new ContentDecoder();
  decoder.discard = true;
  const wire = Buffer.from('text\r\n..\r\n.x\r\n.\r\nQUIT\r\n');
  const { bytes, ended, next } = decoder.push(wire, 0);
  expect([bytes.length, ended, wire.subarray(next).toString()]).toEqual([0, true, 'QUIT\r\n']);
});
