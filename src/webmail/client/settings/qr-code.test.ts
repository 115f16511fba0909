import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';

import { pathOf, qrCode } from './qr-code.ts';

const linesOf = (text: string): string =>
  (qrCode(text) ?? []).map((row) => row.map(Number).join('')).join('\n');

/** What another encoder (`uqr` 0.1) draws, and what `jsqr` reads as this text. */
const OTPAUTH = `
#######.##..#.#######
#.....#...#.#.#.....#
#.###.#..#.##.#.###.#
#.###.#.####..#.###.#
#.###.#.###.#.#.###.#
#.....#.####..#.....#
#######.#.#.#.#######
........#..##........
#...#.###..#.#####..#
.#.#.#.##.###....##..
####.#######..####.#.
..##.#..###..####..##
.#.####.....###.##...
........#...###.#.##.
#######.#.#.##..##.#.
#.....#....##..##..##
#.###.#.#..#..##....#
#.###.#..####..##.###
#.###.#..#.#..#.#....
#.....#..##..##.#....
#######.#.#.####.#..#`;

it('draws what others draw', () => {
  const wanted = OTPAUTH.trim().replaceAll('#', '1').replaceAll('.', '0');
  expect(linesOf('otpauth')).toBe(wanted);
});

// The same, too large to be looked at: several blocks and small squares, the version told from 7
// on, a count of two octets from 10 on, blocks of two lengths.
it.each([
  [60, 4, '0f5134419e811b9a2d64d760b127077c48940afec2bc6d0877f297eb3537710d'],
  [120, 7, '6b368bff5340cc4fc167173ca32a6de4d0bb08e7b1a157f93e1ef7b122457abf'],
  [213, 10, 'a002c573bd5ef80cf30b72339543c0b16c3c1050fe25c23a836da29f34aa54e9'],
  [300, 13, '8d00d428b00eca8e8e85b5faae2e0cc671fdecfa7ead01f91b076bb894c856ff'],
  [666, 20, 'a328c2dca8607ca9aa866bf7e6921595da6a69ddf8c3b09128b17d5e931a878c'],
])('draws %i octets in version %i as others do', (octets, version, sha256) => {
  const text = 'otpauth://totp/Mail:anna?secret='.padEnd(octets, 'JBSWY3DP');
  expect(qrCode(text)).toHaveLength(17 + 4 * version);
  expect(createHash('sha256').update(linesOf(text)).digest('hex')).toBe(sha256);
});

it('draws nothing where there is no room', () => {
  expect(qrCode('x'.repeat(667))).toBeUndefined();
});

it('strokes each run of dark modules once', () => {
  const code = [
    [true, true, false],
    [false, false, false],
    [true, false, true],
  ];
  expect(pathOf(code)).toBe('M0 0h2v1h-2zM0 2h1v1h-1zM2 2h1v1h-1z');
});
