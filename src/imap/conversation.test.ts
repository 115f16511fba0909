import { expect, test } from 'vitest';
import { type Pieces, StrictClient } from './testing/client.ts';
import { withServer, type TestServerOptions } from './testing/server.ts';

/** A line that the client sends, then all responses up to the tagged one. */
type Step = readonly [sent: string, ...responses: (string | RegExp)[]];

interface Conversation {
  readonly name: string;
  readonly options?: TestServerOptions;
  readonly steps: readonly Step[];
}

const LETTER = 'Subject: one\n\nFirst.\n';
const SECOND = 'Subject: two\n\nSecond.\n';
const IN: Step = ['a LOGIN tevie "secret word"', /^a OK \[CAPABILITY IMAP4rev1 IMAP4rev2 .*\] /];
const REV2: Step = ['e ENABLE IMAP4rev2', '* ENABLED IMAP4rev2', 'e OK ENABLE completed'];
const SELECTED: Step = [
  's SELECT INBOX',
  String.raw`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`,
  /^\* OK \[PERMANENTFLAGS \(\\Answered \\Flagged \\Deleted \\Seen \\Draft \\\*\)\] /,
  '* 2 EXISTS',
  '* 2 RECENT',
  /^\* OK \[UNSEEN 1\] /,
  /^\* OK \[UIDVALIDITY [1-9]\d*\] /,
  /^\* OK \[UIDNEXT 3\] /,
  /^\* OK \[HIGHESTMODSEQ [1-9]\d*\] /,
  's OK [READ-WRITE] SELECT completed',
];
/** Of an empty folder that is opened by EXAMINE. */
const NONE = [
  /^\* FLAGS /,
  /^\* OK \[PERMANENTFLAGS /,
  '* 0 EXISTS',
  '* 0 RECENT',
  /^\* OK \[UIDVALIDITY /,
  /^\* OK \[UIDNEXT 1\] /,
  /^\* OK \[HIGHESTMODSEQ /,
] as const;
const TWO: TestServerOptions = { messages: [LETTER, SECOND] };

const CONVERSATIONS: readonly Conversation[] = [
  {
    name: 'before login: what is valid, ID (RFC 2971), and what is not',
    steps: [
      ['1 CAPABILITY', /^\* CAPABILITY IMAP4rev1 .*AUTH=PLAIN/, '1 OK CAPABILITY completed'],
      ['2 noop', '2 OK NOOP completed'],
      ['3 SELECT INBOX', '3 BAD This command is not valid now'],
      ['4 FETCH 1 FLAGS', '4 BAD This command is not valid now'],
      ['5 XYZZY', '5 BAD Unknown command'],
      ['6 UID XYZZY 1', '6 BAD Unknown command'],
      ['7 UID', '7 BAD Unknown command'],
      ['8 NOOP now', '8 BAD Too many arguments'],
      ['9 ID NIL', '* ID ("name" "Mailfarm")', '9 OK ID completed'],
      ['10 ID ("name" "x" "version" NIL)', '* ID ("name" "Mailfarm")', '10 OK ID completed'],
      ['11 ID ("name")', '11 BAD A field of ID has no value'],
      ['12 STARTTLS', /^12 NO \[CANNOT\] TLS is not available/],
      ['13 LOGOUT', /^\* BYE /, '13 OK LOGOUT completed'],
    ],
  },
  {
    name: 'tags that are none',
    steps: [
      ['* NOOP', '* BAD A command begins with a tag'],
      ['+ NOOP', '* BAD A command begins with a tag'],
      ['', '* BAD A command begins with a tag'],
      ['x', 'x BAD A command is missing'],
      ['a.b-c NOOP', 'a.b-c OK NOOP completed'],
    ],
  },
  {
    name: 'login by LOGIN, with every form of a string',
    steps: [
      ['1 LOGIN tevie wrong', /^1 NO \[AUTHENTICATIONFAILED\] /],
      ['2 LOGIN tevie', '2 BAD An argument is missing'],
      ['3 LOGIN tevie "secret word', '3 BAD A quoted string has no end'],
      ['4 LOGIN {5}', '+ Go ahead'],
      ['tevie {11}', '+ Go ahead'],
      ['secret word', /^4 OK \[CAPABILITY .*\] Logged in/],
      ['5 LOGIN tevie "secret word"', '5 BAD This command is not valid now'],
    ],
  },
  {
    name: 'login with literals that do not wait',
    steps: [
      ['1 LOGIN {5+}\r\ntevie {11+}\r\nsecret word', /^1 OK /],
      ['2 LOGOUT', /^\* BYE /, '2 OK LOGOUT completed'],
    ],
  },
  {
    name: 'login by AUTHENTICATE PLAIN',
    steps: [
      ['1 AUTHENTICATE PLAIN', '+ '],
      ['*', '1 BAD Authentication cancelled'],
      ['2 AUTHENTICATE PLAIN !!!', '2 BAD This is no response of the mechanism'],
      ['3 AUTHENTICATE PLAIN =', '3 BAD This is no response of the mechanism'],
      ['4 AUTHENTICATE CRAM-MD5', /^4 NO \[CANNOT\] Unknown mechanism/],
      ['5 AUTHENTICATE PLAIN', '+ '],
      [Buffer.from('\0tevie\0secret word').toString('base64'), /^5 OK \[CAPABILITY /],
    ],
  },
  {
    name: 'an initial response (RFC 4959), and LOGIN as a mechanism',
    steps: [
      ['1 AUTHENTICATE LOGIN', '+ VXNlcm5hbWU6'],
      [Buffer.from('tevie').toString('base64'), '+ UGFzc3dvcmQ6'],
      [Buffer.from('wrong').toString('base64'), /^1 NO \[AUTHENTICATIONFAILED\]/],
      [
        `2 AUTHENTICATE PLAIN ${Buffer.from('\0tevie\0secret word').toString('base64')}`,
        /^2 OK \[CAPABILITY /,
      ],
    ],
  },
  {
    name: 'folders: made, listed (RFC 5258, RFC 3348), renamed, removed',
    steps: [
      IN,
      ['1 CREATE Work/2026', '1 OK CREATE completed'],
      ['2 CREATE Work/2026', /^2 NO \[ALREADYEXISTS\] /],
      [
        '3 LIST "" *',
        String.raw`* LIST (\HasNoChildren) "/" INBOX`,
        String.raw`* LIST (\HasNoChildren) "/" Work/2026`,
        String.raw`* LIST (\NonExistent \Noselect \HasChildren) "/" Work`,
        '3 OK LIST completed',
      ],
      [
        '4 LIST "" %',
        String.raw`* LIST (\HasNoChildren) "/" INBOX`,
        String.raw`* LIST (\NonExistent \Noselect \HasChildren) "/" Work`,
        '4 OK LIST completed',
      ],
      ['5 LIST "" ""', String.raw`* LIST (\Noselect) "/" ""`, '5 OK LIST completed'],
      ['6 LIST Work/ %', String.raw`* LIST (\HasNoChildren) "/" Work/2026`, '6 OK LIST completed'],
      ['7 SUBSCRIBE Work/2026', '7 OK SUBSCRIBE completed'],
      ['8 LSUB "" %', String.raw`* LSUB (\Noselect) "/" Work`, '8 OK LSUB completed'],
      ['9 LSUB "" *', '* LSUB () "/" Work/2026', '9 OK LSUB completed'],
      ['10 RENAME Work Play', '10 OK RENAME completed'],
      [
        '11 LIST (SUBSCRIBED) "" *',
        String.raw`* LIST (\NonExistent \Noselect \Subscribed \HasNoChildren) "/" Work/2026`,
        '11 OK LIST completed',
      ],
      [
        '12 LIST (SUBSCRIBED RECURSIVEMATCH) "" %',
        String.raw`* LIST (\NonExistent \Noselect \HasNoChildren) "/" Work ("CHILDINFO" ("SUBSCRIBED"))`,
        '12 OK LIST completed',
      ],
      ['13 LIST (RECURSIVEMATCH) "" %', /^13 BAD /],
      ['14 UNSUBSCRIBE Work/2026', '14 OK UNSUBSCRIBE completed'],
      ['15 DELETE Play/2026', '15 OK DELETE completed'],
      ['16 DELETE Play/2026', /^16 NO \[NONEXISTENT\] /],
      ['17 DELETE INBOX', /^17 NO \[CANNOT\] /],
      ['18 RENAME nothing else', /^18 NO \[NONEXISTENT\] /],
      ['19 CREATE ""', /^19 NO \[CANNOT\] /],
      ['20 CREATE a/..', /^20 NO \[CANNOT\] /],
    ],
  },
  {
    name: 'INBOX in any case (RFC 9051 §5.1): in LIST, and where a folder that is open goes',
    steps: [
      IN,
      ['1 LIST "" "inb%"', String.raw`* LIST (\HasNoChildren) "/" INBOX`, '1 OK LIST completed'],
      ['2 CREATE inbox/x', '2 OK CREATE completed'],
      ['3 EXAMINE INBOX/x', ...NONE, '3 OK [READ-ONLY] EXAMINE completed'],
      ['4 RENAME inbox/x Inbox/y', '4 OK RENAME completed'],
      ['5 CHECK', '5 OK CHECK completed'],
      ['6 SEARCH 1:*', '* SEARCH', '6 OK SEARCH completed'],
      ['7 UID SEARCH NOT *', '* SEARCH', '7 OK SEARCH completed'],
      ['8 SEARCH 1:2', /^8 BAD /],
      ['9 FETCH 1:* FLAGS', /^9 BAD /],
      ['10 DELETE inbox/y', '10 OK DELETE completed'],
      ['11 CHECK', '11 BAD This command is not valid now'],
    ],
  },
  {
    name: 'folders with a special use (RFC 6154), LIST with STATUS (RFC 5819)',
    steps: [
      IN,
      [String.raw`1 CREATE Gone (USE (\Trash))`, '1 OK CREATE completed'],
      [String.raw`2 CREATE More (USE (\Trash))`, /^2 NO \[CANNOT\] /],
      [String.raw`3 CREATE More (USE (\Nonsense))`, /^3 NO \[USEATTR\] /],
      [
        '4 LIST (SPECIAL-USE) "" *',
        String.raw`* LIST (\HasNoChildren \Trash) "/" Gone`,
        '4 OK LIST completed',
      ],
      [
        '5 LIST "" (INBOX G%) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))',
        String.raw`* LIST (\HasNoChildren) "/" INBOX`,
        '* STATUS INBOX (MESSAGES 0 UNSEEN 0)',
        String.raw`* LIST (\HasNoChildren \Trash) "/" Gone`,
        '* STATUS Gone (MESSAGES 0 UNSEEN 0)',
        '5 OK LIST completed',
      ],
    ],
  },
  {
    name: 'names in modified UTF-7, and in UTF-8 after ENABLE',
    steps: [
      IN,
      ['1 CREATE Entw&APw-rfe', '1 OK CREATE completed'],
      ['2 CREATE A&B', '2 BAD A mailbox name is not modified UTF-7'],
      [
        '3 LIST "" Entw*',
        String.raw`* LIST (\HasNoChildren) "/" Entw&APw-rfe`,
        '3 OK LIST completed',
      ],
      REV2,
      [
        '4 LIST "" Entw*',
        `* LIST (\\HasNoChildren) "/" ${Buffer.from('"Entwürfe"').toString('latin1')}`,
        '4 OK LIST completed',
      ],
      [`5 DELETE ${Buffer.from('"Entwürfe"').toString('latin1')}`, '5 OK DELETE completed'],
      ['6 CREATE A&B', '6 OK CREATE completed'],
    ],
  },
  {
    name: 'SELECT, UNSELECT (RFC 3691), STATUS with SIZE (RFC 8438) and APPENDLIMIT (RFC 7889)',
    options: TWO,
    steps: [
      IN,
      SELECTED,
      ['1 CHECK', '1 OK CHECK completed'],
      ['2 UNSELECT', '2 OK UNSELECT completed'],
      ['3 CHECK', '3 BAD This command is not valid now'],
      ['4 SELECT nothing', /^4 NO \[NONEXISTENT\] /],
      ['5 SELECT', '5 BAD An argument is missing'],
      ['6 SELECT INBOX (MAGIC)', '6 BAD A parameter of SELECT is not known'],
      ['7 SELECT INBOX (QRESYNC (1 1))', '7 BAD ENABLE QRESYNC first'],
      [
        '8 STATUS INBOX (MESSAGES UNSEEN UIDNEXT)',
        '* STATUS INBOX (MESSAGES 2 UNSEEN 2 UIDNEXT 3)',
        '8 OK STATUS completed',
      ],
      ['9 STATUS INBOX (MAGIC)', '9 BAD An item of STATUS is not known'],
      ['9 STATUS INBOX ()', '9 BAD An item of STATUS is missing'],
      [
        `9 STATUS INBOX (${'UIDVALIDITY '.repeat(9)}UIDVALIDITY)`,
        /^\* STATUS INBOX \(UIDVALIDITY \d+\)$/,
        '9 OK STATUS completed',
      ],
      ['10 STATUS nothing (MESSAGES)', /^10 NO \[NONEXISTENT\] /],
      [
        '11 STATUS INBOX (SIZE RECENT DELETED APPENDLIMIT)',
        '* STATUS INBOX (SIZE 49 RECENT 0 DELETED 0 APPENDLIMIT 52428800)',
        '11 OK STATUS completed',
      ],
    ],
  },
  {
    name: 'a failed SELECT leaves nothing selected; rev2 has a LIST and no RECENT',
    options: TWO,
    steps: [
      IN,
      REV2,
      [
        '1 EXAMINE INBOX',
        /^\* FLAGS /,
        /^\* OK \[PERMANENTFLAGS \(\)\] /,
        '* 2 EXISTS',
        /^\* OK \[UIDVALIDITY /,
        /^\* OK \[UIDNEXT 3\]/,
        /^\* OK \[HIGHESTMODSEQ /,
        '* LIST () "/" INBOX',
        '1 OK [READ-ONLY] EXAMINE completed',
      ],
      ['2 SELECT nothing', /^\* OK \[CLOSED\] /, /^2 NO \[NONEXISTENT\] /],
      ['3 CHECK', '3 BAD This command is not valid now'],
    ],
  },
  {
    name: 'IDLE (RFC 2177), and what ends it',
    options: TWO,
    steps: [
      IN,
      ['1 IDLE', '+ idling'],
      ['done', '1 OK IDLE completed'],
      ['2 IDLE', '+ idling'],
      ['3 NOOP', '2 BAD DONE expected'],
      ['4 IDLE now', '4 BAD Too many arguments'],
    ],
  },
  {
    name: 'namespaces (RFC 2342), quota without a limit (RFC 9208), ENABLE',
    steps: [
      IN,
      ['1 NAMESPACE', '* NAMESPACE (("" "/")) NIL NIL', '1 OK NAMESPACE completed'],
      ['2 GETQUOTA ""', '* QUOTA "" ()', '2 OK GETQUOTA completed'],
      ['3 GETQUOTA other', /^3 NO \[NONEXISTENT\] /],
      [
        '4 GETQUOTAROOT INBOX',
        '* QUOTAROOT INBOX ""',
        '* QUOTA "" ()',
        '4 OK GETQUOTAROOT completed',
      ],
      ['5 GETQUOTAROOT nothing', /^5 NO \[NONEXISTENT\] /],
      ['6 ENABLE CONDSTORE X-UNKNOWN', '* ENABLED CONDSTORE', '6 OK ENABLE completed'],
      ['7 ENABLE QRESYNC CONDSTORE', '* ENABLED QRESYNC', '7 OK ENABLE completed'],
      ['8 ENABLE', '8 BAD An argument is missing'],
    ],
  },
  {
    name: 'a client that knows Courier: names begin with INBOX. and have dots',
    options: { values: { 'imap.separator': '.', 'imap.prefix': 'INBOX' } },
    steps: [
      IN,
      ['1 NAMESPACE', '* NAMESPACE (("INBOX." ".")) NIL NIL', '1 OK NAMESPACE completed'],
      ['2 CREATE INBOX.Work.2026', '2 OK CREATE completed'],
      ['3 CREATE Work', /^3 NO \[NONEXISTENT\] /],
      ['4 LIST "" %', String.raw`* LIST (\HasChildren) "." INBOX`, '4 OK LIST completed'],
      [
        '5 LIST "" inbox.*',
        String.raw`* LIST (\HasNoChildren) "." INBOX.Work.2026`,
        String.raw`* LIST (\NonExistent \Noselect \HasChildren) "." INBOX.Work`,
        '5 OK LIST completed',
      ],
    ],
  },
];

const PIECES: readonly Pieces[] = ['whole', 1, 3, 17];

test.each(
  CONVERSATIONS.flatMap((conversation) => PIECES.map((pieces) => ({ ...conversation, pieces }))),
)('[P-03] $name, in pieces of $pieces', async ({ options = {}, steps, pieces }) => {
  await withServer(options, async ({ port }) => {
    const client = await StrictClient.connect(port, pieces);
    expect(await client.response()).toMatch(/^\* OK \[CAPABILITY .*\] Mailfarm IMAP at /);
    let tag = '';
    for (const [sent, ...expected] of steps) {
      if (/^\S+ [A-Za-z]/.test(sent) && !sent.startsWith('tevie '))
        tag = sent.split(' ', 1)[0] ?? '';
      if (sent.includes('ENABLE IMAP4rev2')) client.utf8 = true;
      client.line(sent);
      const last = expected.at(-1);
      const until = typeof last === 'string' && last.startsWith('* ') ? '*' : tag;
      const told = await client.until(endOf(last, until));
      expect(told, sent).toHaveLength(expected.length);
      for (const [at, pattern] of expected.entries()) {
        if (typeof pattern === 'string') expect(told[at], sent).toBe(pattern);
        else expect(told[at], sent).toMatch(pattern);
      }
    }
    client.close();
  });
});

/** The tag that ends the step: of what is expected last. */
function endOf(last: string | RegExp | undefined, tag: string): string {
  const text = typeof last === 'string' ? last : (last?.source.replace(/^\^/, '') ?? '');
  return /^[\w.*-]+/.exec(text)?.[0] ?? tag;
}
