import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { WebVerdict } from '../../auth/web-types.ts';
import type { DnsAnswer } from '../../dns/types.ts';
import { startWeb } from '../../http/testing/web.ts';
import { startJmap } from '../../jmap/testing/server.ts';
import { problemOf } from '../../jmap/trouble.ts';
import { openMaildirMail, type MaildirUnderTest } from '../../mailbox/testing/maildir-mail.ts';
import { OpenMailViews } from '../../mailbox/views.ts';
import { systemClock } from '../../base/clock.ts';
import { isOfTheWorld } from './addresses.ts';
import { fetchImage, IMAGE_LIMITS, type FetchImageParts } from './fetch-image.ts';
import { imageRoutes } from './routes.ts';
import { standsIn } from './stands-in.ts';

const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(100)]);

interface Stranger {
  readonly port: number;
  readonly asked: { readonly url: string; readonly headers: IncomingHttpHeaders }[];
}

/** A web server that answers each path as the table says. */
async function stranger(
  answers: Readonly<Record<string, (response: ServerResponse) => void>>,
): Promise<Stranger> {
  const asked: Stranger['asked'] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push({ url, headers: request.headers });
    const answer = answers[url];
    if (answer) answer(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  clean.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return { port: address.port, asked };
}

const found = (records: readonly string[]): DnsAnswer<string> =>
  records.length > 0 ? { kind: 'records', records } : { kind: 'no-name' };

/** Names of the test; each look-up of a name takes the next of its answers, the last for ever. */
function names(table: Readonly<Record<string, readonly (readonly string[])[]>>) {
  const looked: string[] = [];
  const resolver: FetchImageParts['resolver'] = {
    a: async (host) => {
      const answers = table[host] ?? [];
      const at = Math.min(looked.filter((one) => one === host).length, answers.length - 1);
      looked.push(host);
      return found(answers[at]?.filter((one) => !one.includes(':')) ?? []);
    },
    aaaa: async (host) => found(table[host]?.[0]?.filter((one) => one.includes(':')) ?? []),
  };
  return { resolver, looked };
}

/** As the product judges, but for the stranger of the test. */
const butFor =
  (port: number) =>
  (address: string, asked: string): boolean =>
    (address === '127.0.0.1' && asked === String(port)) || (asked === '' && isOfTheWorld(address));

const png = (response: ServerResponse): void => void response.end(PNG);

describe('a picture from elsewhere', () => {
  test('is fetched without cookie, referrer or anything of the user', async () => {
    const { port, asked } = await stranger({ '/a.png?x=1': png });
    const { resolver } = names({ 'pictures.test': [['127.0.0.1']] });
    const url = `http://pictures.test:${port}/a.png?x=1#y`;
    const image = await fetchImage(url, { resolver, permits: butFor(port) });
    expect(image).toEqual({ kind: 'image', type: 'image/png', content: PNG });
    expect(Object.keys(asked[0]?.headers ?? {}).toSorted()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
    expect(asked[0]?.headers.host).toBe(`pictures.test:${port}`);
  });

  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://017700000001/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:0:1::1]/',
    'http://[fe80::1]/',
    'http://[fd00::1]/',
    'http://[ff02::1]/',
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://192.168.0.1/',
    'http://169.254.169.254/',
    'http://100.64.0.1/',
    'http://0.0.0.0/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://198.18.0.1/',
    'http://192.0.0.8/',
    'http://inside.test/',
    'http://mixed.test/',
    'http://six.test/',
    'https://inside.test/',
    '//inside.test/',
    'http://8.8.8.8:25/',
    'http://8.8.8.8:636/',
    'https://8.8.8.8:80/',
    'http://①②⑦.0.0.1/',
  ])('%s is no host of the world', async (url) => {
    const { resolver } = names({
      'inside.test': [['10.1.2.3']],
      'mixed.test': [['8.8.8.8', '127.0.0.1']],
      'six.test': [['8.8.8.8', '::1']],
    });
    expect(await fetchImage(url, { resolver })).toEqual({
      kind: 'refused',
      why: 'not-of-the-world',
    });
  });

  test.each([
    'file:///etc/passwd',
    'ftp://8.8.8.8/',
    'gopher://8.8.8.8/',
    'javascript:1',
    'data:,x',
    'http://user:secret@8.8.8.8/',
    'http://',
    '',
    'x.png',
    '/self',
  ])('%j is nothing to fetch', async (url) => {
    const { resolver } = names({});
    expect(await fetchImage(url, { resolver })).toEqual({ kind: 'refused', why: 'no-web-address' });
  });

  test('a redirect is looked at like the first address', async () => {
    const to = (location: string) => (response: ServerResponse) =>
      void response.writeHead(302, { location }).end();
    const { port, asked } = await stranger({
      '/in': to('http://169.254.169.254/latest'),
      '/name': to('http://inside.test/'),
      '/file': to('file:///etc/passwd'),
      '/none': (response) => void response.writeHead(302).end(),
      '/loop': to('/loop'),
      '/1': to('/2'),
      '/2': to('/3'),
      '/3': to('/ok'),
      '/ok': png,
      '/0': to('/1'),
    });
    const { resolver } = names({ 'pictures.test': [['127.0.0.1']], 'inside.test': [['10.0.0.1']] });
    const why = async (path: string): Promise<unknown> => {
      const parts = { resolver, permits: butFor(port) };
      const image = await fetchImage(`http://pictures.test:${port}${path}`, parts);
      return image.kind === 'refused' ? image.why : image.kind;
    };
    expect(await why('/in')).toBe('not-of-the-world');
    expect(await why('/name')).toBe('not-of-the-world');
    expect(await why('/file')).toBe('no-web-address');
    expect(await why('/none')).toBe('no-web-address');
    expect(await why('/1')).toBe('image');
    expect(await why('/0')).toBe('too-many-redirects');
    asked.length = 0;
    expect(await why('/loop')).toBe('too-many-redirects');
    expect(asked).toHaveLength(IMAGE_LIMITS.redirects + 1);
  });

  test('a name that means another address a moment later changes nothing', async () => {
    const { port, asked } = await stranger({ '/a.png': png });
    const { resolver, looked } = names({ 'rebinds.test': [['127.0.0.1'], ['127.0.0.2']] });
    const permits = (address: string): boolean => address === '127.0.0.1';
    const image = await fetchImage(`http://rebinds.test:${port}/a.png`, { resolver, permits });
    expect(image.kind).toBe('image');
    // Asked once: the connection is made to what was looked at, not to the name.
    expect(looked).toEqual(['rebinds.test']);
    expect(asked).toHaveLength(1);
    expect((await fetchImage(`http://rebinds.test:${port}/`, { resolver, permits })).kind).toBe(
      'refused',
    );
    expect(asked).toHaveLength(1);
  });

  test('what is too large, late, broken off or no picture is refused', async () => {
    const { port } = await stranger({
      '/large': (response) => void response.write(Buffer.concat([PNG, Buffer.alloc(9_000)])),
      '/late': () => undefined,
      '/half': (response) => {
        response.writeHead(200, { 'content-length': 999 });
        response.write(PNG, () => response.destroy());
      },
      '/svg': (response) =>
        void response.setHeader('content-type', 'image/png').end('<svg onload="x()"/>'),
      '/html': (response) => void response.end('<html>'),
      '/empty': (response) => void response.end(),
      '/500': (response) => void response.writeHead(500).end(PNG),
    });
    const { resolver } = names({});
    const limits = { octets: 4_000, ms: 500, redirects: 3 };
    const why = async (path: string): Promise<unknown> => {
      const parts = { resolver, limits, permits: butFor(port) };
      const image = await fetchImage(`http://127.0.0.1:${port}${path}`, parts);
      return image.kind === 'refused' ? image.why : image.kind;
    };
    expect(await why('/large')).toBe('too-large');
    expect(await why('/late')).toBe('no-answer');
    expect(await why('/half')).toBe('no-answer');
    for (const path of ['/svg', '/html', '/empty', '/500'])
      expect(await why(path)).toBe('no-image');
  });
});

