import { describe, expect, it } from 'vitest';

import { searchOf, type SearchPlace } from './filter.ts';
import { parseQuery } from './parse.ts';

const PLACE: SearchPlace = {
  now: Date.UTC(2026, 10, 22, 12),
  offsetMinutes: -180,
  folder: (name) => ({ inbox: 'f1', 'my letters': 'f2' })[name.toLowerCase()],
  left: ['junk', 'trash'],
};
const ONLY: SearchPlace = { ...PLACE, left: [] };

const filter = (text: string): unknown => searchOf(text, ONLY).filter;

describe('a search', () => {
  const CASES: readonly [text: string, filter: unknown][] = [
    ['', undefined],
    ['   ', undefined],
    ['budget', { text: 'budget' }],
    ['"two  words"', { text: '"two words"' }],
    ['"never closed', { text: '"never closed"' }],
    ['from:bob', { from: 'bob' }],
    ['FROM:bob', { from: 'bob' }],
    ['subject:"a b"', { subject: '"a b"' }],
    ['has:attachment', { hasAttachment: true }],
    ['is:unread', { notKeyword: '$seen' }],
    ['in:"My Letters"', { inMailbox: 'f2' }],
    ['larger:5M', { minSize: 5 * 1024 ** 2 }],
    ['smaller:1.5kb', { maxSize: 1536 }],
    ['before:2026-11-01', { before: '2026-10-31T21:00:00Z' }],
    ['after:2026', { after: '2025-12-31T21:00:00Z' }],
    ['after:1d', { after: '2026-11-20T21:00:00Z' }],
    ['http://x.test/', { text: 'http://x.test/' }],
    ['a-b', { text: 'a-b' }],
    ['-spam', { operator: 'NOT', conditions: [{ text: 'spam' }] }],
    ['-from:bob', { operator: 'NOT', conditions: [{ from: 'bob' }] }],
    ['--', { text: '--' }],
    ['OR', undefined],
    ['OR a', { text: 'a' }],
    ['orange', { text: 'orange' }],
    ['from:', undefined],
    [
      'a b OR c',
      {
        operator: 'OR',
        conditions: [
          { operator: 'AND', conditions: [{ text: 'a' }, { text: 'b' }] },
          { text: 'c' },
        ],
      },
    ],
    [
      'a (b OR c)',
      {
        operator: 'AND',
        conditions: [{ text: 'a' }, { operator: 'OR', conditions: [{ text: 'b' }, { text: 'c' }] }],
      },
    ],
    ['(a', { text: 'a' }],
    ['a)', { text: 'a)' }],
  ];

  it.each(CASES)('%j is a filter of Email/query (RFC 8621 §4.4.1)', (text, expected) => {
    expect(filter(text)).toEqual(expected);
  });

  it('what means nothing is left out and named', () => {
    const search = searchOf('a in:nowhere is:odd before:2026-13-01 larger:x has:wings', ONLY);
    expect(search.filter).toEqual({ text: 'a' });
    expect(search.unclear.map((one) => one.field)).toEqual(['in', 'is', 'before', 'larger', 'has']);
  });

  it('Trash and Junk are looked into only by name', () => {
    expect(searchOf('a', PLACE).filter).toEqual({
      operator: 'AND',
      conditions: [{ text: 'a' }, { inMailboxOtherThan: ['junk', 'trash'] }],
    });
    expect(searchOf('a in:inbox', PLACE).filter).toEqual({
      operator: 'AND',
      conditions: [{ text: 'a' }, { inMailbox: 'f1' }],
    });
  });

  it('brackets without end are no endless recursion', () => {
    expect(() => parseQuery('('.repeat(100_000))).not.toThrow();
    expect(() => parseQuery('-('.repeat(10_000) + 'x')).not.toThrow();
  });
});
