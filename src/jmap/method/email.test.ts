import { describe, expect, test } from 'vitest';
import { at, put, query, roles, useNodes } from '../testing/suite.ts';
import { STORES, type Nodes } from '../testing/nodes.ts';
import type { Args } from '../types.ts';

const MIXED = [
  'From: =?UTF-8?Q?J=C3=B6rg?= <joerg@x.test>, "Team: A" <a@x.test>',
  'To: Friends: bob@x.test, "Car ol" <carol@x.test>;, dan@x.test',
  'Subject: =?UTF-8?B?0J/RgNC40LLQtdGC?= you',
  'Date: Tue, 17 Nov 2026 10:00:00 +0300',
  'Message-ID: <1@x.test>',
  'References: <0@x.test> <00@x.test>',
  'X-Twice: one',
  'X-Twice: two',
  'List-Unsubscribe: <https://x.test/u>, <mailto:u@x.test>',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: multipart/alternative; boundary=c',
  '',
  '--c',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=FC=DFe and a long line that goes=',
  ' on',
  '--c',
  'Content-Type: text/html; charset=utf-8',
  '',
  '<p>Grüße <b title="x">bold</b></p>',
  '--c--',
  '--b',
  'Content-Type: image/png; name="x.png"',
  'Content-Disposition: attachment; filename="x.png"',
  'Content-Transfer-Encoding: base64',
  '',
  'aGVsbG8=',
  '--b--',
  '',
].join('\n');

async function only(nodes: Nodes, args: Args): Promise<Args> {
  const { list } = await nodes.ask('Email/get', args);
  return (list as Args[])[0] as Args;
}

async function letters(nodes: Nodes): Promise<void> {
  const all: [string, string, number][] = [
    ['apples', 'Message-ID: <1@x.test>\nFrom: Bob <bob@x.test>', 1000],
    ['pears', 'Message-ID: <2@x.test>\nFrom: Ann <ann@x.test>', 3000],
    ['Re: apples', 'Message-ID: <3@x.test>\nReferences: <1@x.test>\nFrom: Ann <ann@x.test>', 2000],
  ];
  for (const [subject, fields, seconds] of all) {
    const text = `Subject: ${subject}\n${fields}\n\nfruit of ${subject}\n`;
    await put(nodes, text, { date: 1_700_000_000_000 + seconds * 1000 });
  }
}

const subjects = async (nodes: Nodes, args: Args): Promise<unknown> => {
  const ids = await query(nodes, args);
  const { list } = await nodes.ask('Email/get', { ids, properties: ['subject'] });
  return (list as { subject: string }[]).map(({ subject }) => subject);
};

