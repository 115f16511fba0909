/** Requests, references, limits and errors of calls (RFC 8620 §3), a row each. */
import { expect } from 'vitest';
import { conversations, type Conversation } from './testing/conversation.ts';

const error = (type: string, more: object = {}): readonly [string, object] => [
  'error',
  { type, ...more },
];
const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `x${n}`);
const ref = (resultOf: string, name: string, path: string): object => ({ resultOf, name, path });
const queried: readonly [string, object] = ['Email/query', { sort: [{ property: 'receivedAt' }] }];
const ANY: readonly [string, object] = ['Email/query', {}];

const TABLE: readonly Conversation[] = [
  ['an echo', [['Core/echo', { a: [1, null] }]], [['Core/echo', { a: [1, null] }]]],
  ['a method that is none', [['Email/frobnicate', {}]], [error('unknownMethod')]],
  [
    'a method that fails leaves those after it alone',
    [
      ['None/get', {}],
      ['Core/echo', { x: 1 }],
    ],
    [error('unknownMethod'), ['Core/echo', { x: 1 }]],
  ],
  ['an account of others', [['Email/get', { accountId: 'x' }]], [error('accountNotFound')]],
  ['no account', [['Email/get', { accountId: null }]], [error('invalidArguments')]],
  ['an argument that is none', [['Email/get', { idz: [] }]], [error('invalidArguments')]],
  ['ids that are no list', [['Email/get', { ids: 'x' }]], [error('invalidArguments')]],
  [
    'a property that is none',
    [['Email/get', { ids: [], properties: ['x'] }]],
    [error('invalidArguments')],
  ],
  ['more ids than may be got', [['Email/get', { ids: ids(21) }]], [error('requestTooLarge')]],
  [
    'as many ids as may be got',
    [['Email/get', { ids: ids(20) }]],
    [['Email/get', { notFound: ids(20) }]],
  ],
  ['more than may be changed', [['Email/set', { destroy: ids(11) }]], [error('requestTooLarge')]],
  [
    'as many as may be changed',
    [['Email/set', { destroy: ids(10) }]],
    [['Email/set', { destroyed: null, notDestroyed: { x9: { type: 'notFound' } } }]],
  ],
  [
    'a state of another time',
    [['Email/set', { ifInState: 'x', destroy: [] }]],
    [error('stateMismatch')],
  ],
  [
    'the state of now',
    [['Email/set', { ifInState: '@emails' }]],
    [['Email/set', { newState: '@emails' }]],
  ],
  [
    'changes of a foreign state',
    [['Email/changes', { sinceState: 'x' }]],
    [error('cannotCalculateChanges')],
  ],
  ['changes of no state', [['Email/changes', {}]], [error('invalidArguments')]],
  [
    'no changes at most',
    [['Email/changes', { sinceState: '@emails', maxChanges: 0 }]],
    [error('invalidArguments')],
  ],
  [
    'no changes',
    [['Email/changes', { sinceState: '@emails', maxChanges: 1 }]],
    [['Email/changes', { created: [], updated: [], destroyed: [], hasMoreChanges: false }]],
  ],
  [
    'a reference to a list of ids',
    [queried, ['Email/get', { '#ids': ref('c0', 'Email/query', '/ids'), properties: ['subject'] }]],
    [ANY, ['Email/get', { list: [{ id: '@lunch' }, { id: '@report' }, {}, {}, {}] }]],
  ],
  [
    'a reference through all objects of a list',
    [
      ['Email/get', { ids: ['@lunch', '@answer'], properties: ['threadId'] }],
      ['Thread/get', { '#ids': ref('c0', 'Email/get', '/list/*/threadId') }],
    ],
    [
      ['Email/get', {}],
      ['Thread/get', { list: [{ id: '@lunch.thread', emailIds: ['@lunch', '@answer'] }] }],
    ],
  ],
  [
    'a reference through lists within lists is flat',
    [
      ['Thread/get', { ids: ['@lunch.thread', '@report.thread'] }],
      ['Email/get', { '#ids': ref('c0', 'Thread/get', '/list/*/emailIds'), properties: ['id'] }],
    ],
    [
      ['Thread/get', {}],
      ['Email/get', { list: [{ id: '@lunch' }, { id: '@answer' }, { id: '@report' }] }],
    ],
  ],
  [
    'a reference to another method',
    [queried, ['Email/get', { '#ids': ref('c0', 'Email/get', '/ids') }]],
    [ANY, error('invalidResultReference')],
  ],
  [
    'a reference to a call that failed',
    [
      ['None/get', {}],
      ['Email/get', { '#ids': ref('c0', 'None/get', '/ids') }],
    ],
    [error('unknownMethod'), error('invalidResultReference')],
  ],
  [
    'a reference to nothing',
    [queried, ['Email/get', { '#ids': ref('c0', 'Email/query', '/idz') }]],
    [ANY, error('invalidResultReference')],
  ],
  [
    'an argument and a reference for it',
    [queried, ['Email/get', { ids: [], '#ids': ref('c0', 'Email/query', '/ids') }]],
    [ANY, error('invalidArguments')],
  ],
  [
    'what was made is named by the calls after it',
    [
      ['Mailbox/set', { create: { m: { name: 'New' } } }],
      ['Email/set', { update: { '@lunch': { mailboxIds: { '#m': true } } } }],
      ['Mailbox/query', { filter: { name: 'New' } }],
      ['Mailbox/get', { '#ids': ref('c2', 'Mailbox/query', '/ids'), properties: ['totalEmails'] }],
    ],
    [
      ['Mailbox/set', { notCreated: null }],
      ['Email/set', { updated: { '@lunch': null } }],
      ['Mailbox/query', {}],
      ['Mailbox/get', { list: [{ totalEmails: 1 }] }],
    ],
  ],
  [
    'a name of what was not made',
    [['Email/set', { update: { '@lunch': { mailboxIds: { '#none': true } } } }]],
    [['Email/set', { notUpdated: { '@lunch': { type: 'invalidProperties' } } }]],
  ],
  [
    'blobs are copied within the one account there is',
    [['Blob/copy', { fromAccountId: '@account', blobIds: ['@lunch.blob', 'none'] }]],
    [
      [
        'Blob/copy',
        { copied: { '@lunch.blob': '@lunch.blob' }, notCopied: { none: { type: 'blobNotFound' } } },
      ],
    ],
  ],
  [
    'blobs of others',
    [['Blob/copy', { fromAccountId: 'x', blobIds: [] }]],
    [error('fromAccountNotFound')],
  ],
  [
    'emails of others',
    [['Email/copy', { fromAccountId: 'x', create: {} }]],
    [error('fromAccountNotFound')],
  ],
  [
    'emails copied to where they are',
    [['Email/copy', { fromAccountId: '@account', create: {} }]],
    [error('invalidArguments')],
  ],
  ['no URL is pushed to', [['PushSubscription/get', {}]], [error('unknownMethod')]],
  [
    'a subscription is not taken',
    [['PushSubscription/set', { create: { p: { url: 'https://x.test', deviceClientId: 'd' } } }]],
    [error('unknownMethod', { description: expect.stringContaining('PushSubscription/set') })],
  ],
];

conversations(TABLE);