async function* inPieces(octets: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < octets.length; at += 9) yield octets.subarray(at, at + 9);
}

describe('an address in a message', () => {
  const said = (html: string, url: string): Promise<boolean> =>
    standsIn(inPieces(Buffer.from(html)), url);

  test('is found as it stands, or with its characters written otherwise', async () => {
    expect(await said('<img src="http://a.test/x?a=1&amp;b=2">', 'http://a.test/x?a=1&b=2')).toBe(
      true,
    );
    expect(await said('<img src="http:&#47;&#x2f;a.test/ü.png">', 'http://a.test/ü.png')).toBe(
      true,
    );
    expect(await said('<img src="http://a.test/x">', 'http://b.test/x')).toBe(false);
  });
});

describe('GET /image', () => {
  interface Node {
    readonly under: MaildirUnderTest;
    readonly blobId: string;
    verdict: WebVerdict;
    get(url: string, headers?: Record<string, string>, part?: string): Promise<Response>;
  }

  /** A node with one message of alice's, which asks for `urls`. */
  async function node(port: number, urls: readonly string[]): Promise<Node> {
    const under = await openMaildirMail();
    const { account, stores } = under;
    const [store] = stores;
    await under.deliver(
      `Content-Type: text/html\n\n${urls.map((url) => `<img src="${url}">`).join('\n')}\n`,
    );
    const views = new OpenMailViews({ store, clock: systemClock });
    const jmap = await startJmap({ account, store });
    const user = { account, login: account.login, session: undefined, password: undefined };
    const it = { verdict: { kind: 'known', user } as WebVerdict };
    const routes = imageRoutes({
      auth: { authenticate: () => Promise.resolve(it.verdict) },
      views,
      resolver: names({}).resolver,
      permits: butFor(port),
    });
    const web = await startWeb([routes], { describe: problemOf });
    clean.push(
      () => under.close(),
      () => views.close(),
      () => jmap.close(),
      () => web.close(),
    );
    const { id: accountId } = account;
    const [, got] = await jmap.calls(
      ['Email/query', { accountId }],
      [
        'Email/get',
        {
          accountId,
          '#ids': { resultOf: 'c0', name: 'Email/query', path: '/ids' },
          properties: ['htmlBody'],
        },
      ],
    );
    const list = got?.[1]['list'] as { htmlBody: { blobId: string }[] }[] | undefined;
    const blobId = list?.[0]?.htmlBody[0]?.blobId ?? '';
    return Object.assign(it, {
      under,
      blobId,
      get: (url: string, headers: Record<string, string> = {}, part = blobId) =>
        fetch(`${web.base}/image?${new URLSearchParams({ part, url }).toString()}`, { headers }),
    });
  }

  test('gives what a message of the user asks for, as a picture and nothing else', async () => {
    const { port, asked } = await stranger({ '/a.png': png, '/b.png': png });
    const url = `http://127.0.0.1:${port}/a.png`;
    const { get } = await node(port, [url]);
    const reply = await get(url, { cookie: 'secret=1', referer: 'http://mail.test/' });
    expect(reply.status).toBe(200);
    expect(Buffer.from(await reply.arrayBuffer())).toEqual(PNG);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'image/png',
      'cache-control': 'private, max-age=86400',
      'content-security-policy': expect.stringContaining('sandbox') as string,
      'x-content-type-options': 'nosniff',
    });
    expect(JSON.stringify(asked)).not.toMatch(/secret|mail\.test/);
    expect((await get(url.replace('a.png', 'b.png'))).status).toBe(404);
    expect(asked).toHaveLength(1);
  });

  test('is no way for a stranger, another site, or into our network', async () => {
    const { port, asked } = await stranger({ '/a.png': png });
    const url = `http://127.0.0.1:${port}/a.png`;
    const inside = 'http://169.254.169.254/x';
    const it = await node(port, [url, inside]);
    expect((await it.get(url, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await it.get(url, { 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await it.get(inside)).status).toBe(502);
    for (const part of ['', 'm', 'u1', '/', `${it.blobId}x`, it.blobId.slice(1)]) {
      expect([400, 404], part).toContain((await it.get(url, {}, part)).status);
    }
    expect((await it.get('')).status).toBe(400);
    it.verdict = { kind: 'unknown' };
    expect((await it.get(url)).status).toBe(401);
    const { under } = it;
    const account = { ...under.account, id: 'somebody-else' };
    const user = { account, login: 'bob', session: undefined, password: undefined };
    it.verdict = { kind: 'known', user };
    expect((await it.get(url)).status).toBeGreaterThanOrEqual(404);
    expect(asked).toHaveLength(0);
  });

  test('is limited for each user: so many at a time', async () => {
    const held: ServerResponse[] = [];
    const { port } = await stranger({ '/a.png': (response) => void held.push(response) });
    const url = `http://127.0.0.1:${port}/a.png`;
    const { get } = await node(port, [url]);
    const replies = Array.from({ length: 7 }, () => get(url));
    const first = await Promise.race(replies);
    expect(first.status).toBe(429);
    expect(first.headers.get('retry-after')).not.toBeNull();
    await expect.poll(() => held.length).toBe(6);
    for (const response of held) png(response);
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 200, 200, 429]);
  });
});
