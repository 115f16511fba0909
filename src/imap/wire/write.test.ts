import { expect, test } from 'vitest';
import type { Envelope, MailAddress, MimePart } from '../../message/mime/types.ts';
import { flagList, flagsText } from './flags.ts';
import { FieldPicker } from './header-fields.ts';
import { writeDateTime } from './write-date.ts';
import { EMPTY_ENVELOPE, writeEnvelope } from './write-envelope.ts';
import { writeEsearch, writeSearch } from './write-search.ts';
import { writeStructure } from './write-structure.ts';
import { textOrNil, textString } from './write-text.ts';
import { type ThreadNode, writeThreads } from './write-thread.ts';

const NOBODY = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] } as const;
const EMPTY: Envelope = {
  date: undefined,
  subject: undefined,
  ...NOBODY,
  inReplyTo: undefined,
  messageId: undefined,
};
const alice: MailAddress = { name: 'Alice "A" B', local: 'alice', domain: 'farm.test' };
const bob: MailAddress = { name: undefined, local: 'bob', domain: '' };

test.each([
  ['[P-03] all NIL', EMPTY, EMPTY_ENVELOPE],
  [
    '[P-03] From stands for Sender and Reply-To (RFC 9051 §7.5.2)',
    { ...EMPTY, subject: 'Hi', from: [alice], to: [bob, alice] },
    '(NIL "Hi" ((#)) ((#)) ((#)) ((NIL NIL "bob" "")(#)) NIL NIL NIL NIL)'.replaceAll(
      '(#)',
      String.raw`("Alice \"A\" B" NIL "alice" "farm.test")`,
    ),
  ],
  [
    '[P-03] both ends of a group (RFC 9051 §7.5.2)',
    {
      ...EMPTY,
      cc: [
        { name: undefined, local: 'team', domain: undefined },
        { name: undefined, local: undefined, domain: undefined },
      ],
    },
    '(NIL NIL NIL NIL NIL NIL ((NIL NIL "team" NIL)(NIL NIL NIL NIL)) NIL NIL NIL)',
  ],
  [
    '[P-03] what breaks a line or is not ASCII is a literal, NUL is left out (RFC 9051 §4.3)',
    { ...EMPTY, date: 'a\r\nb', subject: 'Gr\u00fc\u00dfe', messageId: '<\0>' },
    '({4}\r\na\r\nb {7}\r\nGr\u00c3\u00bc\u00c3\u009fe NIL NIL NIL NIL NIL NIL NIL "<>")',
  ],
])('ENVELOPE: %s', (_name, envelope, text) => {
  expect(writeEnvelope(envelope)).toBe(text);
});

const part = (over: Partial<MimePart>): MimePart => ({
  type: 'text',
  subtype: 'plain',
  parameters: [],
  id: undefined,
  description: undefined,
  encoding: '7bit',
  md5: undefined,
  disposition: undefined,
  languages: [],
  location: undefined,
  header: { offset: 0, end: 0, wireOctets: 0 },
  body: { offset: 0, end: 90, wireOctets: 100 },
  lines: 10,
  parts: [],
  message: undefined,
  ...over,
});
const rich = part({
  parameters: [
    ['charset', 'utf-8'],
    ['name', 'gr\u00fcn'],
  ],
  id: '<1@x>',
  description: 'd',
  encoding: 'base64',
  md5: 'm',
  disposition: { value: 'attachment', parameters: [['filename', 'a "b"']] },
  languages: ['de', 'en'],
  location: 'http://x',
});
const TEXT = '("text" "plain" NIL NIL NIL "7bit" 100 10)';
const NESTED = part({
  type: 'message',
  subtype: 'rfc822',
  message: { envelope: EMPTY, part: part({}) },
});
const EMPTY_PART = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)';

