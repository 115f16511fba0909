import { expect, test } from 'vitest';
import { enter, play, type Step, talk } from '../testing/talk.ts';
import { withServer } from '../testing/server.ts';

const PLAIN = 'From: Alice <a@x.test>\nSubject: one\n\nFirst.\n';
const NESTED = [
  'Subject: outer',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  'preamble',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=C3=BC=C3=9Fe',
  '--b',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'Content-Type: multipart/alternative; boundary=c',
  '',
  '--c',
  'Content-ID: <1@c>',
  '',
  'one',
  '--c',
  'Content-Type: application/octet-stream',
  'Content-Transfer-Encoding: base64',
  '',
  'AAEC',
  '/w==',
  '--c--',
  '--b--',
  '',
].join('\n');
const wire = (text: string): string => text.replaceAll('\n', '\r\n');
const literal = (text: string): string => (text === '' ? '""' : `{${text.length}}\r\n${text}`);
const OK = 'a OK FETCH completed';
const EXAMINE = ['EXAMINE INBOX'];

/** A section of the second message and its value. */
const SECTIONS: readonly (readonly [item: string, value: string])[] = [
  ['BODY[]', literal(wire(NESTED))],
  ['BODY[HEADER]', literal(wire(NESTED.slice(0, NESTED.indexOf('preamble'))))],
  ['BODY[TEXT]', literal(wire(NESTED.slice(NESTED.indexOf('preamble'))))],
  ['BODY[TEXT]<3.5>', literal('amble')],
  ['BODY[TEXT]<10000.5>', '""'],
  ['BODY[HEADER.FIELDS (SUBJECT)]', literal('Subject: outer\r\n\r\n')],
  ['BODY[HEADER.FIELDS (Subject "X Y")]<2.4>', literal('bjec')],
  ['BODY[HEADER.FIELDS.NOT (Content-Type)]', literal('Subject: outer\r\n\r\n')],
  ['BODY[1]', literal('Gr=C3=BC=C3=9Fe')],
  ['BODY[1.MIME]', literal(wire(NESTED.split('--b\n')[1]?.split('\n\n')[0] ?? '') + '\r\n\r\n')],
  ['BODY[1.TEXT]', 'NIL'],
  ['BODY[1.1]', 'NIL'],
  ['BODY[3]', 'NIL'],
  [
    'BODY[2.HEADER]',
    literal('Subject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n'),
  ],
  ['BODY[2.HEADER.FIELDS (SUBJECT)]', literal('Subject: inner\r\n\r\n')],
  ['BODY[2.TEXT]', literal(wire(NESTED.slice(NESTED.indexOf('--c\n'), NESTED.indexOf('\n--b--'))))],
  ['BODY[2.1]', literal('one')],
  ['BODY[2.1.MIME]', literal('Content-ID: <1@c>\r\n\r\n')],
  ['BODY[2.2]', literal('AAEC\r\n/w==')],
  ['BODY[2.2]<4.3>', literal('\r\n/')],
  ['BINARY[1]', literal('Gr\u00c3\u00bc\u00c3\u009fe')],
  ['BINARY[2.2]', '~{4}\r\n\0\u0001\u0002\u00ff'],
  ['BINARY[2.2]<1.2>', literal('\u0001\u0002')],
  ['BINARY[9]', 'NIL'],
  ['RFC822.HEADER', literal(wire(NESTED.slice(0, NESTED.indexOf('preamble'))))],
];

test.each(SECTIONS)('[P-03] %s of a nested message (RFC 9051 §6.4.5.1)', async (item, value) => {
  const asked = item.replace('BODY[', 'BODY.PEEK[').replace('BINARY[', 'BINARY.PEEK[');
  const label = item.replace(/(<\d+)\.\d+>/, '$1>').replace(/"X Y"/, '"X Y"');
  const steps: Step[] = [[`a FETCH 2 ${asked}`, `* 2 FETCH (${label} ${value})`, OK]];
  await talk({ messages: [PLAIN, NESTED], first: EXAMINE, steps });
});

