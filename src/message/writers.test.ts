import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quotedPrintable, textPart } from './body.ts';
import { decodeWords, encodeWords } from './encoded-word.ts';
import {
  addressField,
  headerAddress,
  structured,
  subjectText,
  threadFields,
  unstructured,
} from './field.ts';
import { asciiOnly, hostText, plainText } from './plain.ts';
import { HOSTILE } from './testing.ts';

const hostile = fc.array(fc.constantFrom(...HOSTILE), { maxLength: 12 }).map((p) => p.join(''));
const anyText = fc.oneof(hostile, fc.string({ unit: 'binary' }));

test.each([
  ['=?utf-8?q?Gr=C3=BC=C3=9Fe?=', 'Gr\u00fc\u00dfe'],
  ['=?UTF-8?B?R3LDvMOfZQ==?= now', 'Gr\u00fc\u00dfe now'],
  ['=?iso-8859-1?Q?a_b?=', 'a b'],
  ['=?iso-8859-1*en?q?a?= =?us-ascii?q?b?=', 'ab'],
  ['=?utf-8?b?w7?= =?utf-8?b?w?=', '\ufffd'],
  ['=?utf-8?q?=C3?= =?utf-8?q?=BC?=', '\u00fc'], // One character over two words.
  ['=?utf-8?q?=C3=?=', '=?utf-8?q?=C3=?='],
  ['=?no-such?q?a?=', '=?no-such?q?a?='],
  ['=?utf-8?x?a?=', '=?utf-8?x?a?='],
  ['=?utf-8?q?a?= x =?utf-8?q?b?=', 'a x b'],
  ['=?utf-8?q?a?==?utf-8?q?b?=', 'ab'],
  ['a=?utf-8?q?b?=c', 'abc'],
  ['=?gb2312?B?1tDOxA==?=', '\u4e2d\u6587'],
])('encoded words: %s', (text, decoded) => expect(decodeWords(text)).toBe(decoded));

test('what we encode is decoded to the same, in words of at most 75 characters (RFC 2047 §2)', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const words = encodeWords(text);
      for (const word of words) expect(word).toMatch(/^=\?UTF-8\?[BQ]\?[!->@-~]+\?=$/);
      for (const word of words) expect(word.length).toBeLessThanOrEqual(75);
      // A word without its neighbours reads too: no character is split.
      expect(words.map(decodeWords).join('')).toBe(text.toWellFormed());
      expect(decodeWords(words.join(' '))).toBe(text.toWellFormed());
    }),
    { numRuns: 1000 },
  );
});

test('[P-08] a subject of a stranger comes out as one line that acts on nothing', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const subject = subjectText(text);
      expect(subject).not.toMatch(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
      expect(Array.from(subject).length).toBeLessThanOrEqual(200);
    }),
    { numRuns: 1000 },
  );
  expect(subjectText('=?utf-8?q?a=0D=0ABcc:_b?=')).toBe('a Bcc: b');
});

/** A header as a plain reader takes it. */
const unfolded = (field: string): string => field.replace(/\n(?=[ \t])/g, '').replace(/\n$/, '');

test('a field is one field whatever its text, and reads back', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const field = unstructured('Subject', text);
      expect(field).toMatch(/^Subject: ?[ -~]*(\n [ -~]+)*\n$/);
      expect(Math.max(...field.split('\n').map((line) => line.length))).toBeLessThanOrEqual(300);
      const read = decodeWords(unfolded(field).slice('Subject:'.length)).trim();
      expect(read.replace(/ +/g, ' ')).toBe(plainText(text, 1000));
    }),
    { numRuns: 1000 },
  );
});

test('lines of encoded words keep to 76 characters, others to 78 where words allow', () => {
  const lines = (field: string): number[] => field.split('\n').map((line) => line.length);
  const words = unstructured('Subject', '\u4fe1'.repeat(200));
  expect(Math.max(...lines(words))).toBeLessThanOrEqual(76 + 'Subject:'.length);
  expect(Math.max(...lines(unstructured('Subject', 'word '.repeat(150))))).toBeLessThanOrEqual(78);
  expect(structured('References', ['<a@b>', '<c@d>'])).toBe('References: <a@b> <c@d>\n');
});

