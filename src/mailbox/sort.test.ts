import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHead } from '../message/mime/parse.ts';
import { fold } from './search-fold.ts';
import { baseSubject } from './sort-subject.ts';
import { SORT_KEYS, sortedUids, sortNeeds, type SortRow } from './sort.ts';
import { threadsByReferences, threadsBySubject, type Thread } from './thread.ts';

const head = (text: string): SortRow['head'] =>
  parseHead(Buffer.from(`${text}\n\n`), 'every-lf', 'all');

const row = (uid: number, text: string, more: Partial<SortRow> = {}): SortRow => ({
  uid,
  date: uid * 1000,
  octets: 100,
  head: head(text),
  ...more,
});

test.each([
  ['Hello', 'Hello', false],
  ['Re: Hello', 'Hello', true],
  ['RE : hello  world', 'hello world', true],
  ['Fwd: Re: fw: Hello (fwd)', 'Hello', true],
  ['Hello (fwd) (FWD) ', 'Hello', true],
  ['[list] Hello', 'Hello', false],
  ['[list] Re: [list] Hello', 'Hello', true],
  ['Re [5]: Hello', 'Hello', true],
  ['Re: [one] [two] Hello', 'Hello', true],
  ['[one] [two]', '[two]', false],
  ['[only]', '[only]', false],
  ['[fwd: Hello]', 'Hello', true],
  ['[Fwd: Re: Hello (fwd)]', 'Hello', true],
  ['Re:', '', true],
  ['', '', false],
  ['Reason: none', 'Reason: none', false],
  ['=?utf-8?Q?Re=3A_Gr=C3=BC=C3=9Fe?=', 'Gr\u00fc\u00dfe', true],
])('RFC 5256 \u00a72.1: the base of %j is %j', (subject, text, isReply) => {
  expect(baseSubject(subject)).toEqual({ text, isReply });
});

test('a base subject has no base but itself, whatever a stranger writes, and soon', () => {
  const parts = fc.constantFrom('Re:', 'fwd:', ' ', '[', ']', '[a]', '(fwd)', '[fwd:', 'x', '\t');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 400 }), (pieces) => {
      const { text } = baseSubject(pieces.join(''));
      expect(baseSubject(text).text).toBe(text);
    }),
    { numRuns: 300 },
  );
});

test('RFC 5256 \u00a72.2, RFC 5957: sorts by every key, both ways; UIDs decide what is equal', async () => {
  const rows = [
    row(1, 'From: Zoe <b@x>\nTo: a@x\nSubject: Re: bee\nDate: 22 Nov 2026 10:00 +0100', {
      octets: 5,
    }),
    row(2, 'From: "=?utf-8?Q?=C3=84?=" <c@x>\nTo: C@x\nSubject: Ant\nDate: 22 Nov 2026 09:30 Z', {
      octets: 3,
    }),
    row(3, 'From: a@x\nCc: q@x\nSubject: bee\nDate: none', { octets: 9, date: 5 }),
  ];
  const by = (key: (typeof SORT_KEYS)[number], order: 'forward' | 'reverse' = 'forward') =>
    sortedUids(rows, [{ key, order }]);
  expect(await by('arrival')).toEqual([3, 1, 2]);
  expect(await by('date')).toEqual([3, 1, 2]);
  expect(await by('date', 'reverse')).toEqual([2, 1, 3]);
  expect(await by('from')).toEqual([3, 1, 2]);
  expect(await by('displayfrom')).toEqual([3, 1, 2]);
  expect(await by('displayto')).toEqual([3, 1, 2]);
  expect(await by('to')).toEqual([3, 1, 2]);
  expect(await by('cc')).toEqual([1, 2, 3]);
  expect(await by('size')).toEqual([2, 1, 3]);
  expect(await by('subject')).toEqual([2, 1, 3]);
  expect(await by('subject', 'reverse')).toEqual([1, 3, 2]);
  const both = await sortedUids(rows, [
    { key: 'subject', order: 'reverse' },
    { key: 'size', order: 'reverse' },
  ]);
  expect(both).toEqual([3, 1, 2]);
  expect(sortNeeds([{ key: 'size', order: 'forward' }])).toEqual({ head: false, octets: true });
});

test('texts are compared without case and without forms of compatibility', () => {
  expect(fold('Stra\u00dfe \u03c3\u03c2')).toBe(fold('STRASSE \u03a3\u03a3'));
  expect(fold('\ufb01n')).toBe('FIN');
  expect(fold('gru\u0308n')).toBe(fold('GR\u00dcN'));
  expect(fold('gr\u00fcn')).not.toContain(fold('gru'));
});

