/** Mailbox, Thread, Identity, EmailSubmission, VacationResponse (RFC 8621), a row each. */
import { expect } from 'vitest';
import { conversations, type Call, type Conversation } from './testing/conversation.ts';

const error = (type: string): readonly [string, object] => ['error', { type }];
const refused = (type: string, more: object = {}): object => ({
  notUpdated: { x: { type, ...more } },
});
const make = (object: object): Call => ['Mailbox/set', { create: { x: object } }];
const notMade = (type: string, properties?: readonly string[]): readonly [string, object] => [
  'Mailbox/set',
  { created: null, notCreated: { x: { type, ...(properties && { properties }) } } },
];
const send = (object: object): Call => [
  'EmailSubmission/set',
  { create: { s: { identityId: '@identity', emailId: '@ready', ...object } } },
];
const notSent = (type: string, properties?: readonly string[]): readonly [string, object] => [
  'EmailSubmission/set',
  { created: null, notCreated: { s: { type, ...(properties && { properties }) } } },
];
const away = (patch: object): Call => ['VacationResponse/set', { update: { singleton: patch } }];

const MAILBOXES: readonly Conversation[] = [
  ['a mailbox without a name', [make({})], [notMade('invalidProperties', ['name'])]],
  ['a mailbox of no name', [make({ name: '' })], [notMade('invalidProperties', ['name'])]],
  ['a name that is there', [make({ name: 'Projects' })], [notMade('invalidProperties', ['name'])]],
  [
    'a parent that is not there',
    [make({ name: 'a', parentId: 'none' })],
    [notMade('invalidProperties', ['parentId'])],
  ],
  [
    'a role that is none',
    [make({ name: 'a', role: 'nonsense' })],
    [notMade('invalidProperties', ['role'])],
  ],
  [
    'counts are the server’s',
    [make({ name: 'a', totalEmails: 3 })],
    [notMade('invalidProperties', ['totalEmails'])],
  ],
  [
    'a mailbox below one made in the same call',
    [['Mailbox/set', { create: { a: { name: 'A' }, b: { name: 'B', parentId: '#a' } } }]],
    [['Mailbox/set', { notCreated: null, created: { a: {}, b: { totalEmails: 0 } } }]],
  ],
  [
    'one with a child stays',
    [['Mailbox/set', { destroy: ['@projects'], onDestroyRemoveEmails: true }]],
    [['Mailbox/set', { notDestroyed: { '@projects': { type: 'mailboxHasChild' } } }]],
  ],
  [
    'one with mail stays',
    [['Mailbox/set', { destroy: ['@boat'] }]],
    [['Mailbox/set', { notDestroyed: { '@boat': { type: 'mailboxHasEmail' } } }]],
  ],
  [
    'one goes with its mail where that is wanted',
    [
      ['Mailbox/set', { destroy: ['@boat'], onDestroyRemoveEmails: true }],
      ['Email/get', { ids: ['@forwarded'] }],
    ],
    [
      ['Mailbox/set', { destroyed: ['@boat'] }],
      ['Email/get', { list: [], notFound: ['@forwarded'] }],
    ],
  ],
  [
    'a tree goes in one call',
    [['Mailbox/set', { destroy: ['@projects', '@boat'], onDestroyRemoveEmails: true }]],
    [['Mailbox/set', { destroyed: expect.any(Array), notDestroyed: null }]],
  ],
  [
    'the inbox stays',
    [['Mailbox/set', { destroy: ['@inbox'], onDestroyRemoveEmails: true }]],
    [['Mailbox/set', { notDestroyed: { '@inbox': { type: 'forbidden' } } }]],
  ],
  [
    'below itself nothing is',
    [['Mailbox/set', { update: { '@projects': { parentId: '@boat' } } }]],
    [
      [
        'Mailbox/set',
        { notUpdated: { '@projects': { type: 'invalidProperties', properties: ['parentId'] } } },
      ],
    ],
  ],
  [
    'what is changed and destroyed in one call',
    [
      [
        'Mailbox/set',
        { update: { '@boat': { name: 'x' } }, destroy: ['@boat'], onDestroyRemoveEmails: true },
      ],
    ],
    [['Mailbox/set', { notUpdated: { '@boat': { type: 'willDestroy' } }, destroyed: ['@boat'] }]],
  ],
  [
    'one that is not there',
    [['Mailbox/set', { update: { x: { name: 'y' } } }]],
    [['Mailbox/set', refused('notFound')]],
  ],
  [
    'queries of mailboxes',
    [
      ['Mailbox/query', { filter: { hasAnyRole: false }, sort: [{ property: 'name' }] }],
      ['Mailbox/query', { filter: { parentId: '@projects' } }],
      ['Mailbox/query', { filter: { role: 'drafts' } }],
      [
        'Mailbox/query',
        {
          filter: { operator: 'NOT', conditions: [{ hasAnyRole: true }] },
          limit: 1,
          calculateTotal: true,
        },
      ],
      ['Mailbox/query', { filter: { nonsense: 1 } }],
      ['Mailbox/query', { sort: [{ property: 'nonsense' }] }],
    ],
    [
      ['Mailbox/query', { ids: expect.any(Array) }],
      ['Mailbox/query', { ids: ['@boat'] }],
      ['Mailbox/query', { ids: ['@drafts'] }],
      ['Mailbox/query', { total: 2, ids: [expect.any(String)] }],
      error('unsupportedFilter'),
      error('unsupportedSort'),
    ],
  ],
  [
    'counts and rights',
    [['Mailbox/get', { ids: ['@inbox', 'none'] }]],
    [
      [
        'Mailbox/get',
        {
          list: [
            { role: 'inbox', totalEmails: 2, unreadEmails: 1, totalThreads: 2, unreadThreads: 1 },
          ],
          notFound: ['none'],
        },
      ],
    ],
  ],
  [
    'a thread that is none',
    [['Thread/get', { ids: ['none', '@lunch.thread'] }]],
    [['Thread/get', { list: [{ emailIds: ['@lunch', '@answer'] }], notFound: ['none'] }]],
  ],
];

