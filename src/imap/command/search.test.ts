import { expect, test } from 'vitest';
import { withServer } from '../testing/server.ts';
import { enter, play, type Step, talk } from '../testing/talk.ts';

const letter = (over: string, body = 'Text'): string => `${over}\n\n${body}\n`;
const THREE = [
  letter(
    'From: Alice <alice@x.test>\nSubject: Apples\nDate: Mon, 2 Feb 2026 10:00:00 +0000\nMessage-ID: <1@x>',
  ),
  letter(
    'From: bob@x.test\nSubject: Re: Apples\nDate: Sun, 1 Feb 2026 10:00:00 +0000\nMessage-ID: <2@x>\nReferences: <1@x>',
    'The pears',
  ),
  letter(
    `From: carol@x.test\nSubject: Zebras\nDate: Tue, 3 Feb 2026 10:00:00 +0000\nMessage-ID: <3@x>`,
    'x'.repeat(500),
  ),
];
const OK = 'a OK SEARCH completed';
const search = (keys: string, found: string): Step => [
  `a SEARCH ${keys}`,
  `* SEARCH${found === '' ? '' : ' '}${found}`,
  OK,
];
const ALL = '1 2 3';
const nested = (depth: number): string => `${'('.repeat(depth)}ALL${')'.repeat(depth)}`;

const KEYS: readonly (readonly [keys: string, found: string])[] = [
  ['ALL', ALL],
  ['all', ALL],
  ['SEEN', '1'],
  ['UNSEEN', '2 3'],
  ['ANSWERED', ''],
  ['UNANSWERED', ALL],
  ['DELETED', ''],
  ['UNDELETED', ALL],
  ['DRAFT', ''],
  ['UNDRAFT', ALL],
  ['FLAGGED', '2'],
  ['UNFLAGGED', '1 3'],
  ['KEYWORD work', '2'],
  ['KEYWORD WORK', '2'],
  ['UNKEYWORD work', '1 3'],
  ['KEYWORD $Forwarded', '3'],
  ['UNKEYWORD $forwarded', '1 2'],
  ['RECENT', ALL],
  ['NEW', '2 3'],
  ['OLD', ''],
  ['FROM alice', '1'],
  ['SUBJECT apples', '1 2'],
  ['TO nobody', ''],
  ['CC nobody', ''],
  ['BCC nobody', ''],
  ['HEADER Message-ID 3@x', '3'],
  ['HEADER References ""', '2'],
  ['BODY pears', '2'],
  ['TEXT "the pears"', '2'],
  ['TEXT zebras', '3'],
  ['LARGER 400', '3'],
  ['SMALLER 400', '1 2'],
  ['SENTBEFORE 2-Feb-2026', '2'],
  ['SENTON 2-Feb-2026', '1'],
  ['SENTSINCE "2-feb-2026"', '1 3'],
  ['BEFORE 1-Jan-2000', ''],
  ['SINCE 1-Jan-2000', ALL],
  ['ON 1-Jan-2000', ''],
  ['YOUNGER 86400', ALL],
  ['OLDER 86400', ''],
  ['2', '2'],
  ['2:*', '2 3'],
  ['*', '3'],
  ['UID 2:9', '2 3'],
  ['UID 9', ''],
  ['UID 9:*', '3'],
  ['1,3 UNSEEN', '3'],
  ['NOT 2', '1 3'],
  ['NOT NOT 2', '2'],
  ['OR SEEN FLAGGED', '1 2'],
  ['OR 1 OR 2 3', ALL],
  ['OR (SEEN FLAGGED) KEYWORD work', '2'],
  ['(OR SEEN FLAGGED) UNSEEN', '2'],
  [`${'OR 1 '.repeat(240)}2`, '1 2'],
  [nested(249), ALL],
  ['CHARSET utf-8 SUBJECT apples', '1 2'],
  ['CHARSET iso-8859-1 SUBJECT apples', '1 2'],
];

test('[P-03] every key of SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032 §3)', async () => {
  const first = [
    'SELECT INBOX',
    String.raw`STORE 1 +FLAGS.SILENT (\Seen)`,
    String.raw`STORE 2 +FLAGS.SILENT (\Flagged work)`,
    'STORE 3 +FLAGS.SILENT ($Forwarded)',
  ];
  await talk({ messages: THREE, first, steps: KEYS.map(([keys, found]) => search(keys, found)) });
});