/** As IMAP shows it. */
const shown = (threads: readonly Thread[]): string =>
  threads.map(({ uid, children }) => `(${uid ?? ''}${shown(children)})`).join('');

const mail = (uid: number, subject: string, id: string, references = ''): SortRow =>
  row(uid, `Subject: ${subject}\nMessage-ID: <${id}@x>\nReferences: ${references}`);

test('RFC 5256 \u00a73: threads by subject have the oldest first and all others below it', async () => {
  const rows = [mail(1, 'b', '1'), mail(2, 'a', '2'), mail(3, 'Re: b', '3'), mail(4, 're: B', '4')];
  expect(shown(await threadsBySubject(rows))).toBe('(1(3)(4))(2)');
});

test.each<[string, SortRow[], string]>([
  [
    'a chain',
    [mail(1, 'a', '1'), mail(2, 'b', '2', '<1@x>'), mail(3, 'c', '3', '<1@x> <2@x>')],
    '(1(2(3)))',
  ],
  [
    'answers before questions',
    [mail(1, 'c', '3', '<1@x> <2@x>'), mail(2, 'b', '2', '<1@x>'), mail(3, 'a', '1')],
    '(3(2(1)))',
  ],
  ['a missing message between', [mail(1, 'a', '1'), mail(2, 'b', '2', '<1@x> <gone@x>')], '(1(2))'],
  [
    'a missing first with two answers',
    [mail(1, 'a', '1', '<0@x>'), mail(2, 'b', '2', '<0@x>')],
    '((1)(2))',
  ],
  ['a missing first with one answer', [mail(1, 'a', '1', '<0@x>'), mail(2, 'b', '2')], '(1)(2)'],
  ['a circle', [mail(1, 'a', '1', '<2@x>'), mail(2, 'b', '2', '<1@x>')], '(2(1))'],
  ['itself', [mail(1, 'a', '1', '<1@x>')], '(1)'],
  ['one id twice', [mail(1, 'a', '1'), mail(2, 'b', '1'), mail(3, 'c', '3', '<1@x>')], '(1(3))(2)'],
  ['the same subject, an answer', [mail(1, 'a', '1'), mail(2, 'Re: a', '2')], '(1(2))'],
  ['the same subject, no answer', [mail(1, 'a', '1'), mail(2, 'a', '2')], '((1)(2))'],
  ['an answer that came first', [mail(1, 'Re: a', '1'), mail(2, 'a', '2')], '(2(1))'],
  ['three of a subject', [mail(1, 'a', '1'), mail(2, 'a', '2'), mail(3, 'a', '3')], '((1)(2)(3))'],
  ['no subject is not the same', [mail(1, '', '1'), mail(2, '', '2')], '(1)(2)'],
])('RFC 5256 \u00a73: threads by references: %s', async (_, rows, threads) => {
  expect(shown(await threadsByReferences(rows))).toBe(threads);
});

test('every message is in one thread once, whatever they refer to; deep threads too', async () => {
  const id = fc.integer({ min: 0, max: 8 });
  const rows = fc.array(fc.record({ id, references: fc.array(id, { maxLength: 4 }), subject: id }));
  await fc.assert(
    fc.asyncProperty(rows, async (given) => {
      const all = given.map((one, at) => {
        const references = one.references.map((each) => `<${each}@x>`).join(' ');
        return mail(
          at + 1,
          `${one.subject % 2 ? 're: ' : ''}s${one.subject}`,
          `${one.id}`,
          references,
        );
      });
      expect(uidsOf(await threadsByReferences(all)).sort((a, b) => a - b)).toEqual(
        all.map(({ uid }) => uid),
      );
    }),
  );
  const deep = Array.from({ length: 20_000 }, (_, at) =>
    mail(at + 1, `s${at}`, `${at}`, `<${at - 1}@x>`),
  );
  expect(uidsOf(await threadsByReferences(deep))).toHaveLength(20_000);
});

function uidsOf(threads: readonly Thread[]): number[] {
  const found: number[] = [];
  const open = [...threads];
  for (let at = open.pop(); at; at = open.pop()) {
    if (at.uid === undefined) expect(at.children.length).toBeGreaterThan(1);
    else found.push(at.uid);
    open.push(...at.children);
  }
  return found;
}
