import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFile, parseFile, type CommitFile, type StartFile } from './format.ts';

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const row = fc.record({
  uid: number,
  letters: fc.constantFrom('', 'S', 'FSa'),
  keywords: fc.array(word, { maxLength: 3 }),
  base: word,
});
const head = { id: '0123456789abcdef', after: '-', modseq: 7, uidNext: 9 };
const at = { validity: 1_763_816_113, number: 42 };

test('what is written is read, whatever names and keywords hold', () => {
  fc.assert(
    fc.property(fc.array(row), fc.array(number), (added, cleared) => {
      const commit: CommitFile = {
        kind: 'commit',
        ...head,
        at,
        added,
        changed: added.map(({ uid, letters, keywords }) => ({ uid, letters, keywords })),
        removed: cleared.map((uid) => ({ uid, how: uid % 2 === 0 ? 'made' : 'found' })),
        cleared,
        validity: cleared[0],
      };
      expect(parseFile(encodeFile(commit))).toEqual(commit);
      const start: StartFile = {
        kind: 'snapshot',
        ...head,
        at,
        inodes: '18446744073709551615.2',
        journal: head.id,
        since: 3,
        validity: undefined,
        messages: added.map((each) => ({ ...each, modseq: 5 })),
        expunged: cleared.map((uid) => ({ uid, modseq: uid, emailId: `e${uid}` })),
        uncleared: new Map(added.map(({ uid, base }) => [uid, base])),
      };
      expect(parseFile(encodeFile(start))).toEqual(start);
    }),
    { numRuns: 100 },
  );
});

test('a file that is not whole, or has another octet anywhere, says nothing', () => {
  const added = [{ uid: 1, letters: 'S', keywords: ['a,b', '-'], base: 'key,S=1,W=2' }];
  const rows = { changed: [], removed: [], cleared: [], validity: undefined };
  const whole = encodeFile({ kind: 'commit', ...head, at, added, ...rows });
  expect(parseFile(whole)).toBeDefined();
  for (let length = 0; length < whole.length; length++) {
    expect(parseFile(whole.subarray(0, length))).toBeUndefined();
    const changed = Buffer.from(whole);
    changed[length] = (changed[length] ?? 0) ^ 0x01;
    const id = whole.indexOf(head.id);
    const isId = length >= id && length < id + head.id.length;
    if (!isId) expect(parseFile(changed)).toBeUndefined();
  }
  expect(parseFile(Buffer.concat([whole, Buffer.from('x')]))).toBeUndefined();
});
