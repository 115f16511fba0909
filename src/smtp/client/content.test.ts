import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WireContent } from './content.ts';

const wire = (...pieces: readonly string[]): string => {
  const content = new WireContent();
  const last = pieces.length - 1;
  return pieces
    .map((piece, at) => content.encode(Buffer.from(piece), at === last).toString())
    .join('');
};

test('LF becomes CR LF, leading dots are doubled, the end is CR LF . CR LF (RFC 5321 §4.5.2)', () => {
  expect(wire('a\nb\n')).toBe('a\r\nb\r\n.\r\n');
  expect(wire('no end')).toBe('no end\r\n.\r\n');
  expect(wire('')).toBe('.\r\n');
  expect(wire('.\n..\n.a\nb.\n')).toBe('..\r\n...\r\n..a\r\nb.\r\n.\r\n');
});

test('a CR that stands alone is no line end for anybody (RFC 5321 §2.3.8)', () => {
  expect(wire('a\r.\rMAIL FROM:<x@y>\r\nb')).toBe('a . MAIL FROM:<x@y> \r\nb\r\n.\r\n');
});

test('pieces make no difference, and no message contains the end of data (fast-check)', () => {
  const text = fc.array(fc.constantFrom('.', '\n', '\r', 'a', '\r\n.\r\n', '\n.\n'), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 80 }), { maxLength: 5 }), (parts, cuts) => {
      const whole = parts.join('');
      const edges = [
        0,
        ...cuts.filter((x) => x < whole.length).toSorted((a, b) => a - b),
        whole.length,
      ];
      const pieces = edges.slice(1).map((edge, i) => whole.slice(edges[i], edge));
      const sent = wire(...pieces);
      expect(sent).toBe(wire(whole));
      expect(`\r\n${sent}`.indexOf('\r\n.\r\n')).toBe(sent.length - 3);
      expect(sent.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    }),
  );
});