const SENDING: readonly Conversation[] = [
  [
    'a letter is sent to all whom its header names',
    [send({}), ['EmailSubmission/query', {}], ['EmailSubmission/get', {}]],
    [
      [
        'EmailSubmission/set',
        { created: { s: { undoStatus: 'final', sendAt: expect.any(String) } } },
      ],
      ['EmailSubmission/query', { ids: [expect.any(String)], queryState: expect.any(String) }],
      [
        'EmailSubmission/get',
        {
          list: [
            {
              emailId: '@ready',
              threadId: '@ready.thread',
              envelope: {
                mailFrom: { email: 'tevie@t1.example', parameters: null },
                rcptTo: [{ email: 'bob@x.test' }, { email: 'hidden@x.test' }],
              },
              deliveryStatus: { 'bob@x.test': { delivered: expect.any(String) } },
            },
          ],
        },
      ],
    ],
  ],
  [
    'an envelope with parameters of DSN',
    [
      send({
        envelope: {
          mailFrom: { email: 'tevie@t1.example', parameters: { RET: 'HDRS', ENVID: 'x1' } },
          rcptTo: [{ email: 'z@x.test', parameters: { NOTIFY: 'NEVER' } }],
        },
      }),
      ['EmailSubmission/get', { properties: ['envelope'] }],
    ],
    [
      ['EmailSubmission/set', { notCreated: null }],
      [
        'EmailSubmission/get',
        {
          list: [
            { envelope: { rcptTo: [{ email: 'z@x.test', parameters: { NOTIFY: 'NEVER' } }] } },
          ],
        },
      ],
    ],
  ],
  [
    'an envelope of nobody',
    [send({ envelope: { mailFrom: { email: 'tevie@t1.example' }, rcptTo: [] } })],
    [notSent('noRecipients')],
  ],
  [
    'an envelope that is none',
    [send({ envelope: 7 })],
    [notSent('invalidProperties', ['envelope'])],
  ],
  [
    'an identity that is none',
    [send({ identityId: 'x' })],
    [notSent('invalidProperties', ['identityId'])],
  ],
  ['an email that is none', [send({ emailId: 'x' })], [notSent('invalidProperties', ['emailId'])]],
  [
    'what the server says',
    [send({ deliveryStatus: {} })],
    [notSent('invalidProperties', ['deliveryStatus'])],
  ],
  [
    'what was sent is not unsent',
    [send({}), ['EmailSubmission/set', { update: { '#s': { undoStatus: 'canceled' } } }]],
    [
      ['EmailSubmission/set', { notCreated: null }],
      ['EmailSubmission/set', { updated: null, notUpdated: { '#s': { type: 'cannotUnsend' } } }],
    ],
  ],
  [
    'a draft goes when it was sent',
    [
      [
        'EmailSubmission/set',
        {
          create: { s: { identityId: '@identity', emailId: '@ready' } },
          onSuccessDestroyEmail: ['#s'],
        },
      ],
      ['Email/get', { ids: ['@ready'], properties: ['id'] }],
    ],
    [
      ['EmailSubmission/set', { notCreated: null }],
      ['Email/set', { destroyed: ['@ready'] }],
      ['Email/get', { notFound: ['@ready'] }],
    ],
  ],
  [
    'a filter with operators',
    [
      send({}),
      [
        'EmailSubmission/query',
        {
          filter: {
            operator: 'AND',
            conditions: [{ undoStatus: 'final' }, { emailIds: ['@ready'] }],
          },
        },
      ],
    ],
    [
      ['EmailSubmission/set', {}],
      ['EmailSubmission/query', { ids: [expect.any(String)] }],
    ],
  ],
  [
    'identities',
    [
      [
        'Identity/set',
        { create: { i: { email: 'tevie@t1.example', name: 'T' }, j: { email: 'eve@x.test' } } },
      ],
      ['Identity/set', { update: { '#i': { name: 'Tevie' } } }],
      [
        'Identity/set',
        { update: { '@identity': { email: 'other@x.test' } }, destroy: ['@identity'] },
      ],
      ['Identity/changes', { sinceState: '@identities' }],
    ],
    [
      [
        'Identity/set',
        { created: { i: { mayDelete: true } }, notCreated: { j: { type: 'forbiddenFrom' } } },
      ],
      ['Identity/set', { notUpdated: null }],
      [
        'Identity/set',
        { notUpdated: { '@identity': {} }, notDestroyed: { '@identity': { type: 'forbidden' } } },
      ],
      ['Identity/changes', { created: [expect.any(String)], updated: [], destroyed: [] }],
    ],
  ],
];

