/** Emails got and looked for, snippets (RFC 8621 §4.2, §4.4, §5), a row each. */
import { expect } from 'vitest';
import {
  conversations,
  type Call,
  type Conversation,
  type Expected,
} from './testing/conversation.ts';

const error = (type: string): Expected => ['error', { type }];
const get = (id: string, ...properties: readonly string[]): Call => [
  'Email/get',
  { ids: [`@${id}`], properties },
];
const got = (email: object): Expected => ['Email/get', { list: [email] }];
const find = (filter: object, more: object = {}): Call => [
  'Email/query',
  { filter, sort: [{ property: 'receivedAt', isAscending: true }], ...more },
];
const found = (...words: readonly string[]): Expected => [
  'Email/query',
  { ids: words.map((word) => `@${word}`) },
];
const row = (title: string, call: Call, expected: Expected): Conversation => [
  title,
  [call],
  [expected],
];
const PROPERTIES: readonly Conversation[] = [
  row(
    'what is kept of an email',
    get('report', 'blobId', 'mailboxIds', 'keywords', 'size'),
    got({
      blobId: '@report.blob',
      mailboxIds: { '@inbox': true },
      keywords: { $flagged: true, $work: true },
      size: expect.any(Number),
    }),
  ),
  row(
    'addresses',
    get('lunch', 'from', 'to', 'cc', 'bcc', 'replyTo'),
    got({
      from: [{ name: 'Bob Builder', email: 'bob@x.test' }],
      to: [
        { name: null, email: 'tevie@t1.example' },
        { name: 'Ann, of Accounts', email: 'ann@x.test' },
      ],
      cc: [
        { name: null, email: 'carl@x.test' },
        { name: null, email: 'dora@x.test' },
      ],
      bcc: null,
      replyTo: null,
    }),
  ),
  row(
    'addresses in their groups',
    get('lunch', 'header:cc:asGroupedAddresses'),
    got({
      'header:cc:asGroupedAddresses': [
        { name: 'Team', addresses: [{ email: 'carl@x.test' }, { email: 'dora@x.test' }] },
      ],
    }),
  ),
  row(
    'encoded words',
    get('report', 'subject', 'header:Subject:asText', 'header:from:asRaw'),
    got({
      subject: 'Report of the весна',
      'header:Subject:asText': expect.stringContaining('весна'),
      'header:from:asRaw': expect.stringContaining('=?utf-8?q?'),
    }),
  ),
  row(
    'URLs',
    get('report', 'header:List-Post:asURLs', 'header:List-Help:asURLs'),
    got({
      'header:List-Post:asURLs': ['mailto:list@y.test', 'https://y.test/post'],
      'header:List-Help:asURLs': null,
    }),
  ),
  row(
    'a field that comes twice',
    get('report', 'header:X-Tag:asText', 'header:x-tag:asText:all', 'header:X-None:all'),
    got({
      'header:X-Tag:asText': 'second',
      'header:x-tag:asText:all': ['first', 'second'],
      'header:X-None:all': [],
    }),
  ),
  row(
    'dates',
    get('lunch', 'sentAt', 'header:Date:asDate', 'receivedAt'),
    got({
      sentAt: '2026-01-02T10:00:00+02:00',
      'header:Date:asDate': '2026-01-02T10:00:00+02:00',
      receivedAt: expect.stringMatching(/Z$/),
    }),
  ),
  row(
    'ids of messages',
    get('answer', 'messageId', 'inReplyTo', 'references', 'header:Message-ID:asMessageIds'),
    got({
      messageId: ['answer@t1.example'],
      inReplyTo: ['lunch@x.test'],
      references: ['lunch@x.test'],
      'header:Message-ID:asMessageIds': ['answer@t1.example'],
    }),
  ),
  row(
    'a form that a field has not',
    get('lunch', 'header:Subject:asAddresses'),
    error('invalidArguments'),
  ),
  row('a form that is none', get('lunch', 'header:Subject:asPoem'), error('invalidArguments')),
  row(
    'all fields',
    get('answer', 'headers'),
    got({ headers: expect.arrayContaining([{ name: 'In-Reply-To', value: ' <lunch@x.test>' }]) }),
  ),
  row(
    'parts',
    get('report', 'bodyStructure', 'textBody', 'htmlBody', 'attachments', 'hasAttachment'),
    got({
      bodyStructure: {
        type: 'multipart/mixed',
        partId: null,
        subParts: [
          { type: 'multipart/alternative' },
          { type: 'application/pdf', name: 'plan.pdf', disposition: 'attachment', size: 8 },
        ],
      },
      textBody: [{ type: 'text/plain', charset: 'iso-8859-1' }],
      htmlBody: [{ type: 'text/html' }],
      attachments: [{ name: 'plan.pdf' }],
      hasAttachment: true,
    }),
  ),
  row(
    'properties of parts',
    [
      'Email/get',
      {
        ids: ['@lunch'],
        properties: ['textBody'],
        bodyProperties: ['partId', 'type', 'header:Content-Type:asRaw'],
      },
    ],
    got({
      textBody: [{ type: 'text/plain', 'header:Content-Type:asRaw': ' text/plain; charset=utf-8' }],
    }),
  ),
  row(
    'a property of parts that is none',
    ['Email/get', { ids: ['@lunch'], bodyProperties: ['colour'] }],
    error('invalidArguments'),
  ),
  row(
    'values of text',
    [
      'Email/get',
      { ids: ['@report'], properties: ['bodyValues', 'preview'], fetchTextBodyValues: true },
    ],
    got({
      bodyValues: {
        '1.1': {
          value: expect.stringContaining('grüße'),
          isEncodingProblem: false,
          isTruncated: false,
        },
      },
      preview: 'grüße',
    }),
  ),
  row(
    'values of HTML',
    ['Email/get', { ids: ['@report'], properties: ['bodyValues'], fetchHTMLBodyValues: true }],
    got({ bodyValues: { '1.2': { value: expect.stringContaining('<b>world</b>') } } }),
  ),
  row(
    'values cut short',
    [
      'Email/get',
      {
        ids: ['@report'],
        properties: ['bodyValues'],
        fetchAllBodyValues: true,
        maxBodyValueBytes: 3,
      },
    ],
    got({
      bodyValues: { '1.1': { value: 'gr', isTruncated: true }, '1.2': { isTruncated: true } },
    }),
  ),
  row(
    'a message in a message is a part',
    get('forwarded', 'attachments'),
    got({ attachments: [{ type: 'message/rfc822' }] }),
  ),
  row(
    'emails that are not there',
    ['Email/get', { ids: ['none', '@lunch', 'none'], properties: ['id'] }],
    ['Email/get', { list: [{ id: '@lunch' }], notFound: ['none'] }],
  ),
];

