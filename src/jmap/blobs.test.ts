import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { TestClock } from '../base/testing.ts';
import { openMaildirMail, type MaildirUnderTest } from '../mailbox/testing/maildir-mail.ts';
import { UPLOAD_PIECE_BYTES } from './options.ts';
import { attachment, safeType } from './route/download.ts';
import { startJmap, type TestJmap, type TestJmapOptions } from './testing/server.ts';

const clean: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

interface TwoNodes {
  readonly under: MaildirUnderTest;
  readonly one: TestJmap;
  readonly two: TestJmap;
  readonly accountId: string;
}

/** Two nodes with nothing in common but the volume. */
async function twoNodes(options: TestJmapOptions = {}): Promise<TwoNodes> {
  const under = await openMaildirMail();
  clean.push(() => under.close());
  const { account, stores } = under;
  const [one, two] = await Promise.all(
    stores.map((store) => startJmap({ account, store, ...options })),
  );
  if (one === undefined || two === undefined) throw new Error('there are two stores');
  clean.push(
    () => one.close(),
    () => two.close(),
  );
  return { under, one, two, accountId: account.id };
}

interface Uploaded {
  readonly blobId: string;
  readonly size: number;
  readonly type: string;
}

async function upload(
  node: TestJmap,
  body: RequestInit['body'],
  type = 'image/png',
): Promise<{ status: number; blob: Uploaded }> {
  const headers = { 'content-type': type };
  const asked = { method: 'POST', body, headers, duplex: 'half' } as RequestInit;
  const reply = await fetch(`${node.base}/jmap/upload/${node.account.id}/`, asked);
  return { status: reply.status, blob: (await reply.json()) as Uploaded };
}

const download = (node: TestJmap, blobId: string, end = 'file.bin'): Promise<Response> =>
  fetch(`${node.base}/jmap/download/${node.account.id}/${blobId}/${end}`);

const octetsOf = async (reply: Response): Promise<Buffer> => Buffer.from(await reply.arrayBuffer());
const digest = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');

test.for([0, 1, UPLOAD_PIECE_BYTES - 1, UPLOAD_PIECE_BYTES, UPLOAD_PIECE_BYTES + 1, 3_300_000])(
  '[N-17] a file of %i octets that one node took is read back by another',
  async (size) => {
    const { one, two } = await twoNodes();
    const octets = Buffer.alloc(size, 'mailfarm\r\n\0');
    const { status, blob } = await upload(one, octets);
    expect([status, blob.size, blob.type]).toEqual([201, size, 'image/png']);
    const reply = await download(two, blob.blobId);
    expect(reply.headers.get('content-length')).toBe(String(size));
    expect(digest(await octetsOf(reply))).toBe(digest(octets));
  },
);

test('what is too large is refused, said or not, and leaves nothing', async () => {
  const values = { 'jmap.upload.size': 1_048_576 };
  const { one, under } = await twoNodes({ values });
  const fits = Buffer.alloc(1_048_576);
  const over = Buffer.alloc(1_048_577);
  expect((await upload(one, fits)).status).toBe(201);
  const drawer = `${under.maildir}/mailfarm/uploads`;
  const before = readdirSync(drawer).toSorted();
  const refused = await upload(one, over);
  expect(refused).toMatchObject({ status: 413, blob: { limit: 'maxSizeUpload' } });
  expect((await upload(one, new Blob([over]).stream())).status).toBe(413);
  expect(readdirSync(drawer).toSorted()).toEqual(before);
});

test('a user may keep so much, for a day; then it makes room', async () => {
  const clock = new TestClock();
  const values = { 'jmap.upload.total': 3 * UPLOAD_PIECE_BYTES };
  const { one, two, under } = await twoNodes({ values, clock });
  const mebibyte = Buffer.alloc(UPLOAD_PIECE_BYTES);
  const first = await upload(one, mebibyte);
  expect((await upload(two, mebibyte)).status).toBe(201);
  expect((await upload(one, mebibyte)).status).toBe(201);
  expect((await upload(two, mebibyte)).status).toBe(507);
  clock.ahead = 86_400_000 + 1_000;
  expect((await upload(one, mebibyte)).status).toBe(201);
  expect(readdirSync(`${under.maildir}/mailfarm/uploads`)).toHaveLength(2); // A piece, and `is`.
  expect((await download(two, first.blob.blobId)).status).toBe(404);
});

