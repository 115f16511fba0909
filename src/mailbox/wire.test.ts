import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uidlOf } from './uidl.ts';
import { lineEndsOf, wireCount, wireForm, type LineEnds } from './wire.ts';

const OURS = '1700000000.M1P2Q3R0123456789abcdef.host';

/** The definition, in one line each. */
const DEFINITION: Readonly<Record<LineEnds, (text: string) => string>> = {
  'every-lf': (text) => text.replaceAll('\n', '\r\n'),
  'bare-lf': (text) => text.replaceAll(/(?<!\r)\n/g, '\r\n'),
};

for (const lineEnds of ['every-lf', 'bare-lf'] as const) {
  test(`the wire form of ${lineEnds} is its definition, in pieces of any size`, () => {
    const octets = fc.array(fc.constantFrom(10, 10, 13, 0, 46, 11, 9, 0x8a, 255, 120));
    fc.assert(
      fc.property(fc.array(octets, { maxLength: 6 }), (pieces) => {
        const form = wireForm(lineEnds);
        const count = wireCount(lineEnds);
        const buffers = pieces.map((piece) => Buffer.from(piece));
        for (const piece of buffers) count.add(piece);
        const wire = Buffer.concat(buffers.map((piece) => form.convert(piece))).toString('latin1');
        const stored = Buffer.concat(buffers).toString('latin1');
        expect(wire).toBe(DEFINITION[lineEnds](stored));
        expect([count.octets, count.wireOctets]).toEqual([stored.length, wire.length]);
      }),
      { numRuns: 500 },
    );
  });
}

test('a piece at any offset of its buffer and of any length near the step is whole', () => {
  const bytes = Buffer.from('ab\n\ncd\r\n\nefghijkl\nmnopqrst\n'.repeat(8), 'latin1');
  for (let from = 0; from < 9; from++) {
    for (let to = from; to < from + 30; to++) {
      const wire = wireForm('every-lf').convert(bytes.subarray(from, to)).toString('latin1');
      const stored = bytes.subarray(from, to).toString('latin1');
      expect(wire).toBe(DEFINITION['every-lf'](stored));
    }
  }
});

test('results do not share memory: a second conversion leaves the first as it was', () => {
  const first = wireForm('every-lf').convert(Buffer.from('first\n'.repeat(1000)));
  wireForm('every-lf').convert(Buffer.from('other\n'.repeat(200_000)));
  expect(first.toString('latin1')).toBe('first\r\n'.repeat(1000));
});

test('files that our engine named are ours, whoever renamed them since', () => {
  expect(lineEndsOf(OURS)).toBe('every-lf');
  expect(lineEndsOf(`${OURS},S=1,W=2:2,S`)).toBe('every-lf');
  for (const name of [
    '1700000000.M1P2.host,S=1,W=2',
    '1700000000.1234_5.host',
    `${OURS}x`.repeat(2),
    'x',
    `x${OURS}`,
  ]) {
    expect(lineEndsOf(name)).toBe('bare-lf');
  }
});

const LONG = 'x'.repeat(71);
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const UIDLS: readonly [name: string, uidl: string][] = [
  [`${OURS},S=1,W=2:2,S`, OURS],
  [OURS, OURS],
  ['a:2,S', 'a'],
  ['x'.repeat(70), 'x'.repeat(70)],
  [`${LONG},S=1`, hash(LONG)],
  ['with blank,S=1', hash('with blank')],
  ['\u00fcml', hash('\u00fcml')],
  ['a,U=123,S=1:2,', '123'],
  ['a,S=1,U=0000001a4b%2Cx', '0000001a4b,x'],
  ['a,U=,S=1', 'a'],
  ['a,U=%zz', 'a'],
  [`a,U=${LONG}`, 'a'],
  ['a,U=b%20c', 'a'],
  ['a:2,U=7', 'a'],
];
for (const [name, uidl] of UIDLS) {
  test(`UIDL of ${JSON.stringify(name.slice(0, 40))} (RFC 1939 §7)`, () => {
    expect(uidlOf(name)).toBe(uidl);
  });
}