test.each(['BODY.PEEK[HEADER] BODY[HEADER]', 'BODY[HEADER] BODY.PEEK[HEADER]'])(
  '[P-03] of one section named twice (%s) it counts that one sets \\Seen',
  async (items) => {
    const header = literal('From: Alice <a@x.test>\r\nSubject: one\r\n\r\n');
    const seen = String.raw`FLAGS (\Seen \Recent)`;
    const steps: Step[] = [
      [`a FETCH 1 (${items})`, `* 1 FETCH (BODY[HEADER] ${header} ${seen})`, OK],
    ];
    await talk({ messages: [PLAIN], steps });
  },
);

const ENVELOPE_1 =
  'ENVELOPE (NIL "one" (("Alice" NIL "a" "x.test")) (("Alice" NIL "a" "x.test")) ' +
  '(("Alice" NIL "a" "x.test")) NIL NIL NIL NIL NIL)';
const BODY_1 = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 8 1)';
const DATE = String.raw`INTERNALDATE "[ 1-3]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d \+0000"`;
const escaped = (text: string): string => text.replace(/[()[\]?+*.\\]/g, String.raw`\$&`);

const ITEMS: readonly Step[] = [
  ['a FETCH 1 FLAGS', String.raw`* 1 FETCH (FLAGS (\Recent))`, OK],
  ['a FETCH 1 (UID FLAGS)', String.raw`* 1 FETCH (UID 1 FLAGS (\Recent))`, OK],
  ['a UID FETCH 1 FLAGS', String.raw`* 1 FETCH (UID 1 FLAGS (\Recent))`, OK],
  ['a UID FETCH 1 (FLAGS UID)', String.raw`* 1 FETCH (FLAGS (\Recent) UID 1)`, OK],
  ['a FETCH 1 (FLAGS FLAGS)', String.raw`* 1 FETCH (FLAGS (\Recent))`, OK],
  ['a FETCH 1 RFC822.SIZE', '* 1 FETCH (RFC822.SIZE 48)', OK],
  ['a FETCH 1 ENVELOPE', `* 1 FETCH (${ENVELOPE_1})`, OK],
  ['a FETCH 1 BODY', `* 1 FETCH (BODY ${BODY_1})`, OK],
  [
    'a FETCH 1 BODYSTRUCTURE',
    `* 1 FETCH (BODYSTRUCTURE ${BODY_1.slice(0, -1)} NIL NIL NIL NIL))`,
    OK,
  ],
  ['a FETCH 1 PREVIEW', '* 1 FETCH (PREVIEW "First.")', OK],
  ['a FETCH 1 (PREVIEW (LAZY) UID)', '* 1 FETCH (PREVIEW "First." UID 1)', OK],
  ['a FETCH 1 INTERNALDATE', new RegExp(String.raw`^\* 1 FETCH \(${DATE}\)$`), OK],
  [
    'a FETCH 1 FAST',
    new RegExp(String.raw`^\* 1 FETCH \(FLAGS \(\\Recent\) ${DATE} RFC822.SIZE 48\)$`),
    OK,
  ],
  ['a FETCH 1 ALL', new RegExp(`RFC822.SIZE 48 ${escaped(ENVELOPE_1)}\\)$`), OK],
  ['a FETCH 1 FULL', new RegExp(`${escaped(ENVELOPE_1)} BODY ${escaped(BODY_1)}\\)$`), OK],
  ['a FETCH 2 BINARY.SIZE[2.2]', '* 2 FETCH (BINARY.SIZE[2.2] 4)', OK],
  ['a FETCH 2 BINARY.SIZE[]', `* 2 FETCH (BINARY.SIZE[] ${wire(NESTED).length})`, OK],
  ['a FETCH 2,1:2 UID', '* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)', OK],
  ['a FETCH *:1 UID', '* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)', OK],
  ['a FETCH * UID', '* 2 FETCH (UID 2)', OK],
  ['a UID FETCH 9:* UID', '* 2 FETCH (UID 2)', OK],
  ['a UID FETCH 3:9 UID', OK],
  ['a UID FETCH 1:4294967295 UID', '* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)', OK],
  ['a FETCH 1 (MODSEQ)', /^\* OK \[HIGHESTMODSEQ \d+\]/, /^\* 1 FETCH \(MODSEQ \(\d+\)\)$/, OK],
  ['a FETCH 1:2 (UID) (CHANGEDSINCE 99)', OK],
  ['a FETCH 1 (UID) (CHANGEDSINCE 1)', /^\* 1 FETCH \(UID 1 MODSEQ \(\d+\)\)$/, OK],
];

