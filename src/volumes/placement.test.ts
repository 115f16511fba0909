import { expect, test } from 'vitest';
import fc from 'fast-check';
import { hashedPath, pathFault, placementOf, PlacementError, volumeOfPath } from './placement.ts';
import { owner, volumeEntry } from './testing/volumes.ts';

const MAIL1 = { ...volumeEntry('/', 'mail1'), path: '/mail1' };
const MAIL2 = { ...volumeEntry('/', 'mail2'), path: '/mail2' };
const INNER = { ...volumeEntry('/', 'inner'), path: '/mail1/inner' };
const VOLUMES = [MAIL1, MAIL2];

test('the hashed path has two levels from the hash of the id', () => {
  const id = '6c1f3a52-0000-4000-8000-000000000001';
  expect(hashedPath('/mail1', id)).toMatch(
    /^\/mail1\/[0-9a-f]{2}\/[0-9a-f]{2}\/6c1f3a52-0000-4000-8000-000000000001$/,
  );
  // Fixed: another hash would lose every mailbox.
  expect(hashedPath('/mail1', 'alice')).toBe('/mail1/2b/d8/alice');
});

const HOSTILE_IDS = [
  '',
  '.',
  '..',
  '../x',
  'a/b',
  'a\0b',
  'a b',
  'é',
  'a\n',
  'a.b',
  'x'.repeat(65),
];
for (const id of HOSTILE_IDS) {
  test(`an id that could be a path is refused: ${JSON.stringify(id)}`, () => {
    expect(() => hashedPath('/mail1', id)).toThrow(PlacementError);
  });
}

test('whatever the id, the path stays below its volume', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (id) => {
      let path: string;
      try {
        path = hashedPath('/mail1', id);
      } catch (error) {
        return error instanceof PlacementError;
      }
      return pathFault(path) === undefined && path.startsWith('/mail1/');
    }),
  );
});

const HOSTILE_PATHS = [
  '',
  'mail1/a',
  '/mail1',
  '/mail1/',
  '/mail1//a',
  '/mail1/./a',
  '/mail1/a/..',
  '/mail1/../etc/passwd',
  '/mail1/a/',
  '/mail1/a\0b',
  '/mail1/a\nb',
  '/mail10/a',
  '/etc',
  '/',
  `/mail1/${'x'.repeat(256)}`,
  `/mail1/${'x/'.repeat(600)}x`,
];
for (const path of HOSTILE_PATHS) {
  test(`an explicit path that is not below one volume is refused: ${JSON.stringify(path)}`, () => {
    expect(() => volumeOfPath(path, VOLUMES)).toThrow(PlacementError);
  });
}

test('an explicit path belongs to the volume it lies on, the innermost of nested ones', () => {
  expect(volumeOfPath('/mail1/12/34/tevie', VOLUMES)).toBe(MAIL1);
  expect(volumeOfPath('/mail1/inner/tevie', [INNER, MAIL1])).toBe(INNER);
  expect(() => volumeOfPath('/mail1/a', [MAIL1, { ...MAIL1, name: 'twin' }])).toThrow(/twin/);
});

test('explicit path before volume before the allocator', () => {
  const path = '/mail2/12/34/tevie';
  expect(placementOf(owner('a', { path, volume: 'mail1' }), VOLUMES)).toEqual({
    kind: 'placed',
    volume: MAIL2,
    maildir: path,
  });
  expect(placementOf(owner('alice', { volume: 'mail1' }), VOLUMES)).toEqual({
    kind: 'placed',
    volume: MAIL1,
    maildir: '/mail1/2b/d8/alice',
  });
  expect(placementOf(owner('alice', { volume: 'gone' }), VOLUMES)).toEqual({
    kind: 'unknown-volume',
    volume: 'gone',
  });
  expect(placementOf(owner('alice'), VOLUMES)).toEqual({ kind: 'unplaced' });
});
