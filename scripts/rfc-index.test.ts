import { expect, test } from 'vitest';

import { plant } from './planted.ts';
import { checkRfcs, citations } from './rfc-index.ts';
import { show } from './tree.ts';

const HEAD = 'rfc\tsupport\ttitle\tnote\n';
const SMTP = '5321\tYes\tSimple Mail Transfer Protocol\t\n';
// In pieces, so that this file cites nothing itself.
const cite = (what: string): string => `// RFC${' '}${what}\n`;

const check = (files: Readonly<Record<string, string>>): string[] =>
  checkRfcs(plant(files)).map(show);

test('citations are found with their sections', () => {
  const found = citations(`a (RFC${' '}5321 §4.1.1.3)\nRFC${' '}3463, RFC${' '}9051 §A\n`);
  expect(found).toEqual([
    { rfc: '5321', section: '4.1.1.3', line: 1 },
    { rfc: '3463', section: undefined, line: 2 },
    { rfc: '9051', section: 'A', line: 2 },
  ]);
});

test('a list that says what is tested passes', () => {
  const files = { 'src/rfc.tsv': HEAD + SMTP, 'src/mx/a.test.ts': cite('5321 §2.1') };
  expect(check(files)).toEqual([]);
});

test('a cited RFC that the list has not is found', () => {
  const found = check({ 'src/rfc.tsv': HEAD, 'src/mx/a.ts': cite('5321 §2.1') });
  expect(found).toEqual(['src/mx/a.ts:1: RFC 5321 is not in src/rfc.tsv']);
});

test('a Yes that no test cites is found, and code is no test', () => {
  const found = check({ 'src/rfc.tsv': HEAD + SMTP, 'src/mx/a.ts': cite('5321') });
  expect(found).toEqual(['src/rfc.tsv:2: RFC 5321 says Yes and no test cites it']);
});

test('a citation that nobody would find is found', () => {
  const ways = [`RFC${'5321'}`, `RFC-${'5321'}`, `RFC${' '}5321 section 4`];
  for (const way of ways) {
    const found = check({
      'src/rfc.tsv': HEAD + SMTP,
      'src/mx/a.test.ts': `${cite('5321')}// ${way}\n`,
    });
    expect(found).toEqual(['src/mx/a.test.ts:2: cite it as RFC, blank, number, blank, §section']);
  }
});

test('mistakes in the list are found', () => {
  expect(check({})).toEqual(['src/rfc.tsv:1: is missing']);
  const text = 'rfc\n5321\tPerhaps\t\tx\n821\tNo\tSimple Mail Transfer Protocol\t\nx\tNo\tX\tx\n';
  expect(check({ 'src/rfc.tsv': text })).toEqual([
    "src/rfc.tsv:2: support is 'Perhaps'",
    'src/rfc.tsv:2: the title is missing',
    'src/rfc.tsv:3: a No row says in its note what is missing',
    "src/rfc.tsv:4: 'x' is no RFC number",
    'src/rfc.tsv:1: the first line is rfc\tsupport\ttitle\tnote',
    'src/rfc.tsv:3: rows are in the order of their numbers',
  ]);
});