test('[P-03] items, macros and sets of FETCH (RFC 9051 §6.4.5, RFC 8970 §3.1)', async () => {
  await talk({ messages: [PLAIN, NESTED], steps: ITEMS });
});

test.each([1, 3, 17] as const)(
  '[P-03] the same from a client that sends %d octets at a time',
  async (pieces) => {
    await talk({ messages: [PLAIN, NESTED], steps: ITEMS, pieces });
  },
);

const BAD: readonly (readonly [command: string, text: string])[] = [
  ['FETCH', 'An argument is missing'],
  ['FETCH 1', 'An argument is missing'],
  ['FETCH 0 FLAGS', 'A sequence number is out of range'],
  ['FETCH 3 FLAGS', 'There is no such message number'],
  ['FETCH 1:4294967295 FLAGS', 'There is no such message number'],
  ['FETCH 4294967296 FLAGS', 'A sequence number is out of range'],
  ['FETCH 1, FLAGS', 'A sequence set is not one'],
  ['FETCH 1 ()', 'An item to fetch is missing'],
  [`FETCH 1 (${'FLAGS '.repeat(1000)}FLAGS)`, 'A FETCH names at most 1000 items'],
  ['FETCH 1 (FLAGS', ') expected'],
  ['FETCH 1 (ALL)', 'An item to fetch is not known'],
  ['FETCH 1 XYZZY', 'An item to fetch is not known'],
  ['FETCH 1 FLAGS UID', '( expected'],
  ['FETCH 1 BODY[', '] expected'],
  ['FETCH 1 BODY[0]', 'A section is not one of BODY'],
  ['FETCH 1 BODY[1.]', 'A part number is not one'],
  ['FETCH 1 BODY[MIME]', 'MIME is asked of a part'],
  ['FETCH 1 BODY[HEADER.FIELDS]', 'Space expected'],
  ['FETCH 1 BODY[HEADER.FIELDS ()]', 'A field name is missing'],
  ['FETCH 1 BODY[]<0.0>', 'No octets are asked for'],
  ['FETCH 1 BODY[]<5>', '. expected'],
  [`FETCH 1 BODY[${'1.'.repeat(100)}1]`, 'A part lies too deep'],
  ['FETCH 1 BINARY[1.MIME]', 'A part number is not one'],
  ['FETCH 1 PREVIEW (EAGER)', 'PREVIEW has one modifier, LAZY'],
  ['FETCH 1 FLAGS (CHANGEDSINCE)', 'Space expected'],
  ['FETCH 1 FLAGS (VANISHED)', 'VANISHED needs CHANGEDSINCE'],
  ['UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)', 'VANISHED is for UID FETCH after ENABLE QRESYNC'],
];

test('[P-03] what is no FETCH is BAD and does nothing (RFC 9051 §7.1.3)', async () => {
  const steps = BAD.map(([command, text]): Step => [`a ${command}`, `a BAD ${text}`]);
  const values = { 'imap.bad-commands.max': 100 };
  await talk({ messages: [PLAIN, NESTED], values, steps });
});

test('[P-03] an empty folder has no number, not even * (RFC 9051 §9 seq-number)', async () => {
  const text = 'a BAD There is no such message number';
  await talk({
    steps: [
      ['a FETCH 1:* FLAGS', text],
      ['a UID FETCH 1:* FLAGS', OK],
    ],
  });
});

