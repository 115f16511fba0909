import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { DeadlineError } from '../base/deadline.ts';
import { systemError, UnknownResultError } from '#maildir';
import { chooseVolume, score } from './allocate.ts';
import { TimedCache } from './cache.ts';
import { asStoreError } from './errno.ts';
import { StoreError, type StoreErrorKind } from './error.ts';
import { judge, type Health } from './health.ts';
import { formatSentinel, parseSentinel, SentinelError } from './sentinel.ts';
import { directorySyncOf, hasRoom } from './space.ts';

const failed = { what: 'stage', absent: 'mailbox-missing' } as const;
const numbered = (errno: number): Error => Object.assign(new Error('x'), { errno: -errno });

const KINDS: readonly [error: Error, kind: StoreErrorKind][] = [
  [numbered(constants.errno.ENOSPC), 'volume-full'],
  [numbered(constants.errno.EDQUOT), 'volume-full'],
  [numbered(constants.errno.EIO), 'volume-down'],
  [numbered(constants.errno.ESTALE), 'volume-down'],
  [numbered(constants.errno.ETIMEDOUT), 'volume-down'],
  [numbered(constants.errno.EROFS), 'volume-down'],
  [numbered(constants.errno.EACCES), 'volume-down'],
  [numbered(constants.errno.ENOTCONN), 'volume-down'],
  [numbered(constants.errno.EXDEV), 'volume-down'],
  [numbered(constants.errno.ENOENT), 'mailbox-missing'],
  [numbered(constants.errno.ENOTDIR), 'mailbox-missing'],
  [new DeadlineError('stage', 1), 'volume-down'],
  [new Error('no errno at all'), 'volume-down'],
  // Unknown whether it happened: never "not there", whatever the call said.
  [new UnknownResultError('rename', systemError('ENOENT', 'rename', '/x')), 'volume-down'],
  [new StoreError('volume-busy', 'stays what it is'), 'volume-busy'],
];
for (const [error, kind] of KINDS) {
  test(`${error.name} ${'errno' in error ? String(error.errno) : error.message} is ${kind}`, () => {
    expect(asStoreError(error, failed).kind).toBe(kind);
  });
}

test('a Node error without a code of its own is known by its number', () => {
  const stale = Object.assign(new Error('Unknown system error -116'), {
    code: 'Unknown system error -122',
    errno: -122,
  });
  expect(asStoreError(stale, failed).kind).toBe('volume-full');
});

test('a sentinel reads back as it was written', () => {
  const sentinel = { identity: 'b0a1-22.x_y', name: 'mail1' };
  expect(parseSentinel(formatSentinel(sentinel))).toEqual(sentinel);
});

test('a sentinel torn anywhere is none', () => {
  const text = formatSentinel({ identity: 'abcdef', name: 'mail1' });
  for (let at = 0; at < text.length; at++) expect(parseSentinel(text.slice(0, at))).toBeUndefined();
  expect(parseSentinel('identity=a b\nformat=1\n')).toBeUndefined();
  expect(parseSentinel('identity=a\nformat=2\n')).toBeUndefined();
});

for (const identity of ['', 'a b', 'a\nformat=1', 'x'.repeat(65), 'é']) {
  test(`an identity that cannot stand in a line is refused: ${JSON.stringify(identity)}`, () => {
    expect(() => formatSentinel({ identity, name: 'v' })).toThrow(SentinelError);
  });
}

const UP: Health = { state: 'up', verifiedAt: 1, failures: 0 };
const DOWN: Health = { state: 'down', why: 'away', fault: 'failed' };
const at = { now: 9, failuresMax: 3 };
const FAILED = { kind: 'failed', why: 'away' } as const;
const WRONG = { kind: 'wrong', why: 'not mounted' } as const;