test('[P-03] what is no SEARCH is BAD; a set of characters nobody knows is NO (RFC 9051 §6.4.4)', async () => {
  const bad = (keys: string, text: string): Step => [`a SEARCH${keys}`, `a BAD ${text}`];
  const steps: Step[] = [
    bad('', 'An argument is missing'),
    bad(' MAGIC x', 'A search key is not known'),
    bad(' SUBJECT', 'An argument is missing'),
    bad(' NOT', 'An argument is missing'),
    bad(' OR SEEN', 'An argument is missing'),
    bad(' (SEEN', ') expected'),
    bad(' SEEN)', 'Too many arguments'),
    bad(' 4', 'There is no such message number'),
    bad(' BEFORE 31-Feb-2026', 'A date is not as 1-Feb-1994'),
    bad(' YOUNGER 0', 'A number may not be 0'),
    bad(' RETURN (MAGIC) ALL', 'SEARCH returns MIN, MAX, COUNT, ALL or SAVE'),
    bad(` ${nested(250)}`, 'Search keys are nested too deep'),
    bad(' SEEN'.repeat(1001), 'A search has at most 1000 keys'),
    bad(' SUBJECT {2+}\r\n\u00ff\u00fe', 'A string is not of its character set'),
    [
      'a SEARCH CHARSET x-none ALL',
      'a NO [BADCHARSET (UTF-8 US-ASCII)] This character set is not known',
    ],
  ];
  await talk({ messages: THREE, values: { 'imap.bad-commands.max': 100 }, steps });
});

test('[P-03] ESEARCH, and what is saved for $ (RFC 9051 §6.4.4, §6.4.4.1; RFC 5182 §2.1)', async () => {
  const start = '* ESEARCH (TAG "a")';
  const steps: Step[] = [
    ['a SEARCH RETURN (MIN MAX COUNT ALL) ALL', `${start} MIN 1 MAX 3 ALL 1:3 COUNT 3`, OK],
    ['a SEARCH RETURN () 1,3', `${start} ALL 1,3`, OK],
    ['a UID SEARCH RETURN (COUNT) UID 9', `${start} UID COUNT 0`, OK],
    ['a SEARCH RETURN (SAVE) 2:3', OK],
    ['a FETCH $ UID', '* 2 FETCH (UID 2)', '* 3 FETCH (UID 3)', 'a OK FETCH completed'],
    ['a SEARCH $ SMALLER 400', '* SEARCH 2', OK],
    ['a SEARCH NOT $', '* SEARCH 1', OK],
    ['a UID SEARCH RETURN (SAVE MIN) ALL', `${start} UID MIN 1`, OK],
    ['a UID FETCH $ UID', '* 1 FETCH (UID 1)', 'a OK FETCH completed'],
    ['a SEARCH RETURN (SAVE MIN MAX) ALL', `${start} MIN 1 MAX 3`, OK],
    ['a FETCH $ UID', '* 1 FETCH (UID 1)', '* 3 FETCH (UID 3)', 'a OK FETCH completed'],
    [String.raw`a STORE $ +FLAGS.SILENT (\Deleted)`, 'a OK STORE completed'],
    ['a EXPUNGE', '* 3 EXPUNGE', '* 1 EXPUNGE', 'a OK EXPUNGE completed'],
    ['a SEARCH $', '* SEARCH', OK],
    ['a SEARCH RETURN (SAVE) MAGIC x', 'a BAD A search key is not known'],
  ];
  await talk({ messages: THREE, steps });
});

test('[P-03] after ENABLE IMAP4rev2 SEARCH answers ESEARCH (RFC 9051 Appendix E)', async () => {
  const steps: Step[] = [['a SEARCH ALL', '* ESEARCH (TAG "a") ALL 1:3', OK]];
  await talk({ messages: THREE, first: ['ENABLE IMAP4rev2', 'SELECT INBOX'], steps });
});

