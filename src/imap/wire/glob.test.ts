import { expect, test } from 'vitest';
import { matchesGlob } from './glob.ts';

test.for([
  ['*', 'a/b', true],
  ['%', 'a', true],
  ['%', 'a/b', false],
  ['%/%', 'a/b', true],
  ['a%', 'a', true],
  ['a*', 'a', true],
  ['*b', 'a/b', true],
  ['%*', 'a/b', true],
  ['*%', 'a/b', true],
  ['%%', 'a/b', false],
  ['a*%*', 'a', true],
  ['a', 'ab', false],
  ['ab', 'a', false],
  ['', '', true],
  ['', 'a', false],
  ['x*', 'a', false],
  ['a\\b', 'a\\b', true],
  ['*a*a*b', 'aaaa', false],
  ['inb%', 'INBOX', true],
  ['%x', 'INBOX', true],
  ['inbox*', 'INBOX/Below', true],
  ['Inbox/below', 'INBOX/Below', false],
  ['inbox/%', 'INBOX/Below', true],
  ['inb*', 'INBOXES', false],
  ['inb*', 'inboxes', true],
  ['b%', 'B', false],
  ['\u{1F600}', '\u{1F600}', true],
  ['\u{1F600}%', '\u{1F600}x', true],
] as const)('RFC 9051 §6.3.9: "%s" and "%s": %s', ([pattern, name, matches]) => {
  expect(matchesGlob(pattern, name, '/')).toBe(matches);
});

// Its time was the pattern's length squared, and each place came back for every way that led to it.
test('a pattern of wildcards costs no more than one of letters', () => {
  expect(matchesGlob('*'.repeat(1000), 'n'.repeat(250), '/')).toBe(true);
  expect(matchesGlob(`${'*n'.repeat(490)}x`, 'n'.repeat(250), '/')).toBe(false);
  expect(matchesGlob(`${'%*'.repeat(490)}x`, 'n'.repeat(250), '/')).toBe(false);
});