test('health: the breaker as a table', () => {
  expect(judge({ state: 'unknown' }, { kind: 'ok' }, at)).toEqual({ ...UP, verifiedAt: 9 });
  expect(judge({ state: 'unknown' }, FAILED, at)).toEqual(DOWN);
  const one = judge(UP, FAILED, at);
  expect(one).toEqual({ ...UP, failures: 1 });
  const two = judge(one, FAILED, at);
  expect(two).toEqual({ ...UP, failures: 2 });
  expect(judge(two, FAILED, at)).toEqual(DOWN);
  expect(judge(two, { kind: 'ok' }, at)).toEqual({ ...UP, verifiedAt: 9 });
  expect(judge(DOWN, FAILED, at)).toEqual(DOWN);
  expect(judge(DOWN, { kind: 'ok' }, at)).toEqual({ ...UP, verifiedAt: 9 });
});

test('[N-05] a wrong sentinel closes a volume at once, and a failure does not hide it', () => {
  const wrong = judge(UP, WRONG, at);
  expect(wrong).toEqual({ state: 'down', why: 'not mounted', fault: 'wrong' });
  expect(judge(wrong, FAILED, at)).toEqual(wrong);
});

const candidate = { name: 'a', weight: 1, freeBytes: 1000, freeInodes: 1000 };
/** Chance as a number from 0 to 1. */
const random = (chance: number) => ({
  bytes: (n: number) => Uint8Array.from({ length: n }, (_, i) => (i === 0 ? chance * 256 : 0)),
});

test('new users go by weight and room; without inodes there is no room', () => {
  expect(score(candidate)).toBe(1000);
  expect(score({ ...candidate, weight: 3 })).toBe(3000);
  expect(score({ ...candidate, freeInodes: 0 })).toBe(0);
  expect(score({ ...candidate, freeInodes: undefined })).toBe(1000);
  expect(score({ ...candidate, weight: -1 })).toBe(0);
});

test('[N-07] the choice falls in proportion to the scores', () => {
  const three = [
    candidate,
    { ...candidate, name: 'full', freeBytes: 0 },
    { ...candidate, name: 'b', weight: 3 },
  ];
  const counts = new Map<string | undefined, number>();
  for (let i = 0; i < 256; i++) {
    const name = chooseVolume(three, random(i / 256));
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  expect(Object.fromEntries(counts)).toEqual({ a: 64, b: 192 });
  expect(chooseVolume([], random(0))).toBeUndefined();
  expect(chooseVolume([{ ...candidate, weight: 0 }], random(0))).toBeUndefined();
});

test('room: bytes and inodes leave their reserve', () => {
  const space = { freeBytes: 1000, freeInodes: 10, fileSystem: 'other', mode: 'writable' } as const;
  const reserve = { bytes: 100, inodes: 5 };
  expect(hasRoom(space, 900, reserve)).toBe(true);
  expect(hasRoom(space, 901, reserve)).toBe(false);
  expect(hasRoom({ ...space, freeInodes: 5 }, 1, reserve)).toBe(false);
  expect(hasRoom({ ...space, freeInodes: undefined }, 1, reserve)).toBe(true);
  expect(directorySyncOf(undefined)).toBe('always');
  expect(directorySyncOf(space)).toBe('always');
  expect(directorySyncOf({ ...space, fileSystem: 'nfs' })).toBe('never');
});

test('a timed cache forgets by age and by number', () => {
  let now = 0;
  const clock = { now: () => now, sleep: async () => {} };
  const cache = new TimedCache<number>(clock, { ms: 10, max: 2 });
  cache.set('a', 1);
  cache.set('b', 2);
  cache.update('a', (value) => value + 10);
  now = 9;
  expect(cache.get('a')).toBe(11);
  cache.set('b', 3);
  cache.set('c', 4);
  expect(cache.get('a')).toBeUndefined(); // The oldest went.
  now = 18;
  expect(cache.get('b')).toBe(3);
  now = 19;
  expect(cache.get('b')).toBeUndefined();
  expect(cache.size).toBe(1);
});
