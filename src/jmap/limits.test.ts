/** What one user may make a worker do: small requests that mean much work or much memory. */
import { Agent, request as httpRequest } from 'node:http';
import { afterEach, expect, test, vi } from 'vitest';
import { MemoryStore } from '../mailbox/memory.ts';
import { startJmap, type TestJmap, type TestJmapOptions } from './testing/server.ts';
import { CAPABILITIES } from './types.ts';

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

async function start(options: TestJmapOptions = {}): Promise<TestJmap> {
  const jmap = await startJmap(options);
  clean.push(() => jmap.close());
  return jmap;
}

const CORE = [CAPABILITIES.core];

test('references that double the response of the call before are refused, not written out', async () => {
  const jmap = await start();
  const twice = (of: string) => ({ resultOf: of, name: 'Core/echo', path: '' });
  const calls = Array.from({ length: 60 }, (_, at) =>
    at === 0
      ? ['Core/echo', { a: 'x'.repeat(100) }, 'c0']
      : ['Core/echo', { '#a': twice(`c${at - 1}`), '#b': twice(`c${at - 1}`) }, `c${at}`],
  );
  const { status, body } = await jmap.api({ using: CORE, methodCalls: calls });
  expect(status).toBe(200);
  const responses = body['methodResponses'] as [string, { type?: string }, string][];
  expect(responses.find(([name]) => name === 'error')?.[1].type).toBe('requestTooLarge');
  expect(JSON.stringify(body).length).toBeLessThan(30_000_000);
});

test('a thousand references to one large result are refused', async () => {
  const jmap = await start();
  const reference = { resultOf: 'c0', name: 'Core/echo', path: '/a' };
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`#x${at}`, reference]));
  const [, second] = await jmap.calls(
    ['Core/echo', { a: 'x'.repeat(1_000_000) }],
    ['Core/echo', many],
  );
  expect(second?.[1]).toMatchObject({ type: 'requestTooLarge' });
});

test('requests whose bodies are still on their way count as under way', async () => {
  const jmap = await start({ values: { 'jmap.request.concurrent': 4 } });
  const open = Array.from({ length: 4 }, () => {
    const one = httpRequest(`${jmap.base}/jmap/api`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': 1_000_000 },
    });
    one.on('error', () => {});
    one.write('{');
    return one;
  });
  await vi.waitFor(() => expect(jmap.asked).toBe(4));
  const more = await jmap.api({ using: CORE, methodCalls: [] });
  expect(more).toMatchObject({ status: 429, body: { limit: 'maxConcurrentRequests' } });
  for (const one of open) one.destroy();
  await vi.waitFor(async () => {
    expect((await jmap.api({ using: CORE, methodCalls: [] })).status).toBe(200);
  });
});

const upload = async (jmap: TestJmap, body: string, type = 'text/plain') => {
  const url = `${jmap.base}/jmap/upload/${jmap.account.id}/`;
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
  return { status: reply.status, ...((await reply.json()) as { blobId?: string }) };
};

test('empty files are files: there is an end to them', async () => {
  const jmap = await start({
    values: { 'jmap.upload.total': 1_048_576, 'jmap.upload.size': 1_048_576 },
  });
  const statuses: number[] = [];
  for (let n = 0; n < 257; n += 1) statuses.push((await upload(jmap, '')).status);
  expect(statuses.indexOf(507)).toBe(256); // 4 KiB each.
});

const partsOf = (count: number): string =>
  [
    'From: a@x.test',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    ...Array.from({ length: count }, (_, at) => `--b\r\n\r\npart ${at}`),
    '--b--',
    '',
  ].join('\r\n');

test('a message of very many parts does not become as many files when it is parsed', async () => {
  const jmap = await start();
  const { blobId } = await upload(jmap, partsOf(900), 'message/rfc822');
  const args = { accountId: jmap.account.id, blobIds: [blobId], properties: ['bodyStructure'] };
  const [whole, without] = await jmap.calls(
    ['Email/parse', args],
    ['Email/parse', { ...args, bodyProperties: ['partId'] }],
  );
  expect(whole?.[1]).toMatchObject({ type: 'requestTooLarge' });
  expect(without?.[1]['parsed']).toHaveProperty(String(blobId));
});

test('where no more uploads are kept a message is not parsed, which is no fault of the server', async () => {
  const jmap = await start({
    values: { 'jmap.upload.total': 2_097_152, 'jmap.upload.size': 1_048_576 },
  });
  const { blobId } = await upload(jmap, partsOf(5), 'message/rfc822');
  const args = { accountId: jmap.account.id, blobIds: [blobId], properties: ['bodyStructure'] };
  const [answer] = await jmap.calls(['Email/parse', args]);
  expect(answer?.[1]).toMatchObject({ type: 'requestTooLarge' });
  expect(jmap.web.errors()).toEqual([]);
});

