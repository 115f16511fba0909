import { describe, expect, test } from 'vitest';
import { at, put, query, roles, useNodes } from '../testing/suite.ts';
import { STORES, type Nodes } from '../testing/nodes.ts';
import type { Args } from '../types.ts';

async function create(nodes: Nodes, email: Args): Promise<Args> {
  const { inbox } = await roles(nodes);
  return await nodes.ask('Email/set', {
    create: { e: { mailboxIds: { [inbox as string]: true }, ...email } },
  });
}

async function rawOf(nodes: Nodes): Promise<string> {
  const folder = await nodes.mail.open('INBOX');
  const { messages } = await folder.refresh();
  const pieces: Buffer[] = [];
  for await (const piece of folder.read(messages.at(-1) as (typeof messages)[0])) {
    pieces.push(Buffer.from(piece));
  }
  folder.close();
  return Buffer.concat(pieces).toString();
}

const TEXT = {
  textBody: [{ partId: 't', type: 'text/plain' }],
  bodyValues: { t: { value: 'hi' } },
};

describe.each(STORES)('New emails on %s', (kind) => {
  const nodes = useNodes(kind);

  test('a draft with text, HTML, a picture in it and a file comes back as it was given', async () => {
    const picture = await nodes().upload('PNG', 'image/png');
    const file = await nodes().upload('x'.repeat(200_000), 'application/pdf');
    const given = {
      keywords: { $draft: true, $seen: true },
      receivedAt: '2026-01-02T03:04:05Z',
      from: [{ name: 'Алиса "A" Петрова', email: 'alice@example.test' }],
      to: [{ name: null, email: 'bob' }],
      subject: 'Семья 👨‍👩‍👧 и \u200cещё что-то очень длинное '.repeat(8).trim(),
      references: ['a@x.test', 'b@x.test'],
      'header:X-Note:asText': 'käse',
      'header:X-Date:asDate': '2026-02-03T04:05:06+02:00',
    };
    const made = await create(nodes(), {
      ...given,
      textBody: [{ partId: 't', type: 'text/plain' }],
      htmlBody: [{ partId: 'h', type: 'text/html' }],
      attachments: [
        { blobId: picture, type: 'image/png', disposition: 'inline', cid: 'p1@x' },
        { blobId: file, type: 'application/pdf', name: 'отчёт очень длинное имя файла.pdf' },
      ],
      bodyValues: { t: { value: 'From me\n.\nßß\n' }, h: { value: '<img src="cid:p1@x">' } },
    });
    expect(made['notCreated']).toBeNull();
    const id = at(made, 'created.e.id') as string;
    const { list } = await nodes().ask('Email/get', {
      ids: [id],
      properties: [
        ...Object.keys(given),
        'size',
        'threadId',
        'bodyValues',
        'attachments',
        'messageId',
      ],
      fetchAllBodyValues: true,
    });
    const [email] = list as [Args];
    expect(email).toMatchObject({
      ...given,
      size: at(made, 'created.e.size'),
      threadId: at(made, 'created.e.threadId'),
      attachments: [
        { cid: 'p1@x', disposition: 'inline', size: 3 },
        { name: 'отчёт очень длинное имя файла.pdf', disposition: 'attachment', size: 200_000 },
      ],
    });
    expect(Object.values(email['bodyValues'] as Args)).toMatchObject([
      { value: 'From me\n.\nßß\n' },
      { value: '<img src="cid:p1@x">' },
    ]);
    expect(email['messageId']).toHaveLength(1);
    const raw = await rawOf(nodes());
    expect(raw.split('\r\n').every((line) => line.length <= 998)).toBe(true);
    expect(/^[\0-\x7f]*$/.test(raw)).toBe(true);
  });

  test('a structure of parts is written as it is given', async () => {
    const letter = await nodes().upload('Subject: inner\r\n\r\nhello\r\n', 'message/rfc822');
    const made = await create(nodes(), {
      subject: 'fwd',
      bodyStructure: {
        type: 'multipart/mixed',
        subParts: [
          { partId: '1', type: 'text/plain', 'header:X-Part': ' one' },
          { blobId: letter, type: 'message/rfc822' },
        ],
      },
      bodyValues: { '1': { value: 'see below' } },
    });
    const ids = [at(made, 'created.e.id')];
    const { list } = await nodes().ask('Email/get', { ids, properties: ['bodyStructure'] });
    const parts = at((list as [Args])[0], 'bodyStructure.subParts') as Args[];
    expect(parts).toMatchObject([{ type: 'text/plain' }, { type: 'message/rfc822' }]);
    const blobId = parts[1]?.['blobId'] as string;
    const { parsed } = await nodes().ask('Email/parse', { blobIds: [blobId] });
    expect(parsed).toMatchObject({ [blobId]: { subject: 'inner', preview: 'hello' } });
  });

  test.each([
    ['no mailbox', { mailboxIds: {} }, 'invalidProperties', ['mailboxIds']],
    [
      'a field twice',
      { subject: 'a', 'header:subject': ' b' },
      'invalidProperties',
      ['subject', 'header:subject'],
    ],
    [
      'a line end in a raw field',
      { 'header:X-A': 'a\r\nBcc: x@y.test' },
      'invalidProperties',
      ['header:X-A'],
    ],
    [
      'a type of a part at the top',
      { 'header:Content-Type': 'text/html' },
      'invalidProperties',
      ['header:Content-Type'],
    ],
    ['all fields', { headers: [] }, 'invalidProperties', ['headers']],
    ['a property', { colour: 1 }, 'invalidProperties', ['colour']],
    [
      'two bodies',
      { ...TEXT, bodyStructure: { partId: 't' } },
      'invalidProperties',
      ['bodyStructure', 'textBody'],
    ],
    ['no value', { textBody: [{ partId: 'x' }] }, 'invalidProperties', ['textBody[0]/partId']],
    [
      'a cut value',
      { bodyValues: { t: { value: '', isTruncated: true } } },
      'invalidProperties',
      ['bodyValues/t'],
    ],
    [
      'a charset',
      { ...TEXT, textBody: [{ partId: 't', charset: 'x' }] },
      'invalidProperties',
      ['textBody[0]/charset'],
    ],
    [
      'HTML as text',
      { ...TEXT, textBody: [{ partId: 't', type: 'text/html' }] },
      'invalidProperties',
      ['textBody'],
    ],
    ['a foreign address form', { from: 'me' }, 'invalidProperties', ['from']],
    ['a bad date', { receivedAt: 'today' }, 'invalidProperties', ['receivedAt']],
    ['a bad keyword', { keywords: { 'a b': true } }, 'invalidProperties', ['keywords']],
  ] as const)('Email/set create refuses %s', async (_, email, type, properties) => {
    const made = await create(nodes(), email);
    expect(at(made, 'notCreated.e')).toMatchObject({ type, properties });
    expect(await query(nodes())).toEqual([]);
  });

  test('a blob that is not there is named, and too much is too large', async () => {
    const attachments = [{ blobId: 'none' }];
    const missing = await create(nodes(), { attachments });
    expect(at(missing, 'notCreated.e')).toMatchObject({ type: 'blobNotFound', notFound: ['none'] });
    const blobId = await nodes().upload('x'.repeat(600_000));
    const much = await create(nodes(), { attachments: [{ blobId }, { blobId }] });
    expect(at(much, 'notCreated.e.type')).toBe('tooLarge');
  });

  test('no text that a client gives begins another field', async () => {
    const evil = 'x\r\nBcc: evil@x.test\n\nbody\0';
    const made = await create(nodes(), {
      subject: evil,
      from: [{ name: evil, email: `a${evil}@x.test` }],
      messageId: [evil],
      'header:X-A:asText': evil,
      'header:X-B:asURLs': [evil],
      ...TEXT,
    });
    expect(made['notCreated']).toBeNull();
    const [head = ''] = (await rawOf(nodes())).split('\r\n\r\n');
    expect(head).not.toMatch(/^Bcc:/im);
    const { ids } = { ids: [at(made, 'created.e.id')] };
    const { list } = await nodes().ask('Email/get', { ids, properties: ['bcc', 'headers'] });
    expect((list as [Args])[0]['bcc']).toBeNull();
  });

  test('a message that was uploaded is imported; what is none is not', async () => {
    const { inbox = '' } = await roles(nodes());
    const mailboxIds = { [inbox]: true };
    const blobId = await nodes().upload('Subject: there\r\n\r\nhere\r\n');
    const text = await nodes().upload('no header at all');
    const answer = await nodes().ask('Email/import', {
      emails: {
        a: { blobId, mailboxIds, keywords: { $seen: true } },
        b: { blobId: text, mailboxIds },
        c: { blobId: 'none', mailboxIds },
        d: { blobId, mailboxIds: { none: true } },
      },
    });
    expect(answer['notCreated']).toMatchObject({
      b: { type: 'invalidEmail' },
      c: { type: 'blobNotFound' },
      d: { type: 'invalidProperties' },
    });
    expect(await query(nodes())).toEqual([at(answer, 'created.a.id')]);
    const copy = await nodes().ask('Email/copy', { fromAccountId: 'x', create: {} });
    expect(copy['type']).toBe('fromAccountNotFound');
  });

  test('a snippet marks what was looked for, and nothing of a stranger is a tag', async () => {
    const html = 'Content-Type: text/html\n\n<p>before &lt;b&gt; the Needle &amp; after</p>';
    await put(nodes(), `Subject: a <needle>\n${html}\n`);
    const emailIds = await query(nodes());
    const filter = { operator: 'AND', conditions: [{ text: 'needle' }] };
    const answer = await nodes().ask('SearchSnippet/get', {
      filter,
      emailIds: [...emailIds, 'none'],
    });
    expect(answer['list']).toEqual([
      {
        emailId: emailIds[0],
        subject: 'a &lt;<mark>needle</mark>&gt;',
        preview: 'before &lt;b&gt; the <mark>Needle</mark> &amp; after',
      },
    ]);
    expect(answer['notFound']).toEqual(['none']);
  });
});