test('[P-03] BODY[] sets \\Seen and says so, PEEK and EXAMINE do not (RFC 9051 §6.4.5)', async () => {
  const value = literal(wire(PLAIN));
  const steps: Step[] = [
    ['a FETCH 1 BODY.PEEK[]', `* 1 FETCH (BODY[] ${value})`, OK],
    ['a FETCH 1 BODY[]', String.raw`* 1 FETCH (BODY[] ${value} FLAGS (\Seen \Recent))`, OK],
    ['a FETCH 1 (FLAGS BODY[])', String.raw`* 1 FETCH (FLAGS (\Seen \Recent) BODY[] ${value})`, OK],
    ['a FETCH 2 (FLAGS RFC822.TEXT)', /^\* 2 FETCH \(FLAGS \(\\Seen \\Recent\) RFC822.TEXT /, OK],
    ['a EXAMINE INBOX', ...Array.from({ length: 6 }, () => /^\* /), /^a OK/],
  ];
  await withServer({ messages: [PLAIN, NESTED, PLAIN] }, async ({ port }) => {
    await play(await enter(port), steps.slice(0, -1));
    const reader = await enter(port, EXAMINE);
    await play(reader, [
      ['a FETCH 3 BODY[]', `* 3 FETCH (BODY[] ${value})`, OK],
      ['a FETCH 3 FLAGS', '* 3 FETCH (FLAGS ())', OK],
    ]);
  });
});

test('[P-03] one change sets \\Seen of a whole batch: one MODSEQ (RFC 7162 §3.1.4)', async () => {
  await withServer({ messages: Array.from({ length: 300 }, () => PLAIN) }, async ({ port }) => {
    const client = await enter(port, ['ENABLE CONDSTORE', 'SELECT INBOX']);
    const rows = await client.ok('a FETCH 1:300 BODY[TEXT]');
    const modseqs = rows.slice(0, -1).map((row) => /MODSEQ \((\d+)\)\)$/.exec(row)?.[1]);
    expect(modseqs).toHaveLength(300);
    expect(new Set(modseqs)).toHaveProperty('size', 2); // 256 and the rest.
  });
});

test('[P-03] expunged UIDs since a MODSEQ, in the set (RFC 7162 §3.2.6)', async () => {
  await withServer({ messages: Array.from({ length: 6 }, () => PLAIN) }, async ({ port }) => {
    const client = await enter(port, ['ENABLE QRESYNC', 'SELECT INBOX']);
    await client.ok(String.raw`a STORE 2:4 +FLAGS.SILENT (\Deleted)`);
    await client.ok('b EXPUNGE');
    await play(client, [
      [
        'a UID FETCH 1:3 (UID) (CHANGEDSINCE 1 VANISHED)',
        '* VANISHED (EARLIER) 2:3',
        /^\* 1 FETCH/,
        OK,
      ],
      ['a UID FETCH 1:* (UID) (CHANGEDSINCE 99999 VANISHED)', OK],
    ]);
  });
});

test('[P-03] a message that another session deleted: left out, and said (RFC 2180 §4.1.2)', async () => {
  await withServer({ messages: [PLAIN, PLAIN, PLAIN] }, async ({ port }) => {
    const [one, other] = [await enter(port), await enter(port)];
    await other.ok(String.raw`a STORE 2 +FLAGS.SILENT (\Deleted)`);
    await one.ok('a NOOP');
    await other.ok('b EXPUNGE');
    const value = literal('First.\r\n');
    await play(one, [
      [
        'a FETCH 1:3 BODY.PEEK[TEXT]',
        `* 1 FETCH (BODY[TEXT] ${value})`,
        `* 3 FETCH (BODY[TEXT] ${value})`,
        'a NO [EXPUNGEISSUED] Some of the messages were deleted by another session',
      ],
      // Its flags are still those that the client knows: no EXPUNGE may be said here (§7.5.1).
      ['a FETCH 1:3 UID', '* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)', '* 3 FETCH (UID 3)', OK],
      [
        'a UID FETCH 1:3 BODY.PEEK[TEXT]',
        /^\* 1 FETCH/,
        /^\* 3 FETCH/,
        '* 2 EXPUNGE',
        'a OK [EXPUNGEISSUED] FETCH completed',
      ],
      ['a FETCH 2 UID', '* 2 FETCH (UID 3)', OK],
    ]);
  });
});