const ABSENCE: readonly Conversation[] = [
  [
    'an absence is written, told and ended',
    [
      away({ isEnabled: true, textBody: 'Away', subject: 'Out', toDate: '2030-01-01T00:00:00Z' }),
      ['VacationResponse/get', {}],
      away({ isEnabled: false }),
    ],
    [
      ['VacationResponse/set', { updated: { singleton: null } }],
      [
        'VacationResponse/get',
        {
          list: [
            { id: 'singleton', isEnabled: true, textBody: 'Away', toDate: '2030-01-01T00:00:00Z' },
          ],
        },
      ],
      ['VacationResponse/set', { notUpdated: null }],
    ],
  ],
  [
    'there is one, and no other',
    [['VacationResponse/set', { create: { a: {} }, destroy: ['singleton'], update: { x: {} } }]],
    [
      [
        'VacationResponse/set',
        {
          notCreated: { a: { type: 'singleton' } },
          notDestroyed: { singleton: { type: 'singleton' } },
          notUpdated: { x: { type: 'notFound' } },
        },
      ],
    ],
  ],
  [
    'an end before the beginning',
    [away({ fromDate: '2030-01-02T00:00:00Z', toDate: '2030-01-01T00:00:00Z' })],
    [['VacationResponse/set', { notUpdated: { singleton: { type: 'invalidProperties' } } }]],
  ],
  [
    'a date that is none',
    [away({ fromDate: 'tomorrow' })],
    [['VacationResponse/set', { notUpdated: { singleton: { properties: ['fromDate'] } } }]],
  ],
];

conversations(MAILBOXES);
conversations(SENDING);
conversations(ABSENCE);
