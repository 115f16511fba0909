import { afterEach, expect, test } from 'vitest';
import type { WebVerdict } from '../auth/web-types.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { StoreError } from '../volumes/error.ts';
import { JSON_DEPTH_MAX } from './options.ts';
import { startJmap, type TestJmap, type TestJmapOptions } from './testing/server.ts';
import { CAPABILITIES } from './types.ts';

const running: TestJmap[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

async function start(options: TestJmapOptions = {}): Promise<TestJmap> {
  const jmap = await startJmap(options);
  running.push(jmap);
  return jmap;
}

const CORE = [CAPABILITIES.core];
const echo = (args: object, id = '0'): readonly [string, object, string] => ['Core/echo', args, id];

test('the session says where everything is, and changes its state with what it says', async () => {
  const jmap = await start();
  const reply = await fetch(`${jmap.base}/.well-known/jmap`);
  expect(reply.headers.get('cache-control')).toContain('no-store');
  const session = (await reply.json()) as Record<string, string>;
  expect(session).toMatchObject({
    username: jmap.account.login,
    accounts: { [jmap.account.id]: { name: jmap.account.login, isReadOnly: false } },
    primaryAccounts: { [CAPABILITIES.mail]: jmap.account.id },
    apiUrl: `${jmap.base}/jmap/api`,
  });
  for (const variable of ['accountId', 'blobId', 'type', 'name']) {
    expect(session['downloadUrl']).toContain(`{${variable}}`); // RFC 8620 §2
  }
  const { body } = await jmap.api({ using: CORE, methodCalls: [] });
  expect(body).toEqual({ methodResponses: [], sessionState: session['state'] });
  const other = await start({ values: { 'jmap.get.objects': 501 } });
  const answer = await other.api({ using: CORE, methodCalls: [] });
  expect(answer.body['sessionState']).not.toBe(session['state']);
});

test('a client that came by TLS to a balancer is not sent to http', async () => {
  const jmap = await start();
  const headers = { 'x-forwarded-proto': 'https' };
  const reply = await fetch(`${jmap.base}/.well-known/jmap`, { headers });
  const session = (await reply.json()) as Record<string, string>;
  expect(session['apiUrl']).toMatch(/^https:/);
});

const SESSION_VERDICTS: readonly [verdict: WebVerdict, status: number][] = [
  [{ kind: 'unknown' }, 401],
  [{ kind: 'foreign' }, 403],
  [{ kind: 'suspended' }, 403],
  [{ kind: 'throttled', retryAfterMs: 9_000 }, 429],
  [{ kind: 'unavailable' }, 503],
];
const PATHS = [
  ['GET', '/.well-known/jmap'],
  ['POST', '/jmap/api'],
  ['POST', '/jmap/upload/x/'],
  ['GET', '/jmap/download/x/y/z'],
  ['GET', '/jmap/events'],
] as const;

test.for(SESSION_VERDICTS)('every door is shut to whom is %o', async ([verdict, status]) => {
  const jmap = await start();
  jmap.verdict = verdict;
  for (const [method, path] of PATHS) {
    const body = method === 'POST' ? { body: 'x'.repeat(10) } : {};
    const reply = await fetch(jmap.base + path, { method, ...body });
    expect([path, reply.status]).toEqual([path, status]);
    expect(reply.headers.has('www-authenticate')).toBe(status === 401);
    expect(reply.headers.has('retry-after')).toBe(status === 429 || status === 503);
  }
});

test('a page of a browser gets no window for a password, but a cookie that ends its session', async () => {
  const jmap = await start();
  jmap.verdict = { kind: 'unknown', setCookie: 'a=; Max-Age=0' };
  const headers = { 'sec-fetch-site': 'same-origin' };
  const reply = await fetch(`${jmap.base}/.well-known/jmap`, { headers });
  expect(reply.headers.get('www-authenticate')).not.toMatch(/basic/i);
  expect(reply.headers.get('set-cookie')).toBe('a=; Max-Age=0');
});

/** RFC 8620 §3.6.1, RFC 7493 */
const REQUESTS: readonly [what: string, body: object | string | Uint8Array, type: string][] = [
  ['not JSON', '{', 'notJSON'],
  ['nothing', '', 'notJSON'],
  ['two members of a name', '{"using":[],"using":[],"methodCalls":[]}', 'notJSON'],
  ['the same name, written otherwise', '{"using":[],"\\u0075sing":[],"methodCalls":[]}', 'notJSON'],
  ['half of a pair', '{"using":["\\ud800"],"methodCalls":[]}', 'notJSON'],
  ['half of a pair in a name', '{"\\udc00":1,"using":[],"methodCalls":[]}', 'notJSON'],
  ['a number too large', '{"using":[],"methodCalls":[],"x":1e400}', 'notJSON'],
  ['no UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), 'notJSON'],
  ['a byte order mark', '\ufeff{"using":[],"methodCalls":[]}', 'notJSON'],
  ['too deep', '['.repeat(JSON_DEPTH_MAX + 1) + ']'.repeat(JSON_DEPTH_MAX + 1), 'notJSON'],
  ['a list', [], 'notRequest'],
  ['null', 'null', 'notRequest'],
  ['no using', { methodCalls: [] }, 'notRequest'],
  ['using that is no list of texts', { using: [1], methodCalls: [] }, 'notRequest'],
  ['no calls', { using: [] }, 'notRequest'],
  ['a call of two', { using: [], methodCalls: [['Core/echo', {}]] }, 'notRequest'],
  ['arguments in a list', { using: [], methodCalls: [['Core/echo', [], '0']] }, 'notRequest'],
  [
    'created ids that are none',
    { using: [], methodCalls: [], createdIds: { a: '/' } },
    'notRequest',
  ],
  ['what nobody has', { using: ['urn:x'], methodCalls: [] }, 'unknownCapability'],
];

test.for(REQUESTS)('a request that is %s is refused whole', async ([, body, type]) => {
  const jmap = await start();
  const answer = await jmap.api(body);
  expect(answer).toMatchObject({
    status: 400,
    body: { type: `urn:ietf:params:jmap:error:${type}`, status: 400 },
  });
  expect(jmap.web.errors()).toEqual([]);
});

test('a body of another type is no request', async () => {
  const jmap = await start();
  const answer = await jmap.api({ using: CORE, methodCalls: [] }, 'text/plain');
  expect(answer.body).toMatchObject({ type: 'urn:ietf:params:jmap:error:notJSON' });
});

test('limits of a request, each at its edge', async () => {
  const jmap = await start({
    values: { 'jmap.request.calls': 16, 'jmap.request.size': 1_048_576 },
  });
  const calls = (count: number) => Array.from({ length: count }, () => echo({}));
  expect((await jmap.api({ using: CORE, methodCalls: calls(16) })).status).toBe(200);
  const limit = 'urn:ietf:params:jmap:error:limit';
  expect(await jmap.api({ using: CORE, methodCalls: calls(17) })).toMatchObject({
    status: 400,
    body: { type: limit, limit: 'maxCallsInRequest' },
  });
  const request = JSON.stringify({ using: CORE, methodCalls: [] });
  const whole = request + ' '.repeat(1_048_576 - request.length);
  expect((await jmap.api(whole)).status).toBe(200);
  expect(await jmap.api(`${whole} `)).toMatchObject({
    status: 400,
    body: { type: limit, limit: 'maxSizeRequest' },
  });
});

test('deep enough is not too deep, and a name may come again in another object', async () => {
  const jmap = await start();
  const ask = (lists: number) => {
    const deep = `${'['.repeat(lists)}{"a":{"a":"a:\\"{["},"b":"a"}${']'.repeat(lists)}`;
    return jmap.api(`{"using":["${CORE[0]}"],"methodCalls":[["Core/echo",{"x":${deep}},"0"]]}`);
  };
  const fits = JSON_DEPTH_MAX - 6; // Four levels are around it, and two in it.
  expect((await ask(fits)).status).toBe(200);
  expect(await ask(fits + 1)).toMatchObject({
    status: 400,
    body: { type: 'urn:ietf:params:jmap:error:notJSON' },
  });
});

test('more requests at once than a user may have are told to come again', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const store = new MemoryStore();
  const slow = {
    openMail: async (account: Parameters<typeof store.openMail>[0]) => {
      await held;
      return store.openMail(account);
    },
  };
  const jmap = await start({
    store: Object.assign(Object.create(store) as MemoryStore, slow),
    values: { 'jmap.request.concurrent': 4 },
  });
  const ask = () => jmap.api({ using: CORE, methodCalls: [] });
  const first = [ask(), ask(), ask(), ask()];
  await expect.poll(async () => (await ask()).status).toBe(429);
  release();
  expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect((await ask()).status).toBe(200);
});

test('calls run in order; what one cannot do does not keep the next from it', async () => {
  const jmap = await start();
  const { body } = await jmap.api({
    using: CORE,
    methodCalls: [echo({ a: 1 }, 'one'), ['Foo/bar', {}, 'two'], echo({ b: 2 }, 'three')],
  });
  expect(body['methodResponses']).toMatchObject([
    ['Core/echo', { a: 1 }, 'one'],
    ['error', { type: 'unknownMethod' }, 'two'],
    ['Core/echo', { b: 2 }, 'three'],
  ]);
});

test('a method is unknown to whom does not use its capability', async () => {
  const jmap = await start();
  const accountId = jmap.account.id;
  const methodCalls = [['Mailbox/get', { accountId }, '0']];
  const { body } = await jmap.api({ using: CORE, methodCalls });
  expect(body['methodResponses']).toMatchObject([['error', { type: 'unknownMethod' }, '0']]);
});

test('an account that is not there, or not said', async () => {
  const jmap = await start();
  const answers = await jmap.calls(
    ['Mailbox/get', { accountId: 'another' }],
    ['Mailbox/get', {}],
    ['Mailbox/get', { accountId: 7 }],
    ['Blob/copy', { accountId: jmap.account.id, fromAccountId: 'another', blobIds: [] }],
  );
  expect(answers.map(([name, { type }]) => [name, type])).toEqual([
    ['error', 'accountNotFound'],
    ['error', 'invalidArguments'],
    ['error', 'invalidArguments'],
    ['error', 'fromAccountNotFound'],
  ]);
});

const LIST = {
  list: [
    { id: 'a', more: [1, 2] },
    { id: 'b', more: [3] },
  ],
  'a/b~c': 7,
};

/** RFC 8620 §3.7, RFC 6901 */
const REFERENCES: readonly [path: string, value: unknown][] = [
  ['/list/0/id', 'a'],
  ['/list/*/id', ['a', 'b']],
  ['/list/*/more', [1, 2, 3]],
  ['/a~1b~0c', 7],
  ['', LIST],
  ['/list/2/id', 'error'],
  ['/list/-/id', 'error'],
  ['/list/01/id', 'error'],
  ['/nothing', 'error'],
  ['/__proto__', 'error'],
  ['/constructor/name', 'error'],
  ['/list/length', 'error'],
  ['list', 'error'],
];

test.for(REFERENCES)('a result reference to %j', async ([path, value]) => {
  const jmap = await start();
  const { body } = await jmap.api({
    using: CORE,
    methodCalls: [echo(LIST, '0'), echo({ '#x': { resultOf: '0', name: 'Core/echo', path } }, '1')],
  });
  const [, answer] = body['methodResponses'] as readonly unknown[];
  if (value === 'error')
    expect(answer).toMatchObject(['error', { type: 'invalidResultReference' }, '1']);
  else expect(answer).toEqual(['Core/echo', { x: value }, '1']);
});

test('references to no call, to another name, and beside the argument itself', async () => {
  const jmap = await start();
  const at = (more: object): object => ({ resultOf: '0', name: 'Core/echo', path: '/a', ...more });
  const { body } = await jmap.api({
    using: CORE,
    methodCalls: [
      echo({ a: 1 }, '0'),
      echo({ '#x': at({ resultOf: '9' }) }, '1'),
      echo({ '#x': at({ name: 'Mailbox/get' }) }, '2'),
      echo({ '#x': at({}), x: 1 }, '3'),
      echo({ '#x': 'y' }, '4'),
    ],
  });
  const types = (body['methodResponses'] as [string, { type?: string }][]).map(
    ([, { type }]) => type,
  );
  const bad = 'invalidResultReference';
  expect(types).toEqual([undefined, bad, bad, 'invalidArguments', bad]);
});

test('created ids come back where they were given', async () => {
  const jmap = await start();
  const { body } = await jmap.api({ using: CORE, methodCalls: [], createdIds: { k1: 'x' } });
  expect(body['createdIds']).toEqual({ k1: 'x' });
});

test('there is nobody to push to by a URL', async () => {
  const jmap = await start();
  const answers = await jmap.calls(
    ['PushSubscription/get', { ids: null }],
    ['PushSubscription/set', { create: { k: { url: 'https://x.example/' } } }],
  );
  expect(answers).toMatchObject([
    ['error', { type: 'unknownMethod' }, 'c0'],
    ['error', { type: 'unknownMethod' }, 'c1'],
  ]);
});

test('a volume that is away is a time to try again, never an empty mailbox', async () => {
  const store = new MemoryStore();
  const away = { openMail: () => Promise.reject(new StoreError('volume-down', 'mail1 is away')) };
  const jmap = await start({ store: Object.assign(Object.create(store) as MemoryStore, away) });
  const accountId = jmap.account.id;
  const reply = await jmap.api({
    using: [CAPABILITIES.mail],
    methodCalls: [['Mailbox/get', { accountId }, '0']],
  });
  expect(reply.status).toBe(503);
  expect(JSON.stringify(reply.body)).not.toContain('mail1');
  expect(jmap.web.errors()).toEqual([]);
});