test('what was uploaded a day ago goes when a session begins', async () => {
  const clock = new TestClock();
  const { one, two, under } = await twoNodes({ clock });
  await upload(one, 'x');
  clock.ahead = 86_400_000 + 1_000;
  await fetch(`${two.base}/.well-known/jmap`);
  await expect.poll(() => readdirSync(`${under.maildir}/mailfarm/uploads`)).toEqual([]);
});

test('an upload that breaks off is no file, and leaves none', async () => {
  const { one, under } = await twoNodes();
  await upload(one, 'x');
  const drawer = `${under.maildir}/mailfarm/uploads`;
  const before = readdirSync(drawer).toSorted();
  const stop = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start: (stream) => stream.enqueue(new Uint8Array(2 * UPLOAD_PIECE_BYTES)),
  });
  const asked = { method: 'POST', body, duplex: 'half', signal: stop.signal } as RequestInit;
  const sent = fetch(`${one.base}/jmap/upload/${one.account.id}/`, asked).catch(() => 'broken off');
  await expect.poll(() => readdirSync(drawer).length).toBeGreaterThan(before.length);
  stop.abort();
  expect(await sent).toBe('broken off');
  await expect.poll(() => readdirSync(drawer).toSorted()).toEqual(before);
  expect(one.web.errors()).toEqual([]);
});

const IMAGE = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 7) & 0xff));
const LETTER = [
  'From: bob@example.test',
  'Subject: parts',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'caf=C3=A9=',
  ' au lait',
  '--b',
  'Content-Type: image/png; name=a.png',
  'Content-Transfer-Encoding: base64',
  '',
  (IMAGE.toString('base64').match(/.{1,76}/g) ?? []).join('\n'),
  '--b--',
  '',
].join('\n');

async function emailOf(node: TestJmap): Promise<{ id: string; blobId: string; parts: Part[] }> {
  const accountId = node.account.id;
  const [, [, got] = []] = await node.calls(
    ['Email/query', { accountId }],
    [
      'Email/get',
      {
        accountId,
        '#ids': { resultOf: 'c0', name: 'Email/query', path: '/ids' },
        properties: ['blobId', 'bodyStructure'],
      },
    ],
  );
  const list = got?.['list'] as readonly Email[] | undefined;
  const [email] = list ?? [];
  if (email === undefined) return expect.fail('there is a message');
  return { ...email, parts: email.bodyStructure.subParts };
}

interface Part {
  readonly blobId: string;
  readonly type: string;
}
interface Email {
  readonly id: string;
  readonly blobId: string;
  readonly bodyStructure: { readonly subParts: Part[] };
}

test('[N-17] a message and its parts are read by their ids on any node, decoded', async () => {
  const { one, two, under } = await twoNodes();
  await under.deliver(LETTER);
  const { blobId, parts } = await emailOf(one);
  const whole = await download(two, blobId, 'm.eml');
  expect(whole.headers.get('content-type')).toBe('message/rfc822');
  expect((await octetsOf(whole)).toString('latin1')).toBe(LETTER.replaceAll('\n', '\r\n'));
  const [text, image] = parts;
  if (text === undefined || image === undefined) return expect.fail('two parts');
  const said = await download(two, text.blobId, 'a.txt');
  expect((await octetsOf(said)).toString('utf8')).toBe('café au lait');
  const drawn = await download(two, image.blobId, 'a.png');
  expect(drawn.headers.get('content-type')).toBe('image/png');
  expect(digest(await octetsOf(drawn))).toBe(digest(IMAGE));
  const answers = await two.calls([
    'Blob/copy',
    { accountId: one.account.id, fromAccountId: one.account.id, blobIds: [blobId, 'mx', 'u', '/'] },
  ]);
  expect(answers[0]?.[1]).toMatchObject({
    copied: { [blobId]: blobId },
    notCopied: { mx: { type: 'blobNotFound' }, u: {}, '/': {} },
  });
});