test('ids of blobs that are not there cost one look at the folders for a request', async () => {
  let looks = 0;
  const store = new MemoryStore();
  const counting = async (account: Parameters<MemoryStore['openMail']>[0]) => {
    const mail = await MemoryStore.prototype.openMail.call(store, account);
    const { folders } = mail;
    return Object.assign(mail, {
      folders: () => {
        looks += 1;
        return folders.call(mail);
      },
    });
  };
  const jmap = await start({ store: Object.assign(store, { openMail: counting }) });
  const blobIds = Array.from({ length: 100 }, (_, at) => `mnowhere${at}`);
  const { id } = jmap.account;
  await jmap.calls(['Core/echo', {}]);
  const before = looks;
  const [answer] = await jmap.calls(['Blob/copy', { accountId: id, fromAccountId: id, blobIds }]);
  expect(Object.keys(answer?.[1]['notCopied'] as object)).toHaveLength(100);
  expect(looks - before).toBeLessThanOrEqual(1);
});

const many = (count: number, word: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => word(at)).join(' ');

test.for([
  ['words', { text: many(501, (at) => `w${at}`) }],
  ['words in two fields', { from: many(300, () => 'x'), subject: many(300, () => 'y') }],
  [
    'keywords of threads',
    {
      operator: 'OR',
      conditions: Array.from({ length: 11 }, (_, at) => ({ someInThreadHaveKeyword: `k${at}` })),
    },
  ],
] as const)(
  'a filter of very many %s is refused, for a list and for snippets',
  async ([, filter]) => {
    const jmap = await start();
    const accountId = jmap.account.id;
    const answers = await jmap.calls(
      ['Email/query', { accountId, filter }],
      ['SearchSnippet/get', { accountId, filter, emailIds: [] }],
    );
    for (const [, args] of answers) expect(args).toMatchObject({ type: 'unsupportedFilter' });
  },
);

test('a word of a megabyte is no fault of the server', async () => {
  const store = new MemoryStore();
  const jmap = await start({ store });
  store.deliver(jmap.account, Buffer.from('Subject: xxxxxx\n\nx\n'));
  const accountId = jmap.account.id;
  const filter = { text: 'x('.repeat(500_000) };
  const [, snippets] = await jmap.calls(
    ['Email/query', { accountId }],
    [
      'SearchSnippet/get',
      { accountId, filter, '#emailIds': { resultOf: 'c0', name: 'Email/query', path: '/ids' } },
    ],
  );
  expect(snippets?.[1]['list']).toHaveLength(1);
});

test('more text than an answer holds is refused, a single large email is told', async () => {
  const store = new MemoryStore();
  const jmap = await start({ store });
  const text = Buffer.concat([
    Buffer.from('Subject: x\n\n'),
    Buffer.alloc(7_000_000, 'line of text\n'),
  ]);
  for (let n = 0; n < 16; n += 1) store.deliver(jmap.account, text);
  const accountId = jmap.account.id;
  const [query] = await jmap.calls(['Email/query', { accountId }]);
  const ids = query?.[1]['ids'] as string[];
  const args = { accountId, properties: ['bodyValues'], fetchAllBodyValues: true };
  const answers = await jmap.calls(
    ['Email/get', { ...args, ids }],
    ['Email/get', { ...args, ids: ids.slice(0, 1) }],
  );
  expect(answers.map(([, { type }]) => type)).toEqual(['requestTooLarge', 'requestTooLarge']);
  const [one, bounded] = await jmap.calls(
    ['Email/get', { ...args, ids: ids.slice(0, 1) }],
    ['Email/get', { ...args, ids, maxBodyValueBytes: 1_000 }],
  );
  expect(one?.[1]['list']).toHaveLength(1);
  expect(bounded?.[1]['list']).toHaveLength(16);
});

test('properties of header fields have an end', async () => {
  const jmap = await start();
  const accountId = jmap.account.id;
  const names = (count: number) => Array.from({ length: count }, (_, at) => `header:X-${at}`);
  const answers = await jmap.calls(
    ['Email/get', { accountId, ids: [], properties: names(200) }],
    ['Email/get', { accountId, ids: [], properties: names(201) }],
    ['Email/get', { accountId, ids: [], bodyProperties: names(201) }],
  );
  expect(answers.map(([, { type }]) => type)).toEqual([
    undefined,
    'requestTooLarge',
    'requestTooLarge',
  ]);
});

test('downloads that nobody reads have an end', async () => {
  const store = new MemoryStore();
  const jmap = await start({ store });
  store.deliver(jmap.account, Buffer.concat([Buffer.from('A: b\n\n'), Buffer.alloc(40_000_000)]));
  const { id } = jmap.account;
  const [query] = await jmap.calls(['Email/query', { accountId: id }]);
  if (query === undefined) throw new Error('no answer');
  const [emailId] = query[1]['ids'] as [string];
  const url = `${jmap.base}/jmap/download/${id}/m${emailId}/x.eml`;
  const agent = new Agent({ keepAlive: false });
  const open = Array.from({ length: 50 }, () => httpRequest(url, { agent }));
  let begun = 0;
  for (const one of open) {
    one
      .on('error', () => {})
      .on('response', (reply) => {
        begun += 1;
        reply.on('error', () => {});
      });
    one.end();
  }
  await vi.waitFor(() => expect(begun).toBe(50), 20_000);
  expect((await fetch(url)).status).toBe(429);
  for (const one of open) one.destroy();
  await vi.waitFor(async () => {
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  });
});