test.each([
  ['text', part({}), 'BODY', TEXT],
  [
    'a type like any has no lines',
    part({ type: 'image' }),
    'BODY',
    TEXT.replace('text', 'image').replace(' 10)', ')'),
  ],
  ['extension data', part({}), 'BODYSTRUCTURE', TEXT.replace(/\)$/, ' NIL NIL NIL NIL)')],
  [
    'a parameter that is not ASCII in the form of RFC 2231 §4',
    rich,
    'BODYSTRUCTURE',
    `("text" "plain" ("charset" "utf-8" "name*" "utf-8''gr%C3%BCn") "<1@x>" "d" "base64" 100 10 "m" ` +
      String.raw`("attachment" ("filename" "a \"b\"")) ("de" "en") "http://x")`,
  ],
  [
    'multipart',
    part({
      type: 'multipart',
      subtype: 'mixed',
      parts: [part({}), part({})],
      parameters: [['boundary', 'x']],
    }),
    'BODYSTRUCTURE',
    `(${TEXT.replace(/\)$/, ' NIL NIL NIL NIL)').repeat(2)} "mixed" ("boundary" "x") NIL NIL NIL)`,
  ],
  [
    'multipart in BODY',
    part({ type: 'multipart', subtype: 'mixed', parts: [part({})] }),
    'BODY',
    `(${TEXT} "mixed")`,
  ],
  [
    'a multipart without parts shows one, as the grammar wants (RFC 9051 §9)',
    part({ type: 'multipart', subtype: 'mixed' }),
    'BODY',
    `(${EMPTY_PART} "mixed")`,
  ],
  [
    'a message in a message',
    NESTED,
    'BODY',
    `("message" "rfc822" NIL NIL NIL "7bit" 100 ${EMPTY_ENVELOPE} ${TEXT} 10)`,
  ],
  [
    'one that was not looked into',
    part({ type: 'message', subtype: 'rfc822' }),
    'BODY',
    `("message" "rfc822" NIL NIL NIL "7bit" 100 ${EMPTY_ENVELOPE} ${EMPTY_PART} 10)`,
  ],
  [
    'message/global is a type like any before IMAP4rev2',
    { ...NESTED, subtype: 'global' },
    'BODY',
    '("message" "global" NIL NIL NIL "7bit" 100)',
  ],
] as const)('[P-03] BODYSTRUCTURE (RFC 9051 §7.5.2): %s', (_name, structure, item, text) => {
  expect(writeStructure(structure, { item, utf8: false })).toBe(text);
});

test('[P-03] after ENABLE IMAP4rev2 parameters go decoded, message/global is looked into (RFC 9051 §7.5.2)', () => {
  const form = { item: 'BODY', utf8: true } as const;
  expect(writeStructure(rich, form)).toContain('"name" {5}\r\ngr\u00c3\u00bcn');
  expect(writeStructure({ ...NESTED, subtype: 'global' }, form)).toContain(EMPTY_ENVELOPE);
});

test.each([
  ['', '""'],
  ['a b', '"a b"'],
  [String.raw`\ and "`, String.raw`"\\ and \""`],
  ['x'.repeat(1025), `{1025}\r\n${'x'.repeat(1025)}`],
  ['\u20ac', '{3}\r\n\u00e2\u0082\u00ac'],
])('[P-03] a string %j (RFC 9051 §4.3)', (text, octets) => {
  expect(textString(text)).toBe(octets);
  expect(textOrNil(text)).toBe(octets);
});

test.each([
  [0, '" 1-Jan-1970 00:00:00 +0000"'],
  [837_596_665_999, '"17-Jul-1996 09:44:25 +0000"'],
  [951_782_399_000, '"28-Feb-2000 23:59:59 +0000"'],
  [951_782_400_000, '"29-Feb-2000 00:00:00 +0000"'],
  [-1000, '"31-Dec-1969 23:59:59 +0000"'],
])('[P-03] INTERNALDATE of %d (RFC 9051 §9 date-time)', (ms, text) => {
  expect(writeDateTime(ms)).toBe(text);
});

const all = (
  ...items: ('MIN' | 'MAX' | 'COUNT' | 'ALL' | 'SAVE')[]
): Set<'MIN' | 'MAX' | 'COUNT' | 'ALL' | 'SAVE'> => new Set(items);
const found = { tag: 'a1', uid: 'uid', numbers: [2, 3, 4, 9], modseq: undefined } as const;

test.each([
  ['all there is', all('ALL'), found, 'UID ALL 2:4,9'],
  ['by numbers', all('COUNT'), { ...found, uid: 'sequence' }, 'COUNT 4'],
  ['ends', all('MIN', 'MAX'), found, 'UID MIN 2 MAX 9'],
  ['nothing found says only that', all('MIN', 'ALL'), { ...found, numbers: [] }, 'UID'],
  ['nothing found, counted', all('COUNT'), { ...found, numbers: [] }, 'UID COUNT 0'],
  ['with MODSEQ (RFC 7162 §3.1.10)', all('ALL'), { ...found, modseq: 7 }, 'UID ALL 2:4,9 MODSEQ 7'],
  [
    'a sort keeps its order (RFC 5267 §3.2)',
    all('MIN', 'ALL'),
    { ...found, numbers: [9, 2, 3] },
    'UID MIN 9 ALL 9,2:3',
  ],
] as const)('[P-03] ESEARCH (RFC 9051 §7.3.4): %s', (_name, items, result, text) => {
  expect(writeEsearch(items, result)).toBe(`* ESEARCH (TAG "a1") ${text}\r\n`);
});