describe.each(STORES)('Emails on %s', (kind) => {
  const nodes = useNodes(kind);

  test('all properties of a message, as RFC 8621 §4.1 has them', async () => {
    await put(nodes(), MIXED, { letters: 'FS', date: 1_700_000_000_000 });
    const ids = await query(nodes());
    const email = await only(nodes(), { ids, fetchAllBodyValues: true });
    const { inbox } = await roles(nodes());
    expect(email).toMatchObject({
      id: ids[0],
      mailboxIds: { [inbox as string]: true },
      keywords: { $flagged: true, $seen: true },
      receivedAt: '2023-11-14T22:13:20Z',
      sentAt: '2026-11-17T10:00:00+03:00',
      subject: 'Привет you',
      messageId: ['1@x.test'],
      references: ['0@x.test', '00@x.test'],
      inReplyTo: null,
      cc: null,
      from: [
        { name: 'Jörg', email: 'joerg@x.test' },
        { name: 'Team: A', email: 'a@x.test' },
      ],
      to: [
        { name: null, email: 'bob@x.test' },
        { name: 'Car ol', email: 'carol@x.test' },
        { name: null, email: 'dan@x.test' },
      ],
      hasAttachment: true,
      preview: 'Grüße and a long line that goes on',
      textBody: [{ partId: '1.1', type: 'text/plain', charset: 'iso-8859-1' }],
      htmlBody: [{ partId: '1.2', type: 'text/html' }],
      attachments: [{ partId: '2', type: 'image/png', name: 'x.png', size: 5 }],
      bodyValues: {
        '1.1': { value: 'Grüße and a long line that goes on', isEncodingProblem: false },
        '1.2': { value: '<p>Grüße <b title="x">bold</b></p>', isTruncated: false },
      },
    });
    expect(email['size']).toBe(Buffer.byteLength(MIXED) + MIXED.split('\n').length - 1);
  });

  test('fields in all their forms; a form that a field has not is refused', async () => {
    await put(nodes(), MIXED);
    const ids = await query(nodes());
    const properties = [
      'header:X-Twice',
      'header:x-twice:asText:all',
      'header:Absent',
      'header:Absent:all',
      'header:To:asGroupedAddresses',
      'header:List-Unsubscribe:asURLs',
      'header:Date:asDate',
    ];
    expect(await only(nodes(), { ids, properties })).toEqual({
      id: ids[0],
      'header:X-Twice': ' two',
      'header:x-twice:asText:all': ['one', 'two'],
      'header:Absent': null,
      'header:Absent:all': [],
      'header:To:asGroupedAddresses': [
        {
          name: 'Friends',
          addresses: [
            { name: null, email: 'bob@x.test' },
            { name: 'Car ol', email: 'carol@x.test' },
          ],
        },
        { name: null, addresses: [{ name: null, email: 'dan@x.test' }] },
      ],
      'header:List-Unsubscribe:asURLs': ['https://x.test/u', 'mailto:u@x.test'],
      'header:Date:asDate': '2026-11-17T10:00:00+03:00',
    });
    for (const one of ['header:Subject:asDate', 'header:From:asText', 'colour', 'header::asRaw']) {
      const { type } = await nodes().ask('Email/get', { ids, properties: [one] });
      expect(type, one).toBe('invalidArguments');
    }
  });

  test('body values are cut between characters and before tags; parts have blobs', async () => {
    await put(nodes(), MIXED);
    const [id] = await query(nodes());
    const email = await only(nodes(), {
      ids: [id],
      properties: ['bodyValues', 'bodyStructure'],
      bodyProperties: ['partId', 'blobId', 'header:Content-Type:asText'],
      fetchTextBodyValues: true,
      fetchHTMLBodyValues: true,
      maxBodyValueBytes: 14,
    });
    expect(email['bodyValues']).toMatchObject({
      '1.1': { value: 'Grüße and a ', isTruncated: true },
      '1.2': { value: '<p>Grüße ', isTruncated: true },
    });
    expect(at(email, 'bodyStructure.subParts.1')).toMatchObject({
      partId: '2',
      'header:Content-Type:asText': 'image/png; name="x.png"',
    });
    const blobId = at(email, 'bodyStructure.subParts.1.blobId') as string;
    const copy = await nodes().ask('Email/parse', { blobIds: [blobId, 'none'] });
    expect(copy).toMatchObject({ notFound: ['none'], notParsable: [blobId] });
  });

  test('queries: filters, sorts, positions, anchors, threads as one', async () => {
    await letters(nodes());
    const sorted = (property: string, isAscending = true): Args => ({
      sort: [{ property, isAscending }],
    });
    expect(await subjects(nodes(), {})).toEqual(['pears', 'Re: apples', 'apples']);
    expect(await subjects(nodes(), sorted('receivedAt'))).toEqual([
      'apples',
      'Re: apples',
      'pears',
    ]);
    expect(await subjects(nodes(), sorted('subject'))).toEqual(['Re: apples', 'apples', 'pears']);
    expect(await subjects(nodes(), sorted('from', false))).toEqual([
      'apples',
      'pears',
      'Re: apples',
    ]);
    expect(await subjects(nodes(), { collapseThreads: true })).toEqual(['pears', 'Re: apples']);
    expect(await subjects(nodes(), { filter: { from: 'bob' } })).toEqual(['apples']);
    expect(await subjects(nodes(), { filter: { text: '"fruit of pears"' } })).toEqual(['pears']);
    expect(await subjects(nodes(), { filter: { body: 'apples fruit' }, position: -1 })).toEqual([
      'apples',
    ]);
    const or = { operator: 'OR', conditions: [{ subject: 'pears' }, { from: 'bob' }] };
    expect(await subjects(nodes(), { filter: or })).toEqual(['pears', 'apples']);
    const not = { operator: 'NOT', conditions: [or] };
    expect(await subjects(nodes(), { filter: not })).toEqual(['Re: apples']);
    const time = { after: '2023-11-14T22:40:00Z', before: '2023-11-14T23:00:00Z' };
    expect(await subjects(nodes(), { filter: time })).toEqual(['Re: apples']);
    const all = await query(nodes());
    const page = await nodes().ask('Email/query', {
      anchor: all[1],
      anchorOffset: -1,
      limit: 2,
      calculateTotal: true,
    });
    expect(page).toMatchObject({ position: 0, ids: all.slice(0, 2), total: 3 });
    const lost = await nodes().ask('Email/query', { anchor: 'none' });
    expect(lost['type']).toBe('anchorNotFound');
    const { inbox } = await roles(nodes());
    expect(await query(nodes(), { filter: { inMailboxOtherThan: [inbox] } })).toEqual([]);
    expect(await query(nodes(), { filter: { inMailbox: inbox, hasAttachment: false } })).toEqual(
      all,
    );
    expect(await query(nodes(), { filter: { hasAttachment: true } })).toEqual([]);
  });

  test('keywords of threads are filtered and sorted by', async () => {
    await letters(nodes());
    const [pears, , apples] = await query(nodes());
    await nodes().ask('Email/set', {
      update: { [apples as string]: { 'keywords/$flagged': true } },
    });
    const some = { someInThreadHaveKeyword: '$flagged' };
    expect(await query(nodes(), { filter: some })).not.toContain(pears);
    expect(await query(nodes(), { filter: some })).toHaveLength(2);
    expect(await query(nodes(), { filter: { allInThreadHaveKeyword: '$flagged' } })).toEqual([]);
    const none = { noneInThreadHaveKeyword: '$FLAGGED' };
    expect(await query(nodes(), { filter: none })).toEqual([pears]);
    const by = [{ property: 'someInThreadHaveKeyword', keyword: '$flagged', isAscending: true }];
    expect((await query(nodes(), { sort: by }))[0]).toBe(pears);
    const one = [{ property: 'hasKeyword', keyword: '$flagged', isAscending: false }];
    expect((await query(nodes(), { sort: one }))[0]).toBe(apples);
  });

  test('threads have their emails, oldest first, and change with them', async () => {
    await letters(nodes());
    const [, answer, first] = await query(nodes());
    const { threadId } = (await only(nodes(), { ids: [first], properties: ['threadId'] })) as {
      threadId: string;
    };
    const got = await nodes().ask('Thread/get', { ids: [threadId, 'none'] });
    expect(got['list']).toEqual([{ id: threadId, emailIds: [first, answer] }]);
    expect(got['notFound']).toEqual(['none']);
    await nodes().ask('Email/set', { destroy: [answer] });
    const changed = await nodes().ask('Thread/changes', { sinceState: got['state'] });
    expect(changed).toMatchObject({ created: [], updated: [threadId], destroyed: [] });
  });

  test('flags and moves of many are told, and keep ids', async () => {
    await letters(nodes());
    const made = await nodes().ask('Mailbox/set', { create: { t: { name: 'Trash' } } });
    const trash = at(made, 'created.t.id') as string;
    const ids = await query(nodes());
    const { state } = await nodes().ask('Email/get', { ids: [] });
    const patch = { 'keywords/$Seen': true, 'keywords/Mine': true, mailboxIds: { [trash]: true } };
    const set = await nodes().ask('Email/set', {
      update: Object.fromEntries(ids.map((id) => [id, patch])),
    });
    expect(Object.keys(set['updated'] as Args)).toEqual(ids);
    const { list } = await nodes().ask('Email/get', {
      ids,
      properties: ['keywords', 'mailboxIds'],
    });
    for (const one of list as Args[]) {
      expect(one).toMatchObject({
        keywords: { $seen: true, mine: true },
        mailboxIds: { [trash]: true },
      });
    }
    const since = await nodes().ask('Email/changes', { sinceState: state });
    expect(since).toMatchObject({ created: [], destroyed: [] });
    expect((since['updated'] as string[]).toSorted()).toEqual(ids.toSorted());
    const gone = await nodes().ask('Email/set', { destroy: [...ids, 'none'] });
    expect(gone).toMatchObject({ destroyed: ids, notDestroyed: { none: { type: 'notFound' } } });
    const after = await nodes().ask('Email/changes', { sinceState: since['newState'] });
    expect((after['destroyed'] as string[]).toSorted()).toEqual(ids.toSorted());
  });

  test.each([
    ['two mailboxes', { 'mailboxIds/T': true }, 'tooManyMailboxes'],
    ['no mailbox', { mailboxIds: {} }, 'invalidProperties'],
    ['a foreign mailbox', { mailboxIds: { none: true } }, 'invalidProperties'],
    ['a keyword that is none', { 'keywords/a b': true }, 'invalidProperties'],
    ['one that no object shows', { 'keywords/__PROTO__': true }, 'invalidProperties'],
    ['a keyword that is false', { keywords: { a: false } }, 'invalidProperties'],
    ['what cannot change', { subject: 'x' }, 'invalidProperties'],
    ['a patch in a patch', { keywords: {}, 'keywords/a': true }, 'invalidPatch'],
  ] as const)('Email/set refuses %s', async (_, patch, type) => {
    await put(nodes(), MIXED);
    const made = await nodes().ask('Mailbox/set', { create: { t: { name: 'T' } } });
    const t = at(made, 'created.t.id') as string;
    const named = JSON.parse(JSON.stringify(patch).replace('/T"', `/${t}"`)) as Args;
    const [id = ''] = await query(nodes());
    const set = await nodes().ask('Email/set', { update: { [id]: named, none: {} } });
    expect(at(set, `notUpdated.${id}.type`)).toBe(type);
    expect(at(set, 'notUpdated.none.type')).toBe('notFound');
    const both = await nodes().ask('Email/set', { update: { [id]: {} }, destroy: [id] });
    expect(at(both, `notUpdated.${id}.type`)).toBe('willDestroy');
  });

  test('what IMAP changed between two requests is in the next changes after a set', async () => {
    await letters(nodes());
    const [one = '', two = ''] = await query(nodes());
    const { state } = await nodes().ask('Email/get', { ids: [] });
    const folder = await nodes().mail.open('INBOX');
    const { messages } = await folder.refresh();
    const uids = messages.map(({ uid }) => uid);
    await folder.store({ uids, how: 'add', letters: 'R', keywords: [] });
    folder.close();
    const set = await nodes().ask('Email/set', { update: { [one]: { 'keywords/$seen': true } } });
    expect(set['oldState']).not.toBe(state);
    const { updated } = await nodes().ask('Email/changes', { sinceState: state });
    expect(updated).toContain(two);
  });
});