test.each([
  ['bob@example.net', 'bob@example.net'],
  ['"a b"@example.net', '"a b"@example.net'],
  ['a..b@example.net', '"a..b"@example.net'],
  ['a@[192.0.2.1]', 'a@[192.0.2.1]'],
  ['j\u00f6rg@b\u00fccher.test', 'j\u00f6rg@b\u00fccher.test'],
  ['a b@example.net', '"a b"@example.net'],
  ['a>b@example.net', undefined],
  ['a\nb@example.net', undefined],
  ['a"b@example.net', undefined],
  ['"a"b"@example.net', undefined],
  ['"a\\"@example.net', undefined],
  ['a@b>, <c@d', undefined],
  ['a@b c', undefined],
  ['a@', undefined],
  ['@b', undefined],
  ['a', undefined],
  ['', undefined],
  ['\u202ea@b', undefined],
  [`${'x'.repeat(600)}@b`, undefined],
])('address in a header: %j', (address, written) => expect(headerAddress(address)).toBe(written));

test('an address that no header can hold leaves the field without one', () => {
  expect(addressField('To', { address: 'a\r\nBcc: b@c' })).toBe('To: undisclosed-recipients:;\n');
  expect(addressField('To', { name: 'B, "b"', address: 'b@c' })).toBe('To: "B, \\"b\\"" <b@c>\n');
});

test('threads: the newest ids and the first, and nothing that is no id', () => {
  const ids = Array.from({ length: 50 }, (_, i) => `<${i}@x>`);
  const fields = threadFields({ messageId: '<me@x>', references: ids.join('\n') });
  const references = unfolded(fields.slice(fields.indexOf('References')))
    .split(' ')
    .slice(1);
  expect(references).toEqual(['<0@x>', ...ids.slice(31), '<me@x>']);
  expect(threadFields({ messageId: 'none', references: '<a@b>' })).toBe('');
  const odd = threadFields({ messageId: ' <1@x>\n', references: '<a b@c> <\u00e4@x> <2@x' });
  expect(odd).toBe('In-Reply-To: <1@x>\nReferences: <1@x>\n');
  expect(threadFields({ messageId: '<2@x>', inReplyTo: '<1@x>' })).toContain(': <1@x> <2@x>\n');
});

/** RFC 2045 §6.7, read plainly. */
const unquoted = (text: string): Buffer =>
  Buffer.from(
    text
      .replace(/=\n/g, '')
      .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );

test('quoted-printable keeps every octet, in lines of 76, with nothing that a mailer changes', () => {
  const octets = fc
    .array(
      fc.constantFrom('\n', ' ', '\t', '.', 'From ', '=', '\0', '\r', 'a', '\xff', 'x'.repeat(75)),
    )
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));
  fc.assert(
    fc.property(octets, (bytes) => {
      const text = quotedPrintable(bytes);
      expect(unquoted(text)).toEqual(bytes);
      expect(text).toMatch(/^[\n\t -~]*$/);
      for (const line of text.split('\n')) {
        expect(line.length).toBeLessThanOrEqual(76);
        expect(line).not.toMatch(/^\.|^From |[ \t]$/);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a text part is as it is where that is safe', () => {
  expect(textPart('a\nb').body).toBe('a\nb\n');
  expect(textPart('a\nb').fields).toContain('7bit');
  for (const text of ['\u00e4', 'x'.repeat(80), 'From x', '\x1b']) {
    expect(textPart(text).fields).toContain('quoted-printable');
  }
});

test.each([
  ['mx1.example.net', 'mx1.example.net'],
  ['[2001:db8::1]', '[2001:db8::1]'],
  ['b\u00fccher.test', 'b\u00fccher.test'],
  ['visit example.org now', ''],
  ['a/b', ''],
  ['a\r\nb', ''],
])('name of a host: %j', (name, shown) => expect(hostText(name)).toBe(shown));

test('text for people is cut by characters, and text that is all of it stays', () => {
  expect(plainText('\u{1f4e7}'.repeat(5), 5)).toBe('\u{1f4e7}'.repeat(5));
  expect(plainText('\u{1f4e7}'.repeat(6), 5)).toBe(`${'\u{1f4e7}'.repeat(4)}\u2026`);
  expect(plainText('x'.repeat(10_000_000), 5)).toBe('xxxx\u2026');
  expect(plainText('a\x1b[31m\x00\u009b\r\n\u202eb\u200bc', 99)).toBe('a [31m bc');
  expect(asciiOnly('\u00e4\u{1f4e7}\n')).toBe('\\x{E4}\\x{1F4E7}\\x{0A}');
});
