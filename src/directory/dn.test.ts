import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DnError, dnKey, escapeDnValue, formatDn, nameDn, parseDn } from './dn.ts';

const CASES: readonly [text: string, names: readonly (readonly [string, string])[]][] = [
  ['', []],
  [
    'cn=a,dc=x',
    [
      ['cn', 'a'],
      ['dc', 'x'],
    ],
  ],
  [
    'CN = Steve Kille , DC= x',
    [
      ['CN', 'Steve Kille'],
      ['DC', 'x'],
    ],
  ],
  [
    'cn=a\\,b,dc=x',
    [
      ['cn', 'a,b'],
      ['dc', 'x'],
    ],
  ],
  ['cn=Lu\\C4\\8Di\\C4\\87', [['cn', 'Lučić']]],
  [
    'cn=Before\\0DAfter,dc=x',
    [
      ['cn', 'Before\rAfter'],
      ['dc', 'x'],
    ],
  ],
  [
    'cn=a\\20,dc=x',
    [
      ['cn', 'a '],
      ['dc', 'x'],
    ],
  ],
  ['cn=\\ a \\ ', [['cn', ' a  ']]],
  ['cn=\\#a\\+b', [['cn', '#a+b']]],
  [
    'cn=😀@x,dc=x',
    [
      ['cn', '😀@x'],
      ['dc', 'x'],
    ],
  ],
  ['cn=a=b', [['cn', 'a=b']]],
  ['1.2.3=a', [['1.2.3', 'a']]],
];

for (const [text, names] of CASES) {
  test(`a DN is read: ${JSON.stringify(text)} (RFC 4514 §4)`, () => {
    expect(parseDn(text).flat()).toEqual(names);
  });
}

test('what is no DN is refused', () => {
  const wrong = [
    'x',
    'cn',
    '=a',
    'cn=',
    'cn=a,',
    ',cn=a',
    'cn="a"',
    'cn=a\\',
    'cn=a\\zz',
    'cn=#0401',
    'cn=\\ff',
    'a b=c',
    'cn=a\0',
    'cn=<',
    `cn=${'x'.repeat(5_000)}`,
    'cn=a,'.repeat(20) + 'cn=b',
  ];
  for (const text of wrong) expect(() => parseDn(text), text.slice(0, 40)).toThrow(DnError);
});

test('a value comes back from its DN whatever it is, and lies in one name', () => {
  const value = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
    .filter((v) => v.isWellFormed());
  const special = fc.string({
    unit: fc.constantFrom(' ', ',', '+', '=', '\\', '"', '<', '>', ';', '#', '\0', '\n', '@', 'a'),
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.oneof(value, special), (given) => {
      const dn = nameDn('cn', given, 'ou=users,dc=x');
      expect(parseDn(dn)[0]).toEqual([['cn', given]]);
      expect(parseDn(dn)).toHaveLength(3);
      expect(parseDn(formatDn(parseDn(dn)))).toEqual(parseDn(dn));
      expect(dnKey(parseDn(dn)).endsWith(',ou=users,dc=x')).toBe(true);
      expect(escapeDnValue(given)).not.toContain('\0');
    }),
    { seed: 1, numRuns: 1_000 },
  );
});

test('two spellings have one key, two names have two', () => {
  const key = (text: string): string => dnKey(parseDn(text));
  expect(key('CN=Alice@X.test, OU=Users , dc=mailfarm')).toBe(
    key('cn=alice@x.TEST,ou=users,DC=mailfarm'),
  );
  expect(key('cn=a+uid=01,dc=x')).toBe(key('uid=1+cn=A,dc=x'));
  expect(key('cn=x\\,dc=y')).not.toBe(key('cn=x,dc=y'));
  expect(key('cn=a\\,ou=users,dc=x').endsWith(',ou=users,dc=x')).toBe(false);
});