test('[P-03] SEARCH MODSEQ tells the highest of what it found (RFC 7162 §3.1.5)', async () => {
  await withServer({ messages: THREE }, async ({ port }) => {
    const client = await enter(port, ['ENABLE CONDSTORE', 'SELECT INBOX']);
    const [row = ''] = await client.ok('a STORE 2 +FLAGS (x)');
    const modseq = Number(/MODSEQ \((\d+)\)/.exec(row)?.[1]);
    await play(client, [
      [`a SEARCH MODSEQ ${modseq}`, `* SEARCH 2 (MODSEQ ${modseq})`, OK],
      [String.raw`a SEARCH MODSEQ "/flags/\\draft" all 1`, `* SEARCH 1 2 3 (MODSEQ ${modseq})`, OK],
      [`a SEARCH RETURN (MAX) MODSEQ 1`, `* ESEARCH (TAG "a") MAX 3 MODSEQ 4`, OK],
      [`a SEARCH MODSEQ ${modseq + 1}`, '* SEARCH', OK],
    ]);
  });
});

test('[P-03] SORT by every key (RFC 5256 §3, RFC 5957 §3, RFC 5267 §3.1)', async () => {
  const done = 'a OK SORT completed';
  const sort = (keys: string, found: string): Step => [
    `a SORT (${keys}) UTF-8 ALL`,
    `* SORT ${found}`,
    done,
  ];
  const steps: Step[] = [
    sort('DATE', '2 1 3'),
    sort('REVERSE DATE', '3 1 2'),
    sort('SUBJECT DATE', '2 1 3'),
    sort('FROM', '1 2 3'),
    sort('REVERSE DISPLAYFROM', '3 2 1'),
    sort('SIZE', '1 2 3'),
    sort('REVERSE SIZE', '3 2 1'),
    sort('ARRIVAL', '1 2 3'),
    sort('TO CC DISPLAYTO', '1 2 3'),
    ['a UID SORT (REVERSE DATE) US-ASCII 1:2', '* SORT 1 2', done],
    [
      'a SORT RETURN (MIN COUNT ALL) (DATE) UTF-8 ALL',
      '* ESEARCH (TAG "a") MIN 2 ALL 2,1,3 COUNT 3',
      done,
    ],
    ['a SORT () UTF-8 ALL', 'a BAD A sort key is missing'],
    ['a SORT (MAGIC) UTF-8 ALL', 'a BAD A sort key is not known'],
    ['a SORT (DATE) x-none ALL', /^a NO \[BADCHARSET /],
  ];
  await talk({ messages: THREE, steps });
});

test('[P-03] THREAD by both algorithms (RFC 5256 §3)', async () => {
  const done = 'a OK THREAD completed';
  const steps: Step[] = [
    ['a THREAD REFERENCES UTF-8 ALL', '* THREAD (1 2)(3)', done],
    ['a THREAD ORDEREDSUBJECT UTF-8 ALL', '* THREAD (2 1)(3)', done],
    ['a UID THREAD REFERENCES UTF-8 UID 2:3', '* THREAD (2)(3)', done],
    ['a THREAD REFERENCES UTF-8 UID 9', '* THREAD', done],
    ['a THREAD MAGIC UTF-8 ALL', /^a BAD Threads are by /],
  ];
  await talk({ messages: THREE, steps });
});

test('[P-03] hostile sets: nothing is made of their numbers (RFC 9051 §9 sequence-set)', async () => {
  const ranges = Array.from({ length: 20_000 }, (_, at) => `${at * 7 + 1}:4294967295`).join(',');
  const single = Array.from({ length: 20_000 }, (_, at) => 4_000_000_000 - at * 2).join(',');
  await withServer({ messages: THREE }, async ({ port }) => {
    const client = await enter(port);
    expect(await client.ok(`a UID FETCH ${ranges} UID`)).toHaveLength(4);
    expect(await client.ok(`a UID FETCH ${single} UID`)).toHaveLength(1);
    expect(await client.ok(`a UID SEARCH UID ${ranges}`)).toEqual(['* SEARCH 1 2 3', OK]);
    expect(await client.ok('a UID STORE 1:4294967295,*,1:* +FLAGS.SILENT (x)')).toHaveLength(1);
  });
});

test('[P-03] after ENABLE UTF8=ACCEPT a SEARCH names no character set (RFC 6855 §3)', async () => {
  await talk({
    first: ['ENABLE UTF8=ACCEPT', 'SELECT INBOX'],
    steps: [
      ['a SEARCH CHARSET UTF-8 ALL', 'a BAD After ENABLE UTF8=ACCEPT all texts are UTF-8'],
      ['a SEARCH ALL', '* SEARCH', 'a OK SEARCH completed'],
    ],
  });
});