test('an id that was made up names no piece of a message, and no file', async () => {
  const { one, under } = await twoNodes();
  await under.deliver(LETTER);
  const { id, parts } = await emailOf(one);
  const known = parts[0]?.blobId ?? '';
  const [offset = '', end = ''] = known.slice(1).split('-');
  const made = [
    `p0-${end}-q-${id}`, // From the head of the message on.
    `p${offset}-${end}-b-${id}`, // Decoded otherwise.
    `p${offset}-zzzzzzzzzzz-q-${id}`,
    `p${end}-${offset}-q-${id}`,
    `p${offset}-${end}-q-${id}x`,
    `p-1-${end}-q-${id}`,
    'm',
    'm__proto__',
    'u',
    'u..',
    'u%2e%2e%2f%2e%2e%2fcur',
    `u${'0'.repeat(29)}`,
    'x',
    '%00',
  ];
  for (const blobId of made) {
    expect([blobId, (await download(one, blobId)).status]).toEqual([blobId, 404]);
  }
  expect((await download(one, known)).status).toBe(200);
  const other = await fetch(`${one.base}/jmap/download/another/${known}/x`);
  expect(other.status).toBe(404);
  expect(one.web.errors()).toEqual([]);
});

test('a download is saved, never shown as a page of this site', async () => {
  const { one } = await twoNodes();
  const { blob } = await upload(one, '<script>alert(1)</script>', 'text/html; charset=utf-8');
  for (const type of ['', '?type=text/html', '?type=image/svg%2Bxml', '?type=text/html&type=x']) {
    const reply = await download(one, blob.blobId, `page.html${type}`);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="page.html"; filename*=UTF-8\'\'page.html',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining('sandbox'),
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': expect.stringContaining('private'),
    });
    await reply.text();
  }
});

test.each([
  ['image/png', 'image/png'],
  ['IMAGE/PNG; name=x', 'image/png'],
  ['text/plain; charset="UTF-8"', 'text/plain; charset=utf-8'],
  ['text/plain; charset=utf-8\r\nX: y', 'text/plain'],
  ['application/pdf', 'application/pdf'],
  [
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ],
  ['text/html', 'application/octet-stream'],
  ['text/xml', 'application/octet-stream'],
  ['image/svg+xml', 'application/octet-stream'],
  ['application/xhtml+xml', 'application/octet-stream'],
  ['application/javascript', 'application/octet-stream'],
  ['application/vnd.mozilla.xul+xml', 'application/octet-stream'],
  ['application/x-shockwave-flash', 'application/octet-stream'],
  ['multipart/x-mixed-replace', 'application/octet-stream'],
  ['', 'application/octet-stream'],
  ['image/png\r\nSet-Cookie: a=b', 'application/octet-stream'],
])('a download asked for as %j goes out as %s', (asked, type) => {
  expect(safeType(asked)).toBe(type);
});

/** RFC 6266, RFC 8187 */
test.each([
  ['a b.txt', 'filename="a b.txt"; filename*=UTF-8\'\'a%20b.txt'],
  [
    'Привет.pdf',
    'filename="______.pdf"; filename*=UTF-8\'\'%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82.pdf',
  ],
  ['../../etc/passwd', 'filename="_.._etc_passwd"; filename*=UTF-8\'\'_.._etc_passwd'],
  ['.bashrc', 'filename="bashrc"; filename*=UTF-8\'\'bashrc'],
  [
    'x\r\nSet-Cookie: a=b',
    'filename="x__Set-Cookie_ a=b"; filename*=UTF-8\'\'x__Set-Cookie_%20a%3Db',
  ],
  ['photo\u202egnp.exe', 'filename="photo_gnp.exe"; filename*=UTF-8\'\'photo_gnp.exe'],
  ['"; x="', 'filename="_; x=_"; filename*=UTF-8\'\'_%3B%20x%3D_'],
  ["it's (1)*.txt", "filename=\"it's (1)_.txt\"; filename*=UTF-8''it%27s%20%281%29_.txt"],
  ['...', 'filename="file"; filename*=UTF-8\'\'file'],
  ['\ud800', 'filename="_"; filename*=UTF-8\'\'%EF%BF%BD'],
])('a file called %j is saved as %s', (name, saved) => {
  expect(attachment(name)).toBe(`attachment; ${saved}`);
});

test('a long name keeps its end', () => {
  expect(attachment(`${'я'.repeat(500)}.tar.gz`)).toContain(`${'_'.repeat(147)}.gz"`);
});
