/** What is made, changed, imported, parsed (RFC 8621 §4.6 to §4.9), a row each. */
import { expect } from 'vitest';
import {
  conversations,
  type Call,
  type Conversation,
  type Expected,
} from './testing/conversation.ts';

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
const patch = (id: string, change: object): Call => [
  'Email/set',
  { update: { [`@${id}`]: change } },
];
const refused = (id: string, fault: object): Expected => [
  'Email/set',
  { notUpdated: { [`@${id}`]: fault } },
];
const make = (object: object): Call => [
  'Email/set',
  { create: { e: { mailboxIds: { '@drafts': true }, ...object } } },
];
const notMade = (...properties: readonly string[]): Expected => [
  'Email/set',
  { created: null, notCreated: { e: { type: 'invalidProperties', properties } } },
];

const CHANGES: readonly Conversation[] = [
  [
    'a keyword is set, another taken, whatever case',
    [
      patch('report', { 'keywords/$SEEN': true, 'keywords/$work': null }),
      get('report', 'keywords'),
    ],
    [['Email/set', { notUpdated: null }], got({ keywords: { $flagged: true, $seen: true } })],
  ],
  [
    'all keywords at once',
    [patch('report', { keywords: { later: true } }), get('report', 'keywords')],
    [
      ['Email/set', { notUpdated: null }],
      ['Email/get', { list: [{ id: '@report', keywords: { later: true } }] }],
    ],
  ],
  row(
    'a keyword that is none',
    patch('lunch', { 'keywords/a b': true }),
    refused('lunch', { type: 'invalidProperties', properties: ['keywords'] }),
  ),
  row(
    'what cannot be changed',
    patch('lunch', { subject: 'x' }),
    refused('lunch', { type: 'invalidProperties', properties: ['subject'] }),
  ),
  row(
    'two paths, one in the other',
    patch('lunch', { keywords: {}, 'keywords/$seen': true }),
    refused('lunch', { type: 'invalidPatch' }),
  ),
  row(
    'in no mailbox',
    patch('lunch', { mailboxIds: {} }),
    refused('lunch', { type: 'invalidProperties', properties: ['mailboxIds'] }),
  ),
  row(
    'in two mailboxes',
    patch('lunch', { 'mailboxIds/@drafts': true }),
    refused('lunch', { type: 'tooManyMailboxes' }),
  ),
  [
    'moved with its id',
    [
      patch('lunch', { 'mailboxIds/@inbox': null, 'mailboxIds/@boat': true }),
      find({ inMailbox: '@boat' }),
    ],
    [['Email/set', { updated: { '@lunch': null } }], found('lunch', 'forwarded')],
  ],
  [
    'destroyed, and what is not there',
    [
      ['Email/set', { destroy: ['@lunch', 'none'] }],
      ['Email/changes', { sinceState: '@emails' }],
    ],
    [
      ['Email/set', { destroyed: ['@lunch'], notDestroyed: { none: { type: 'notFound' } } }],
      ['Email/changes', { created: [], updated: [], destroyed: ['@lunch'] }],
    ],
  ],
  row(
    'changed and destroyed',
    ['Email/set', { update: { '@lunch': { keywords: {} } }, destroy: ['@lunch'] }],
    ['Email/set', { notUpdated: { '@lunch': { type: 'willDestroy' } }, destroyed: ['@lunch'] }],
  ),
  row('made with nothing in it', make({}), [
    'Email/set',
    {
      created: {
        e: {
          id: expect.any(String),
          blobId: expect.any(String),
          threadId: expect.any(String),
          size: expect.any(Number),
        },
      },
    },
  ]),
  row('made nowhere', ['Email/set', { create: { e: { subject: 'x' } } }], notMade('mailboxIds')),
  row('made with what the server says', make({ size: 5 }), notMade('size')),
  row('made with headers as a list', make({ headers: [] }), notMade('headers')),
  row('made with a field twice', make({ subject: 'a', 'header:Subject:asText': 'b' }), [
    'Email/set',
    { notCreated: { e: { type: 'invalidProperties' } } },
  ]),
  row('made with a field of a part', make({ 'header:Content-Type:asText': 'text/html' }), [
    'Email/set',
    { notCreated: { e: { type: 'invalidProperties' } } },
  ]),
  row(
    'made with a value that is not there',
    make({ textBody: [{ partId: 'x', type: 'text/plain' }] }),
    ['Email/set', { notCreated: { e: { type: 'invalidProperties' } } }],
  ),
  row(
    'made with a file that is not there',
    make({ attachments: [{ blobId: 'none', type: 'image/png' }] }),
    ['Email/set', { notCreated: { e: { type: 'blobNotFound', notFound: ['none'] } } }],
  ),
  row(
    'made with structure and bodies',
    make({
      bodyStructure: { type: 'text/plain', partId: 'x' },
      textBody: [{ partId: 'x', type: 'text/plain' }],
      bodyValues: { x: { value: 'y' } },
    }),
    ['Email/set', { notCreated: { e: { type: 'invalidProperties' } } }],
  ),
  [
    'imported, as often as wanted',
    [
      [
        'Email/import',
        {
          emails: {
            a: { blobId: '@lunch.blob', mailboxIds: { '@boat': true }, keywords: { $seen: true } },
            b: { blobId: 'none', mailboxIds: { '@boat': true } },
          },
        },
      ],
      find({ inMailbox: '@boat', hasKeyword: '$seen' }),
    ],
    [
      [
        'Email/import',
        {
          created: { a: { threadId: '@lunch.thread' } },
          notCreated: { b: { type: 'blobNotFound' } },
        },
      ],
      ['Email/query', { ids: [expect.any(String)] }],
    ],
  ],
  row(
    'imported nowhere',
    ['Email/import', { emails: { a: { blobId: '@lunch.blob' } } }],
    [
      'Email/import',
      { notCreated: { a: { type: 'invalidProperties', properties: ['mailboxIds'] } } },
    ],
  ),
  row(
    'parsed',
    ['Email/parse', { blobIds: ['@lunch.blob', 'none'], properties: ['subject', 'id'] }],
    [
      'Email/parse',
      {
        parsed: { '@lunch.blob': { subject: 'Lunch on Friday', id: null } },
        notFound: ['none'],
        notParsable: null,
      },
    ],
  ),
];

conversations(CHANGES);
