import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryAccount } from './memory.ts';
import { userFilter, UserFilterError, USER_FILTER_LENGTH_MAX } from './user-filter.ts';

const alice = memoryAccount({
  login: 'alice@example.test',
  addresses: ['al@example.test', 'a*(b)\\@example.test'],
  uid: 2005,
  site: 'north',
  quotaBytes: 1000,
  suspended: ['pop3'],
  forwards: ['a@else.test'],
});

const TABLE: readonly [filter: string, selected: boolean][] = [
  ['(mwSite=north)', true],
  ['(MWSITE=NORTH)', true],
  ['(mwSite=south)', false],
  ['(objectClass=mwUser)', true],
  ['(cn=alice*)', true],
  ['(cn=*@example.test)', true],
  ['(cn=bob*)', false],
  ['(mailAlias=al@example.test)', true],
  ['(mailAlias=alice@example.test)', false],
  ['(mailAlias=a\\2a\\28b\\29\\5c@example.test)', true],
  ['(uid>=2000)', true],
  ['(uid<=2000)', false],
  ['(mwQuota=*)', true],
  ['(mwVolume=*)', false],
  ['(!(mwSuspended=mail))', true],
  ['(&(mwSite=north)(|(uid=1)(uid=2005)))', true],
  ['(&(mwSite=north)(mailForward=*)(!(mwForwardKeep=TRUE)))', true],
  ['(userPassword=*)', false],
  ['(unknownAttribute=x)', false],
];
test.each(TABLE)('%s', (filter, selected) => {
  expect(userFilter(filter)(alice)).toBe(selected);
});

test('what is no filter is refused, and no text breaks it', () => {
  const long = `(cn=${'x'.repeat(USER_FILTER_LENGTH_MAX)})`;
  for (const bad of ['', 'x', '(', '(cn=a', '(cn:dn:=a)', '()', '(=a)', long]) {
    expect(() => userFilter(bad), bad).toThrow(UserFilterError);
  }
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[()&|!=*~<>:a-c\\\d]*$/),
  );
  fc.assert(
    fc.property(text, (filter) => {
      try {
        expect([true, false]).toContain(userFilter(filter)(alice));
      } catch (error) {
        expect(error).toBeInstanceOf(UserFilterError);
      }
    }),
  );
});