const QUERIES: readonly Conversation[] = [
  row('in a mailbox', find({ inMailbox: '@inbox' }), found('lunch', 'report')),
  row(
    'in no such mailbox',
    find({ inMailboxOtherThan: ['@inbox', '@drafts'] }),
    found('answer', 'forwarded'),
  ),
  row('by keyword', find({ hasKeyword: '$FLAGGED' }), found('report')),
  row('without a keyword', find({ notKeyword: '$seen' }), found('report', 'answer', 'forwarded')),
  row(
    'threads with a keyword',
    find({ someInThreadHaveKeyword: '$seen' }),
    found('lunch', 'answer', 'ready'),
  ),
  row('threads all of a keyword', find({ allInThreadHaveKeyword: '$seen' }), found('ready')),
  row(
    'threads with none of a keyword',
    find({ noneInThreadHaveKeyword: '$seen' }),
    found('report', 'forwarded'),
  ),
  row('by sender, whatever case', find({ from: 'BUILDER' }), found('lunch')),
  row('by recipient', find({ to: 'accounts' }), found('lunch')),
  row('by who is hidden', find({ bcc: 'hidden' }), found('ready')),
  row('by words of a subject', find({ subject: 'весна' }), found('report')),
  row('by words of a text', find({ body: 'harbour' }), found('lunch')),
  row('by words anywhere', find({ text: 'lunch' }), found('lunch', 'answer')),
  row('by a field', find({ header: ['X-Tag', 'first'] }), found('report')),
  row('by a field that is there', find({ header: ['List-Post'] }), found('report')),
  row('by a file', find({ hasAttachment: true, inMailbox: '@inbox' }), found('report')),
  row('by size', find({ maxSize: 100 }), found()),
  row('by time', find({ before: '2001-01-01T00:00:00Z' }), found()),
  row(
    'one or another',
    find({ operator: 'OR', conditions: [{ from: 'bob' }, { subject: 'весна' }] }),
    found('lunch', 'report'),
  ),
  row(
    'none of these',
    find({ operator: 'NOT', conditions: [{ inMailbox: '@inbox' }, { inMailbox: '@drafts' }] }),
    found('answer', 'forwarded'),
  ),
  row('a filter that is none', find({ colour: 'red' }), error('unsupportedFilter')),
  row(
    'an operator that is none',
    find({ operator: 'XOR', conditions: [] }),
    error('invalidArguments'),
  ),
  row('threads as one', find({}, { collapseThreads: true, calculateTotal: true }), [
    'Email/query',
    { ids: ['@lunch', '@report', '@ready', '@forwarded'], total: 4 },
  ]),
  row('a page of it', find({}, { position: 1, limit: 2 }), [
    'Email/query',
    { ids: ['@report', '@answer'], position: 1 },
  ]),
  row('a page from the end', find({}, { position: -2 }), found('ready', 'forwarded')),
  row('a page around an email', find({}, { anchor: '@answer', anchorOffset: -1, limit: 2 }), [
    'Email/query',
    { ids: ['@report', '@answer'], position: 1 },
  ]),
  row('an anchor that is not there', find({}, { anchor: 'none' }), error('anchorNotFound')),
  row('a limit below nothing', find({}, { limit: -1 }), error('invalidArguments')),
  row(
    'a sort that is none',
    ['Email/query', { sort: [{ property: 'colour' }] }],
    error('unsupportedSort'),
  ),
  row(
    'a collation that is none',
    ['Email/query', { sort: [{ property: 'subject', collation: 'i;x' }] }],
    error('unsupportedSort'),
  ),
  row(
    'by subject',
    [
      'Email/query',
      { filter: { inMailbox: '@inbox' }, sort: [{ property: 'subject', isAscending: false }] },
    ],
    found('report', 'lunch'),
  ),
  row(
    'by keyword, then by time',
    [
      'Email/query',
      {
        sort: [
          { property: 'hasKeyword', keyword: '$flagged', isAscending: false },
          { property: 'receivedAt', isAscending: true },
        ],
        limit: 2,
      },
    ],
    found('report', 'lunch'),
  ),
  row(
    'changes of a result',
    ['Email/queryChanges', { filter: {}, sinceQueryState: 'x' }],
    error('cannotCalculateChanges'),
  ),
  row(
    'a snippet',
    ['SearchSnippet/get', { filter: { text: 'harbour' }, emailIds: ['@lunch', 'none'] }],
    [
      'SearchSnippet/get',
      {
        list: [
          {
            emailId: '@lunch',
            subject: null,
            preview: expect.stringContaining('<mark>harbour</mark>'),
          },
        ],
        notFound: ['none'],
      },
    ],
  ),
];

conversations(PROPERTIES);
conversations(QUERIES);