test.each([
  [found, '* SEARCH 2 3 4 9\r\n'],
  [{ ...found, numbers: [] }, '* SEARCH\r\n'],
  [{ ...found, modseq: 12 }, '* SEARCH 2 3 4 9 (MODSEQ 12)\r\n'],
] as const)('[P-03] SEARCH %# (RFC 3501 §7.2.5, RFC 7162 §3.1.5)', (result, text) => {
  expect(writeSearch('SEARCH', result)).toBe(text);
});

const node = (uid: number | undefined, ...children: ThreadNode[]): ThreadNode => ({
  uid,
  children,
});

test.each([
  [[], ''],
  [[node(2)], ' (2)'],
  [
    [node(2), node(3, node(6, node(4, node(23)), node(44, node(7, node(96)))))],
    ' (2)(3 6 (4 23)(44 7 96))',
  ],
  [[node(undefined, node(3), node(5))], ' ((3)(5))'],
  [[node(1, node(99, node(2)))], ' (1 2)'],
  [[node(99)], ''],
])('[P-03] THREAD %# (RFC 5256 §4)', (threads, text) => {
  const numberOf = (uid: number): number => (uid === 99 ? 0 : uid);
  expect(writeThreads(threads, numberOf)).toBe(`* THREAD${text}\r\n`);
});

test('[P-03] 200,000 answers to one message (RFC 5256 §4)', () => {
  const answers = Array.from({ length: 200_000 }, (_, at) => node(at + 2));
  expect(writeThreads([node(1, ...answers.slice(0, 2))], (uid) => uid)).toBe(
    '* THREAD (1 (2)(3))\r\n',
  );
  expect(writeThreads([{ uid: 1, children: answers }], (uid) => uid)).toMatch(/\(200001\)\)\r\n$/);
});

test('[P-03] a thread as deep as a folder is long does not fill the stack (RFC 5256 §4)', () => {
  let deep = node(200_001, node(1), node(2));
  for (let uid = 200_000; uid > 100_000; uid -= 1) deep = node(uid, deep, node(uid - 100_000));
  expect(writeThreads([deep], (uid) => uid)).toContain('(100001 (100002 ');
});

test.each([
  ['', [], ''],
  ['S', [], String.raw`\Seen`],
  ['FRST', ['$Junk', 'x'], String.raw`\Flagged \Answered \Seen \Deleted $Junk x`],
  ['P', ['$forwarded'], '$Forwarded'],
  ['Sab', [], String.raw`\Seen`],
])('[P-03] FLAGS of %s %j (RFC 9051 §2.3.2)', (flags, keywords, text) => {
  expect(flagsText({ flags, keywords }, false)).toBe(text);
  const recent = text === '' ? String.raw`\Recent` : String.raw`${text} \Recent`;
  expect(flagsText({ flags, keywords }, true)).toBe(recent);
});

test('[P-03] flags of a client become letters and keywords, in any case (RFC 9051 §2.3.2)', () => {
  const flags = [
    String.raw`\seen`,
    String.raw`\SEEN`,
    '$FORWARDED',
    'Work',
    'work',
    String.raw`\Recent`,
  ];
  expect(flagList(flags)).toEqual({ letters: 'PS', keywords: ['Work'] });
  expect(() => flagList([String.raw`\Foo`])).toThrow('no such system flag');
  expect(flagList(['k'.repeat(255)]).keywords).toHaveLength(1);
  expect(() => flagList(['k'.repeat(256)])).toThrow('too long');
  const many = Array.from({ length: 101 }, (_, at) => `k${at}`);
  expect(flagList(many.slice(1)).keywords).toHaveLength(100);
  expect(() => flagList(many)).toThrow('too many');
});

const HEADER = 'From: a\r\nTo: b,\r\n c\r\nX-Y : d\r\n broken\r\nfrom: e\r\nno field\r\n\r\n';

test.each([
  [['from'], 'fields', 'From: a\r\nfrom: e\r\n\r\n'],
  [['to', 'x-y'], 'fields', 'To: b,\r\n c\r\nX-Y : d\r\n broken\r\n\r\n'],
  [['to', 'x-y', 'from'], 'fields-not', 'no field\r\n\r\n'],
  [['absent'], 'fields', '\r\n'],
] as const)('[P-03] %j of HEADER.%s (RFC 9051 §6.4.5.1)', (names, which, text) => {
  for (let at = 0; at <= HEADER.length; at += 1) {
    const picker = new FieldPicker(new Set(names), which);
    picker.push(HEADER.slice(0, at));
    picker.push(HEADER.slice(at));
    expect(picker.end()).toBe(text);
    expect(picker.ended).toBe(true);
  }
  // A line that has no end, and a header that ends with it.
  const long = `X: y\r\nTo: ${'z'.repeat(5000)}`;
  const picker = new FieldPicker(new Set(['to']), 'fields');
  for (const piece of long.match(/.{1,700}/gs) ?? []) picker.push(piece);
  expect(picker.end()).toBe(`${long.slice(6)}\r\n`);
});
